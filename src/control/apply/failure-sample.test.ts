import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../contract/fault.ts';
import {
  METRIC_CELLS,
  ROUTE_NONE_INDEX,
  RouteCell,
  WorkerCell,
  routeBase,
  statusClass,
} from '../../contract/metric-layout.ts';
import { FailureSampler } from './failure-sample.ts';

function add(cells: Float64Array, route: number, status: number, count: number): void {
  cells[routeBase(route) + RouteCell.requests + statusClass(status)]! += count;
}

function routes(...indexes: number[]): { metricIndex: number }[] {
  return indexes.map((metricIndex) => ({ metricIndex }));
}

test('failure sample: what a route counted that is gone still counts', () => {
  const cells = new Float64Array(METRIC_CELLS);
  const sampler = new FailureSampler();
  add(cells, 0, 200, 1_000);
  assert.equal(sampler.sample([cells], routes(0, 1)).requests, 1_000);
  add(cells, ROUTE_NONE_INDEX, 404, 30);
  assert.equal(sampler.sample([cells], routes(1)).requests, 1_030);
  add(cells, 2, 200, 5);
  assert.equal(sampler.sample([cells], routes(1, 2)).requests, 1_035);
});

test('failure sample: requests of all routes and workers, failed by 5xx', () => {
  const first = new Float64Array(METRIC_CELLS);
  const second = new Float64Array(METRIC_CELLS);
  add(first, 0, 200, 10);
  add(first, 3, 503, 4);
  add(second, 3, 404, 5);
  add(second, ROUTE_NONE_INDEX, 404, 1);
  add(second, 7, 500, 100); // No route of ours.
  const sampler = new FailureSampler();
  const sample = sampler.sample([first, second], routes(0, 3, 3));
  assert.deepEqual(sample, { requests: 20, failures: 4 });
});

test('failure sample: faults of the proxy and of origins count, those of clients do not', () => {
  const cells = new Float64Array(METRIC_CELLS);
  add(cells, 0, 200, 10);
  add(cells, 0, 502, 2);
  const count = (fault: number, value: number): void => {
    cells[WorkerCell.faults + fault] = value;
  };
  const sampler = new FailureSampler();
  const failures = (): number => sampler.sample([cells], routes(0)).failures;
  count(Fault.requestMalformed, 50);
  assert.equal(failures(), 2);
  count(Fault.noEndpoint, 1); // Also answered with 5xx: the larger count is taken.
  assert.equal(failures(), 2);
  count(Fault.routeNotFound, 4);
  assert.equal(failures(), 5);
});
