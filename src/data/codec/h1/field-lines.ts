/**
 * Scans field lines (RFC 9112 §5) into a FieldTable, resumable at any byte.
 *
 * L1  strict: every line ends in CRLF; no octet below SP but HTAB, no DEL; no whitespace around
 *     the name; no folded line. What differs is a fault, never repaired.
 * L2  no byte is classified twice, however the input is split (one look-back at a CR aside).
 */

import {
  BYTE_CLASS,
  COLON,
  CR,
  HTAB,
  isOws,
  LF,
  SP,
  TOKEN_BYTE,
  VALUE_BYTE,
} from '../../../base/ascii.ts';
import { fieldId, HOP_FIELDS } from '../field.ts';
import type { FieldTable } from '../head.ts';

/** Outcomes of `scanFieldLines` other than an offset. */
export const SCAN_MORE = 0;
export const SCAN_MALFORMED = -1;
export const SCAN_TOO_MANY = -2;

// Where the scan of a line stands.
const LINE = 0;
const NAME = 1;
const WHITESPACE = 2;
const VALUE = 3;

/**
 * Continues at `table.position`, up to and including the empty line.
 * @param bytes     borrowed; the same bytes as in the calls before, with more at the end
 * @param stop      offset past the last byte that may be read
 * @param countMax  most field lines; never above the capacity of the table
 * @returns offset past the empty line; `SCAN_MORE` when `stop` came first; `SCAN_MALFORMED`; or
 *          `SCAN_TOO_MANY`. Never throws, never allocates.
 */
export function scanFieldLines(
  table: FieldTable,
  bytes: Uint8Array,
  stop: number,
  countMax: number,
): number {
  const { nameStart, nameEnd, valueStart } = table;
  let at = table.position;
  let phase = table.phase;
  let count = table.count;
  for (;;) {
    if (phase === LINE) {
      if (at >= stop) break;
      if (bytes[at] === CR) {
        if (at + 1 >= stop) break;
        if (bytes[at + 1] !== LF) return SCAN_MALFORMED;
        table.sectionEnd = at;
        return at + 2;
      }
      if (count >= countMax) return SCAN_TOO_MANY;
      nameStart[count] = at;
      phase = NAME;
    }
    if (phase === NAME) {
      while (at < stop && (BYTE_CLASS[bytes[at]!]! & TOKEN_BYTE) !== 0) at++;
      if (at >= stop) break;
      if (bytes[at] !== COLON || at === nameStart[count]) return SCAN_MALFORMED;
      nameEnd[count] = at;
      at++;
      phase = WHITESPACE;
    }
    if (phase === WHITESPACE) {
      while (at < stop && (bytes[at] === SP || bytes[at] === HTAB)) at++;
      if (at >= stop) break;
      valueStart[count] = at;
      phase = VALUE;
    }
    while (at < stop && (BYTE_CLASS[bytes[at]!]! & VALUE_BYTE) !== 0) at++;
    if (at >= stop) break;
    if (bytes[at] !== CR) return SCAN_MALFORMED;
    if (at + 1 >= stop) break;
    if (bytes[at + 1] !== LF) return SCAN_MALFORMED;
    endLine(table, bytes, count, at);
    at += 2;
    count++;
    table.count = count;
    phase = LINE;
  }
  table.position = at;
  table.phase = phase;
  return SCAN_MORE;
}

/** Trims the value that ends at `end`, and classifies the name. */
function endLine(table: FieldTable, bytes: Uint8Array, index: number, end: number): void {
  const start = table.valueStart[index]!;
  while (end > start && isOws(bytes[end - 1]!)) end--;
  table.valueEnd[index] = end;
  const id = fieldId(bytes, table.nameStart[index]!, table.nameEnd[index]!);
  table.id[index] = id;
  table.isHop[index] = HOP_FIELDS[id]!;
}
