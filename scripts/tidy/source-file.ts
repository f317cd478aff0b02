/**
 * One source file as the checks see it: lexed once, read by all of them.
 */

import { listImports } from './imports.ts';
import type { Import } from './imports.ts';
import { lex } from './lexer.ts';
import type { Lexed } from './lexer.ts';

export interface Problem {
  /** Relative to the repository, with `/`. */
  readonly path: string;
  /** 1-based. */
  readonly line: number;
  readonly message: string;
}

export interface SourceFile extends Lexed {
  /** Relative to the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly imports: readonly Import[];
  /** A test, or a suite that tests call (`x.contract.ts`). */
  readonly isTest: boolean;
}

/** Lexes `text`. */
export function readSource(path: string, text: string): SourceFile {
  const { code, comments } = lex(text);
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const isTest = /\.(?:test|contract)\.ts$/.test(path);
  return { path, text, lines, code, comments, imports: listImports(code), isTest };
}
