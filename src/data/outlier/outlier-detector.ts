/**
 * Outlier detector: notices from the attempts of one worker that an endpoint fails, and reports
 * it. Control decides what follows (src/control/probe/health-board.ts).
 *
 * Hot: called once or twice per attempt. Plain number fields, nothing allocated, no timers.
 * O1  the window is two halves; a share is of the current half and the one before it, so of half
 *     a window to about a whole one. Faults roll it, and every sixteenth answer: reading the clock
 *     costs more than all the rest.
 * O2  while muted (the endpoint is down or drained) nothing is counted and nothing reported: what
 *     arrives now was sent before control's word.
 * O3  at most one report per `REPORT_INTERVAL_MS`; one that control did not heed (its ceiling was
 *     reached) comes again only when what caused it goes on.
 */

import type { OutlierCause } from '../../contract/health.ts';
import type { OutlierSpec } from '../../contract/resilience.ts';

/** Shortest time between two reports about one endpoint. */
export const REPORT_INTERVAL_MS = 1_000;

/** What is slower than the others by less than this is never an outlier, whatever the factor. */
export const LATENCY_GAP_MIN_MS = 10;

/** An answer reads the clock when these bits of the count of attempts are set. */
const ROLL_MASK = 15;

/** Statuses at or past it are not HTTP. */
const STATUS_END = 600;

export class OutlierDetector {
  private readonly nowMs: () => number;
  private readonly report: (cause: OutlierCause) => void;
  private spec: OutlierSpec;
  /** 1 for statuses that count as faults. */
  private readonly isFaultStatus = new Uint8Array(STATUS_END);
  private halfWindowMs = 0;
  private isMuted = false;
  private faultsInRow = 0;
  private halfStartMs = 0;
  private attempts = 0;
  private faults = 0;
  private latencySumMs = 0;
  private attemptsBefore = 0;
  private faultsBefore = 0;
  private latencySumBeforeMs = 0;
  private lastReportMs = -REPORT_INTERVAL_MS;

  /**
   * @param nowMs monotonic milliseconds
   * @param report called inside `onAnswer`, `onFault` or `compareLatency`; must not call back
   */
  constructor(spec: OutlierSpec, nowMs: () => number, report: (cause: OutlierCause) => void) {
    this.nowMs = nowMs;
    this.report = report;
    this.spec = spec;
    this.halfStartMs = nowMs();
    this.apply(spec);
  }

  /** Settings of a new generation; what was counted stays. */
  configure(spec: OutlierSpec): void {
    if (spec !== this.spec) this.apply(spec);
  }

  /**
   * An attempt got its response head.
   * @param status of the response
   * @param latencyMs from the lease of the connection to the head
   */
  onAnswer(status: number, latencyMs: number): void {
    if (status < STATUS_END && this.isFaultStatus[status] === 1) {
      this.onFault();
      return;
    }
    if (this.isMuted) return;
    if ((this.attempts & ROLL_MASK) === ROLL_MASK) this.roll();
    this.attempts++;
    this.latencySumMs += latencyMs;
    this.faultsInRow = 0;
  }

  /** An attempt failed by the endpoint's doing. */
  onFault(): void {
    if (this.isMuted) return;
    this.roll();
    this.attempts++;
    this.faults++;
    this.faultsInRow++;
    const { consecutiveFaultsMax, faultPercentMax, attemptsMin } = this.spec;
    if (consecutiveFaultsMax > 0 && this.faultsInRow >= consecutiveFaultsMax) {
      this.send('consecutive-faults');
      return;
    }
    if (faultPercentMax === 0) return;
    const attempts = this.attempts + this.attemptsBefore;
    const faults = this.faults + this.faultsBefore;
    if (attempts >= attemptsMin && faults * 100 >= faultPercentMax * attempts) {
      this.send('fault-share');
    }
  }

  /**
   * Mean time to a good answer within the window.
   * @returns milliseconds; -1 when latency does not count, or too few attempts say anything
   */
  meanLatencyMs(): number {
    if (this.isMuted || this.spec.latencyFactorMax === 0) return -1;
    this.roll();
    const answers = this.attempts + this.attemptsBefore - this.faults - this.faultsBefore;
    if (answers < this.spec.attemptsMin) return -1;
    return (this.latencySumMs + this.latencySumBeforeMs) / answers;
  }

  /** @param othersMs median of the mean latencies of the service's other endpoints */
  compareLatency(othersMs: number): void {
    const meanMs = this.meanLatencyMs();
    if (meanMs < othersMs + LATENCY_GAP_MIN_MS) return;
    if (meanMs >= othersMs * this.spec.latencyFactorMax) this.send('latency');
  }

  /** The endpoint went down: what its attempts in progress still meet says nothing new (O2). */
  mute(): void {
    this.isMuted = true;
  }

  /** The endpoint gets traffic (again): counts from nothing. */
  reset(): void {
    this.isMuted = false;
    this.faultsInRow = 0;
    this.lastReportMs = -REPORT_INTERVAL_MS;
    this.clearWindow();
  }

  private apply(spec: OutlierSpec): void {
    this.spec = spec;
    this.halfWindowMs = spec.windowMs / 2;
    this.isFaultStatus.fill(0);
    for (const { from, to } of spec.statuses) this.isFaultStatus.fill(1, from, to + 1);
  }

  private send(cause: OutlierCause): void {
    const now = this.nowMs();
    if (now - this.lastReportMs < REPORT_INTERVAL_MS) return;
    this.lastReportMs = now;
    this.report(cause);
  }

  /** Begins a new half when the current one is over. */
  private roll(): void {
    const now = this.nowMs();
    const age = now - this.halfStartMs;
    if (age < this.halfWindowMs) return;
    const isOld = age >= 2 * this.halfWindowMs;
    this.attemptsBefore = isOld ? 0 : this.attempts;
    this.faultsBefore = isOld ? 0 : this.faults;
    this.latencySumBeforeMs = isOld ? 0 : this.latencySumMs;
    this.halfStartMs = isOld ? now : this.halfStartMs + this.halfWindowMs;
    this.attempts = 0;
    this.faults = 0;
    this.latencySumMs = 0;
  }

  private clearWindow(): void {
    this.halfStartMs = this.nowMs();
    this.attempts = 0;
    this.faults = 0;
    this.latencySumMs = 0;
    this.attemptsBefore = 0;
    this.faultsBefore = 0;
    this.latencySumBeforeMs = 0;
  }
}
