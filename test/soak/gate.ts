/** Whether a measured series grows. */

import type { SeriesResult } from './report.ts';

/** Standard errors that chance may explain. */
const ERRORS = 3;

/** True when it grows by no more per hour, in its own unit, than `growthMax` and chance explain. */
export function judgeSeries(result: SeriesResult, growthMax: number): boolean {
  const { slope, slopeError } = result.fit;
  return slope * 3_600 <= growthMax + ERRORS * slopeError * 3_600;
}
