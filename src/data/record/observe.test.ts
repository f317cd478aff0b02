import assert from 'node:assert/strict';
import test from 'node:test';

import { HISTOGRAM_SUM, histogramBucket } from '../../contract/histogram.ts';
import { RouteCell, createMetricBuffer, routeBase } from '../../contract/metric-layout.ts';
import { observe } from './observe.ts';

test('observe: counts in one bucket and adds to the sum, seen through the shared buffer', () => {
  const buffer = createMetricBuffer();
  const cells = new Float64Array(buffer);
  const base = routeBase(0) + RouteCell.durationUs;
  observe(cells, base, 1_000.25);
  observe(cells, base, 1_000.25);
  observe(cells, base, -5);
  observe(cells, base, Number.NaN);
  const reader = new Float64Array(buffer);
  assert.equal(reader[base + histogramBucket(1_000.25)], 2);
  assert.equal(reader[base], 2);
  assert.equal(reader[base + HISTOGRAM_SUM], 2_000.5);
});
