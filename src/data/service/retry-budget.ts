/**
 * Retry budget: bounds the attempts beyond the first of one service and worker, so that a service
 * that fails is not asked several times as often as one that works.
 *
 * B1  in any window retries <= share of the requests + so many per second.
 */

import type { RetrySpec } from '../../contract/resilience.ts';
import { RollingCounts } from './rolling-counts.ts';

const WINDOW_MS = 10_000;

export class RetryBudget {
  /** Requests, and retries as their marks. */
  private readonly counts = new RollingCounts(WINDOW_MS);
  private share = 0;
  /** Retries a window may have whatever the number of requests. */
  private base = 0;

  /** Applies settings; what was counted stays. The rate is divided among workers. */
  configure(spec: RetrySpec, workerCount: number): void {
    this.share = spec.budgetPercent / 100;
    this.base = (spec.budgetPerSecond * WINDOW_MS) / 1_000 / workerCount;
  }

  /** A request of the service has begun. */
  onRequest(nowMs: number): void {
    this.counts.add(nowMs);
  }

  /** @returns true when one more retry is allowed, which is then counted */
  take(nowMs: number): boolean {
    const counts = this.counts;
    counts.roll(nowMs);
    if (counts.marked + 1 > counts.total * this.share + this.base) return false;
    counts.mark(nowMs);
    return true;
  }
}
