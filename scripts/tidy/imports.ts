/**
 * The import list of a file, read from its tokens.
 */

import type { Token } from './lexer.ts';

export interface Import {
  /** As written: `./x.ts`, `node:net`, `valibot`. */
  readonly specifier: string;
  /** 1-based. */
  readonly line: number;
  /**
   * `value` runs the other module at load; `type` is erased; `lazy` is `import()`;
   * `path` is a string that names a `.ts` file relative to this one (a worker's entry).
   */
  readonly kind: 'value' | 'type' | 'lazy' | 'path';
}

/** Every import, re-export, `import()` and relative `.ts` path in `code`, in order. */
export function listImports(code: readonly Token[]): Import[] {
  const found: Import[] = [];
  const specifiers = new Set<Token>();
  for (let i = 0; i < code.length; i++) {
    const token = code[i]!;
    if (token.kind === 'string') {
      const isPath = /^\.{1,2}\/.*\.ts$/.test(token.text) && !specifiers.has(token);
      if (isPath) found.push({ specifier: token.text, line: token.line, kind: 'path' });
      continue;
    }
    if (token.kind !== 'word' || code[i - 1]?.text === '.') continue;
    const target = importTarget(code, i) ?? exportTarget(code, i);
    if (target === null) continue;
    specifiers.add(target.token);
    const { text, line } = target.token;
    found.push({ specifier: text, line, kind: target.kind });
  }
  return found;
}

interface Target {
  readonly token: Token;
  readonly kind: 'value' | 'type' | 'lazy';
}

function importTarget(code: readonly Token[], at: number): Target | null {
  if (code[at]!.text !== 'import') return null;
  const next = code[at + 1];
  if (next === undefined) return null;
  if (next.kind === 'string') return { token: next, kind: 'value' };
  if (next.text === '(') {
    const argument = code[at + 2];
    return argument?.kind === 'string' ? { token: argument, kind: 'lazy' } : null;
  }
  if (next.text === '.') return null; // import.meta
  return fromClause(code, at + 1);
}

function exportTarget(code: readonly Token[], at: number): Target | null {
  if (code[at]!.text !== 'export') return null;
  const first = code[at + 1]?.text === 'type' ? at + 2 : at + 1;
  const opener = code[first]?.text;
  if (opener !== '{' && opener !== '*') return null;
  return fromClause(code, at + 1);
}

/** Finds `from 'x'` after the names of an import or export that starts at `at`. */
function fromClause(code: readonly Token[], at: number): Target | null {
  const isType = code[at]!.text === 'type' && code[at + 1]?.text !== 'from';
  for (let i = at; i < code.length; i++) {
    const token = code[i]!;
    if (token.text === '{') {
      while (i < code.length && code[i]!.text !== '}') i++;
      if (code[i + 1]?.text !== 'from') return null;
    } else if (token.text === 'from' && code[i + 1]?.kind === 'string') {
      return { token: code[i + 1]!, kind: isType ? 'type' : 'value' };
    } else if (token.kind === 'punct' && token.text !== '*' && token.text !== ',') return null;
  }
  return null;
}
