/**
 * Lengths of the functions in a file, found from tokens alone.
 *
 * A body is a `{` after `=>`, or after a parameter list with or without a return type. Nested
 * functions are counted both on their own and inside the one around them.
 */

import type { Token } from './lexer.ts';

export interface FunctionSpan {
  /** Name as written before the parameters; `=>` for an unnamed arrow function. */
  readonly name: string;
  /** 1-based line of the name. */
  readonly line: number;
  /** Lines from the name to the closing brace, both included. */
  readonly lineCount: number;
}

const CONTROL = new Set(['if', 'for', 'while', 'switch', 'catch', 'with', 'await', 'return']);
const STATEMENT = new Set('if for while switch return throw break const let var'.split(' '));
const OPENERS = '([{';
const CLOSERS = ')]}';
/** After one of these a `{` is an object type, not the body. */
const BEFORE_TYPE = new Set(
  [':', '|', '&', '<', '(', ',', '[', '?', '=>'].concat('is keyof readonly extends'.split(' ')),
);

/** Every function with a block body, in order of its body. */
export function listFunctions(code: readonly Token[]): FunctionSpan[] {
  const partner = matchBrackets(code);
  const spans: FunctionSpan[] = [];
  for (let i = 0; i < code.length; i++) {
    const token = code[i]!;
    if (token.kind !== 'punct') continue;
    if (token.text === '=>' && code[i + 1]?.text === '{') {
      spans.push(span(code, partner, arrowStart(code, partner, i), i + 1));
    } else if (token.text === ')') {
      const open = partner[i]!;
      const body = open < 0 ? -1 : bodyAfter(code, partner, i);
      const before = code[open - 1];
      if (body < 0 || before === undefined || CONTROL.has(before.text)) continue;
      spans.push(span(code, partner, nameStart(code, open), body));
    }
  }
  return spans;
}

/** For every bracket the index of its partner; -1 elsewhere and for unbalanced ones. */
export function matchBrackets(code: readonly Token[]): Int32Array {
  const partner = new Int32Array(code.length).fill(-1);
  const open: number[] = [];
  for (let i = 0; i < code.length; i++) {
    const token = code[i]!;
    if (token.kind !== 'punct' || token.text.length !== 1) continue;
    if (OPENERS.includes(token.text)) open.push(i);
    else if (CLOSERS.includes(token.text)) {
      const start = open.pop();
      if (start === undefined) continue;
      partner[start] = i;
      partner[i] = start;
    }
  }
  return partner;
}

/** @returns index of the body's `{` after the parameter list that ends at `close`; -1: none */
function bodyAfter(code: readonly Token[], partner: Int32Array, close: number): number {
  const next = code[close + 1]?.text;
  if (next === '{') return close + 1;
  if (next !== ':') return -1;
  let angles = 0;
  for (let i = close + 2; i < code.length; i++) {
    const token = code[i]!;
    if (token.kind === 'word' && STATEMENT.has(token.text)) return -1; // `case f(x): return`
    if (token.kind !== 'punct') continue;
    const before = code[i - 1]!.text;
    if (token.text === '{' && !BEFORE_TYPE.has(before)) return before === ')' ? -1 : i;
    if (OPENERS.includes(token.text)) {
      i = partner[i]!;
      if (i < 0) return -1;
    } else if (token.text === '<') angles++;
    else if (token.text === '>') angles--;
    else if (token.text === '=>') {
      // `(a): T => {` is an arrow function with a type; its body is found by its arrow.
      if (code[i + 1]?.text === '{') return -1;
    } else if (!'.|&?'.includes(token.text) && !(token.text === ',' && angles > 0)) return -1;
  }
  return -1;
}

function nameStart(code: readonly Token[], open: number): number {
  let at = open - 1;
  if (code[at]!.text === '>') {
    // Walk back over type parameters: `name<T extends U>(`.
    let depth = 0;
    for (; at > 0; at--) {
      if (code[at]!.text === '>') depth++;
      else if (code[at]!.text === '<' && --depth === 0) break;
    }
    at--;
  }
  return Math.max(at, 0);
}

function arrowStart(code: readonly Token[], partner: Int32Array, arrow: number): number {
  let at = arrow - 1;
  if (code[at]?.text === ')') at = partner[at]!;
  if (code[at - 1]?.text === '=' && code[at - 2]?.kind === 'word') return at - 2;
  return Math.max(at, 0);
}

function span(
  code: readonly Token[],
  partner: Int32Array,
  start: number,
  body: number,
): FunctionSpan {
  const close = code[partner[body]!];
  const token = code[start]!;
  const name = token.kind === 'word' ? token.text : '=>';
  const lineEnd = close?.lineEnd ?? token.line;
  return { name, line: token.line, lineCount: lineEnd - token.line + 1 };
}
