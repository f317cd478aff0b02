/**
 * Writes HTTP/1.1 heads and chunk framing: the one place that owns framing on the way out.
 *
 * W1  every head says exactly once how its body is framed: `frameLength`, `frameChunked` or
 *     `frameNone`; Content-Length and Transfer-Encoding are never copied (they are hop fields).
 * W2  nothing is written outside the given range: what does not fit sets `hasOverflow`, and
 *     `finish` says -1.
 * W3  no octet that could end a line early is written: such a value sets `isInvalid`, and
 *     `finish` says -1. Heads that our parsers accepted never do.
 * W4  the version is always HTTP/1.1 (RFC 9110 §2.5: a proxy sends its own).
 */

import { assert } from '../../../base/assert.ts';
import {
  BYTE_CLASS,
  CR,
  DIGIT_0,
  LF,
  latin1Bytes,
  QUERY_BYTE,
  QUESTION,
  SP,
  VALUE_BYTE,
} from '../../../base/ascii.ts';
import { copyBytes } from '../../../base/copy-bytes.ts';
import type { FieldTable } from '../head.ts';
import { reasonBytes, STATUS_MAX, STATUS_MIN } from './status-line.ts';

const VERSION_LINE_END = latin1Bytes(' HTTP/1.1\r\n');
const VERSION_START = latin1Bytes('HTTP/1.1 ');
const CONTENT_LENGTH = latin1Bytes('content-length: ');
const CHUNKED_LINE = latin1Bytes('transfer-encoding: chunked\r\n');
const NO_BYTES = new Uint8Array(0);

/** The last chunk without trailers. Shared bytes: do not change them. */
export const LAST_CHUNK: Uint8Array = latin1Bytes('0\r\n\r\n');

/** One per worker or connection; `begin` makes it new. Call order: line, fields, frame, finish. */
export class HeadWriter {
  /** Some part did not fit; the head must be written again into more room. */
  hasOverflow = false;
  /** Some text had an octet that may not be sent; more room will not help. */
  isInvalid = false;
  #bytes: Uint8Array = NO_BYTES;
  #at = 0;
  #end = 0;
  #isFramed = false;

  /** Starts a head in [start, end) of `bytes`, which are borrowed until `finish`. */
  begin(bytes: Uint8Array, start: number, end: number): void {
    this.hasOverflow = false;
    this.isInvalid = false;
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#isFramed = false;
  }

