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
import { failureSample } from './failure-sample.ts';

function add(cells: Float64Array, route: number, status: number, count: number): void {
  cells[routeBase(route) + RouteCell.requests + statusClass(status)]! += count;
}

test('failure sample: requests of all routes and workers, failed by 5xx', () => {
  const first = new Float64Array(METRIC_CELLS);
  const second = new Float64Array(METRIC_CELLS);
  add(first, 0, 200, 10);
  add(first, 3, 503, 4);
  add(second, 3, 404, 5);
  add(second, ROUTE_NONE_INDEX, 404, 1);
  add(second, 7, 500, 100); // No route of now.
  assert.deepEqual(failureSample([first, second], [0, 3, 3]), { requests: 20, failures: 4 });
});

test('failure sample: faults of the proxy and of origins count, those of clients do not', () => {
  const cells = new Float64Array(METRIC_CELLS);
  add(cells, 0, 200, 10);
  add(cells, 0, 502, 2);
  const count = (fault: number, value: number): void => {
    cells[WorkerCell.faults + fault] = value;
  };
  count(Fault.requestMalformed, 50);
  assert.equal(failureSample([cells], [0]).failures, 2);
  count(Fault.noEndpoint, 1); // Also answered with 5xx: the larger count is taken.
  assert.equal(failureSample([cells], [0]).failures, 2);
  count(Fault.routeNotFound, 4);
  assert.equal(failureSample([cells], [0]).failures, 5);
});
