/**
 * Log-linear histograms: four buckets per power of two, no loops, no tables.
 *
 * A value counts in the bucket whose range (lower, upper] holds it, so an upper edge is exact for
 * Prometheus' `le`. From 4 on a bucket is at most 25 % as wide as its lower edge, hence any
 * quantile read from the buckets is within 25 % of the truth. Values are in the caller's unit
 * (µs or ns) and end at 2^32 of it: 71 minutes in µs, 4.29 s in ns; larger ones count as that.
 *
 * Layout in cells: `HISTOGRAM_BUCKETS` counts, then the sum of all observed values.
 */

/** Buckets of one histogram. */
export const HISTOGRAM_BUCKETS = 124;
/** Offset of the sum cell. */
export const HISTOGRAM_SUM = HISTOGRAM_BUCKETS;
/** Cells of one histogram: its buckets and the sum. */
export const HISTOGRAM_CELLS = HISTOGRAM_BUCKETS + 1;
/** Values above this count in the last bucket. */
export const HISTOGRAM_VALUE_MAX = 4_294_967_295;

/**
 * Bucket of `value`. Zero, negative values and NaN count in the first bucket.
 * @returns 0 to `HISTOGRAM_BUCKETS` - 1; never throws, never allocates
 */
export function histogramBucket(value: number): number {
  if (!(value > 4)) return value > 1 ? Math.ceil(value) - 1 : 0;
  // Below the ceiling so that (lower, upper] becomes the half-open range that clz32 sees.
  const ticks = (value > HISTOGRAM_VALUE_MAX ? HISTOGRAM_VALUE_MAX : Math.ceil(value)) - 1;
  const exponent = 31 - Math.clz32(ticks);
  return (exponent - 1) * 4 + ((ticks >>> (exponent - 2)) & 3);
}

/** Largest value that counts in `bucket` (its inclusive upper edge), in the histogram's unit. */
export function histogramUpperEdge(bucket: number): number {
  if (bucket < 4) return bucket + 1;
  const exponent = (bucket >> 2) + 1;
  return 2 ** exponent + ((bucket & 3) + 1) * 2 ** (exponent - 2);
}

/** The bucket whose upper edge is exactly 2^`power`; `power` from 2 to 32. */
export function histogramBucketAtPower(power: number): number {
  return (power - 2) * 4 + 3;
}
