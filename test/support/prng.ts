/** A small seeded generator (mulberry32) for reproducible splits, mutations and load mixes. */

export interface Prng {
  /** Next integer in 0 to `limit` - 1. */
  below(limit: number): number;
  /** One of `items`. */
  pick<T>(items: readonly T[]): T;
  /** Next 32-bit integer. */
  next(): number;
}

export function createPrng(seed: number): Prng {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    next,
    below: (limit) => next() % limit,
    pick: (items) => items[next() % items.length]!,
  };
}
