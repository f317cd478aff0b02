import assert from 'node:assert/strict';
import test from 'node:test';

import { createMetricBuffer, WorkerCell } from '../contract/metric-layout.ts';
import { WorkerWatch } from './worker-watch.ts';

function thread() {
  const metricBuffer = createMetricBuffer();
  const cells = new Float64Array(metricBuffer);
  return { metricBuffer, beat: () => void cells[WorkerCell.beats]!++ };
}

test('watch: a worker that beats is never late', () => {
  const watch = new WorkerWatch();
  const one = thread();
  for (let look = 0; look < 100; look++) {
    one.beat();
    assert.deepEqual(watch.look([one]), []);
    assert.equal(watch.isAlive, true);
  }
});

test('watch: a silent one is stuck after 15 looks, and named once; after 20 it is ill', () => {
  const watch = new WorkerWatch();
  const one = thread();
  const other = thread();
  const stuck: number[] = [];
  const ill: number[] = [];
  for (let look = 0; look <= 40; look++) {
    other.beat();
    if (watch.look([one, other]).includes(one)) stuck.push(look);
    if (!watch.isAlive) ill.push(look);
  }
  assert.deepEqual(stuck, [15]);
  assert.equal(ill[0], 20);
});

test('watch: one beat makes good for all', () => {
  const watch = new WorkerWatch();
  const one = thread();
  for (let look = 0; look < 29; look++) watch.look([one]);
  assert.equal(watch.isAlive, false);
  one.beat();
  assert.deepEqual(watch.look([one]), []);
  assert.equal(watch.isAlive, true);
});

test('watch: who is gone is forgotten', () => {
  const watch = new WorkerWatch();
  for (let look = 0; look < 10; look++) watch.look([thread()]);
  assert.equal(watch.isAlive, true);
});
