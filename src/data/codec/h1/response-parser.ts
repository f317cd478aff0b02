/**
 * Parses an HTTP/1 response head (RFC 9112 §4, §5) from bytes into a ResponseHead.
 *
 * An origin is trusted no more than a client: the same strict lines, the same certain framing.
 * Resumable like the request parser; never throws and never allocates.
 */

import { BYTE_CLASS, CR, DIGIT_0, LF, SP, VALUE_BYTE } from '../../../base/ascii.ts';
import { Fault } from '../../../contract/fault.ts';
import type { H1Limits, ResponseHead } from '../head.ts';
import { SCAN_MORE, SCAN_TOO_MANY, scanFieldLines } from './field-lines.ts';
import { interpretResponse } from './response-semantics.ts';
import { readVersion, VERSION_MORE, VERSION_SIZE, VERSION_UNSUPPORTED } from './version.ts';

const STATUS_SIZE = VERSION_SIZE + 4; // `HTTP/1.1 200`.

// Where the parse stands.
const STATUS = 0;
const REASON = 1;
const FIELDS = 2;
const DONE = 3;

// Outcomes of one step besides a negated fault.
const MORE = 0;
const NEXT = 1;

/**
 * Parses the response head that begins at `start`; interim responses (1xx) are heads of their own.
 *
 * Calling again, borrowing and `reset()` are as for `parseRequestHead`.
 *
 * @param head           its `framing` is `none` for every response without a body
 * @param isHeadRequest  the request was HEAD, so the response ends with its head
 * @returns offset past the head when it is complete; 0 when more bytes are needed; a negated
 *          `Fault` when it is rejected, also kept in `head.fault`
 */
export function parseResponseHead(
  head: ResponseHead,
  bytes: Uint8Array,
  start: number,
  end: number,
  isHeadRequest: boolean,
  limits: H1Limits,
): number {
  if (head.bytes !== bytes || head.start !== start || head.phase === DONE) {
    head.restart(bytes, start);
  }
  const sizeMax = limits.headSizeMax;
  const stop = end - start > sizeMax ? start + sizeMax : end;
  while (head.phase < FIELDS) {
    const step =
      head.phase === STATUS ? scanStatus(head, bytes, stop) : scanReason(head, bytes, stop);
    if (step === NEXT) continue;
    if (step !== MORE) return reject(head, -step as Fault);
    return stop - start < sizeMax ? MORE : reject(head, Fault.responseHeadTooLarge);
  }
  const fields = head.fields;
  const countMax = Math.min(fields.capacity, limits.fieldCountMax);
  const past = scanFieldLines(fields, bytes, stop, countMax);
  if (past > 0) {
    const fault = interpretResponse(head, isHeadRequest);
    if (fault !== Fault.none) return reject(head, fault);
    head.phase = DONE;
    head.end = past;
    return past;
  }
  if (past === SCAN_MORE) {
    return stop - start < sizeMax ? MORE : reject(head, Fault.responseHeadTooLarge);
  }
  const isCount = past === SCAN_TOO_MANY;
  return reject(head, isCount ? Fault.responseFieldsTooMany : Fault.responseMalformed);
}

function reject(head: ResponseHead, fault: Fault): number {
  head.phase = DONE;
  head.fault = fault;
  return -fault;
}

/** Version and status (RFC 9112 §4): exactly three digits, 100 to 599 (RFC 9110 §15). */
function scanStatus(head: ResponseHead, bytes: Uint8Array, stop: number): number {
  const start = head.start;
  const minor = readVersion(bytes, start, stop);
  if (minor < 0) {
    if (minor === VERSION_MORE) return MORE;
    const isVersion = minor === VERSION_UNSUPPORTED;
    return isVersion ? -Fault.responseVersionUnsupported : -Fault.responseMalformed;
  }
  let at = start + VERSION_SIZE;
  if (at >= stop) return MORE;
  if (bytes[at] !== SP) return -Fault.responseMalformed;
  let status = 0;
  for (at++; at < start + STATUS_SIZE; at++) {
    if (at >= stop) return MORE;
    const digit = bytes[at]! - DIGIT_0;
    if (digit < 0 || digit > 9) return -Fault.responseMalformed;
    status = status * 10 + digit;
  }
  if (status < 100 || status > 599) return -Fault.responseMalformed;
  if (at >= stop) return MORE;
  // The space is not optional in RFC 9112 §4, but origins leave it out with the reason phrase.
  if (bytes[at] === SP) at++;
  else if (bytes[at] !== CR) return -Fault.responseMalformed;
  head.versionMinor = minor;
  head.status = status;
  head.reasonStart = at;
  head.position = at;
  head.phase = REASON;
  return NEXT;
}

function scanReason(head: ResponseHead, bytes: Uint8Array, stop: number): number {
  let at = head.position;
  while (at < stop && (BYTE_CLASS[bytes[at]!]! & VALUE_BYTE) !== 0) at++;
  head.position = at;
  if (at >= stop) return MORE;
  if (bytes[at] !== CR) return -Fault.responseMalformed;
  if (at + 1 >= stop) return MORE;
  if (bytes[at + 1] !== LF) return -Fault.responseMalformed;
  head.reasonEnd = at;
  head.fields.restart(bytes, at + 2);
  head.phase = FIELDS;
  return NEXT;
}
