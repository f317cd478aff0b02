/**
 * Seeded random numbers: the same seed gives the same sequence on every machine.
 *
 * The simulator, the balancers' tests and the fuzzers draw from it. Not for secrets: the whole
 * sequence follows from a few outputs.
 * The generator is sfc32 (128 bits of state), seeded through splitmix32.
 */

export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed any number; only its lower 32 bits count */
  constructor(seed: number) {
    let state = seed | 0;
    const mix = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let z = state ^ (state >>> 16);
      z = Math.imul(z, 0x21f0aaad);
      z ^= z >>> 15;
      z = Math.imul(z, 0x735a2d97);
      return z ^ (z >>> 15);
    };
    this.#a = mix();
    this.#b = mix();
    this.#c = mix();
  }

  /** The next 32 random bits as an unsigned integer. */
  bits(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1), with 32 bits of resolution. */
  next(): number {
    return this.bits() / 0x1_0000_0000;
  }

  /** Uniform integer in [min, max], both included; `min` when `max` is not above it. */
  integer(min: number, max: number): number {
    if (max <= min) return min;
    return min + Math.floor(this.next() * (max - min + 1));
  }

  /** True with `probability` (0 never, 1 always). */
  chance(probability: number): boolean {
    return this.next() < probability;
  }
}
