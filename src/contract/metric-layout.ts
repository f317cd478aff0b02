/**
 * Metric cells: where each figure of a worker lives.
 *
 * One Float64Array over one SharedArrayBuffer per worker. The worker is the only writer; the
 * control plane reads at scrape and sums over workers. No atomics: an aligned 64-bit store is not
 * torn on the platforms Node runs on, and a scrape may be one update behind.
 *
 * M1  the layout is fixed: `METRIC_INDEX_MAX` blocks per family are reserved as virtual memory,
 *     and pages are committed when a block is first written. Nothing grows, moves or is announced.
 *     (A growable SharedArrayBuffer costs 13 times as much per update, because V8 does not inline
 *     accesses to length-tracking arrays.)
 * M2  a replaced worker gets its predecessor's buffer, so that counters never go back; it calls
 *     `resetGauges` first.
 * M3  blocks are multiples of 8 cells (one cache line).
 *
 * Cells hold counts, bytes, or the unit their name ends with.
 */

import { FAULT_INDEX_MAX } from './fault.ts';
import { HISTOGRAM_CELLS } from './histogram.ts';

/** Blocks per family; a `metricIndex` is below it. */
export const METRIC_INDEX_MAX = 20_000;
/** The extra route block for exchanges that reached no route (404, malformed heads). */
export const ROUTE_NONE_INDEX = METRIC_INDEX_MAX;
/** Its value of the `route` label. */
export const ROUTE_NONE_NAME = '(none)';

const FAULT_CELL = 32;
const LOOKUP_CELL = FAULT_CELL + roundUp(FAULT_INDEX_MAX);

/** Absolute cells of the worker's own block. `(g)` marks gauges. */
export const WorkerCell = {
  /** (g) Exchanges between the first byte of a request and the end of its response. */
  exchangesInProgress: 0,
  /** Attempts by how they got their connection; four cells in this order. */
  acquireReused: 1,
  acquireConnected: 2,
  acquireQueued: 3,
  acquireRefused: 4,
  /** (g) Matchers of the linked snapshot. */
  rules: 5,
  /** (g) Routes of the linked snapshot. */
  routes: 6,
  /** (g) Generation of the linked snapshot. */
  generation: 7,
  /** Bytes ever allocated on the JavaScript heap; set, not added. */
  heapAllocatedBytes: 8,
  /** (g) */
  heapUsedBytes: 9,
  /** (g) Worst delay of the event loop since the last sample. */
  eventLoopLagMs: 10,
  /** Exceptions caught by the worker's last resort: each is a bug. */
  internalErrors: 11,
  accessLogRecords: 12,
  accessLogDropped: 13,
  accessLogBytes: 14,
  /** (g) Slab memory handed out. */
  chunkBytes: 15,
  /** (g) Armed timers. */
  timers: 16,
  /** Exchanges of upgraded connections (tunnels) that are open now (g). */
  tunnels: 17,
  /** Requests refused because the worker was overloaded. */
  shed: 18,
  /** Retries that the budget of their service did not allow. */
  retriesDenied: 19,
  /** Second attempts started because the first was slow. */
  hedges: 20,
  /** Streams and tunnels ended because a reload changed their route. */
  streamsClosed: 21,
  /** Time to link snapshots; set, not added: the last one (g). */
  linkUs: 22,
  /** Times accepting was paused for want of descriptors. */
  acceptPauses: 23,
  /** (g) 0: calm; 1: no keep-alive; 2: new requests are refused; see docs/internals/overload.md. */
  overloadLevel: 24,
  /** Samples the worker took of itself, several per second: proof that its loop runs. */
  beats: 25,
  /** (g) Client connections open now. */
  connections: 26,
  /** CPU time of the thread; set, not added. */
  cpuUs: 27,
  /** TLS contexts built: one per certificate and policy, then kept. */
  tlsContextsBuilt: 28,
  /** (g) TLS contexts kept. */
  tlsContexts: 29,
  /** (g) Handshakes in progress. */
  handshakesInProgress: 30,
  /** (g) Certificates this worker can serve. */
  certificates: 31,
  /** One cell per fault, indexed by `Fault`. */
  faults: FAULT_CELL,
  /** Histogram of sampled route lookups, in ns. */
  routeLookupNs: LOOKUP_CELL,
  /** Histogram of TLS handshakes with clients, in µs. */
  handshakeUs: LOOKUP_CELL + HISTOGRAM_CELLS,
} as const;

