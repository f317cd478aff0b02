/**
 * Retry schedule: how long after a failed attempt the next one comes. Certmagic's intervals, with
 * jitter; the same authority every time, never a staging one.
 */

import type { IssueAdvice } from './issuer.ts';

/** Minutes after the first, second, ... failure; the last one for all that follow. */
const MINUTES: readonly number[] = [
  1, 2, 2, 5, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30, 30, 30, 60, 60, 60, 120, 120, 180, 180,
  360,
];
/**
 * Where a person has to change something: Let's Encrypt lets a name fail five times an hour, and
 * pauses names that go on.
 */
const FIX_BEGIN = 4;
/** A delay is longer or shorter by this share, at random. */
const JITTER = 0.15;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

export interface Failure {
  readonly advice: IssueAdvice;
  /** Failures in a row, this one included: 1 or more. */
  readonly failures: number;
  /** Time until the certificate that is served ends, in milliseconds; 0: none is served. */
  readonly remainingMs: number;
  /** How long the authority wants to be left alone, in milliseconds; 0: it did not say. */
  readonly waitMs: number;
}

/**
 * @param random uniform in [0, 1)
 * @returns milliseconds until the next attempt; never less than the authority wants
 */
export function retryDelay(failure: Failure, random: () => number): number {
  const { advice, failures, remainingMs, waitMs } = failure;
  const begin = advice === 'fix' ? FIX_BEGIN : 0;
  const index = Math.min(MINUTES.length - 1, begin + Math.max(1, failures) - 1);
  const usualMs = MINUTES[index]! * MINUTE_MS;
  // A certificate of six days has to be tried more often near its end than every six hours.
  const isNearEnd = remainingMs > 0 && remainingMs < DAY_MS;
  const delayMs = isNearEnd
    ? Math.min(usualMs, Math.max(10 * MINUTE_MS, remainingMs / 8))
    : usualMs;
  // Not before it says, and not all at the moment it says.
  const leastMs = waitMs > 0 ? waitMs + random() * Math.min(waitMs * JITTER, 10 * MINUTE_MS) : 0;
  return Math.max(leastMs, delayMs * (1 - JITTER + 2 * JITTER * random()));
}
