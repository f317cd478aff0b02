/**
 * Positions: from a key path to the characters of a TOML file that wrote it.
 *
 * Built only when there is something to report: this parser keeps places and costs several times
 * the fast one. Import it dynamically.
 */

import { parseTOML } from 'toml-eslint-parser';
import type { AST } from 'toml-eslint-parser';
import type { KeyPath, TextRange } from './issue.ts';
import { literalOffset } from './literal-offsets.ts';

interface Entry {
  readonly key: TextRange;
  /** Null for tables that have a header, not a value. */
  readonly value: TextRange | null;
}

/** Places of one file. */
export class TomlPositions {
  readonly #text: string;
  readonly #entries = new Map<string, Entry>();

  /** @param text a document the fast parser accepted; if this one does not, nothing is found. */
  constructor(text: string) {
    this.#text = text;
    let program: AST.TOMLProgram;
    try {
      program = parseTOML(text, { tomlVersion: '1.1' });
    } catch {
      return; // The two parsers disagree: issues then point at the start of the file.
    }
    for (const node of program.body[0].body) {
      if (node.type === 'TOMLTable') this.#addTable(node);
      else this.#addKeyValue(node, []);
    }
  }

  /**
   * Characters of the key or the value at `path`; of the nearest enclosing key when the path
   * itself has no text.
   * @returns null when even the first key of the path is unknown
   */
  find(path: KeyPath, part: 'key' | 'value', within?: TextRange): TextRange | null {
    for (let depth = path.length; depth > 0; depth--) {
      const entry = this.#entries.get(JSON.stringify(path.slice(0, depth)));
      if (entry === undefined) continue;
      if (part === 'key' || depth < path.length || entry.value === null) return entry.key;
      return within === undefined ? entry.value : this.#insideLiteral(entry.value, within);
    }
    return null;
  }

  #insideLiteral(value: TextRange, within: TextRange): TextRange {
    const literal = this.#text.slice(value.start, value.end);
    if (literal[0] !== '"' && literal[0] !== "'") return value;
    const start = value.start + literalOffset(literal, within.start);
    const end = value.start + literalOffset(literal, within.end);
    return { start, end: Math.max(end, start + 1) };
  }

  #addTable(table: AST.TOMLTable): void {
    const path = [...table.resolvedKey];
    // `resolvedKey` has an index more than keys for each array of tables on the way.
    const keys = table.key.keys;
    let keyIndex = 0;
    for (let depth = 1; depth <= path.length; depth++) {
      if (typeof path[depth - 1] === 'number' && keyIndex > 0) keyIndex--;
      const key = keys[keyIndex++];
      if (key !== undefined)
        this.#add(path.slice(0, depth), rangeOf(key), null, depth === path.length);
    }
    for (const node of table.body) this.#addKeyValue(node, path);
  }

  #addKeyValue(node: AST.TOMLKeyValue, parent: KeyPath): void {
    let path = parent;
    for (const [index, key] of node.key.keys.entries()) {
      path = [...path, key.type === 'TOMLBare' ? key.name : key.value];
      const isLast = index === node.key.keys.length - 1;
      this.#add(path, rangeOf(key), isLast ? rangeOf(node.value) : null, isLast);
    }
    this.#addContent(node.value, path);
  }

  #addContent(node: AST.TOMLContentNode, path: KeyPath): void {
    if (node.type === 'TOMLInlineTable') {
      for (const child of node.body) this.#addKeyValue(child, path);
    } else if (node.type === 'TOMLArray') {
      for (const [index, item] of node.elements.entries()) {
        const range = rangeOf(item);
        this.#add([...path, index], range, range, true);
        this.#addContent(item, [...path, index]);
      }
    }
  }

  /** A place that ends in the key wins over one that only passes through it. */
  #add(path: KeyPath, key: TextRange, value: TextRange | null, isFinal: boolean): void {
    const id = JSON.stringify(path);
    if (isFinal || !this.#entries.has(id)) this.#entries.set(id, { key, value });
  }
}

function rangeOf(node: AST.TOMLNode): TextRange {
  return { start: node.range[0], end: node.range[1] };
}
