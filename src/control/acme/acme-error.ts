/** The only error that the ACME client throws, but for the reason of an aborted signal. */

import type { Problem } from './problem.ts';

/** As IssueAdvice, without `aborted`: who aborts knows it. */
export type AcmeAdvice = 'retry' | 'wait' | 'fix';

export interface AcmeErrorOptions {
  readonly advice: AcmeAdvice;
  /** Unix milliseconds; 0: not said. */
  readonly retryAtMs?: number;
  readonly problem?: Problem | null;
  readonly cause?: unknown;
}

export class AcmeError extends Error {
  readonly advice: AcmeAdvice;
  /** Unix milliseconds; 0: not said. */
  readonly retryAtMs: number;
  /** What the authority said; null: it said nothing. */
  readonly problem: Problem | null;

  /** @param message one sentence for people that says what to do */
  constructor(message: string, options: AcmeErrorOptions) {
    super(message, { cause: options.cause });
    this.name = 'AcmeError';
    this.advice = options.advice;
    this.retryAtMs = options.retryAtMs ?? 0;
    this.problem = options.problem ?? null;
  }

  /** Type of the problem; empty when the authority said nothing. */
  get type(): string {
    return this.problem?.type ?? '';
  }
}
