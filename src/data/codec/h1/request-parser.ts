/**
 * Parses an HTTP/1 request head (RFC 9112 §3, §5) from bytes into a RequestHead.
 *
 * Q1  resumable: called again with more bytes it goes on where it stopped, so a head that
 *     arrives byte by byte costs no more than one that arrives whole.
 * Q2  a bad request line is rejected at its first bad byte, without waiting for the rest.
 * Q3  nothing is repaired: a head is accepted as it stands or rejected with a fault.
 * Q4  never throws and never allocates.
 */

import {
  ASTERISK,
  AUTHORITY_BYTE,
  BYTE_CLASS,
  COLON,
  CR,
  LF,
  LOWER,
  PATH_BYTE,
  QUERY_BYTE,
  QUESTION,
  SLASH,
  SP,
  TOKEN_BYTE,
} from '../../../base/ascii.ts';
import { Fault } from '../../../contract/fault.ts';
import { type H1Limits, Method, type RequestHead, TargetForm } from '../head.ts';
import { SCAN_MORE, SCAN_TOO_MANY, scanFieldLines } from './field-lines.ts';
import { methodOf } from './method.ts';
import { interpretRequest } from './request-semantics.ts';
import {
  readVersion,
  VERSION_MALFORMED,
  VERSION_MORE,
  VERSION_SIZE,
  VERSION_UNSUPPORTED,
} from './version.ts';

const METHOD_SIZE_MAX = 32;
const EMPTY_LINES_SIZE_MAX = 4; // Two CRLF before a request line (RFC 9112 §2.2).
const LOWER_H = 0x68;
const LOWER_T = 0x74;
const LOWER_P = 0x70;
const LOWER_S = 0x73;

// Where the parse stands.
const START = 0;
const METHOD = 1;
const TARGET = 2;
const AUTHORITY = 3;
const PATH = 4;
const QUERY = 5;
const VERSION = 6;
const FIELDS = 7;
const DONE = 8;

// Outcomes of one step besides a negated fault.
const MORE = 0;
const NEXT = 1;

/**
 * Parses the request head that begins at `start`.
 *
 * While it returns 0, call again with the same `bytes` and `start` and a larger `end`; other
 * bytes or another start begin anew. Call `head.reset()` before a head serves another connection.
 *
 * @param bytes  borrowed; the head's offsets point into it, so it must stay as it is while the
 *               head is in use
 * @param end    offset past the last received byte
 * @returns offset past the head when it is complete; 0 when more bytes are needed; a negated
 *          `Fault` when it is rejected, also kept in `head.fault`
 */
export function parseRequestHead(
  head: RequestHead,
  bytes: Uint8Array,
  start: number,
  end: number,
  limits: H1Limits,
): number {
  if (head.bytes !== bytes || head.start !== start || head.phase === DONE) {
    head.restart(bytes, start);
  }
  const sizeMax = limits.headSizeMax;
  const stop = end - start > sizeMax ? start + sizeMax : end;
  while (head.phase < FIELDS) {
    const step = stepRequestLine(head, bytes, stop, limits);
    if (step === NEXT) continue;
    if (step !== MORE) return reject(head, -step as Fault);
    return stop - start < sizeMax ? MORE : reject(head, sizeFault(head));
  }
  const fields = head.fields;
  const countMax = Math.min(fields.capacity, limits.fieldCountMax);
  const past = scanFieldLines(fields, bytes, stop, countMax);
  if (past > 0) {
    const fault = interpretRequest(head);
    if (fault !== Fault.none) return reject(head, fault);
    head.phase = DONE;
    head.end = past;
    return past;
  }
  if (past === SCAN_MORE) {
    return stop - start < sizeMax ? MORE : reject(head, Fault.requestHeadTooLarge);
  }
  const isCount = past === SCAN_TOO_MANY;
  return reject(head, isCount ? Fault.requestFieldsTooMany : Fault.requestMalformed);
}

function reject(head: RequestHead, fault: Fault): number {
  head.phase = DONE;
  head.fault = fault;
  return -fault;
}

