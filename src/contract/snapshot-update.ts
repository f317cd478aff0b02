/**
 * How a new snapshot reaches a worker: whole, or as what is different from the one it has.
 *
 * U1  applying an update gives a snapshot equal to the whole one, and every part that did not
 *     change is the same object as before, so that linking can tell by identity.
 * U2  an update is as large as what changed, not as the configuration.
 */

import { assert } from '../base/assert.ts';
import type { MetricBlock } from './metric-layout.ts';
import type { RouterTables } from './router-tables.ts';
import type { TlsSpec } from './tls.ts';
import type {
  LimitsSpec,
  ListenerSpec,
  MiddlewareSpec,
  ObserveSpec,
  RouteSpec,
  ServiceSpec,
  Snapshot,
  TransportSpec,
} from './snapshot.ts';

export type SnapshotUpdate =
  | { readonly kind: 'whole'; readonly snapshot: Snapshot }
  | SnapshotDelta;

/** Null stands for what is as it was. */
export interface SnapshotDelta {
  readonly kind: 'delta';
  /** Generation of the snapshot it builds on. */
  readonly base: number;
  readonly generation: number;
  readonly listeners: ListDelta<ListenerSpec> | null;
  readonly routes: ListDelta<RouteSpec> | null;
  readonly router: RouterDelta | null;
  readonly services: ListDelta<ServiceSpec> | null;
  readonly transports: ListDelta<TransportSpec> | null;
  readonly middlewares: ListDelta<MiddlewareSpec> | null;
  readonly tls: TlsSpec | null;
  readonly limits: LimitsSpec | null;
  readonly observe: ObserveSpec | null;
  readonly drainTimeoutMs: number;
  /** Metric blocks that belong to another name from now on: their counters begin at zero. */
  readonly recycled: readonly MetricBlock[];
}

/** A list of another length, with other elements at some indexes. */
export interface ListDelta<Part> {
  readonly size: number;
  readonly parts: readonly (readonly [index: number, part: Part])[];
}

/** `removed` numbers from `start` on make way for `values`. */
export interface NumbersDelta<Numbers> {
  readonly start: number;
  readonly removed: number;
  readonly values: Numbers;
}

export interface RouterDelta {
  readonly routeCount: number;
  readonly anyHostTree: number;
  readonly walkDepthMax: number;
  readonly hostSlots: NumbersDelta<Int32Array> | null;
  readonly hosts: NumbersDelta<Int32Array> | null;
  readonly hostBytes: NumbersDelta<Uint8Array> | null;
  readonly nodes: NumbersDelta<Int32Array> | null;
  readonly nodeBytes: NumbersDelta<Uint8Array> | null;
  readonly labels: NumbersDelta<Uint8Array> | null;
  readonly candidates: NumbersDelta<Int32Array> | null;
  readonly ranks: NumbersDelta<Int32Array> | null;
  readonly conditions: ListDelta<RouterTables['conditions'][number]> | null;
}

/**
 * @param current what the worker serves; not changed
 * @returns a new snapshot that shares every part that is as it was
 * @throws  when the update builds on another snapshot than `current`: it was sent to the wrong
 *          worker, or one before it was lost
 */
export function applySnapshotUpdate(current: Snapshot | null, update: SnapshotUpdate): Snapshot {
  if (update.kind === 'whole') return update.snapshot;
  assert(current !== null, 'an update needs a snapshot to build on');
  assert(current.generation === update.base, 'an update builds on the snapshot before it');
  return {
    version: current.version,
    generation: update.generation,
    listeners: changeList(current.listeners, update.listeners),
    routes: changeList(current.routes, update.routes),
    router: update.router === null ? current.router : changeRouter(current.router, update.router),
    services: changeList(current.services, update.services),
    transports: changeList(current.transports, update.transports),
    middlewares: changeList(current.middlewares, update.middlewares),
    tls: update.tls ?? current.tls,
    limits: update.limits ?? current.limits,
    observe: update.observe ?? current.observe,
    drainTimeoutMs: update.drainTimeoutMs,
  };
}

/**
 * The update from `before` to `after`. Parts are compared by identity, tables by content.
 * @param recycled metric blocks that belong to another name since `before`
 */
