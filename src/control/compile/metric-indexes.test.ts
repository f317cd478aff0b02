import test from 'node:test';
import assert from 'node:assert/strict';
import { METRIC_INDEX_MAX } from '../../contract/metric-layout.ts';
import { MetricIndexes } from './metric-indexes.ts';

const LAST = METRIC_INDEX_MAX - 1;

test('metric-indexes: keeps an index for its family and name', () => {
  const indexes = new MetricIndexes();
  assert.equal(indexes.indexOf('route', 'a'), 0);
  assert.equal(indexes.indexOf('route', 'b'), 1);
  assert.equal(indexes.indexOf('service', 'b'), 0);
  assert.equal(indexes.indexOf('route', 'a'), 0);
  assert.equal(indexes.indexOf('route', 'b'), 1);
  assert.equal(indexes.indexOf('route', '__proto__'), 2);
  assert.equal(indexes.overflowCount, 0);
});

test('metric-indexes: a name that comes back finds its own index', () => {
  const indexes = new MetricIndexes();
  indexes.indexOf('route', 'a');
  indexes.release('route', 'a');
  assert.equal(indexes.indexOf('route', 'b'), 1); // There are unused ones.
  assert.equal(indexes.indexOf('route', 'a'), 0);
  assert.deepEqual(indexes.takeRecycled(), []);
});

test('metric-indexes: shares only the last block when names run out', () => {
  const indexes = new MetricIndexes();
  for (let i = 0; i < LAST; i++) assert.equal(indexes.indexOf('route', `r${i}`), i);
  assert.equal(indexes.overflowCount, 0);
  assert.equal(indexes.indexOf('route', 'x'), LAST);
  assert.equal(indexes.indexOf('route', 'y'), LAST);
  assert.equal(indexes.indexOf('route', 'x'), LAST);
  assert.equal(indexes.overflowCount, 2);
  assert.equal(indexes.indexOf('route', 'r5'), 5);
  assert.equal(indexes.indexOf('service', 'x'), 0);
  indexes.release('route', 'x');
  assert.equal(indexes.overflowCount, 1);
});

test('metric-indexes: the block of the longest gone name is used again, and announced', () => {
  const indexes = new MetricIndexes();
  for (let i = 0; i < LAST; i++) indexes.indexOf('route', `r${i}`);
  indexes.release('route', 'r9');
  indexes.release('route', 'r3');
  assert.equal(indexes.indexOf('route', 'x'), 9);
  assert.equal(indexes.indexOf('route', 'r9'), 3); // Its own is taken: it is a new name now.
  assert.deepEqual(indexes.takeRecycled(), [
    { family: 'route', index: 9 },
    { family: 'route', index: 3 },
  ]);
  assert.deepEqual(indexes.takeRecycled(), []);
  assert.equal(indexes.indexOf('route', 'y'), LAST);
});

test('metric-indexes: ever new names never share a block while few are there at once', () => {
  const indexes = new MetricIndexes();
  const present: string[] = [];
  const taken = new Set<number>();
  for (let i = 0; i < 3 * METRIC_INDEX_MAX; i++) {
    if (present.length === 100) {
      const name = present.shift()!;
      taken.delete(indexes.indexOf('route', name));
      indexes.release('route', name);
    }
    const index = indexes.indexOf('route', `r${i}`);
    assert.ok(!taken.has(index) && index < LAST);
    taken.add(index);
    present.push(`r${i}`);
  }
  assert.equal(indexes.overflowCount, 0);
  assert.equal(indexes.takeRecycled().length, 3 * METRIC_INDEX_MAX - LAST);
});