/** RFC 9110 §15.5.15 for a request line without end, RFC 6585 §5 before and after it. */
function sizeFault(head: RequestHead): Fault {
  const isTarget = head.phase >= TARGET && head.phase <= VERSION;
  return isTarget ? Fault.requestTargetTooLong : Fault.requestHeadTooLarge;
}

function stepRequestLine(
  head: RequestHead,
  bytes: Uint8Array,
  stop: number,
  limits: H1Limits,
): number {
  const phase = head.phase;
  if (phase === START) return skipEmptyLines(head, bytes, stop);
  if (phase === METHOD) return scanMethod(head, bytes, stop);
  if (phase === VERSION) return scanVersion(head, bytes, stop);
  // One byte past the ceiling may be read: the space after a target of exactly that size.
  const sizeMax = limits.targetSizeMax;
  const isLong = stop - head.targetStart > sizeMax;
  const targetStop = isLong ? head.targetStart + sizeMax + 1 : stop;
  const step = stepTarget(head, bytes, targetStop);
  return step === MORE && isLong ? -Fault.requestTargetTooLong : step;
}

/** Skips up to two empty lines (RFC 9112 §2.2: at least one SHOULD be ignored). */
function skipEmptyLines(head: RequestHead, bytes: Uint8Array, stop: number): number {
  let at = head.position;
  while (at < stop && bytes[at] === CR) {
    if (at - head.start >= EMPTY_LINES_SIZE_MAX) return -Fault.requestMalformed;
    if (at + 1 >= stop) break;
    if (bytes[at + 1] !== LF) return -Fault.requestMalformed;
    at += 2;
  }
  head.position = at;
  if (at >= stop || bytes[at] === CR) return MORE;
  head.methodStart = at;
  head.phase = METHOD;
  return NEXT;
}

/** Scans the method (RFC 9112 §3.1). A TLS ClientHello ends here, at its first byte. */
function scanMethod(head: RequestHead, bytes: Uint8Array, stop: number): number {
  let at = head.position;
  while (at < stop && (BYTE_CLASS[bytes[at]!]! & TOKEN_BYTE) !== 0) at++;
  head.position = at;
  if (at - head.methodStart > METHOD_SIZE_MAX) return -Fault.requestMethodUnsupported;
  if (at >= stop) return MORE;
  if (bytes[at] !== SP || at === head.methodStart) return -Fault.requestMalformed;
  head.methodEnd = at;
  head.method = methodOf(bytes, head.methodStart, at);
  // RFC 9110 §9.3.6 and §9.3.8: no tunnels by request, and no echo of a client's own secrets.
  if (head.method === Method.connect) return -Fault.requestMethodUnsupported;
  if (head.method === Method.trace) return -Fault.requestMethodNotAllowed;
  head.position = at + 1;
  head.targetStart = at + 1;
  head.phase = TARGET;
  return NEXT;
}

function stepTarget(head: RequestHead, bytes: Uint8Array, stop: number): number {
  const phase = head.phase;
  if (phase === PATH) return scanPath(head, bytes, stop);
  if (phase === QUERY) return scanQuery(head, bytes, stop);
  if (phase === AUTHORITY) return scanAuthority(head, bytes, stop);
  const at = head.position;
  if (at >= stop) return MORE;
  if (bytes[at] === SLASH) {
    head.pathStart = at;
    head.phase = PATH;
    return NEXT;
  }
  if (bytes[at] === ASTERISK) return scanAsterisk(head, bytes, stop);
  return scanScheme(head, bytes, stop);
}

/** Asterisk-form, for OPTIONS alone (RFC 9112 §3.2.4); so an HTTP/2 preface ends here. */
function scanAsterisk(head: RequestHead, bytes: Uint8Array, stop: number): number {
  const at = head.position;
  if (head.method !== Method.options) return -Fault.requestTargetInvalid;
  if (at + 1 >= stop) return MORE;
  if (bytes[at + 1] !== SP) return -Fault.requestTargetInvalid;
  head.targetForm = TargetForm.asterisk;
  head.pathStart = at;
  head.pathEnd = at + 1;
  return endTarget(head, at + 1);
}

