import assert from 'node:assert/strict';
import test from 'node:test';

import { HISTOGRAM_CELLS } from './histogram.ts';
import {
  CONTROL_CELLS,
  METRIC_CELLS,
  METRIC_INDEX_MAX,
  ROUTE_NONE_INDEX,
  ServiceCell,
  WorkerCell,
  createMetricBuffer,
  endpointBase,
  listenerBase,
  resetCounters,
  resetGauges,
  routeBase,
  serviceBase,
  statusClass,
} from './metric-layout.ts';
import { METRICS } from './metric.ts';
import type { MetricDefinition, MetricFamily } from './metric.ts';

const BASES: { readonly [F in Exclude<MetricFamily, 'certificate'>]: (index: number) => number } = {
  worker: () => 0,
  control: () => 0,
  listener: listenerBase,
  route: routeBase,
  service: serviceBase,
  endpoint: endpointBase,
};

function width(definition: MetricDefinition): number {
  if (definition.type === 'histogram') return HISTOGRAM_CELLS;
  return definition.values === null ? 1 : definition.values.length;
}

test('metric layout: no two metrics share a cell, within or across blocks', () => {
  const owners = new Map<number, string>();
  for (const definition of METRICS) {
    if (definition.family === 'control' || definition.family === 'certificate') continue;
    const indexes = definition.family === 'worker' ? [0] : [0, 1, METRIC_INDEX_MAX - 1];
    for (const index of indexes) {
      const first: number = BASES[definition.family](index) + definition.cell;
      for (let cell = first; cell < first + width(definition); cell++) {
        assert.equal(owners.get(cell), undefined, `${definition.name} overlaps at ${cell}`);
        assert.ok(cell < METRIC_CELLS);
        owners.set(cell, `${definition.name} ${index}`);
      }
    }
  }
});

test('metric layout: every control figure has one definition', () => {
  const owned = METRICS.filter(({ family }) => family === 'control').flatMap((definition) =>
    Array.from({ length: width(definition) }, (_, index) => definition.cell + index),
  );
  assert.deepEqual(
    owned.toSorted((a, b) => a - b),
    Array.from({ length: CONTROL_CELLS }, (_, index) => index),
  );
});

test('metric layout: an index out of range stays inside the family', () => {
  assert.equal(routeBase(-1), routeBase(ROUTE_NONE_INDEX));
  assert.equal(routeBase(METRIC_INDEX_MAX + 5), routeBase(ROUTE_NONE_INDEX));
  assert.notEqual(routeBase(METRIC_INDEX_MAX - 1), routeBase(ROUTE_NONE_INDEX));
  for (const base of [listenerBase, serviceBase, endpointBase]) {
    assert.equal(base(METRIC_INDEX_MAX), base(METRIC_INDEX_MAX - 1));
    assert.equal(base(-1), base(METRIC_INDEX_MAX - 1));
  }
});

test('metric layout: a successor keeps counters and starts with zeroed gauges', () => {
  const cells = new Float64Array(createMetricBuffer());
  const gauges: number[] = [];
  const counters: number[] = [];
  for (const { family, type, cell } of METRICS) {
    if (family === 'control' || family === 'certificate') continue;
    const at = BASES[family](METRIC_INDEX_MAX - 1) + cell;
    cells[at] = 7;
    (type === 'gauge' ? gauges : counters).push(at);
  }
  resetGauges(cells);
  assert.ok(gauges.length > 5 && counters.length > 5);
  for (const cell of gauges) assert.equal(cells[cell], 0);
  for (const cell of counters) assert.equal(cells[cell], 7);
});

test('metric layout: status classes', () => {
  const expected = [
    [0, 0],
    [99, 0],
    [100, 1],
    [204, 2],
    [399, 3],
    [404, 4],
    [599, 5],
    [600, 0],
  ];
  for (const [status, wanted] of expected) assert.equal(statusClass(status!), wanted);
});

test('metric layout: counters of acquire results are four neighbours', () => {
  const { acquireReused, acquireConnected, acquireQueued, acquireRefused } = WorkerCell;
  assert.deepEqual(
    [acquireConnected, acquireQueued, acquireRefused].map((cell) => cell - acquireReused),
    [1, 2, 3],
  );
});

test('metric-layout: resetCounters zeroes the counters of one block and leaves its gauges', () => {
  const cells = new Float64Array(createMetricBuffer());
  cells.fill(5, serviceBase(3), serviceBase(6));
  resetCounters(cells, { family: 'service', index: 4 });
  assert.equal(cells[serviceBase(4) + ServiceCell.unavailable], 0);
  assert.equal(cells[serviceBase(4) + ServiceCell.exchangesInProgress], 5);
  assert.ok(cells.subarray(serviceBase(3), serviceBase(4)).every((cell) => cell === 5));
  assert.ok(cells.subarray(serviceBase(5), serviceBase(6)).every((cell) => cell === 5));
});