/** Offsets in a listener's block. */
export const ListenerCell = {
  accepted: 0,
  /** (g) */
  open: 1,
  refused: 2,
  receivedBytes: 3,
  sentBytes: 4,
  /** TLS handshakes by how they ended; three cells in this order. */
  handshakesFull: 5,
  handshakesResumed: 6,
  handshakesFailed: 7,
} as const;

/** Offsets in a route's block. */
export const RouteCell = {
  /** Six cells: no status sent, then 1xx to 5xx; add `statusClass(status)`. */
  requests: 0,
  /** Request bytes received from clients, heads included. */
  receivedBytes: 6,
  /** Response bytes sent to clients, heads included. */
  sentBytes: 7,
  /** Histogram of whole exchanges, in µs. */
  durationUs: 8,
} as const;

/** Offsets in a service's block. */
export const ServiceCell = {
  /** (g) */
  exchangesInProgress: 0,
  /** Exchanges that found no endpoint, no queue place or no connection in time. */
  unavailable: 1,
  /** (g) Endpoints that may be chosen now. */
  endpointsAvailable: 2,
  /** (g) Exchanges waiting for a place. */
  queued: 3,
  /** (g) 1 while the circuit is open, 0.5 while it tries. */
  circuitOpen: 4,
  /** (g) Exchanges that may be in progress in this worker; 0 for no limit. */
  concurrencyLimit: 5,
  /** (g) 1 while health is ignored because too few endpoints are up. */
  panic: 6,
} as const;

/** Offsets in an endpoint's block. */
export const EndpointCell = {
  attempts: 0,
  faults: 1,
  retries: 2,
  connectionsOpened: 3,
  /** (g) Open connections, idle ones included. */
  connections: 4,
  /** (g) */
  idleConnections: 5,
  /** (g) Exchanges waiting for a connection. */
  queued: 6,
  /** (g) 1: up; 0: down or draining. */
  isUp: 7,
  /** Histogram of connection establishment, in µs. */
  connectUs: 8,
} as const;

/** Indexes of the control plane's own figures: a plain array filled at scrape. */
export const ControlCell = {
  startTimeMs: 0,
  cpuUs: 1,
  residentBytes: 2,
  openFiles: 3,
  workers: 4,
  workerRestarts: 5,
  processRestarts: 6,
  accessLogWriteDropped: 7,
  isReady: 8,
  generation: 9,
  /** Reloads by how they ended; three cells in this order. */
  reloadsApplied: 10,
  reloadsUnchanged: 11,
  reloadsRejected: 12,
  /** From the cause to the last worker's acknowledgement, of the last applied one. */
  lastReloadMs: 13,
  /** Unix time of the last applied one. */
  lastReloadAtMs: 14,
  /** 1 while the files on disk are what is served, 0 while they have an error. */
  isConfigGood: 15,
  rollbacks: 16,
  autosaveFailures: 17,
  ejections: 18,
  healthChecks: 19,
  healthChecksFailed: 20,
  upgrades: 21,
  /** (g) Event loop delay of the control thread since the last scrape. */
  eventLoopLagMs: 22,
} as const;
/** Size of the control plane's array. */
export const CONTROL_CELLS = 23;

const LISTENER_CELLS = 8;
const ROUTE_CELLS = roundUp(RouteCell.durationUs + HISTOGRAM_CELLS);
const SERVICE_CELLS = 8;
const ENDPOINT_CELLS = roundUp(EndpointCell.connectUs + HISTOGRAM_CELLS);

const LISTENERS_START = roundUp(LOOKUP_CELL + 2 * HISTOGRAM_CELLS);
const SERVICES_START = LISTENERS_START + METRIC_INDEX_MAX * LISTENER_CELLS;
const ROUTES_START = SERVICES_START + METRIC_INDEX_MAX * SERVICE_CELLS;
const ENDPOINTS_START = ROUTES_START + (METRIC_INDEX_MAX + 1) * ROUTE_CELLS;
/** Cells of one worker. */
export const METRIC_CELLS = ENDPOINTS_START + METRIC_INDEX_MAX * ENDPOINT_CELLS;
/** Bytes of one worker's buffer: reserved, mostly never touched. */
export const METRIC_BUFFER_SIZE = METRIC_CELLS * 8;

