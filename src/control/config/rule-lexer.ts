/**
 * Rule text to tokens: names, strings, parentheses, commas and operators, with their places.
 */

import type { Problem } from './parsed.ts';

export type RuleTokenKind = 'name' | 'string' | '(' | ')' | ',' | '&&' | '||' | '!' | 'end';

export interface RuleToken {
  readonly kind: RuleTokenKind;
  /** Name or decoded string; the token itself for the rest. */
  readonly text: string;
  /** Offsets in the rule; `end` exclusive. */
  readonly start: number;
  readonly end: number;
  /** True for a string whose characters stand in the rule as they are (backticks). */
  readonly isVerbatim: boolean;
}

export type Lexed =
  | { readonly ok: true; readonly tokens: readonly RuleToken[] }
  | { readonly ok: false; readonly problem: Problem };

const SPACE = /\s+/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const SYMBOL = /&&|\|\||[!(),]/y;
const RAW_STRING = /`([^`]*)`/y;
const QUOTED_STRING = /"((?:[^"\\\n]|\\[^\n])*)"/y;
const ESCAPE = /\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([\s\S]))/g;
const PLAIN_ESCAPES: { readonly [letter: string]: string } = {
  n: '\n',
  t: '\t',
  r: '\r',
  '"': '"',
  '\\': '\\',
  '`': '`',
  "'": "'",
};

/** Splits `rule`. Stops at the first character that begins no token. */
export function lexRule(rule: string): Lexed {
  const tokens: RuleToken[] = [];
  let at = match(SPACE, rule, 0)?.[0].length ?? 0;
  while (at < rule.length) {
    const token = nextToken(rule, at);
    if ('code' in token) return { ok: false, problem: token };
    tokens.push(token);
    at = token.end;
    at += match(SPACE, rule, at)?.[0].length ?? 0;
  }
  const end = rule.length;
  tokens.push({ kind: 'end', text: '', start: end, end, isVerbatim: false });
  return { ok: true, tokens };
}

function nextToken(rule: string, start: number): RuleToken | Problem {
  const name = match(NAME, rule, start)?.[0];
  if (name !== undefined) return token('name', name, start, name.length);
  const symbol = match(SYMBOL, rule, start)?.[0];
  if (symbol !== undefined) return token(symbol as RuleTokenKind, symbol, start, symbol.length);
  const raw = match(RAW_STRING, rule, start);
  if (raw !== null) {
    return { ...token('string', raw[1] ?? '', start, raw[0].length), isVerbatim: true };
  }
  const quoted = match(QUOTED_STRING, rule, start);
  if (quoted !== null) {
    const content = quoted[1] ?? '';
    const isVerbatim = !content.includes('\\');
    return { ...token('string', unescape(content), start, quoted[0].length), isVerbatim };
  }
  return problemAt(rule, start);
}

function token(kind: RuleTokenKind, text: string, start: number, size: number): RuleToken {
  return { kind, text, start, end: start + size, isVerbatim: false };
}

function problemAt(rule: string, start: number): Problem {
  const character = rule[start] ?? '';
  const rest = { start, end: rule.length };
  if (character === '`') {
    return { code: 'PN1301', message: 'a backtick is not closed', within: rest };
  }
  if (character === '"') {
    return { code: 'PN1301', message: 'a double quote is not closed', within: rest };
  }
  const within = { start, end: start + 1 };
  if (character === '&' || character === '|') {
    const operator = character.repeat(2);
    const message = `a single \`${character}\` is no operator`;
    return { code: 'PN1301', message, expected: `\`${operator}\``, within };
  }
  if (character === "'") {
    const expected = 'a value in backticks';
    return { code: 'PN1301', message: 'single quotes are not used in rules', expected, within };
  }
  return { code: 'PN1301', message: 'unexpected character', within };
}

function unescape(content: string): string {
  return content.replace(ESCAPE, (_, unicode?: string, byte?: string, letter?: string) => {
    if (letter !== undefined) return PLAIN_ESCAPES[letter] ?? letter;
    return String.fromCharCode(Number.parseInt(unicode ?? byte ?? '0', 16));
  });
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
