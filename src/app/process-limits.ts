/**
 * Limits that depend on the machine: how many workers, and how the open file limit is divided.
 *
 * Running out of descriptors is worse than refusing clients: libuv then closes new connections
 * without a word to anybody, and spins when its spare descriptor is gone. So every kind of socket
 * has a ceiling, and the ceilings together stay below the limit:
 *
 * own files | per worker: clients (with some room for those being refused or closed) | endpoints
 */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

import type { LimitsSpec } from '../contract/snapshot.ts';

/** Part of a worker's sockets that is for endpoints: a busy client needs one, an idle one none. */
const ENDPOINT_SHARE = 0.3;
/** Part of the client sockets that is left for connections being refused or closed. */
const CLOSING_SHARE = 0.1;
const CONNECTIONS_MAX = 65_536;
/** Of the process: runtime, control thread, admin clients, logs, DNS, checks. Idle: some 30. */
const OWN_FILES = 64;
/** Of a worker: its loop (6), gauges (4 to 10), and the loop of a thread that replaces it. */
const OWN_FILES_PER_WORKER = 24;
/** With too few files for anything: slow, but alive. */
const SOCKETS_MIN = 8;
/** Part of all connections that one client address may have, so that others always get in. */
const ADDRESS_SHARE = 0.75;
const OPEN_FILES_UNKNOWN = 1_024;

/** Sockets that one worker may hold at a time. */
export interface SocketBudget {
  /** Accepted ones, those being refused or closed included. */
  readonly acceptedMax: number;
  /** Connections to endpoints, all of them together. */
  readonly connectedMax: number;
}

/** Worker threads for a `workers` setting. */
export function workerCount(setting: number | 'auto'): number {
  return setting === 'auto' ? availableParallelism() : setting;
}

/**
 * How one of `workers` workers may use descriptors.
 * @param listeners addresses listened on; each worker has a socket for each
 */
export function socketBudget(
  workers: number,
  listeners: number,
  openFilesMax: number = readOpenFilesMax(),
): SocketBudget {
  const own = OWN_FILES + (OWN_FILES_PER_WORKER + listeners) * workers;
  const sockets = Math.max(Math.floor((openFilesMax - own) / workers), SOCKETS_MIN);
  const connectedMax = Math.floor(sockets * ENDPOINT_SHARE);
  return { acceptedMax: sockets - connectedMax, connectedMax };
}

/**
 * `limits` with every automatic value filled in, for a process with so many workers. More
 * connections than there are descriptors for are never promised.
 */
export function resolveLimits(
  limits: LimitsSpec,
  workers: number,
  listeners = 1,
  openFilesMax: number = readOpenFilesMax(),
): LimitsSpec {
  const { acceptedMax } = socketBudget(workers, listeners, openFilesMax);
  const possible = Math.floor(acceptedMax * (1 - CLOSING_SHARE)) * workers;
  const wanted = limits.connectionsMax > 0 ? limits.connectionsMax : CONNECTIONS_MAX;
  const connectionsMax = Math.min(wanted, possible);
  const perAddress =
    limits.connectionsPerAddressMax > 0
      ? limits.connectionsPerAddressMax
      : Math.ceil(connectionsMax * ADDRESS_SHARE);
  return { ...limits, connectionsMax, connectionsPerAddressMax: perAddress };
}

/**
 * What an operator should know about the difference between what was asked for and what there is.
 * @returns null when nothing was cut
 */
export function limitsNotice(asked: LimitsSpec, resolved: LimitsSpec): string | null {
  if (asked.connectionsMax <= resolved.connectionsMax) return null;
  return (
    `limits.connections is ${resolved.connectionsMax} instead of ${asked.connectionsMax}: ` +
    'the open file limit allows no more (raise it, for example with LimitNOFILE)'
  );
}

/** Soft limit of open files; Node raises it to the hard one when it starts. */
export function readOpenFilesMax(): number {
  try {
    const match = /^Max open files\s+(\d+|unlimited)/m.exec(
      readFileSync('/proc/self/limits', 'utf8'),
    );
    if (match?.[1] === 'unlimited') return CONNECTIONS_MAX * 2;
    return match === null ? OPEN_FILES_UNKNOWN : Number(match[1]);
  } catch {
    return OPEN_FILES_UNKNOWN;
  }
}