const LISTENER_GAUGES = [ListenerCell.open];
const SERVICE_GAUGES = [
  ServiceCell.exchangesInProgress,
  ServiceCell.endpointsAvailable,
  ServiceCell.queued,
  ServiceCell.circuitOpen,
  ServiceCell.concurrencyLimit,
  ServiceCell.panic,
];
const ENDPOINT_GAUGES = [
  EndpointCell.connections,
  EndpointCell.idleConnections,
  EndpointCell.queued,
  EndpointCell.isUp,
];
const WORKER_GAUGES = [
  WorkerCell.exchangesInProgress,
  WorkerCell.rules,
  WorkerCell.routes,
  WorkerCell.generation,
  WorkerCell.heapUsedBytes,
  WorkerCell.eventLoopLagMs,
  WorkerCell.chunkBytes,
  WorkerCell.timers,
  WorkerCell.tunnels,
  WorkerCell.linkUs,
  WorkerCell.overloadLevel,
  WorkerCell.connections,
  WorkerCell.tlsContexts,
  WorkerCell.handshakesInProgress,
  WorkerCell.certificates,
];

const FAMILIES: {
  readonly [F in BlockFamily]: {
    readonly base: (index: number) => number;
    readonly size: number;
    readonly gauges: readonly number[];
  };
} = {
  listener: { base: listenerBase, size: LISTENER_CELLS, gauges: LISTENER_GAUGES },
  route: { base: routeBase, size: ROUTE_CELLS, gauges: [] },
  service: { base: serviceBase, size: SERVICE_CELLS, gauges: SERVICE_GAUGES },
  endpoint: { base: endpointBase, size: ENDPOINT_CELLS, gauges: ENDPOINT_GAUGES },
};

/** First cell of a listener's block. An index out of range shares the last block. */
export function listenerBase(metricIndex: number): number {
  return LISTENERS_START + inRange(metricIndex) * LISTENER_CELLS;
}

/** First cell of a route's block. Any index out of range means `ROUTE_NONE_INDEX`. */
export function routeBase(metricIndex: number): number {
  const isKnown = metricIndex >= 0 && metricIndex < METRIC_INDEX_MAX;
  return ROUTES_START + (isKnown ? metricIndex : ROUTE_NONE_INDEX) * ROUTE_CELLS;
}

/** First cell of a service's block. An index out of range shares the last block. */
export function serviceBase(metricIndex: number): number {
  return SERVICES_START + inRange(metricIndex) * SERVICE_CELLS;
}

/** First cell of an endpoint's block. An index out of range shares the last block. */
export function endpointBase(metricIndex: number): number {
  return ENDPOINTS_START + inRange(metricIndex) * ENDPOINT_CELLS;
}

/** What has blocks, besides the worker itself. */
export type BlockFamily = 'listener' | 'route' | 'service' | 'endpoint';

export interface MetricBlock {
  readonly family: BlockFamily;
  readonly index: number;
}

/**
 * Zeroes the counters of a block that another name has from now on. Gauges stay: what they count
 * may still be there, and goes down by itself.
 */
export function resetCounters(cells: Float64Array, { family, index }: MetricBlock): void {
  const { base, size, gauges } = FAMILIES[family];
  const start = base(index);
  for (let offset = 0; offset < size; offset++) {
    if (!gauges.includes(offset)) zero(cells, start, [offset]);
  }
}

/** Offset to add to `RouteCell.requests`: 1 to 5 for a final status, 0 for none or nonsense. */
export function statusClass(status: number): number {
  return status >= 100 && status < 600 ? (status / 100) | 0 : 0;
}

/** A zeroed buffer for one worker. */
export function createMetricBuffer(): SharedArrayBuffer {
  return new SharedArrayBuffer(METRIC_BUFFER_SIZE);
}

/**
 * Zeroes every gauge, for a worker that takes over its predecessor's buffer (M2). Blocks that
 * were never written stay untouched, so that their memory stays uncommitted.
 */
export function resetGauges(cells: Float64Array): void {
  zero(cells, 0, WORKER_GAUGES);
  for (let index = 0; index < METRIC_INDEX_MAX; index++) {
    zero(cells, listenerBase(index), LISTENER_GAUGES);
    zero(cells, serviceBase(index), SERVICE_GAUGES);
    zero(cells, endpointBase(index), ENDPOINT_GAUGES);
  }
}

function zero(cells: Float64Array, base: number, offsets: readonly number[]): void {
  for (const offset of offsets) {
    if (cells[base + offset] !== 0) cells[base + offset] = 0;
  }
}

function inRange(metricIndex: number): number {
  return metricIndex >= 0 && metricIndex < METRIC_INDEX_MAX ? metricIndex : METRIC_INDEX_MAX - 1;
}

/** Next multiple of a cache line's 8 cells. */
function roundUp(cells: number): number {
  return (cells + 7) & ~7;
}