/** Absolute-form (RFC 9112 §3.2.2): `http://` or `https://`, any case, at most 8 bytes. */
function scanScheme(head: RequestHead, bytes: Uint8Array, stop: number): number {
  const start = head.targetStart;
  let hasS = 0;
  for (let i = 0; i < 7 + hasS; i++) {
    if (start + i >= stop) return MORE;
    const byte = bytes[start + i]!;
    if (i === 4 && LOWER[byte] === LOWER_S) hasS = 1;
    else if (LOWER[byte] !== schemeByte(i - hasS)) return -Fault.requestTargetInvalid;
  }
  head.targetForm = TargetForm.absolute;
  head.authorityStart = start + 7 + hasS;
  head.position = head.authorityStart;
  head.phase = AUTHORITY;
  return NEXT;
}

/** Octet `index` of `http://`. */
function schemeByte(index: number): number {
  if (index === 0) return LOWER_H;
  if (index === 1 || index === 2) return LOWER_T;
  if (index === 3) return LOWER_P;
  return index === 4 ? COLON : SLASH;
}

/** RFC 9110 §4.2.1: an empty host is invalid; §4.2.4: so is userinfo. */
function scanAuthority(head: RequestHead, bytes: Uint8Array, stop: number): number {
  let at = head.position;
  while (at < stop && (BYTE_CLASS[bytes[at]!]! & AUTHORITY_BYTE) !== 0) at++;
  head.position = at;
  if (at >= stop) return MORE;
  if (at === head.authorityStart) return -Fault.requestTargetInvalid;
  const byte = bytes[at];
  head.authorityEnd = at;
  if (byte === SLASH) {
    head.pathStart = at;
    head.phase = PATH;
    return NEXT;
  }
  // Without a path the path is `/` (RFC 9110 §4.2.3): the second slash of `://` stands for it.
  head.pathStart = head.authorityStart - 1;
  head.pathEnd = head.authorityStart;
  if (byte === QUESTION) return beginQuery(head, at);
  if (byte !== SP) return -Fault.requestTargetInvalid;
  if (head.method === Method.options) head.targetForm = TargetForm.asterisk;
  return endTarget(head, at);
}

function scanPath(head: RequestHead, bytes: Uint8Array, stop: number): number {
  let at = head.position;
  while (at < stop && (BYTE_CLASS[bytes[at]!]! & PATH_BYTE) !== 0) at++;
  head.position = at;
  if (at >= stop) return MORE;
  head.pathEnd = at;
  if (bytes[at] === SP) return endTarget(head, at);
  return bytes[at] === QUESTION ? beginQuery(head, at) : -Fault.requestTargetInvalid;
}

function beginQuery(head: RequestHead, at: number): number {
  head.queryStart = at + 1;
  head.position = at + 1;
  head.phase = QUERY;
  return NEXT;
}

function scanQuery(head: RequestHead, bytes: Uint8Array, stop: number): number {
  let at = head.position;
  while (at < stop && (BYTE_CLASS[bytes[at]!]! & QUERY_BYTE) !== 0) at++;
  head.position = at;
  if (at >= stop) return MORE;
  head.queryEnd = at;
  return bytes[at] === SP ? endTarget(head, at) : -Fault.requestTargetInvalid;
}

function endTarget(head: RequestHead, space: number): number {
  head.position = space + 1;
  head.phase = VERSION;
  return NEXT;
}

/** Version and end of line: one space before, CRLF at once after (RFC 9112 §3). */
function scanVersion(head: RequestHead, bytes: Uint8Array, stop: number): number {
  const minor = readVersion(bytes, head.position, stop);
  if (minor < 0) {
    if (minor === VERSION_MORE) return MORE;
    if (minor === VERSION_UNSUPPORTED) return -Fault.requestVersionUnsupported;
    if (minor === VERSION_MALFORMED) return -Fault.requestMalformed;
  }
  const at = head.position + VERSION_SIZE;
  if (at < stop && bytes[at] !== CR) return -Fault.requestMalformed;
  if (at + 1 >= stop) return MORE;
  if (bytes[at + 1] !== LF) return -Fault.requestMalformed;
  head.versionMinor = minor;
  head.fields.restart(bytes, at + 2);
  head.phase = FIELDS;
  return NEXT;
}
