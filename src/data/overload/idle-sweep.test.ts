import assert from 'node:assert/strict';
import test from 'node:test';

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { IdleSweep } from './idle-sweep.ts';
import type { Idler } from './idle-sweep.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function world(count: number, unusedMsOf: (index: number) => number) {
  const closed: number[] = [];
  const looks = { count: 0 };
  const connections = new Set<Idler>();
  for (let i = 0; i < count; i++) {
    const idler: Idler = {
      get unusedMs() {
        looks.count++;
        return unusedMsOf(i);
      },
      makeRoom() {
        closed.push(i);
        connections.delete(idler);
      },
    };
    connections.add(idler);
  }
  return { sweep: new IdleSweep(connections), closed, connections, looks };
}

test('idle sweep: closes the oldest idle ones first and no more than asked', () => {
  const { sweep, closed } = world(10, (i) => (i % 2 === 0 ? -1 : 0));
  assert.equal(sweep.close(2), 2);
  assert.deepEqual(closed, [1, 3]);
  assert.equal(sweep.close(100), 3);
  assert.deepEqual(closed, [1, 3, 5, 7, 9]);
});

test('idle sweep: makes room with the one unused for longest, of a bounded number', () => {
  const { sweep, closed, looks } = world(200, (i) => (i % 10) * 100 + i);
  assert.equal(sweep.closeLongest(64, 500), true);
  assert.deepEqual(closed, [59]);
  assert.equal(looks.count, 64);
  assert.equal(sweep.closeLongest(64, 500), true);
  assert.deepEqual(closed, [59, 119], 'goes on where it stopped');
});

test('idle sweep: who was in use just now keeps its place', () => {
  const { sweep, closed, connections } = world(50, (i) => (i === 7 ? -1 : i * 10));
  assert.equal(sweep.closeLongest(64, 1_000), false);
  assert.deepEqual(closed, []);
  assert.equal(connections.size, 50);
});

test('idle sweep: a connection that has left is held by nothing', () => {
  const connections = new Set<Idler>();
  const sweep = new IdleSweep(connections);
  const gone: WeakRef<Idler>[] = [];
  const open: Idler[] = [];
  const leave = (): void => {
    const idler = open.shift()!;
    connections.delete(idler);
    gone.push(new WeakRef(idler));
  };
  for (let i = 0; i < 2_000; i++) {
    const idler: Idler = { unusedMs: -1, makeRoom() {} };
    connections.add(idler);
    open.push(idler);
    if (open.length > 64) leave();
  }
  while (open.length > 0) leave();
  return new Promise<void>((resolve) => {
    setImmediate(() => {
      collectGarbage();
      assert.equal(gone.filter((ref) => ref.deref() !== undefined).length, 0);
      assert.equal(sweep.closeLongest(64, 0), false);
      resolve();
    });
  });
});

test('idle sweep: goes round, and ends when there is nobody', () => {
  const { sweep, closed, connections } = world(3, () => 5_000);
  for (let i = 0; i < 3; i++) assert.equal(sweep.closeLongest(1, 1_000), true);
  assert.equal(sweep.closeLongest(64, 1_000), false);
  assert.equal(sweep.close(5), 0);
  assert.equal(connections.size, 0);
  assert.deepEqual(closed, [0, 1, 2]);
});
