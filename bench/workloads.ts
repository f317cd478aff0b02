/** The workloads by name. What each is for stands in bench/README.md. */

import { sampleRoutes } from './bench-routes.ts';
import { plainGet } from './load/wrk.ts';
import type { WrkRequest } from './load/wrk.ts';

/**
 * What is measured: `cpu` time per request under saturation, resident memory per `idle`
 * connection, its peak during slow `stream`s, or JavaScript `heap` bytes per exchange.
 */
export type WorkloadKind = 'cpu' | 'idle' | 'stream' | 'heap';

export interface Workload {
  readonly name: string;
  /** Workloads of one group are compared with each other, so their rounds are interleaved. */
  readonly group: string;
  readonly kind: WorkloadKind;
  readonly about: string;
  readonly request: WrkRequest;
  readonly connections: number;
  readonly routeCount: number;
  readonly hasAccessLog: boolean;
  /** Full handshakes are counted, each with one request; else requests. */
  readonly isHandshake: boolean;
  /** True: latency at half of saturation is measured too. */
  readonly isPaced: boolean;
}

/** Idle connections of workload h. */
export const IDLE_CONNECTIONS = 10_000;
/** Concurrent transfers of a stream workload, and bytes per second each reader takes. */
export const STREAMS = 100;
export const STREAM_RATE = 10_000_000;

const MEBIBYTE = 1024 * 1024;
/** Routes of workload g that are asked, the first and the last among them. */
const ROUTES_ASKED = 64;

function workload(name: string, about: string, change: Partial<Workload>): Workload {
  return {
    name,
    about,
    group: name,
    kind: 'cpu',
    request: plainGet('/64'),
    connections: 64,
    routeCount: 0,
    hasAccessLog: false,
    isPaced: false,
    isHandshake: false,
    ...change,
  };
}

function routed(count: number): Workload {
  const routes = sampleRoutes(count, ROUTES_ASKED);
  return workload(`g${count}`, `64 B reply, ${count} routes by host and path`, {
    group: 'g',
    request: { ...plainGet('/64'), routes },
    routeCount: count,
  });
}

const OVER_TLS: WrkRequest = { ...plainGet('/64'), isTls: true };

/** All workloads, in the order of the report. */
export const WORKLOADS: readonly Workload[] = [
  workload('a', '64 B reply, 64 kept-alive connections', { isPaced: true }),
  workload('a-log', 'the same with the access log on', { hasAccessLog: true }),
  workload('b', '64 B reply, 64 kept-alive connections, TLS', {
    request: OVER_TLS,
    isPaced: true,
  }),
  workload('d10k', '10 KiB reply', { request: plainGet('/10k') }),
  workload('d1m', '1 MiB reply', { request: plainGet('/1m') }),
  workload('e1m', '1 MiB upload', { request: { ...plainGet('/'), uploadSize: MEBIBYTE } }),
  workload('f', '64 B reply, a connection for each request', {
    request: { ...plainGet('/64'), isClosing: true },
  }),
  workload('ft', '64 B reply, a full TLS handshake for each request', {
    request: { ...OVER_TLS, isClosing: true },
    isHandshake: true,
  }),
  routed(1),
  routed(100),
  routed(1000),
  routed(10_000),
  workload('h', '10,000 idle kept-alive connections', { kind: 'idle' }),
  workload('stream', '100 slow downloads of 100 MiB at once', {
    kind: 'stream',
    request: plainGet('/100m'),
  }),
  workload('stream-up', '100 uploads of 100 MiB at once to a slow origin', {
    kind: 'stream',
    request: { ...plainGet('/'), uploadSize: 100 * MEBIBYTE },
  }),
  workload('alloc', 'JavaScript heap allocated per exchange', { kind: 'heap' }),
];
