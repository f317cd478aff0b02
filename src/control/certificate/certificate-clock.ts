/**
 * Certificate clock: what time it is for validity, on a machine whose clock may jump.
 *
 * K1  delays are counted by the monotonic clock: no jump makes an attempt wait for weeks, or come
 *     all at once.
 * K2  it is never earlier than what an authority has signed, and the time since: a clock that was
 *     set back does not put renewals off.
 * K3  a jump is found at the next look, and everything that hangs on the clock waits for a while:
 *     a clock that jumps often jumps back.
 */

/** Differences between the two clocks above this are a jump. */
export const JUMP_MS = 10 * 60_000;
/** K3. */
export const SETTLE_MS = 2 * 60_000;

export interface ClockSources {
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** Unix milliseconds. */
  readonly wallMs: () => number;
}

export class CertificateClock {
  readonly #sources: ClockSources;
  /** Wall clock minus monotonic clock at the last look. */
  #offsetMs: number;
  /** Lowest value that the difference can have. */
  #floorMs = -Infinity;
  #settledAtMs = 0;

  constructor(sources: ClockSources) {
    this.#sources = sources;
    this.#offsetMs = sources.wallMs() - sources.nowMs();
  }

  /** Monotonic milliseconds. */
  nowMs(): number {
    return this.#sources.nowMs();
  }

  /** K2. Unix milliseconds. */
  timeMs(): number {
    return Math.max(this.#sources.wallMs(), this.#floorMs + this.nowMs());
  }

  /** What the system says, for times that others give. Unix milliseconds. */
  wallMs(): number {
    return this.#sources.wallMs();
  }

  /** An authority signed something that begins at that time, so it is over. */
  learn(notBeforeMs: number): void {
    this.#floorMs = Math.max(this.#floorMs, notBeforeMs - this.nowMs());
  }

  /** How far the system clock is behind what authorities have signed; 0: not. */
  get behindMs(): number {
    return Math.max(0, this.#floorMs + this.nowMs() - this.#sources.wallMs());
  }

  /** K3. @returns by how much the clock has jumped since the last look; 0: it has not */
  look(): number {
    const nowMs = this.nowMs();
    const offsetMs = this.#sources.wallMs() - nowMs;
    const jumpMs = offsetMs - this.#offsetMs;
    this.#offsetMs = offsetMs;
    if (Math.abs(jumpMs) < JUMP_MS) return 0;
    this.#settledAtMs = nowMs + SETTLE_MS;
    return jumpMs;
  }

  /** False for a while after a jump. */
  get isSettled(): boolean {
    return this.nowMs() >= this.#settledAtMs;
  }
}
