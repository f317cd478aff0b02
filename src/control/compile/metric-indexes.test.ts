import test from 'node:test';
import assert from 'node:assert/strict';
import { METRIC_INDEX_MAX } from '../../contract/metric-layout.ts';
import { MetricIndexes } from './metric-indexes.ts';

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

test('metric-indexes: shares only the last block when names run out', () => {
  const indexes = new MetricIndexes();
  for (let i = 0; i < METRIC_INDEX_MAX - 1; i++) assert.equal(indexes.indexOf('route', `r${i}`), i);
  assert.equal(indexes.overflowCount, 0);
  assert.equal(indexes.indexOf('route', 'x'), METRIC_INDEX_MAX - 1);
  assert.equal(indexes.indexOf('route', 'y'), METRIC_INDEX_MAX - 1);
  assert.equal(indexes.indexOf('route', 'x'), METRIC_INDEX_MAX - 1);
  assert.equal(indexes.overflowCount, 2);
  assert.equal(indexes.indexOf('route', 'r5'), 5);
  assert.equal(indexes.indexOf('service', 'x'), 0);
});
