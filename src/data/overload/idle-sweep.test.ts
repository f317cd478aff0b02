import assert from 'node:assert/strict';
import test from 'node:test';

import { IdleSweep } from './idle-sweep.ts';
import type { Idler } from './idle-sweep.ts';

function world(count: number, isBusy: (index: number) => boolean) {
  const closed: number[] = [];
  let looks = 0;
  const connections = new Set<Idler>();
  for (let i = 0; i < count; i++) {
    const idler: Idler = {
      closeIfUnused() {
        looks++;
        if (isBusy(i)) return false;
        closed.push(i);
        connections.delete(idler);
        return true;
      },
    };
    connections.add(idler);
  }
  return { sweep: new IdleSweep(connections), closed, connections, looks: () => looks };
}

test('idle sweep: closes the oldest idle ones first and no more than asked', () => {
  const { sweep, closed } = world(10, (i) => i % 2 === 0);
  assert.equal(sweep.close(2, 100, 0), 2);
  assert.deepEqual(closed, [1, 3]);
  assert.equal(sweep.close(100, 100, 0), 3);
  assert.deepEqual(closed, [1, 3, 5, 7, 9]);
});

test('idle sweep: looks at a bounded number, and goes on where it stopped', () => {
  const { sweep, closed, looks } = world(1_000, (i) => i !== 70);
  assert.equal(sweep.close(1, 32, 0), 0);
  assert.equal(sweep.close(1, 32, 0), 0);
  assert.equal(sweep.close(1, 32, 0), 1);
  assert.deepEqual(closed, [70]);
  assert.equal(looks(), 71);
});

test('idle sweep: looks at nobody twice in a call, and starts over at the end', () => {
  const { sweep, looks, connections } = world(5, () => true);
  assert.equal(sweep.close(1, 1_000, 0), 0);
  assert.equal(looks(), 5);
  sweep.close(1, 3, 0);
  sweep.close(1, 3, 0);
  assert.equal(looks(), 11);
  connections.clear();
  assert.equal(sweep.close(1, 10, 0), 0);
});
