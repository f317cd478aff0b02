/**
 * Files that nodes name: certificates, keys, authorities.
 *
 * What was read is kept with what was made of it, so that a node is decoded anew when one of its
 * files has changed, and only then. A text that is PEM itself stands for its own file.
 */

import type { ConfigSource, Unreadable } from './config-source.ts';
import { folderOf, joinPath } from './config-source.ts';
import { isSame } from '../../base/is-same.ts';
import type { Report } from './issue.ts';
import type { Located, LocatedString, LocatedTable } from './located.ts';
import { describe } from './located.ts';

/** Base64 in several lines, or more of it in one than a path would have. */
const BARE_KEY = /^(?:[A-Za-z0-9+/=]{100,}|[^\n]*\n[^]*)$/;

/** One question to the source, and its answer. */
export interface NodeRead {
  readonly path: string;
  /** Null: a file; else `path` is a pattern in this folder. */
  readonly folder: string | null;
  readonly answer: string | readonly string[] | Unreadable;
}

/** The files of one load. */
export class NodeFiles {
  readonly #source: ConfigSource;
  readonly #onFile: (path: string) => void;

  /** @param onFile told of every file that is asked for */
  constructor(source: ConfigSource, onFile: (path: string) => void) {
    this.#source = source;
    this.#onFile = onFile;
  }

  /** @param file configuration file of the node */
  reader(file: string): NodeReader {
    return new NodeReader((path, folder) => this.#ask(path, folder, file));
  }

  /** True while every question of a node has the answer it had. */
  isCurrent(reads: readonly NodeRead[], file: string): boolean {
    return reads.every(({ path, folder, answer }) => isSame(this.#ask(path, folder, file), answer));
  }

  #ask(path: string, folder: string | null, file: string): NodeRead['answer'] {
    if (folder !== null) return this.#source.glob(path, folder, file);
    this.#onFile(path);
    return this.#source.readFile(path, file);
  }
}

/** Reads for one node, and remembers what. */
export class NodeReader {
  readonly reads: NodeRead[] = [];
  readonly #ask: (path: string, folder: string | null) => NodeRead['answer'];

  constructor(ask: (path: string, folder: string | null) => NodeRead['answer']) {
    this.#ask = ask;
  }

  readFile(path: string): string | Unreadable {
    const answer = this.#ask(path, null);
    this.reads.push({ path, folder: null, answer });
    return answer as string | Unreadable;
  }

  glob(pattern: string, folder: string): readonly string[] | Unreadable {
    const answer = this.#ask(pattern, folder);
    this.reads.push({ path: pattern, folder, answer });
    return answer as readonly string[] | Unreadable;
  }

  /** The text that `value` names or is; null after an issue. */
  textOf(value: LocatedString, report: Report): string | null {
    if (value.isBroken || value.text === '') return null; // Reported already.
    if (isPemText(value.text)) return value.text;
    const path = pathOf(value);
    // A key without its first line, perhaps: nothing of it is repeated.
    if (BARE_KEY.test(value.text)) {
      const message = 'this is no path, and no PEM text either';
      const place = { spot: value.spot, part: 'value', isSecret: true } as const;
      report({ severity: 'error', code: 'PN1501', message, ...place });
      return null;
    }
    const answer = this.readFile(path);
    if (typeof answer === 'string') return answer;
    // What a variable or file contains is not repeated.
    const shown = value.isInterpolated ? 'the file' : path;
    report({
      severity: 'error',
      code: 'PN1501',
      message: `${shown} cannot be read: ${answer.problem}`,
      spot: value.spot,
      part: 'value',
      found: describe(value),
    });
    return null;
  }
}

/** Path of a file as its configuration file means it. */
export function pathOf(value: LocatedString): string {
  return joinPath(folderOf(value.spot.file), value.text);
}

/** What issues call the file: its path, or that it stands in the configuration. */
export function fileName(value: LocatedString): string {
  return isPemText(value.text) || value.isInterpolated ? value.spot.file : pathOf(value);
}

/** The texts at a key that takes one or more of them. */
export function stringsAt(table: LocatedTable, key: string): readonly LocatedString[] {
  const value = table.entries.get(key);
  const items: readonly Located[] = value?.kind === 'array' ? value.items : value ? [value] : [];
  return items.filter((item) => item.kind === 'string');
}

function isPemText(text: string): boolean {
  return text.includes('-----BEGIN ');
}
