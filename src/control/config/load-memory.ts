/**
 * What a load remembers for the next one, so that a changed line costs a line.
 *
 * M1  whatever is taken from here is what would be made anew: everything is kept under the text or
 *     the object it was made of, with the files that were read for it, and nothing else decides
 *     what it is.
 * M2  what the last load did not use is forgotten.
 */

import type { PairMemory } from './certificate-section.ts';
import type { Config } from './config.ts';
import type { IssueDraft } from './issue.ts';
import type { Located, LocatedTable } from './located.ts';
import { locate } from './located.ts';
import type { NodeRead } from './node-files.ts';
import { NODE_KINDS } from './root-section.ts';
import type { ShadowMemory } from './shadow-lint.ts';
import type { ResolvedMemory } from './tls-resolve.ts';
import type { TomlDocument } from './toml-document.ts';
import { parseToml } from './toml-document.ts';
import { isOfGroup, splitGroups } from './toml-groups.ts';
import type { TomlGroup } from './toml-groups.ts';

/** A node as decoded, and what was to be said about it. */
export interface DecodedNode {
  readonly value: unknown;
  readonly drafts: readonly IssueDraft[];
  /** What it was made of besides its table. */
  readonly reads: readonly NodeRead[];
}

/** A part of a file, and what was made of it. */
interface ReadGroup {
  readonly text: string;
  readonly keys: readonly string[];
  /** The section or node; the whole of the lines before the first header. */
  readonly located: Located;
}

export interface ReadDocument extends Pick<TomlDocument, 'text' | 'problems'> {
  /** Not interpolated. Sections and nodes whose text did not change are the objects they were. */
  readonly tree: LocatedTable;
}

export const NODE_KIND_SET: ReadonlySet<string> = new Set(NODE_KINDS);

export class LoadMemory {
  /** By the whole table of a node. */
  readonly decoded = new WeakMap<LocatedTable, DecodedNode>();
  /** What a node inherits from a base, by its own table and the whole one of the base. */
  readonly merged = new WeakMap<LocatedTable, { base: LocatedTable; table: LocatedTable }>();
  readonly shadows: ShadowMemory = new WeakMap();
  readonly resolved: ResolvedMemory = new WeakMap();
  readonly pairs: PairMemory = new Map();
  readonly #files = new Map<string, readonly ReadGroup[]>();

  /** Parses `text`, which is that of `file` now. */
  read(file: string, text: string): ReadDocument {
    const groups = readGroups(file, text, this.#files.get(file) ?? []);
    const tree = groups === null ? null : treeOf(file, groups);
    if (groups !== null && tree !== null) {
      this.#files.set(file, groups);
      return { tree, text, problems: [] };
    }
    const document = parseToml(text);
    return { ...document, tree: locate(document.root, file, []) as LocatedTable };
  }

  /** Forgets certificates that are not in `config`. */
  retainPairs(config: Config): void {
    if (this.pairs.size === 0) return;
    const used = new Set<string>();
    for (const { pairs } of config.certificates) for (const { chain } of pairs) used.add(chain);
    for (const { tls } of config.services) if (tls !== null) used.add(tls.cert);
    for (const chain of this.pairs.keys()) if (!used.has(chain)) this.pairs.delete(chain);
  }

  /** Forgets files that are not among these. */
  retain(files: ReadonlySet<string>): void {
    for (const file of this.#files.keys()) if (!files.has(file)) this.#files.delete(file);
  }
}

/**
 * The groups of `text`: those at its begin and end that are as before, and between them new ones.
 * @returns null when one of them cannot stand alone
 */
function readGroups(
  file: string,
  text: string,
  before: readonly ReadGroup[],
): readonly ReadGroup[] | null {
  let start = 0;
  let head = 0;
  while (head < before.length && text.startsWith(before[head]!.text, start)) {
    start += before[head++]!.text.length;
  }
  if (head === before.length && start === text.length && head > 0) return before;
  // The last one that fits may go on now.
  if (head > 0) start -= before[--head]!.text.length;
  let end = text.length;
  let tail = before.length;
  while (tail > head + 1) {
    const { text: last, keys } = before[tail - 1]!;
    const at = end - last.length;
    const fits = at >= start && keys.length > 0 && text.startsWith(last, at);
    if (!fits || (at > 0 && text[at - 1] !== '\n')) break;
    end = at;
    tail--;
  }
  const known = new Map(before.slice(head, tail).map((group) => [group.text, group]));
  const groups = splitGroups(text.slice(start, end), start, NODE_KIND_SET);
  if (groups === null) return null;
  const middle: ReadGroup[] = [];
  for (const group of groups) {
    const read = known.get(group.text) ?? readGroup(file, group);
    if (read === null) return null;
    middle.push(read);
  }
  return [...before.slice(0, head), ...middle, ...before.slice(tail)];
}

/** @returns null when two groups have keys of the same node or section. */
function treeOf(file: string, groups: readonly ReadGroup[]): LocatedTable | null {
  const entries = new Map<string, Located>();
  const sections = new Map<string, Map<string, Located>>();
  for (const { keys, located } of groups) {
    const [section, node] = keys;
    if (section === undefined) {
      if (entries.size > 0) return null;
      for (const [key, value] of (located as LocatedTable).entries) entries.set(key, value);
    } else if (node === undefined) {
      if (entries.has(section)) return null;
      entries.set(section, located);
    } else {
      let nodes = sections.get(section);
      if (nodes === undefined) {
        nodes = new Map();
        sections.set(section, nodes);
        entries.set(section, { kind: 'table', spot: { file, path: [section] }, entries: nodes });
      }
      if (nodes.has(node)) return null;
      nodes.set(node, located);
    }
  }
  return { kind: 'table', spot: { file, path: [] }, entries };
}

/** A copy: a slice would keep all of the text in memory for as long as one value of it is used. */
function detached(slice: string): string {
  return ` ${slice}`.slice(1);
}

/** @returns null when the group cannot stand alone. */
function readGroup(file: string, group: TomlGroup): ReadGroup | null {
  const text = detached(group.text);
  const { keys } = group;
  const { root, problems } = parseToml(text);
  if (problems.length > 0 || !isOfGroup(root, group, NODE_KIND_SET)) return null;
  const whole = locate(root, file, []) as LocatedTable;
  const [section, node] = keys;
  if (section === undefined) return { text, keys, located: whole };
  const inner = whole.entries.get(section)!;
  const located = node === undefined ? inner : (inner as LocatedTable).entries.get(node)!;
  return { text, keys, located };
}
