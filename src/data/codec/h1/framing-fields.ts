/**
 * Reads the two field values that decide where a body ends: Content-Length (RFC 9110 §8.6) and
 * Transfer-Encoding (RFC 9112 §6.1). Shared by requests and responses; strict for both.
 */

import {
  BYTE_CLASS,
  COMMA,
  DIGIT_0,
  equalsIgnoreCase,
  isOws,
  latin1Bytes,
  TOKEN_BYTE,
} from '../../../base/ascii.ts';

const CONTENT_LENGTH_DIGITS_MAX = 15; // Stays below 2^53.
const CHUNKED = latin1Bytes('chunked');

/** What a Transfer-Encoding value asks for. */
export const TransferCoding = {
  /** Exactly `chunked`. */
  chunked: 0,
  /** A well-formed list with some other coding: nobody here can decode it. */
  unsupported: 1,
  /** Not a list of plain tokens, empty, or `chunked` before the end or twice. */
  invalid: 2,
} as const;
export type TransferCoding = (typeof TransferCoding)[keyof typeof TransferCoding];

/**
 * Reads a Content-Length value; surrounding whitespace is already excluded.
 * @returns length in bytes; -1 unless the value is digits only with at most 15 after leading
 *          zeros, so `+1`, `1,1`, `0x1` and the empty value are all -1. Never throws.
 */
export function parseContentLength(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end) return -1;
  let at = start;
  while (at < end && bytes[at] === DIGIT_0) at++;
  if (end - at > CONTENT_LENGTH_DIGITS_MAX) return -1;
  let value = 0;
  for (; at < end; at++) {
    const digit = bytes[at]! - DIGIT_0;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Classifies the value of a message's only Transfer-Encoding field. Never throws. */
export function classifyTransferCoding(
  bytes: Uint8Array,
  start: number,
  end: number,
): TransferCoding {
  if (equalsIgnoreCase(bytes, start, end, CHUNKED)) return TransferCoding.chunked;
  let at = start;
  let hasChunked = false;
  while (at <= end) {
    let elementEnd = at;
    while (elementEnd < end && bytes[elementEnd] !== COMMA) elementEnd++;
    const next = elementEnd + 1;
    while (at < elementEnd && isOws(bytes[at]!)) at++;
    while (elementEnd > at && isOws(bytes[elementEnd - 1]!)) elementEnd--;
    // RFC 9112 §6.1: chunked is applied last and once; an empty element is no coding at all.
    if (hasChunked || !isToken(bytes, at, elementEnd)) return TransferCoding.invalid;
    hasChunked = equalsIgnoreCase(bytes, at, elementEnd, CHUNKED);
    at = next;
  }
  return TransferCoding.unsupported;
}

function isToken(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    if ((BYTE_CLASS[bytes[at]!]! & TOKEN_BYTE) === 0) return false;
  }
  return end > start;
}
