/** Least-squares line through samples, with the standard error of its slope. */

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
  const residual = samples.reduce((sum, { x, y }) => sum + (y - intercept - slope * x) ** 2, 0);
  const slopeError = count > 2 ? Math.sqrt(residual / (count - 2) / spread) : 0;
  return { slope, intercept, slopeError };
}

/** A slope as per cent of the fitted value at the first sample, per hour. */
export function percentPerHour(slope: number, base: number): number {
  return base === 0 ? 0 : (slope * 3_600 * 100) / base;
}