export function updateBetween(
  before: Snapshot,
  after: Snapshot,
  recycled: readonly MetricBlock[],
): SnapshotDelta {
  return {
    kind: 'delta',
    base: before.generation,
    generation: after.generation,
    listeners: listDelta(before.listeners, after.listeners),
    routes: listDelta(before.routes, after.routes),
    router: before.router === after.router ? null : routerDelta(before.router, after.router),
    services: listDelta(before.services, after.services),
    transports: listDelta(before.transports, after.transports),
    middlewares: listDelta(before.middlewares, after.middlewares),
    tls: before.tls === after.tls ? null : after.tls,
    limits: before.limits === after.limits ? null : after.limits,
    observe: before.observe === after.observe ? null : after.observe,
    drainTimeoutMs: after.drainTimeoutMs,
    recycled,
  };
}

function changeList<Part>(
  current: readonly Part[],
  delta: ListDelta<Part> | null,
): readonly Part[] {
  if (delta === null) return current;
  const list = current.slice(0, delta.size);
  for (const [index, part] of delta.parts) list[index] = part;
  return list;
}

function listDelta<Part>(before: readonly Part[], after: readonly Part[]): ListDelta<Part> | null {
  if (before === after) return null;
  const parts: [number, Part][] = [];
  for (const [index, part] of after.entries()) {
    if (index >= before.length || before[index] !== part) parts.push([index, part]);
  }
  return { size: after.length, parts };
}

function changeRouter(current: RouterTables, delta: RouterDelta): RouterTables {
  return {
    routeCount: delta.routeCount,
    anyHostTree: delta.anyHostTree,
    walkDepthMax: delta.walkDepthMax,
    hostSlots: changeInts(current.hostSlots, delta.hostSlots),
    hosts: changeInts(current.hosts, delta.hosts),
    hostBytes: changeBytes(current.hostBytes, delta.hostBytes),
    nodes: changeInts(current.nodes, delta.nodes),
    nodeBytes: changeBytes(current.nodeBytes, delta.nodeBytes),
    labels: changeBytes(current.labels, delta.labels),
    candidates: changeInts(current.candidates, delta.candidates),
    ranks: changeInts(current.ranks, delta.ranks),
    conditions: changeList(current.conditions, delta.conditions),
  };
}

function routerDelta(before: RouterTables, after: RouterTables): RouterDelta {
  return {
    routeCount: after.routeCount,
    anyHostTree: after.anyHostTree,
    walkDepthMax: after.walkDepthMax,
    hostSlots: numbersDelta(before.hostSlots, after.hostSlots),
    hosts: numbersDelta(before.hosts, after.hosts),
    hostBytes: numbersDelta(before.hostBytes, after.hostBytes),
    nodes: numbersDelta(before.nodes, after.nodes),
    nodeBytes: numbersDelta(before.nodeBytes, after.nodeBytes),
    labels: numbersDelta(before.labels, after.labels),
    candidates: numbersDelta(before.candidates, after.candidates),
    ranks: numbersDelta(before.ranks, after.ranks),
    conditions: listDelta(before.conditions, after.conditions),
  };
}

function changeInts(current: Int32Array, delta: NumbersDelta<Int32Array> | null): Int32Array {
  if (delta === null) return current;
  return fill(new Int32Array(sizeAfter(current, delta)), current, delta);
}

function changeBytes(current: Uint8Array, delta: NumbersDelta<Uint8Array> | null): Uint8Array {
  if (delta === null) return current;
  return fill(new Uint8Array(sizeAfter(current, delta)), current, delta);
}

function sizeAfter<Numbers extends Int32Array | Uint8Array>(
  current: Numbers,
  { removed, values }: NumbersDelta<Numbers>,
): number {
  return current.length - removed + values.length;
}

function fill<Numbers extends Int32Array | Uint8Array>(
  result: Numbers,
  current: Numbers,
  { start, removed, values }: NumbersDelta<Numbers>,
): Numbers {
  result.set(current.subarray(0, start));
  result.set(values, start);
  result.set(current.subarray(start + removed), start + values.length);
  return result;
}

/** One range: from the first difference to the last. */
function numbersDelta<Numbers extends Int32Array | Uint8Array>(
  before: Numbers,
  after: Numbers,
): NumbersDelta<Numbers> | null {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  if (start === before.length && start === after.length) return null;
  let tail = 0;
  while (
    tail < shorter - start &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  ) {
    tail++;
  }
  const values = after.slice(start, after.length - tail) as Numbers;
  return { start, removed: before.length - tail - start, values };
}
