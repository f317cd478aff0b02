/**
 * Weighted schedule: an order of endpoint indexes in which each appears in proportion to its
 * weight and as evenly spread as possible (the smooth weighted round-robin of nginx, unrolled).
 */

/** Longest schedule; weights are scaled down to fit, but none to zero. */
export const SCHEDULE_SIZE_MAX = 4_096;

/**
 * @param weights positive integers; an endpoint with weight 0 or less gets no place
 * @returns indexes into `weights`; empty when no weight is positive
 */
export function weightedSchedule(weights: readonly number[]): number[] {
  const shares = reduce(weights);
  const total = shares.reduce((sum, share) => sum + share, 0);
  const credit = shares.map(() => 0);
  const schedule: number[] = [];
  for (let step = 0; step < total; step++) {
    let best = -1;
    for (let index = 0; index < shares.length; index++) {
      if (shares[index] === 0) continue;
      credit[index]! += shares[index]!;
      if (best < 0 || credit[index]! > credit[best]!) best = index;
    }
    credit[best]! -= total;
    schedule.push(best);
  }
  return schedule;
}

/** Divides by the common divisor, then scales down to the longest schedule allowed. */
function reduce(weights: readonly number[]): number[] {
  const positive = weights.map((weight) => (weight > 0 ? Math.floor(weight) : 0));
  const divisor = positive.reduce((a, b) => gcd(a, b), 0);
  if (divisor === 0) return positive.map(() => 0);
  const shares = positive.map((weight) => weight / divisor);
  const total = shares.reduce((sum, share) => sum + share, 0);
  if (total <= SCHEDULE_SIZE_MAX) return shares;
  const scale = SCHEDULE_SIZE_MAX / total;
  return shares.map((share) => (share === 0 ? 0 : Math.max(1, Math.round(share * scale))));
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
