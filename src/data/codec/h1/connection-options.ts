/**
 * Connection options (RFC 9110 §7.6.1): the ones this proxy acts on, and the fields they nominate.
 *
 * Nominating is bounded: `CONNECTION_OPTION_COUNT_MAX` elements per head, empty ones included, so
 * that marking fields stays linear in the size of the head.
 */

import { COMMA, equalsIgnoreCase, isOws, latin1Bytes, LOWER } from '../../../base/ascii.ts';
import { Field, fieldId } from '../field.ts';
import type { FieldTable } from '../head.ts';

/** Bits of `FieldTable.connectionOptions`. */
export const ConnectionOption = { close: 1, keepAlive: 2, upgrade: 4 } as const;

export const CONNECTION_OPTION_COUNT_MAX = 64;

const CLOSE = latin1Bytes('close');

/**
 * Reads one Connection field of a completely scanned table: adds its options to
 * `table.connectionOptions` and marks the fields it nominates as hop-by-hop.
 * @param index  of a field whose id is `Field.connection`
 * @returns false when the head lists more than `CONNECTION_OPTION_COUNT_MAX` options
 */
export function readConnectionField(table: FieldTable, index: number): boolean {
  const bytes = table.bytes;
  const valueEnd = table.valueEnd[index]!;
  let at = table.valueStart[index]!;
  while (at <= valueEnd) {
    let end = at;
    while (end < valueEnd && bytes[end] !== COMMA) end++;
    if (++table.connectionOptionCount > CONNECTION_OPTION_COUNT_MAX) return false;
    readOption(table, at, end);
    at = end + 1;
  }
  return true;
}

function readOption(table: FieldTable, start: number, end: number): void {
  const bytes = table.bytes;
  while (start < end && isOws(bytes[start]!)) start++;
  while (end > start && isOws(bytes[end - 1]!)) end--;
  if (start === end) return;
  const id = fieldId(bytes, start, end);
  if (id === Field.keepAlive) table.connectionOptions |= ConnectionOption.keepAlive;
  else if (id === Field.upgrade) table.connectionOptions |= ConnectionOption.upgrade;
  else if (id !== Field.other) return; // Known names are hop-by-hop anyway, or kept (H3).
  else if (equalsIgnoreCase(bytes, start, end, CLOSE)) {
    table.connectionOptions |= ConnectionOption.close;
  } else nominate(table, start, end);
}

/** Marks every field whose name is not in `Field` and equals the option, ignoring case. */
function nominate(table: FieldTable, start: number, end: number): void {
  const bytes = table.bytes;
  const size = end - start;
  for (let i = 0; i < table.count; i++) {
    const nameStart = table.nameStart[i]!;
    if (table.id[i] !== Field.other || table.nameEnd[i]! - nameStart !== size) continue;
    let same = 0;
    while (same < size && LOWER[bytes[nameStart + same]!] === LOWER[bytes[start + same]!]) same++;
    if (same === size) table.isHop[i] = 1;
  }
}

/**
 * True when the comma-separated list in [start, end) has this element, ignoring case.
 * @param lower  the element in lower case
 */
export function listIncludes(
  bytes: Uint8Array,
  start: number,
  end: number,
  lower: Uint8Array,
): boolean {
  let at = start;
  while (at < end) {
    let elementEnd = at;
    while (elementEnd < end && bytes[elementEnd] !== COMMA) elementEnd++;
    const next = elementEnd + 1;
    while (at < elementEnd && isOws(bytes[at]!)) at++;
    while (elementEnd > at && isOws(bytes[elementEnd - 1]!)) elementEnd--;
    if (equalsIgnoreCase(bytes, at, elementEnd, lower)) return true;
    at = next;
  }
  return false;
}
