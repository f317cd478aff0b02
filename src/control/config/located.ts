/**
 * Located values: a TOML tree in which every value knows its file and key path.
 *
 * Inheritance copies references to these, so an inherited value still points at the line that
 * wrote it. Immutable once built.
 */

import { TomlDate } from 'smol-toml';
import type { KeyPath, Spot } from './issue.ts';

export type Located =
  | LocatedTable
  | LocatedArray
  | LocatedString
  | LocatedInteger
  | LocatedBoolean
  | LocatedOther;

export type ValueKind = Located['kind'];

export interface LocatedTable {
  readonly kind: 'table';
  readonly spot: Spot;
  /** In order of the file. */
  readonly entries: ReadonlyMap<string, Located>;
}

export interface LocatedArray {
  readonly kind: 'array';
  readonly spot: Spot;
  readonly items: readonly Located[];
}

export interface LocatedString {
  readonly kind: 'string';
  readonly spot: Spot;
  /** After interpolation. */
  readonly text: string;
  /** As the file has it: what issues show, so that a secret is never printed. */
  readonly written: string;
  /** False: `text` equals `written`, and offsets in one are offsets in the other. */
  readonly isInterpolated: boolean;
  /** True when interpolation failed: reported already, so nothing else is said about it. */
  readonly isBroken: boolean;
}

export interface LocatedInteger {
  readonly kind: 'integer';
  readonly spot: Spot;
  readonly value: number;
}

export interface LocatedBoolean {
  readonly kind: 'boolean';
  readonly spot: Spot;
  readonly value: boolean;
}

/** Kinds no key of ours takes. */
export interface LocatedOther {
  readonly kind: 'float' | 'datetime';
  readonly spot: Spot;
  readonly shown: string;
}

/** Wraps what the TOML parser made of `file`. Strings are not interpolated yet. */
export function locate(value: unknown, file: string, path: KeyPath): Located {
  const spot: Spot = { file, path };
  switch (typeof value) {
    case 'string':
      return stringOf(value, spot);
    case 'bigint':
      return { kind: 'integer', spot, value: Number(value) };
    case 'number':
      return { kind: 'float', spot, shown: String(value) };
    case 'boolean':
      return { kind: 'boolean', spot, value };
    default:
  }
  if (Array.isArray(value)) {
    const items = value.map((item, index) => locate(item, file, [...path, index]));
    return { kind: 'array', spot, items };
  }
  if (value instanceof TomlDate) {
    const isValid = !Number.isNaN(value.getTime());
    return { kind: 'datetime', spot, shown: isValid ? value.toISOString() : 'a date' };
  }
  const entries = new Map<string, Located>();
  for (const [key, child] of Object.entries(value as object)) {
    entries.set(key, locate(child, file, [...path, key]));
  }
  return { kind: 'table', spot, entries };
}

function stringOf(text: string, spot: Spot): LocatedString {
  return { kind: 'string', spot, text, written: text, isInterpolated: false, isBroken: false };
}

/** A table without entries: what a file without usable text counts as. */
export function emptyTable(file: string, path: KeyPath = []): LocatedTable {
  return { kind: 'table', spot: { file, path }, entries: new Map() };
}

/** How issues show a value: as written, shortened, on one line. */
export function describe(value: Located): string {
  switch (value.kind) {
    case 'table':
      return 'a table';
    case 'array':
      return value.items.length === 0 ? 'an empty array' : 'an array';
    case 'string': {
      const { written } = value;
      return JSON.stringify(written.length > 60 ? `${written.slice(0, 57)}...` : written);
    }
    case 'integer':
    case 'boolean':
      return String(value.value);
    default:
      return value.shown;
  }
}
