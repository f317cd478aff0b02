/**
 * Decodes the chunked transfer coding (RFC 9112 §7.1) in place.
 *
 * D1  any split of the input gives the same payload, the same end and the same fault.
 * D2  strict: CRLF alone ends a line, sizes are 1 to 16 hexadecimal digits, extensions and
 *     trailers follow their grammar. What differs is a fault at its first bad byte.
 * D3  extensions, trailers and payload are counted for the whole message, not per call.
 * D4  linear in the input, one byte a call included; never throws and never allocates.
 *
 * Trailer policy: validated, counted, dropped. A trailer merged into a head, or forwarded with
 * the name of a framing or trust field, has been an attack more often than a feature (RFC 9110
 * §6.5.1 requires knowledge of each field; RFC 9112 §7.1.2 allows discarding them).
 */

import {
  BYTE_CLASS,
  COLON,
  CR,
  DQUOTE,
  EQUALS,
  HEX_VALUE,
  isOws,
  LF,
  QUOTED_BYTE,
  SEMICOLON,
  TOKEN_BYTE,
  VALUE_BYTE,
} from '../../../base/ascii.ts';
import { Fault } from '../../../contract/fault.ts';
import { copyBytes } from '../../../base/copy-bytes.ts';
import type { H1Limits } from '../head.ts';

/** What `decode` reports. */
export const ChunkedState = { more: 0, done: 1, fault: 2 } as const;
export type ChunkedState = (typeof ChunkedState)[keyof typeof ChunkedState];

const DIGITS_MAX = 16;
const BACKSLASH = 0x5c;

// States of the size line, in order of the grammar.
const SIZE_START = 0; // No digit yet.
const SIZE = 1;
const BEFORE_SEMICOLON = 2; // Whitespace that only a `;` may follow.
const EXTENSION_START = 3; // After `;`, before the name.
const EXTENSION_NAME = 4;
const BEFORE_EQUALS = 5; // Whitespace that only `=` or `;` may follow.
const VALUE_START = 6; // After `=`.
const VALUE_TOKEN = 7;
const VALUE_QUOTED = 8;
const VALUE_ESCAPE = 9;
const VALUE_END = 10; // After the closing quote.
const SIZE_LF = 11;
// States of the data.
const DATA = 12;
const DATA_CR = 13;
const DATA_LF = 14;
// States of the trailer section.
const TRAILER_START = 15;
const TRAILER_NAME = 16;
const TRAILER_VALUE = 17;
const TRAILER_LF = 18;
const END_LF = 19;
// Final states.
const DONE = 20;
const FAULT = 21;

/** One per direction of an exchange; recycled by `reset`. */
export class ChunkedDecoder {
  /** Payload of the last call is `bytes[dataStart, dataEnd)`. */
  dataStart = 0;
  dataEnd = 0;
  /** Offset past the last byte consumed; after `done`, what follows belongs to the next message. */
  position = 0;
  /** Set once the state is `fault`. */
  fault: Fault = Fault.none;
  /** Payload bytes of the message so far. */
  payloadSize = 0;
  /** Trailer bytes and fields of the message so far; the fields themselves are dropped. */
  trailerSize = 0;
  trailerCount = 0;

  readonly #isResponse: boolean;
  #state = SIZE_START;
  #digits = 0;
  #remaining = 0; // Of the current chunk.
  #extensionSize = 0;
  #extensionSizeMax = 0;
  #trailerSizeMax = 0;
  #trailerCountMax = 0;
  #bodySizeMax = 0;

  /** @param isResponse  which faults to report: those of responses, else those of requests */
  constructor(isResponse: boolean) {
    this.#isResponse = isResponse;
  }

  /**
   * Prepares for a new body.
   * @param bodySizeMax  most payload bytes of the message; 0 for no limit
   */
  reset(limits: H1Limits, bodySizeMax: number): void {
    this.dataStart = 0;
    this.dataEnd = 0;
    this.position = 0;
    this.fault = Fault.none;
    this.payloadSize = 0;
    this.trailerSize = 0;
    this.trailerCount = 0;
    this.#state = SIZE_START;
    this.#digits = 0;
    this.#remaining = 0;
    this.#extensionSize = 0;
    this.#extensionSizeMax = limits.chunkExtensionSizeMax;
    this.#trailerSizeMax = limits.trailerSizeMax;
    this.#trailerCountMax = limits.fieldCountMax;
    this.#bodySizeMax = bodySizeMax === 0 ? Number.MAX_SAFE_INTEGER : bodySizeMax;
  }

