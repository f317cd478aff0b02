/**
 * TOML text to a plain tree, also when parts of the text are broken.
 *
 * A document that parses whole costs one parse. Otherwise each table (from one header line to
 * the next) is parsed alone: broken lines are blanked, and a table that stays broken is dropped,
 * so that the rest can still be checked. Blanking keeps line numbers.
 */

import { parse, TomlError } from 'smol-toml';

export interface SyntaxProblem {
  readonly message: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based. */
  readonly column: number;
}

export interface TomlDocument {
  readonly root: Record<string, unknown>;
  /** The text that was parsed in the end: broken lines are blank. Same line count as the input. */
  readonly text: string;
  readonly problems: readonly SyntaxProblem[];
}

type Parsed = { readonly root: Record<string, unknown> } | { readonly problem: SyntaxProblem };

const PROBLEMS_MAX = 20;
const HEADER = /^[ \t]*\[\[?[ \t]*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')[^\]]*\]\]?[ \t]*(?:#.*)?\r?$/;
const KEY_LINE = /^[ \t]*[A-Za-z0-9_."' \t-]+=/;

/** Parses `text`. Never throws; with problems, `root` holds what could still be read. */
export function parseToml(text: string): TomlDocument {
  const whole = tryParse(text);
  if ('root' in whole) return { root: whole.root, text, problems: [] };
  const problems: SyntaxProblem[] = [];
  const lines = text.split('\n');
  const starts = headerLines(lines);
  for (const [index, start] of starts.entries()) {
    mendTable(lines, start, starts[index + 1] ?? lines.length, problems);
  }
  // What is left are conflicts between tables, such as a table defined twice.
  for (let round = 0; round < PROBLEMS_MAX; round++) {
    const mended = tryParse(lines.join('\n'));
    if ('root' in mended) return { root: mended.root, text: lines.join('\n'), problems };
    problems.push(mended.problem);
    const broken = mended.problem.line - 1;
    const start = starts.findLast((line) => line <= broken) ?? 0;
    blank(lines, start, starts.find((line) => line > broken) ?? lines.length);
  }
  return { root: {}, text: lines.map(() => '').join('\n'), problems };
}

/** First lines of the parts that can be parsed alone; 0 is always one of them. */
function headerLines(lines: readonly string[]): number[] {
  const starts = [0];
  for (const [index, line] of lines.entries()) {
    if (index > 0 && HEADER.test(line)) starts.push(index);
  }
  return starts;
}

/** Blanks what is broken in the lines from `start` to before `end`, and adds why. */
function mendTable(lines: string[], start: number, end: number, problems: SyntaxProblem[]): void {
  for (let round = 0; problems.length < PROBLEMS_MAX; round++) {
    const part = tryParse(lines.slice(start, end).join('\n'));
    if ('root' in part) return;
    const line = Math.min(start + part.problem.line - 1, end - 1);
    const isKeyLine = KEY_LINE.test(lines[line] ?? '');
    // After the first problem only a line that stands for itself is believed: anything else is
    // more likely the rest of a value whose beginning was blanked.
    if (round === 0 || isKeyLine) problems.push({ ...part.problem, line: line + 1 });
    if (isKeyLine) lines[line] = '';
    else {
      blank(lines, line, end); // What comes before it may still be good.
      break;
    }
  }
  if ('root' in tryParse(lines.slice(start, end).join('\n'))) return;
  // Nothing in between can be trusted, but the header tells that the node exists.
  blank(lines, start + 1, end);
  if ('problem' in tryParse(lines[start] ?? '')) lines[start] = '';
}

function blank(lines: string[], start: number, end: number): void {
  for (let line = start; line < end; line++) lines[line] = '';
}

function tryParse(text: string): Parsed {
  try {
    return { root: parse(text, { integersAsBigInt: true }) };
  } catch (error) {
    if (!(error instanceof TomlError)) {
      return { problem: { message: 'the text cannot be read as TOML', line: 1, column: 1 } };
    }
    // The first line is the reason; the rest is a code block we draw ourselves.
    const reason = error.message.split('\n')[0] ?? '';
    const message = reason.replace(/^Invalid TOML document: /, '');
    return {
      problem: { message, line: Math.max(1, error.line), column: Math.max(1, error.column) },
    };
  }
}
