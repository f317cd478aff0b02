import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { RouterTables } from './router-tables.ts';
import type { LimitsSpec, ObserveSpec, Snapshot } from './snapshot.ts';
import { SNAPSHOT_VERSION } from './snapshot.ts';
import type { SnapshotDelta } from './snapshot-update.ts';
import { applySnapshotUpdate, updateBetween } from './snapshot-update.ts';
import type { TlsSpec } from './tls.ts';

/** What a snapshot is drawn from: lists of small numbers, which stand for objects of a pool. */
interface Sketch {
  readonly lists: readonly (readonly number[])[];
  readonly ints: readonly (readonly number[])[];
  readonly scalars: readonly number[];
}

const small = fc.array(fc.nat({ max: 3 }), { maxLength: 8 });
const sketch: fc.Arbitrary<Sketch> = fc.record({
  lists: fc.array(small, { minLength: 6, maxLength: 6 }),
  ints: fc.array(small, { minLength: 8, maxLength: 8 }),
  scalars: fc.array(fc.nat({ max: 2 }), { minLength: 7, maxLength: 7 }),
});

const EMPTY: Sketch = {
  lists: [[], [], [], [], [], []],
  ints: [[], [], [], [], [], [], [], []],
  scalars: [0, 0, 0, 0, 0, 0, 0],
};

/** The same object for the same number, so that parts can be told by identity. */
const POOL = [0, 1, 2, 3].map((value) => ({ value }));

function list<Part>(values: readonly number[]): Part[] {
  return values.map((value) => POOL[value]! as Part);
}

function tablesOf({ lists, ints, scalars }: Sketch): RouterTables {
  return {
    routeCount: scalars[0]!,
    anyHostTree: scalars[1]! - 1,
    walkDepthMax: scalars[2]!,
    hostSlots: Int32Array.from(ints[0]!),
    hosts: Int32Array.from(ints[1]!),
    hostBytes: Uint8Array.from(ints[2]!),
    nodes: Int32Array.from(ints[3]!),
    nodeBytes: Uint8Array.from(ints[4]!),
    labels: Uint8Array.from(ints[5]!),
    candidates: Int32Array.from(ints[6]!),
    ranks: Int32Array.from(ints[7]!),
    conditions: list(lists[0]!),
  };
}

function snapshotOf(one: Sketch, generation: number): Snapshot {
  const { lists, scalars } = one;
  return {
    version: SNAPSHOT_VERSION,
    generation,
    listeners: list(lists[1]!),
    routes: list(lists[2]!),
    router: tablesOf(one),
    services: list(lists[3]!),
    transports: list(lists[4]!),
    middlewares: list(lists[5]!),
    tls: POOL[scalars[6]!] as unknown as TlsSpec,
    limits: POOL[scalars[3]!] as unknown as LimitsSpec,
    observe: POOL[scalars[4]!] as unknown as ObserveSpec,
    drainTimeoutMs: scalars[5]!,
  };
}

test('snapshot-update: what is applied is what it was made of, for any two snapshots', () => {
  fc.assert(
    fc.property(sketch, sketch, (first, second) => {
      const before = snapshotOf(first, 4);
      const copy = structuredClone(before);
      const after = snapshotOf(second, 5);
      const update = updateBetween(before, after, []);
      assert.deepEqual(applySnapshotUpdate(before, update), after);
      assert.deepEqual(before, copy); // Nothing was written into it.
      assert.deepEqual(applySnapshotUpdate(copy, structuredClone(update)), after);
    }),
    { numRuns: 2_000 },
  );
});

const sketchOf = (scalar: number, part: number): Sketch => ({
  lists: [[1, 2], [1], [0, 1, 2], [3, 2], [1], [0, part]],
  ints: [[1], [2], [3], [4, 5, 6], [5], [6], [7, scalar], [8]],
  scalars: [1, 1, 1, 0, 1, scalar],
});

test('snapshot-update: parts that did not change are the objects they were', () => {
  const before = snapshotOf(sketchOf(1, 1), 1);
  const update = updateBetween(before, snapshotOf(sketchOf(2, 2), 2), []);
  const after = applySnapshotUpdate(before, structuredClone(update));
  for (const part of ['limits', 'observe'] as const) {
    assert.equal(after[part], before[part], part);
  }
  for (const part of ['listeners', 'routes', 'services', 'transports'] as const) {
    for (const [index, one] of after[part].entries()) assert.equal(one, before[part][index], part);
  }
  assert.equal(after.middlewares[0], before.middlewares[0]);
  assert.notEqual(after.middlewares[1], before.middlewares[1]);
  assert.equal(after.router.nodes, before.router.nodes);
  assert.notEqual(after.router.candidates, before.router.candidates);
});

test('snapshot-update: is empty where the snapshots share their parts', () => {
  const before = snapshotOf(EMPTY, 1);
  const { base, generation, drainTimeoutMs, kind, recycled, ...parts } = updateBetween(
    before,
    { ...before, generation: 2 },
    [],
  );
  assert.deepEqual(
    [kind, base, generation, drainTimeoutMs, recycled.length],
    ['delta', 1, 2, before.drainTimeoutMs, 0],
  );
  for (const [name, part] of Object.entries(parts)) assert.equal(part, null, name);
});

test('snapshot-update: an array changes from its first difference to its last', () => {
  const base: Sketch = {
    lists: [[], [], [], [], [], []],
    ints: [[], [], [], [1, 2, 3, 4, 5], [], [], [], []],
    scalars: [0, 0, 0, 0, 0, 0],
  };
  const nodesOf = (nodes: readonly number[]): SnapshotDelta => {
    const ints = base.ints.with(3, nodes);
    return updateBetween(snapshotOf(base, 1), snapshotOf({ ...base, ints }, 2), []);
  };
  assert.deepEqual(nodesOf([1, 9, 3, 8, 5]).router!.nodes, {
    start: 1,
    removed: 3,
    values: Int32Array.of(9, 3, 8),
  });
  assert.deepEqual(nodesOf([1, 2, 3, 4, 5, 6]).router!.nodes, {
    start: 5,
    removed: 0,
    values: Int32Array.of(6),
  });
  assert.equal(nodesOf([1, 2, 3, 4, 5]).router!.nodes, null);
});

test('snapshot-update: refuses what builds on another snapshot', () => {
  const one = EMPTY;
  const [first, second, third] = [1, 2, 3].map((generation) => snapshotOf(one, generation));
  const update = updateBetween(second!, third!, []);
  assert.throws(() => applySnapshotUpdate(first!, update), /builds on/);
  assert.throws(() => applySnapshotUpdate(null, update), /to build on/);
  assert.equal(applySnapshotUpdate(null, { kind: 'whole', snapshot: first! }), first);
});
