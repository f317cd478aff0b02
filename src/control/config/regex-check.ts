/**
 * Checks user regular expressions at load time with the engine that runs them.
 *
 * RE2 never backtracks: matching is linear in the input for every pattern it accepts, which is
 * the guarantee that no pattern can stall a worker. Why: docs/decisions/0003-linear-regexes.md
 */

import type { Problem } from './parsed.ts';

/** Longest pattern in UTF-16 units: bounds the size of the compiled automaton. */
export const PATTERN_SIZE_MAX = 1_000;

/** Says what is wrong with a pattern, or null. Places are offsets in the pattern. */
export type RegexCheck = (pattern: string) => Problem | null;

/** Checks nothing: for rules that were checked before. */
export const acceptAnyRegex: RegexCheck = () => null;

/** Loads the engine, which costs some milliseconds: only for configurations that have a regex. */
export async function loadRegexCheck(): Promise<RegexCheck> {
  const { RE2JS, RE2JSSyntaxException } = await import('re2js');
  return (pattern) => {
    if (pattern.length > PATTERN_SIZE_MAX) {
      return {
        code: 'PN1305',
        message: `the pattern has ${pattern.length} characters`,
        expected: `at most ${PATTERN_SIZE_MAX}`,
      };
    }
    try {
      RE2JS.compile(pattern);
      return null;
    } catch (error) {
      const isSyntax = error instanceof RE2JSSyntaxException;
      const snippet = isSyntax ? error.input : null;
      const reason = isSyntax ? error.error : 'the pattern is too complex';
      return {
        code: 'PN1304',
        message: `not a regular expression: ${reason}`,
        expected: 'RE2 syntax',
        hint: hintFor(pattern),
        within: locateSnippet(pattern, snippet),
      };
    }
  };
}

function hintFor(pattern: string): string | undefined {
  if (/\(\?(?:<?[=!]|>)/.test(pattern)) {
    return 'RE2 has no look-around, so that every match takes linear time';
  }
  if (/\\[1-9]/.test(pattern)) {
    return 'RE2 has no back-references, so that every match takes linear time';
  }
  return undefined;
}

/** The engine names the offending piece, not its place: take where it first stands. */
function locateSnippet(pattern: string, snippet: string | null) {
  if (snippet === null) {
    return { start: Math.max(0, pattern.length - 1), end: pattern.length };
  }
  const start = pattern.indexOf(snippet);
  return start < 0 ? undefined : { start, end: start + Math.max(1, snippet.length) };
}
