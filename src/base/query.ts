/**
 * Query parameters as application/x-www-form-urlencoded has them (WHATWG URL §5.1): pairs
 * between `&`, name and value around the first `=`, `+` for a space, percent escapes. A bad
 * escape stands for itself, so nothing here throws.
 *
 * The raw query is text with one character per byte; characters above U+00FF match nothing.
 */

import { utf8Text } from './utf8.ts';
import { HEX_VALUE } from './ascii.ts';

const AMPERSAND = 0x26;
const EQUALS = 0x3d;
const PERCENT = 0x25;
const PLUS = 0x2b;

/** What `nextCode` answers at the end of a name or value. */
const END = -1;

/** Where `nextCode` reads next. A module variable because no result object may be made. */
let cursor = 0;

/**
 * Is there a parameter of this name, and with this value? Hot: nothing is allocated.
 * @param query  raw query text without `?`
 * @param name   decoded name as UTF-8
 * @param value  decoded value as UTF-8, or null for any value
 */
export function hasQueryParameter(
  query: string,
  name: Uint8Array,
  value: Uint8Array | null,
): boolean {
  let start = 0;
  while (start < query.length) {
    const end = pairEnd(query, start);
    if (end > start && nameMatches(query, start, end, name)) {
      if (value === null || valueMatches(query, end, value)) return true;
    }
    start = end + 1;
  }
  return false;
}

/**
 * Calls `visit` with every decoded value of `name` until it answers true. Allocates the text of
 * each value of that name.
 * @param query  raw query text without `?`
 * @param name   decoded name as UTF-8
 * @returns true when some visit answered true
 */
export function someQueryValue(
  query: string,
  name: Uint8Array,
  visit: (value: string) => boolean,
): boolean {
  let start = 0;
  while (start < query.length) {
    const end = pairEnd(query, start);
    if (end > start && nameMatches(query, start, end, name) && visit(decodeValue(query, end))) {
      return true;
    }
    start = end + 1;
  }
  return false;
}

function pairEnd(query: string, start: number): number {
  let end = start;
  while (end < query.length && query.charCodeAt(end) !== AMPERSAND) end++;
  return end;
}

/** On true, `cursor` stands at the first character of the value, or at `end` without one. */
function nameMatches(query: string, start: number, end: number, name: Uint8Array): boolean {
  cursor = start;
  for (let i = 0; i < name.length; i++) {
    if (cursor < end && query.charCodeAt(cursor) === EQUALS) return false;
    if (nextCode(query, end) !== name[i]) return false;
  }
  if (cursor === end) return true;
  if (query.charCodeAt(cursor) !== EQUALS) return false;
  cursor++;
  return true;
}

function valueMatches(query: string, end: number, value: Uint8Array): boolean {
  for (let i = 0; i < value.length; i++) {
    if (nextCode(query, end) !== value[i]) return false;
  }
  return cursor === end;
}

function decodeValue(query: string, end: number): string {
  const bytes = new Uint8Array(end - cursor);
  let size = 0;
  while (cursor < end) bytes[size++] = Math.min(nextCode(query, end), 0xff);
  return utf8Text(bytes, 0, size);
}

/** Reads and decodes one character at `cursor`. @returns its byte, or END. */
function nextCode(query: string, end: number): number {
  if (cursor >= end) return END;
  const code = query.charCodeAt(cursor++);
  if (code === PLUS) return 0x20;
  if (code !== PERCENT || cursor + 2 > end) return code;
  const high = hexAt(query, cursor);
  const low = hexAt(query, cursor + 1);
  if (high < 0 || low < 0) return code;
  cursor += 2;
  return high * 16 + low;
}

function hexAt(query: string, index: number): number {
  const code = query.charCodeAt(index);
  return code < 256 ? HEX_VALUE[code]! : -1;
}
