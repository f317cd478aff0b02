/**
 * The outcome of reading one text: a value, or the problem with it. Nothing throws.
 */

import type { IssueCode, Report, Spot, TextRange } from './issue.ts';

/** Why a text is not acceptable. The place in the file is added by whoever knows it. */
export interface Problem {
  readonly code: IssueCode;
  readonly message: string;
  readonly expected?: string | undefined;
  readonly hint?: string | undefined;
  /** Which part of the text; absent for all of it. */
  readonly within?: TextRange | undefined;
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T; readonly warning?: Problem }
  | { readonly ok: false; readonly problem: Problem };

/** A value without a problem. */
export function good<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

/** No value. */
export function bad<T>(code: IssueCode, message: string, more: Partial<Problem> = {}): Parsed<T> {
  return { ok: false, problem: { code, message, ...more } };
}

/** Reports `problem` for the value at `spot`. */
export function reportProblem(
  report: Report,
  problem: Problem,
  spot: Spot,
  rest: { severity: 'error' | 'warning'; found?: string; isSecret?: boolean },
): void {
  report({ ...problem, ...rest, spot, part: 'value' });
}
