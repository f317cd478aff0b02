/**
 * Attempt book: counts how attempts ended, by issuer, for metrics.
 */

import type { AttemptCount } from './certificate-row.ts';

/** Types that are counted as they are; an authority could make up any number of them. */
const TYPES_MAX = 200;

export class AttemptBook {
  readonly #counts = new Map<
    string,
    { -readonly [Key in keyof AttemptCount]: AttemptCount[Key] }
  >();

  count(issuer: string, operation: AttemptCount['operation'], type: string): void {
    const isKnown = this.#counts.has(keyOf(issuer, operation, type));
    const result = isKnown || this.#counts.size < TYPES_MAX ? type : 'other';
    const key = keyOf(issuer, operation, result);
    const row = this.#counts.get(key);
    if (row === undefined) this.#counts.set(key, { issuer, operation, result, count: 1 });
    else row.count++;
  }

  get counts(): readonly AttemptCount[] {
    return [...this.#counts.values()].map((row) => ({ ...row }));
  }
}

function keyOf(...parts: readonly string[]): string {
  return JSON.stringify(parts);
}
