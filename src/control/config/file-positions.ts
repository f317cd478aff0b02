/**
 * Places in one file, found by looking only at the part that is asked about: the parser that keeps
 * places is slow, and a large file with one issue should not be.
 */

import type { KeyPath, TextRange } from './issue.ts';
import { NODE_KIND_SET } from './load-memory.ts';
import { splitGroups } from './toml-groups.ts';
import type { TomlGroup } from './toml-groups.ts';
import type { TomlPositions } from './toml-positions.ts';

type Open = (text: string) => TomlPositions;

export class FilePositions {
  readonly #text: string;
  readonly #open: Open;
  /** By section, or section and node; null when the file has to be looked at whole. */
  readonly #groups: ReadonlyMap<string, TomlGroup> | null;
  readonly #opened = new Map<TomlGroup, TomlPositions>();
  #whole: TomlPositions | null = null;

  /**
   * @param text as it was parsed
   * @param open makes the places of a text
   */
  constructor(text: string, open: Open) {
    this.#text = text;
    this.#open = open;
    this.#groups = groupsOf(text);
  }

  /** As in TomlPositions. */
  find(path: KeyPath, part: 'key' | 'value', within?: TextRange): TextRange | null {
    const group = this.#groups?.get(groupId(path));
    if (group !== undefined) {
      let positions = this.#opened.get(group);
      if (positions === undefined) this.#opened.set(group, (positions = this.#open(group.text)));
      const range = positions.find(path, part, within);
      if (range !== null) return { start: range.start + group.start, end: range.end + group.start };
    }
    this.#whole ??= this.#open(this.#text);
    return this.#whole.find(path, part, within);
  }
}

/** @returns null when two groups have the same keys, so that neither can be asked alone. */
function groupsOf(text: string): Map<string, TomlGroup> | null {
  const groups = new Map<string, TomlGroup>();
  for (const group of splitGroups(text, 0, NODE_KIND_SET) ?? []) {
    const id = groupId(group.keys);
    if (groups.has(id)) return null;
    groups.set(id, group);
  }
  return groups;
}

function groupId(path: KeyPath): string {
  const [section, node] = path;
  const isNode = typeof section === 'string' && NODE_KIND_SET.has(section);
  return JSON.stringify(isNode ? [section, node] : [section]);
}
