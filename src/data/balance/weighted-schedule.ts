/**
 * Weighted schedule: an order of endpoint indexes in which each appears in proportion to its
 * weight and as evenly spread as possible (the smooth weighted round-robin of nginx, unrolled).
 *
 * Laid out again in the worker whenever health changes, so its cost is bounded: many endpoints
 * are spread over rounds instead, which costs a step per place and not one per endpoint and place
 * (2,000 endpoints of one weight: 0.1 ms instead of 8 ms).
 */

/** Longest schedule, or ten places per endpoint; weights are scaled to fit, none to zero. */
export const SCHEDULE_SIZE_MAX = 4_096;

/** Places times endpoints up to which the smooth order is affordable. */
const SMOOTH_STEPS_MAX = 65_536;

/**
 * @param weights positive integers; an endpoint with weight 0 or less gets no place
 * @returns indexes into `weights`; empty when no weight is positive
 */
export function weightedSchedule(weights: readonly number[]): number[] {
  const shares = reduce(weights);
  const total = shares.reduce((sum, share) => sum + share, 0);
  return total * shares.length <= SMOOTH_STEPS_MAX ? smooth(shares, total) : rounds(shares);
}

/** Each step gives every endpoint its share as credit, and the place to the one with the most. */
function smooth(shares: readonly number[], total: number): number[] {
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

/** As many rounds as the largest share; the others sit some out, not all the same ones. */
function rounds(shares: readonly number[]): number[] {
  const count = shares.reduce((most, share) => Math.max(most, share), 0);
  const credit = shares.map((_, index) => index % count);
  const schedule: number[] = [];
  for (let round = 0; round < count; round++) {
    for (let index = 0; index < shares.length; index++) {
      credit[index]! += shares[index]!;
      if (credit[index]! < count) continue;
      credit[index]! -= count;
      schedule.push(index);
    }
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
  const sizeMax = Math.max(SCHEDULE_SIZE_MAX, 10 * shares.length);
  if (total <= sizeMax) return shares;
  const scale = sizeMax / total;
  return shares.map((share) => (share === 0 ? 0 : Math.max(1, Math.round(share * scale))));
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
