/**
 * Checks on one file alone: width, sizes, header, banned words, unnumbered notes.
 */

import { listFunctions } from './functions.ts';
import type { Layers } from './layers.ts';
import { findRoom } from './layers.ts';
import type { Token } from './lexer.ts';
import type { Problem, SourceFile } from './source-file.ts';

export const COLUMN_MAX = 100;
export const FILE_LINES_MAX = 450;
export const FUNCTION_LINES_MAX = 70;

interface BannedWord {
  /** As rooms list it under `words`; consecutive tokens separated by one space. */
  readonly text: string;
  readonly instead: string;
  /** Only below `src`; elsewhere the word is fine. */
  readonly isSourceOnly: boolean;
}

const BANNED: readonly BannedWord[] = [
  { text: 'Date . now (', instead: 'the injected clock', isSourceOnly: true },
  { text: 'Math . random (', instead: 'the injected random', isSourceOnly: true },
  { text: 'console .', instead: 'the log of the app', isSourceOnly: true },
  { text: 'process . env', instead: 'the injected environment', isSourceOnly: true },
  { text: 'new Function', instead: 'no code from text', isSourceOnly: false },
  { text: 'eval (', instead: 'no code from text', isSourceOnly: false },
  { text: 'enum', instead: 'a const object', isSourceOnly: false },
  { text: 'export default', instead: 'a named export', isSourceOnly: false },
  { text: 'export *', instead: 'a list of names', isSourceOnly: false },
];

const BANNED_BY_FIRST = Map.groupBy(BANNED, (word) => word.text.split(' ')[0]!);

/** Lines over the limit, by code point. */
export function checkColumns(file: SourceFile): Problem[] {
  const problems: Problem[] = [];
  file.lines.forEach((line, i) => {
    if (line.length <= COLUMN_MAX || [...line].length <= COLUMN_MAX) return;
    problems.push({ path: file.path, line: i + 1, message: `over ${COLUMN_MAX} columns` });
  });
  return problems;
}

/** Source files open with a comment that says what they are. */
export function checkHeader(file: SourceFile): Problem[] {
  if (!file.path.startsWith('src/') || file.path.endsWith('.test.ts')) return [];
  const comment = file.comments[0];
  const first = file.code[0];
  if (comment !== undefined && (first === undefined || comment.line < first.line)) return [];
  return [{ path: file.path, line: 1, message: 'no header comment' }];
}

/** Banned words in code; comments and strings may name them. */
export function checkWords(layers: Layers, file: SourceFile): Problem[] {
  const problems: Problem[] = [];
  const home = findRoom(layers, file.path)?.room.words ?? [];
  const allowed = file.isTest ? [...home, ...(layers.tests.words ?? [])] : home;
  const isSource = file.path.startsWith('src/');
  for (let i = 0; i < file.code.length; i++) {
    for (const word of BANNED_BY_FIRST.get(file.code[i]!.text) ?? []) {
      if ((word.isSourceOnly && !isSource) || allowed.includes(word.text)) continue;
      if (!startsWith(file.code, i, word.text.split(' '))) continue;
      const message = `\`${word.text}\` is banned: use ${word.instead}`;
      problems.push({ path: file.path, line: file.code[i]!.line, message });
    }
  }
  return problems;
}

function startsWith(code: readonly Token[], at: number, tokens: readonly string[]): boolean {
  if (code[at]!.text !== tokens[0]) return false;
  // `x.enum` and `{ enum: 1 }` are names, not the keyword.
  if (tokens.length === 1 && (code[at - 1]?.text === '.' || code[at + 1]?.kind !== 'word')) {
    return false;
  }
  for (let i = 0; i < tokens.length; i++) {
    const token = code[at + i];
    if (token === undefined || token.text !== tokens[i] || token.kind === 'string') return false;
  }
  return true;
}

/** `TODO(#12)` is the one form of a note for later. */
export function checkNotes(file: SourceFile): Problem[] {
  const problems: Problem[] = [];
  for (const comment of file.comments) {
    for (const match of comment.text.matchAll(/\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))/g)) {
      const line = comment.line + comment.text.slice(0, match.index).split('\n').length - 1;
      problems.push({ path: file.path, line, message: `${match[1]} without an issue number` });
    }
  }
  return problems;
}

/** Documents that comments send a reader to are there. `exists` takes a path of the repository. */
export function checkDocs(file: SourceFile, exists: (path: string) => boolean): Problem[] {
  const problems: Problem[] = [];
  for (const comment of file.comments) {
    for (const match of comment.text.matchAll(/\bdocs\/[\w/-]+\.md\b/g)) {
      if (exists(match[0])) continue;
      const line = comment.line + comment.text.slice(0, match.index).split('\n').length - 1;
      problems.push({ path: file.path, line, message: `names ${match[0]}, which is not there` });
    }
  }
  return problems;
}

/** File size; a listed reason excuses it, and a reason no longer needed is a problem. */
export function checkFileSize(layers: Layers, file: SourceFile): Problem[] {
  const reason = layers.longFiles[file.path];
  const count = file.lines.length;
  const report = (message: string): Problem[] => [{ path: file.path, line: 1, message }];
  if (count <= FILE_LINES_MAX) {
    return reason === undefined ? [] : report('longFiles in layers.json lists it without need');
  }
  if (reason !== undefined && reason.length > 0) return [];
  return report(`${count} lines, over ${FILE_LINES_MAX}: split it, or list a reason`);
}

/** Function length. A listed function may shrink, never grow, and leaves the list when short. */
export function checkFunctions(layers: Layers, file: SourceFile): Problem[] {
  const problems: Problem[] = [];
  for (const { name, line, lineCount } of listFunctions(file.code)) {
    const listed = layers.longFunctions[`${file.path}#${name}`];
    const max = listed?.lines ?? FUNCTION_LINES_MAX;
    if (lineCount > max) {
      const message = `${name} has ${lineCount} lines, over ${max}`;
      problems.push({ path: file.path, line, message });
    } else if (listed !== undefined && lineCount < listed.lines) {
      const next = lineCount > FUNCTION_LINES_MAX ? `lower it to ${lineCount}` : 'remove it';
      const message = `longFunctions in layers.json: ${name} has ${lineCount} lines, ${next}`;
      problems.push({ path: file.path, line, message });
    }
  }
  return problems;
}
