/**
 * Histogram observation over metric cells.
 *
 * Counters and gauges need no function: the worker is the only writer of its cells, so
 * `cells[base + RouteCell.sentBytes]! += size` is the whole update. Absolute cell numbers are
 * computed once, when a snapshot is linked (`routeBase` and friends of contract/metric-layout.ts).
 */

import { HISTOGRAM_SUM, histogramBucket } from '../../contract/histogram.ts';

/**
 * Counts one observation. Never allocates.
 * @param cells the worker's metric cells
 * @param base first cell of the histogram
 * @param value in the histogram's unit (µs or ns); negative values and NaN count as 0
 */
export function observe(cells: Float64Array, base: number, value: number): void {
  cells[base + histogramBucket(value)]!++;
  if (value > 0) cells[base + HISTOGRAM_SUM]! += value;
}
