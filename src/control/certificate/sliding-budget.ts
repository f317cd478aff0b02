/**
 * Sliding budget: at most so many events per key within a time that ends now.
 */

export class SlidingBudget {
  readonly #max: number;
  readonly #windowMs: number;
  readonly #keysMax: number;
  /** Times of events that still count, oldest first, by key. */
  readonly #taken = new Map<string, number[]>();

  /** @param keysMax beyond it the keys that were not used longest are forgotten */
  constructor(max: number, windowMs: number, keysMax = 10_000) {
    this.#max = max;
    this.#windowMs = windowMs;
    this.#keysMax = keysMax;
  }

  /** @returns milliseconds until one more is allowed; 0: now */
  wait(key: string, nowMs: number): number {
    const times = this.#current(key, nowMs);
    if (times.length < this.#max) return 0;
    return times[times.length - this.#max]! + this.#windowMs - nowMs;
  }

  /** Counts one, allowed or not. */
  take(key: string, nowMs: number): void {
    const times = this.#current(key, nowMs);
    this.#taken.delete(key);
    this.#taken.set(key, [...times, nowMs].slice(-this.#max));
    if (this.#taken.size <= this.#keysMax) return;
    for (const oldest of this.#taken.keys()) {
      this.#taken.delete(oldest);
      return;
    }
  }

  #current(key: string, nowMs: number): number[] {
    const times = this.#taken.get(key) ?? [];
    const current = times.filter((at) => at > nowMs - this.#windowMs);
    if (current.length === 0) this.#taken.delete(key);
    else if (current.length !== times.length) this.#taken.set(key, current);
    return current;
  }
}
