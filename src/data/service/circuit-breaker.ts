/**
 * Circuit breaker of one service and worker: refuses requests for a while when too many fail, then
 * lets single ones through to see.
 *
 * R1  closed → open when a window has enough requests and too large a share of them failed;
 *     open → trying after `openMs`; trying → closed after `TRIALS` good trials in a row, → open
 *     again after a bad one.
 * R2  at most one trial at a time, and only trials decide while it tries: requests from before do
 *     not count.
 * R3  a trial that ends without a verdict (its client left) gives its turn to the next.
 */

import type { BreakerSpec } from '../../contract/resilience.ts';
import { RollingCounts } from './rolling-counts.ts';

/** Trials in a row that must succeed. */
const TRIALS = 3;

const State = { closed: 0, open: 1, trying: 2 } as const;
type State = (typeof State)[keyof typeof State];

/** How a request of the service ended. `unknown`: for reasons that say nothing about it. */
export const Outcome = { good: 0, bad: 1, unknown: 2 } as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

export class CircuitBreaker {
  private spec: BreakerSpec;
  private state: State = State.closed;
  private readonly counts: RollingCounts;
  private openUntilMs = 0;
  private isTrialOut = false;
  private goodTrials = 0;

  constructor(spec: BreakerSpec) {
    this.spec = spec;
    this.counts = new RollingCounts(spec.windowMs);
  }

  /** Applies changed settings; state and counts stay. */
  configure(spec: BreakerSpec): void {
    this.spec = spec;
    this.counts.setWindow(spec.windowMs);
  }

  /** As `ServiceCell.circuitOpen`: 1 open, 0.5 trying, 0 closed. */
  get gauge(): number {
    if (this.state === State.closed) return 0;
    return this.state === State.open ? 1 : 0.5;
  }

  /** True when a request would be refused now. Changes nothing. */
  refuses(nowMs: number): boolean {
    if (this.state === State.closed) return false;
    return this.state === State.open ? nowMs < this.openUntilMs : this.isTrialOut;
  }

  /** Seconds after which asking again makes sense; at least 1. */
  retryAfterSeconds(nowMs: number): number {
    if (this.state !== State.open) return 1;
    return Math.max(1, Math.ceil((this.openUntilMs - nowMs) / 1_000));
  }

  /**
   * A request that is not refused begins; `end` follows once.
   * @returns true when it is a trial
   */
  begin(): boolean {
    if (this.state === State.closed) return false;
    if (this.state === State.open) {
      this.state = State.trying; // `openMs` is over, or it would have been refused.
      this.goodTrials = 0;
    }
    this.isTrialOut = true;
    return true;
  }

  /** @param isTrial what `begin` said */
  end(nowMs: number, outcome: Outcome, isTrial: boolean): void {
    if (isTrial) this.endTrial(nowMs, outcome);
    else if (this.state === State.closed && outcome !== Outcome.unknown) {
      this.counts.add(nowMs);
      if (outcome === Outcome.bad) this.onBad(nowMs);
    }
  }

  private onBad(nowMs: number): void {
    const counts = this.counts;
    counts.mark(nowMs);
    const isEnough = counts.total >= this.spec.attemptsMin;
    if (isEnough && counts.marked * 100 >= counts.total * this.spec.faultPercentMax) {
      this.open(nowMs);
    }
  }

  private endTrial(nowMs: number, outcome: Outcome): void {
    this.isTrialOut = false;
    if (outcome === Outcome.bad) this.open(nowMs);
    else if (outcome === Outcome.good && ++this.goodTrials >= TRIALS) this.state = State.closed;
  }

  private open(nowMs: number): void {
    this.state = State.open;
    this.openUntilMs = nowMs + this.spec.openMs;
    this.counts.clear();
  }
}
