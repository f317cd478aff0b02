/**
 * Rollback guard: compares how many requests fail after a reload with how many did before.
 *
 * B1  one verdict per window: bad or passed, never both, and none after `end`.
 * B2  few requests prove nothing, and a share that was as high before is not the reload's doing:
 *     an origin that is down must not keep people from changing the configuration that would help.
 * B3  what was before is the time just before: a window's length, not the life of the process.
 */

import type { Schedule } from './reload-outcome.ts';

/** Totals since the start of the process. */
export interface FailureSample {
  /** Requests that ended, answered or not. */
  readonly requests: number;
  /** Of these, the failed ones. */
  readonly failures: number;
}

export interface RollbackOptions {
  readonly sample: () => FailureSample;
  readonly schedule: Schedule;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
}

export interface RollbackSettings {
  /** How long a new generation is watched; 0: not at all. */
  readonly windowMs: number;
  /** Share of failures at which it is bad, in percent. */
  readonly faultPercent: number;
}

export interface RollbackVerdict {
  /** @param reason for people, such as `80 % of 50 requests failed, 1 % of 900 before` */
  readonly onBad: (reason: string) => void;
  readonly onPassed: () => void;
}

/** Requests a window must have before its share means something. */
export const ROLLBACK_REQUESTS_MIN = 20;
/** Clearly above: this many times the share before, and this many percent of all requests more. */
const TIMES_BEFORE = 1.5;
const PERCENT_ABOVE = 10;
/** Looks per window. */
const TICKS = 20;
const TICK_MIN_MS = 50;
const TICK_MAX_MS = 1_000;

interface TimedSample extends FailureSample {
  readonly atMs: number;
}

interface OpenWindow {
  readonly start: TimedSample;
  readonly before: Share;
  readonly verdict: RollbackVerdict;
}

interface Share {
  readonly requests: number;
  readonly percent: number;
}

export class RollbackGuard {
  readonly #options: RollbackOptions;
  #settings: RollbackSettings = { windowMs: 0, faultPercent: 100 };
  /** Oldest first, a window's length of them. */
  #history: TimedSample[] = [];
  #open: OpenWindow | null = null;
  #cancelTick: (() => void) | null = null;

  constructor(options: RollbackOptions) {
    this.#options = options;
  }

  /** Takes settings over; a window that is open goes on under them. */
  configure(settings: RollbackSettings): void {
    const wasOn = this.#settings.windowMs > 0;
    this.#settings = settings;
    if (settings.windowMs === 0) this.#stop();
    else if (!wasOn) this.#tick();
  }

  /**
   * Begins to watch what was just published. A window that is still open is replaced without a
   * verdict, and what was before it stays what the new one is compared with.
   */
  begin(verdict: RollbackVerdict): void {
    if (this.#settings.windowMs === 0) return verdict.onPassed();
    const start = this.#sample();
    const oldest = this.#history[0] ?? start;
    const before = this.#open?.before ?? shareBetween(oldest, start);
    this.#open = { start, before, verdict };
  }

  /** Closes an open window without a verdict. */
  end(): void {
    this.#open = null;
  }

  /** Ends everything. */
  close(): void {
    this.end();
    this.#settings = { windowMs: 0, faultPercent: 100 };
    this.#stop();
  }

  #stop(): void {
    this.#cancelTick?.();
    this.#cancelTick = null;
    this.#history = [];
    const open = this.#open;
    this.#open = null;
    open?.verdict.onPassed();
  }

  #tick(): void {
    const { windowMs } = this.#settings;
    const delayMs = Math.min(TICK_MAX_MS, Math.max(TICK_MIN_MS, windowMs / TICKS));
    this.#cancelTick = this.#options.schedule(delayMs, () => this.#tick());
    const now = this.#sample();
    this.#history.push(now);
    while (this.#history[0]!.atMs < now.atMs - windowMs) this.#history.shift();
    this.#judge(now);
  }

  #judge(now: TimedSample): void {
    const open = this.#open;
    if (open === null) return;
    const { start, before, verdict } = open;
    const after = shareBetween(start, now);
    if (isBad(before, after, this.#settings.faultPercent)) {
      this.#open = null;
      verdict.onBad(`${shareText(after)} failed, ${shareText(before)} before`);
    } else if (now.atMs - start.atMs >= this.#settings.windowMs) {
      this.#open = null;
      verdict.onPassed();
    }
  }

  #sample(): TimedSample {
    return { ...this.#options.sample(), atMs: this.#options.nowMs() };
  }
}

/** B2. */
function isBad(before: Share, after: Share, faultPercent: number): boolean {
  return (
    after.requests >= ROLLBACK_REQUESTS_MIN &&
    after.percent >= faultPercent &&
    after.percent >= before.percent * TIMES_BEFORE &&
    after.percent >= before.percent + PERCENT_ABOVE
  );
}

function shareBetween(from: FailureSample, to: FailureSample): Share {
  const requests = to.requests - from.requests;
  const failures = to.failures - from.failures;
  return { requests, percent: requests <= 0 ? 0 : Math.min(100, (failures / requests) * 100) };
}

function shareText({ requests, percent }: Share): string {
  return `${Math.round(percent)} % of ${requests} requests`;
}
