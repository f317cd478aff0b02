/**
 * Adaptive limit: how many requests of a service one worker has in progress, found from how fast
 * they are answered. A service past its capacity answers each request later and no more of them.
 *
 * The rule is that of Envoy's adaptive concurrency: the latency without a queue is measured now
 * and then with few requests in progress; after each window the limit is multiplied by what that
 * latency, with some tolerance, is of the one seen, and the square root of the limit is added as
 * room to grow into.
 * A1  1 <= limit <= the ceiling.
 * A2  a service that is not asked for more than half of the limit does not raise it: it proves
 *     nothing.
 * A3  a measurement ends after `PROBE_MS_MAX`, whatever was seen.
 */

/** Where it starts before anything was seen. */
const LIMIT_INITIAL = 20;
const LIMIT_MAX = 10_000;
/** A window ends after this time and at least so many answers. */
const WINDOW_MS = 100;
const SAMPLES_MIN = 10;
/** Latencies up to this multiple of the one without a queue are fine. */
const TOLERANCE = 1.25;
/** Most that one window takes off. */
const GRADIENT_MIN = 0.5;
/** How often the latency without a queue is measured, how many requests do it, how long at most. */
const PROBE_INTERVAL_MS = 30_000;
const PROBE_LIMIT = 3;
const PROBE_MS_MAX = 1_000;
/** Windows in a row that take off the most: then what was measured is doubted. */
const STEEP_MAX = 5;

export class AdaptiveLimit {
  /** Requests that may be in progress now. */
  limit: number = PROBE_LIMIT;
  private ceiling = LIMIT_MAX;
  /** The limit between measurements, with its fraction. */
  private target = LIMIT_INITIAL;
  /** Latency without a queue; 0 before the first measurement. */
  private baselineMs = 0;
  private isProbing = true;
  /** When only few requests were left in progress; -1: not yet. */
  private settledMs = -1;
  private sumMs = 0;
  private count = 0;
  private peak = 0;
  /** When the window, or the measurement, ends; -1 before the first call. */
  private endMs = -1;
  private probeAtMs = 0;
  private steepCount = 0;

  /** @param ceiling most requests in progress, 0 for none but the built-in one */
  configure(ceiling: number): void {
    this.ceiling = ceiling > 0 ? Math.min(ceiling, LIMIT_MAX) : LIMIT_MAX;
    this.apply();
  }

  /**
   * A request was answered.
   * @param latencyMs   from the lease of a connection to the response head
   * @param inProgress  requests of the service in this worker, this one included
   */
  onAnswer(latencyMs: number, inProgress: number, nowMs: number): void {
    if (this.endMs < 0) this.beginProbe(nowMs);
    if (!this.isProbing) {
      this.note(latencyMs, inProgress);
      if (nowMs >= this.endMs && this.count >= SAMPLES_MIN) this.endWindow(nowMs);
      return;
    }
    if (this.settledMs < 0 && inProgress <= PROBE_LIMIT) this.settledMs = nowMs;
    else if (this.settledMs >= 0 && nowMs - latencyMs >= this.settledMs) {
      this.note(latencyMs, inProgress);
    }
    if (this.count >= SAMPLES_MIN) this.endProbe(nowMs);
    else this.tick(nowMs);
  }

  /** Time passes while nothing is answered (A3). */
  tick(nowMs: number): void {
    if (this.endMs < 0) this.beginProbe(nowMs);
    if (this.isProbing && nowMs >= this.endMs) this.endProbe(nowMs);
  }

  private note(latencyMs: number, inProgress: number): void {
    this.sumMs += latencyMs;
    this.count++;
    if (inProgress > this.peak) this.peak = inProgress;
  }

  private endWindow(nowMs: number): void {
    const meanMs = this.sumMs / this.count;
    if (meanMs < this.baselineMs) this.baselineMs = meanMs;
    const ratio = meanMs > 0 ? (TOLERANCE * this.baselineMs) / meanMs : 1;
    this.steepCount = ratio < GRADIENT_MIN ? this.steepCount + 1 : 0;
    const gradient = Math.max(GRADIENT_MIN, Math.min(1, ratio));
    const wanted = this.target * gradient + Math.sqrt(this.target);
    if (wanted < this.target || this.peak * 2 > this.target) this.target = wanted;
    this.beginWindow(nowMs);
    if (nowMs >= this.probeAtMs || this.steepCount >= STEEP_MAX) this.beginProbe(nowMs);
    this.apply();
  }

  private beginWindow(nowMs: number): void {
    this.sumMs = 0;
    this.count = 0;
    this.peak = 0;
    this.endMs = nowMs + WINDOW_MS;
  }

  private beginProbe(nowMs: number): void {
    this.beginWindow(nowMs);
    this.isProbing = true;
    this.settledMs = -1;
    this.endMs = nowMs + PROBE_MS_MAX;
    this.apply();
  }

  private endProbe(nowMs: number): void {
    if (this.count > 0) this.baselineMs = this.sumMs / this.count;
    this.isProbing = false;
    this.steepCount = 0;
    this.probeAtMs = nowMs + PROBE_INTERVAL_MS;
    this.beginWindow(nowMs);
    this.apply();
  }

  private apply(): void {
    this.target = Math.max(1, Math.min(this.target, this.ceiling));
    const limit = Math.max(1, Math.floor(this.target));
    this.limit = this.isProbing ? Math.min(limit, PROBE_LIMIT) : limit;
  }
}