  /**
   * Consumes the body bytes in [start, end), which are overwritten: payload is moved down so
   * that it is contiguous. The first span of payload stays where it is.
   *
   * @returns `more` when all bytes are consumed and the body goes on; `done` with `position` past
   *          the body; `fault` with `fault` set. Payload found before a fault is still reported,
   *          but the message is broken: forward none of it as complete.
   */
  decode(bytes: Uint8Array, start: number, end: number): ChunkedState {
    this.dataStart = start;
    this.dataEnd = start;
    let at = start;
    while (at < end && this.#state < DONE) {
      if (this.#state === DATA) at = this.#takeData(bytes, at, end);
      else if (this.#state < DATA) at = this.#takeSizeLine(bytes, at, end);
      else if (this.#state < TRAILER_START) at = this.#takeDataEnd(bytes, at);
      else at = this.#takeTrailers(bytes, at, end);
    }
    this.position = at;
    if (this.#state === DONE) return ChunkedState.done;
    return this.#state === FAULT ? ChunkedState.fault : ChunkedState.more;
  }

  /** Payload of the current chunk. */
  #takeData(bytes: Uint8Array, at: number, end: number): number {
    const size = Math.min(this.#remaining, end - at);
    if (this.dataEnd === this.dataStart) {
      this.dataStart = at;
      this.dataEnd = at;
    } else if (this.dataEnd !== at) copyBytes(bytes, this.dataEnd, bytes, at, at + size);
    this.dataEnd += size;
    this.payloadSize += size;
    this.#remaining -= size;
    const past = at + size;
    if (this.#remaining > 0) return past;
    // The usual case at once; anything else is left to the states.
    const isEnded = past + 1 < end && bytes[past] === CR && bytes[past + 1] === LF;
    this.#state = isEnded ? SIZE_START : DATA_CR;
    return isEnded ? past + 2 : past;
  }

  /** The CRLF after the payload of a chunk. */
  #takeDataEnd(bytes: Uint8Array, at: number): number {
    const isCr = this.#state === DATA_CR;
    if (bytes[at] !== (isCr ? CR : LF)) return this.#failChunk(at);
    this.#state = isCr ? DATA_LF : SIZE_START;
    return at + 1;
  }

  /** Size, extensions and line end of a chunk; stops at its LF. */
  #takeSizeLine(bytes: Uint8Array, start: number, end: number): number {
    let at = this.#state <= SIZE ? this.#takeDigits(bytes, start, end) : start;
    let state = this.#state;
    while (at < end && state < DONE) {
      const byte = bytes[at]!;
      if (state === SIZE_LF) {
        if (byte !== LF) return this.#failChunk(at);
        this.#state = this.#remaining === 0 ? TRAILER_START : DATA;
        return at + 1;
      }
      const next = byte === CR && state === SIZE ? SIZE_LF : nextInSizeLine(state, byte);
      if (next < 0) return this.#failChunk(at);
      if (state === SIZE && this.#remaining > this.#bodySizeMax - this.payloadSize) {
        return this.#fail(at, Fault.requestBodyTooLarge, Fault.responseChunkInvalid);
      }
      if (next !== SIZE_LF && ++this.#extensionSize > this.#extensionSizeMax) {
        return this.#fail(at, Fault.requestChunkExtensionsTooLarge, Fault.responseChunkInvalid);
      }
      state = next;
      this.#state = next;
      at++;
    }
    return at;
  }

  /** Digits of the size: at most 16, and a value of at most 2^53-1. */
  #takeDigits(bytes: Uint8Array, start: number, end: number): number {
    const isNew = this.#state === SIZE_START;
    let digits = isNew ? 0 : this.#digits;
    let size = isNew ? 0 : this.#remaining;
    let at = start;
    for (; at < end; at++) {
      const value = HEX_VALUE[bytes[at]!]!;
      if (value < 0) break;
      size = size * 16 + value;
      if (++digits > DIGITS_MAX || size > Number.MAX_SAFE_INTEGER) return this.#failChunk(at);
    }
    this.#digits = digits;
    this.#remaining = size;
    if (digits > 0) this.#state = SIZE;
    return at;
  }

  /** Trailer section (RFC 9112 §7.1.2) and the final CRLF. */
  #takeTrailers(bytes: Uint8Array, at: number, end: number): number {
    while (at < end) {
      const byte = bytes[at]!;
      const next = nextInTrailers(this.#state, byte);
      if (next < 0) {
        return this.#fail(at, Fault.requestTrailersInvalid, Fault.responseTrailersInvalid);
      }
      if (next < END_LF) {
        if (this.#state === TRAILER_START) this.trailerCount++;
        this.trailerSize++;
        if (this.trailerSize > this.#trailerSizeMax || this.trailerCount > this.#trailerCountMax) {
          return this.#fail(at, Fault.requestTrailersTooLarge, Fault.responseTrailersInvalid);
        }
      }
      this.#state = next;
      at++;
      if (next === DONE) return at;
    }
    return at;
  }

  #failChunk(at: number): number {
    return this.#fail(at, Fault.requestChunkInvalid, Fault.responseChunkInvalid);
  }

  #fail(at: number, request: Fault, response: Fault): number {
    this.fault = this.#isResponse ? response : request;
    this.#state = FAULT;
    return at;
  }
}

/**
 * Follows chunk-ext (RFC 9112 §7.1.1) after a byte that is no digit of the size. Whitespace is
 * legal only where the grammar has BWS: around `;` and `=`, never before the line end.
 * @returns the next state; -1 when the byte is not allowed
 */
function nextInSizeLine(state: number, byte: number): number {
  const bits = BYTE_CLASS[byte]!;
  switch (state) {
    case SIZE:
      if (byte === CR) return SIZE_LF;
      // Blanks right behind the size are refused (parsers disagree about them), the grammar's
      // bad whitespace before `;` included: nobody sends it but to find out.
      return byte === SEMICOLON ? EXTENSION_START : -1;
    case BEFORE_SEMICOLON:
      if (byte === SEMICOLON) return EXTENSION_START;
      return isOws(byte) ? BEFORE_SEMICOLON : -1;
    case EXTENSION_START:
      if ((bits & TOKEN_BYTE) !== 0) return EXTENSION_NAME;
      return isOws(byte) ? EXTENSION_START : -1;
    case EXTENSION_NAME:
      if ((bits & TOKEN_BYTE) !== 0) return EXTENSION_NAME;
      if (byte === CR) return SIZE_LF;
      if (byte === SEMICOLON) return EXTENSION_START;
      if (byte === EQUALS) return VALUE_START;
      return isOws(byte) ? BEFORE_EQUALS : -1;
    case BEFORE_EQUALS:
      if (byte === EQUALS) return VALUE_START;
      if (byte === SEMICOLON) return EXTENSION_START;
      return isOws(byte) ? BEFORE_EQUALS : -1;
    case VALUE_START:
      if (byte === DQUOTE) return VALUE_QUOTED;
      if ((bits & TOKEN_BYTE) !== 0) return VALUE_TOKEN;
      return isOws(byte) ? VALUE_START : -1;
    case VALUE_TOKEN:
      if ((bits & TOKEN_BYTE) !== 0) return VALUE_TOKEN;
      return afterValue(byte);
    case VALUE_QUOTED:
      if (byte === DQUOTE) return VALUE_END;
      if (byte === BACKSLASH) return VALUE_ESCAPE;
      return (bits & QUOTED_BYTE) !== 0 ? VALUE_QUOTED : -1;
    case VALUE_ESCAPE:
      return (bits & VALUE_BYTE) !== 0 ? VALUE_QUOTED : -1;
    case VALUE_END:
      return afterValue(byte);
    default: // SIZE_START: a line without a digit.
      return -1;
  }
}

function afterValue(byte: number): number {
  if (byte === CR) return SIZE_LF;
  if (byte === SEMICOLON) return EXTENSION_START;
  return isOws(byte) ? BEFORE_SEMICOLON : -1;
}

/** Follows the trailer section; same grammar as field lines. -1 when the byte is not allowed. */
function nextInTrailers(state: number, byte: number): number {
  const bits = BYTE_CLASS[byte]!;
  switch (state) {
    case TRAILER_START:
      if (byte === CR) return END_LF;
      return (bits & TOKEN_BYTE) !== 0 ? TRAILER_NAME : -1;
    case TRAILER_NAME:
      if (byte === COLON) return TRAILER_VALUE;
      return (bits & TOKEN_BYTE) !== 0 ? TRAILER_NAME : -1;
    case TRAILER_VALUE:
      if (byte === CR) return TRAILER_LF;
      return (bits & VALUE_BYTE) !== 0 ? TRAILER_VALUE : -1;
    case TRAILER_LF:
      return byte === LF ? TRAILER_START : -1;
    default: // END_LF.
      return byte === LF ? DONE : -1;
  }
}
