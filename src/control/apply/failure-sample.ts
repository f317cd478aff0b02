/**
 * How many requests failed so far, from the metric cells of the workers.
 *
 * F1  counts never go back: a route that a reload removed still counts what it counted, or the
 *     requests that miss it would be hidden by those it had.
 */

import { FAULTS, FAULT_INDEX_MAX } from '../../contract/fault.ts';
import type { Fault } from '../../contract/fault.ts';
import { RouteCell, WorkerCell, routeBase, statusClass } from '../../contract/metric-layout.ts';
import { ROUTE_NONE_INDEX } from '../../contract/metric-layout.ts';
import type { FailureSample } from './rollback.ts';

/** Classes of status: none sent, then 1xx to 5xx. */
const STATUS_CLASSES = 6;
const FAILED_CLASS = statusClass(500);
/** Faults that are not the client's doing; a request without a route may be the reload's. */
const FAILURES = failureFaults();

/** Sums over workers and over all routes there ever were. */
export class FailureSampler {
  #routes: readonly Indexed[] = [];
  readonly #bases = new Set([routeBase(ROUTE_NONE_INDEX)]);

  /**
   * @param workers metric cells of each worker
   * @param routes  of the snapshot that is served; another array when they change
   */
  sample(workers: readonly Float64Array[], routes: readonly Indexed[]): FailureSample {
    if (routes !== this.#routes) {
      this.#routes = routes;
      for (const { metricIndex } of routes) this.#bases.add(routeBase(metricIndex));
    }
    return sumOf(workers, this.#bases);
  }
}

interface Indexed {
  readonly metricIndex: number;
}

/**
 * A response with 5xx and a fault are often two views of one request, so the larger count is
 * taken, never both.
 */
function sumOf(workers: readonly Float64Array[], bases: ReadonlySet<number>): FailureSample {
  let requests = 0;
  let answers5xx = 0;
  let faults = 0;
  for (const cells of workers) {
    for (const base of bases) {
      for (let at = 0; at < STATUS_CLASSES; at++)
        requests += cells[base + RouteCell.requests + at]!;
      answers5xx += cells[base + RouteCell.requests + FAILED_CLASS]!;
    }
    for (const fault of FAILURES) faults += cells[WorkerCell.faults + fault]!;
  }
  return { requests, failures: Math.max(answers5xx, faults) };
}

function failureFaults(): readonly number[] {
  const faults: number[] = [];
  for (let fault = 1; fault < FAULT_INDEX_MAX; fault++) {
    const info = FAULTS[fault as Fault];
    if (info === undefined || info.origin === 'client') continue;
    // What the proxy ends without a status (idle and changed tunnels) is no failure.
    if (info.origin === 'upstream' || info.status > 0) faults.push(fault);
  }
  return faults;
}