  /**
   * Writes the request line from byte ranges.
   * @param queryStart  -1 for no query; an empty range keeps a lone `?`
   */
  requestLine(
    method: Uint8Array,
    methodStart: number,
    methodEnd: number,
    path: Uint8Array,
    pathStart: number,
    pathEnd: number,
    query: Uint8Array,
    queryStart: number,
    queryEnd: number,
  ): void {
    const hasQuery = queryStart >= 0;
    const querySize = hasQuery ? queryEnd - queryStart + 1 : 0;
    const size = methodEnd - methodStart + pathEnd - pathStart + querySize + 1;
    if (!this.#fits(size + VERSION_LINE_END.length)) return;
    if (methodEnd <= methodStart || pathEnd <= pathStart) this.isInvalid = true;
    this.#copyClass(method, methodStart, methodEnd, QUERY_BYTE);
    this.#bytes[this.#at++] = SP;
    this.#copyClass(path, pathStart, pathEnd, QUERY_BYTE);
    if (hasQuery) {
      this.#bytes[this.#at++] = QUESTION;
      this.#copyClass(query, queryStart, queryEnd, QUERY_BYTE);
    }
    this.#copy(VERSION_LINE_END, 0, VERSION_LINE_END.length);
  }

  /**
   * Writes the status line.
   * @param reason  phrase bytes; an empty range means the standard phrase of the status
   */
  statusLine(status: number, reason: Uint8Array, reasonStart: number, reasonEnd: number): void {
    if (reasonEnd <= reasonStart) {
      reason = reasonBytes(status);
      reasonStart = 0;
      reasonEnd = reason.length;
    }
    if (!this.#fits(VERSION_START.length + decimalSize(status) + 3 + reasonEnd - reasonStart))
      return;
    if (status < STATUS_MIN || status > STATUS_MAX) this.isInvalid = true;
    this.#copy(VERSION_START, 0, VERSION_START.length);
    this.#decimal(status);
    this.#bytes[this.#at++] = SP;
    this.#copyClass(reason, reasonStart, reasonEnd, VALUE_BYTE);
    this.#lineEnd();
  }

  /** Writes a field. @param nameAndColon  prebuilt, such as `x-real-ip: ` */
  field(nameAndColon: Uint8Array, value: Uint8Array, valueStart: number, valueEnd: number): void {
    if (!this.#fits(nameAndColon.length + valueEnd - valueStart + 2)) return;
    this.#copy(nameAndColon, 0, nameAndColon.length);
    this.#copyClass(value, valueStart, valueEnd, VALUE_BYTE);
    this.#lineEnd();
  }

  /** Writes a field from text, one octet per character. @param nameAndColon  prebuilt */
  fieldText(nameAndColon: Uint8Array, text: string): void {
    const size = text.length;
    if (!this.#fits(nameAndColon.length + size + 2)) return;
    this.#copy(nameAndColon, 0, nameAndColon.length);
    for (let i = 0; i < size; i++) {
      const code = text.charCodeAt(i);
      if (code > 255 || (BYTE_CLASS[code]! & VALUE_BYTE) === 0) this.isInvalid = true;
      this.#bytes[this.#at++] = code;
    }
    this.#lineEnd();
  }

  /** Writes prebuilt lines, each ending in CRLF; never Content-Length or Transfer-Encoding. */
  line(prebuilt: Uint8Array): void {
    if (this.#fits(prebuilt.length)) this.#copy(prebuilt, 0, prebuilt.length);
  }

  /**
   * Copies every field that is not hop-by-hop, as it was received; neighbours go in one piece.
   * @param table  of a head that a parser accepted; its bytes unchanged since
   * @param skip   1 by `Field` id for fields to leave out as well, or null
   */
  copyFields(table: FieldTable, skip: Uint8Array | null): void {
    const { count, id, isHop, nameStart } = table;
    let runStart = -1;
    for (let i = 0; i < count; i++) {
      if (isHop[i] === 0 && (skip === null || skip[id[i]!] === 0)) {
        if (runStart === -1) runStart = nameStart[i]!;
      } else if (runStart !== -1) {
        this.#copyRun(table.bytes, runStart, nameStart[i]!);
        runStart = -1;
      }
    }
    if (runStart !== -1) this.#copyRun(table.bytes, runStart, table.sectionEnd);
  }

  /** Announces a body of exactly `size` bytes, 0 included. */
  frameLength(size: number): void {
    this.#frame();
    assert(size >= 0 && size <= Number.MAX_SAFE_INTEGER, 'a body size is a safe integer');
    if (!this.#fits(CONTENT_LENGTH.length + decimalSize(size) + 2)) return;
    this.#copy(CONTENT_LENGTH, 0, CONTENT_LENGTH.length);
    this.#decimal(size);
    this.#lineEnd();
  }

  /** Announces a chunked body. */
  frameChunked(): void {
    this.#frame();
    this.line(CHUNKED_LINE);
  }

  /** Announces nothing: a head without a body, or a response that ends with its connection. */
  frameNone(): void {
    this.#frame();
  }

  /**
   * Ends the head with its empty line.
   * @returns offset past the head; -1 when it did not fit (`hasOverflow`) or would have been
   *          malformed (`isInvalid`): then the written bytes must not be sent
   */
  finish(): number {
    assert(this.#isFramed, 'a head says how its body is framed');
    if (this.#fits(2)) this.#lineEnd();
    this.#isFramed = false;
    return this.hasOverflow || this.isInvalid ? -1 : this.#at;
  }

  #frame(): void {
    assert(!this.#isFramed, 'a head is framed once');
    this.#isFramed = true;
  }

  #fits(size: number): boolean {
    if (this.hasOverflow || this.#end - this.#at < size) this.hasOverflow = true;
    return !this.hasOverflow;
  }

  #lineEnd(): void {
    this.#bytes[this.#at++] = CR;
    this.#bytes[this.#at++] = LF;
  }

  #copy(from: Uint8Array, start: number, end: number): void {
    this.#at = copyBytes(this.#bytes, this.#at, from, start, end);
  }

  #copyRun(from: Uint8Array, start: number, end: number): void {
    if (this.#fits(end - start)) this.#copy(from, start, end);
  }

  /** Copies octets, all of which should have `bit` in their class. */
  #copyClass(from: Uint8Array, start: number, end: number, bit: number): void {
    const to = this.#bytes;
    let at = this.#at;
    let common = bit;
    for (let i = start; i < end; i++) {
      const byte = from[i]!;
      common &= BYTE_CLASS[byte]!;
      to[at++] = byte;
    }
    if (common === 0) this.isInvalid = true;
    this.#at = at;
  }

  /** Writes a whole number from 0 to 2^53-1 in decimal, without leading zeros. */
  #decimal(value: number): void {
    const digits = decimalSize(value);
    this.#at += digits;
    let rest = value;
    for (let i = 1; i <= digits; i++) {
      const next = Math.floor(rest / 10);
      this.#bytes[this.#at - i] = DIGIT_0 + (rest - next * 10);
      rest = next;
    }
  }
}

function decimalSize(value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  return digits;
}

/**
 * Writes the size line of a chunk right before its data.
 * @param dataStart  offset of the data; at least 16 bytes before it are free to use
 * @param size       of the data, above 0
 * @returns offset of the first byte of the chunk
 */
export function chunkHeaderBefore(bytes: Uint8Array, dataStart: number, size: number): number {
  assert(size > 0, 'a chunk of no bytes would end the body');
  let at = dataStart - 2;
  bytes[at] = CR;
  bytes[at + 1] = LF;
  let rest = size;
  do {
    const next = Math.floor(rest / 16);
    const digit = rest - next * 16;
    bytes[--at] = digit < 10 ? DIGIT_0 + digit : 0x57 + digit;
    rest = next;
  } while (rest > 0);
  assert(at >= 0, 'a chunk has room for its size line');
  return at;
}

/**
 * Writes what follows the data of a chunk: CRLF, and the last chunk when the body is complete.
 * @param dataEnd  offset past the data; at least 7 bytes after it are free to use
 * @returns offset past the last byte written
 */
export function writeChunkTail(bytes: Uint8Array, dataEnd: number, isLast: boolean): number {
  bytes[dataEnd] = CR;
  bytes[dataEnd + 1] = LF;
  return isLast ? copyBytes(bytes, dataEnd + 2, LAST_CHUNK, 0, LAST_CHUNK.length) : dataEnd + 2;
}
