/**
 * Least-squares line through samples, with the standard error of its slope.
 *
 * Samples of memory follow each other (a heap grows until it is collected), so the usual error
 * would be far too small: it is widened by the correlation of neighbouring residuals.
 */

export interface Sample {
  /** Seconds since the start. */
  readonly x: number;
  readonly y: number;
}

export interface Fit {
  /** Change of y per second. */
  readonly slope: number;
  readonly intercept: number;
  /** Standard error of the slope; 0 with fewer than three samples. */
  readonly slopeError: number;
}

/** Correlations beyond this are not believed: the error would grow without bound. */
const CORRELATION_MAX = 0.98;

/** The line that fits best; a flat line through the mean when x does not vary. */
export function linearFit(samples: readonly Sample[]): Fit {
  const count = samples.length;
  const meanX = samples.reduce((sum, { x }) => sum + x, 0) / Math.max(1, count);
  const meanY = samples.reduce((sum, { y }) => sum + y, 0) / Math.max(1, count);
  let spread = 0;
  let product = 0;
  for (const { x, y } of samples) {
    spread += (x - meanX) ** 2;
    product += (x - meanX) * (y - meanY);
  }
  if (spread === 0) return { slope: 0, intercept: meanY, slopeError: 0 };
  const slope = product / spread;
  const intercept = meanY - slope * meanX;
  const residuals = samples.map(({ x, y }) => y - intercept - slope * x);
  const square = residuals.reduce((sum, residual) => sum + residual ** 2, 0);
  const plainError = count > 2 ? Math.sqrt(square / (count - 2) / spread) : 0;
  const correlation = neighbourCorrelation(residuals, square);
  const widening = Math.sqrt((1 + correlation) / (1 - correlation));
  return { slope, intercept, slopeError: plainError * widening };
}

/** Correlation of each residual with the next, 0 to `CORRELATION_MAX`. */
function neighbourCorrelation(residuals: readonly number[], square: number): number {
  if (square === 0) return 0;
  let product = 0;
  for (let i = 1; i < residuals.length; i++) product += residuals[i]! * residuals[i - 1]!;
  return Math.min(CORRELATION_MAX, Math.max(0, product / square));
}

/** A slope as per cent of the fitted value at the first sample, per hour. */
export function percentPerHour(slope: number, base: number): number {
  return base === 0 ? 0 : (slope * 3_600 * 100) / base;
}
