/**
 * Rolling counts: how many of something, and how many of them marked, in the last so many
 * milliseconds.
 *
 * K1  ten buckets, moved on when the time has come and not by a timer: what nobody asks about
 *     costs nothing, and nothing is allocated after construction.
 */

const BUCKETS = 10;

export class RollingCounts {
  /** In the window, as of the last call. */
  total = 0;
  marked = 0;
  private readonly totals = new Float64Array(BUCKETS);
  private readonly marks = new Float64Array(BUCKETS);
  private bucketMs: number;
  private index = 0;
  /** When the current bucket is over. */
  private endMs = 0;

  /** @param windowMs length of the window; it moves on by a tenth of it */
  constructor(windowMs: number) {
    this.bucketMs = windowMs / BUCKETS;
  }

  /** Another length from now on; counts stay. */
  setWindow(windowMs: number): void {
    this.bucketMs = windowMs / BUCKETS;
  }

  /** Forgets what is too old. */
  roll(nowMs: number): void {
    if (nowMs >= this.endMs) this.advance(nowMs);
  }

  add(nowMs: number): void {
    this.roll(nowMs);
    this.total++;
    this.totals[this.index]!++;
  }

  mark(nowMs: number): void {
    this.roll(nowMs);
    this.marked++;
    this.marks[this.index]!++;
  }

  clear(): void {
    this.totals.fill(0);
    this.marks.fill(0);
    this.total = 0;
    this.marked = 0;
  }

  private advance(nowMs: number): void {
    const steps = Math.floor((nowMs - this.endMs) / this.bucketMs) + 1;
    if (steps >= BUCKETS) {
      this.clear();
      this.endMs = nowMs + this.bucketMs;
      return;
    }
    for (let step = 0; step < steps; step++) {
      this.index = (this.index + 1) % BUCKETS;
      this.total -= this.totals[this.index]!;
      this.marked -= this.marks[this.index]!;
      this.totals[this.index] = 0;
      this.marks[this.index] = 0;
    }
    this.endMs += steps * this.bucketMs;
  }
}
