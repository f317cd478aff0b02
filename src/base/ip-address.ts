/**
 * IP addresses as text, as 128-bit numbers, and back. Hot: no allocation, nothing throws.
 *
 * An address is four 32-bit words, most significant first. IPv4 is held as its IPv4-mapped IPv6
 * form (::ffff:a.b.c.d, RFC 4291 §2.5.5.2), so both spellings of one address are one number.
 * Strict on purpose: no leading zeros in IPv4 (some readers take them for octal), no short forms
 * such as `127.1`, no zone.
 */

import { HEX_VALUE } from './ascii.ts';

/** Longest text `writeIpv6` produces, in bytes. */
export const IPV6_TEXT_SIZE_MAX = 39;

const COLON = 0x3a;
const DOT = 0x2e;
const ZERO = 0x30;

/** Scratch for the groups of one parse or one write; never used across calls. */
const groups = new Uint16Array(8);

/** True when `words` is an IPv4 address (in its mapped form). */
export function isIpv4(words: Uint32Array): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
}

/**
 * Reads dotted-decimal IPv4 (RFC 3986 §3.2.2 `IPv4address`).
 * @param words  receives the mapped address, undefined content when the result is false
 * @returns false unless the whole range is four numbers 0 to 255 without leading zeros
 */
export function parseIpv4(
  bytes: Uint8Array,
  start: number,
  end: number,
  words: Uint32Array,
): boolean {
  let address = 0;
  let position = start;
  for (let part = 0; part < 4; part++) {
    if (part > 0) {
      if (position >= end || bytes[position] !== DOT) return false;
      position++;
    }
    const partStart = position;
    let value = 0;
    while (position < end && position - partStart < 3) {
      const digit = bytes[position]! - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      position++;
    }
    const digits = position - partStart;
    if (digits === 0 || value > 255) return false;
    if (digits > 1 && bytes[partStart] === ZERO) return false;
    address = address * 256 + value;
  }
  if (position !== end) return false;
  words[0] = 0;
  words[1] = 0;
  words[2] = 0xffff;
  words[3] = address;
  return true;
}

/**
 * Reads IPv6 without brackets and zone (RFC 4291 §2.2, all three forms).
 * @param words  receives the address, undefined content when the result is false
 * @returns false unless the whole range is one IPv6 address
 */
export function parseIpv6(
  bytes: Uint8Array,
  start: number,
  end: number,
  words: Uint32Array,
): boolean {
  let count = 0;
  let gap = -1; // Group index where `::` stands; -1 without one.
  let position = start;
  if (end - start < 2) return false;
  if (bytes[position] === COLON) {
    if (bytes[position + 1] !== COLON) return false;
    gap = 0;
    position += 2;
  }
  while (position < end) {
    if (count === 8) return false;
    const groupStart = position;
    let value = 0;
    while (position < end && position - groupStart < 5) {
      const digit = HEX_VALUE[bytes[position]!]!;
      if (digit < 0) break;
      value = value * 16 + digit;
      position++;
    }
    const digits = position - groupStart;
    if (digits === 0 || digits > 4) return false;
    if (position < end && bytes[position] === DOT) {
      if (count > 6 || !parseIpv4(bytes, groupStart, end, words)) return false;
      groups[count++] = words[3]! >>> 16;
      groups[count++] = words[3]! & 0xffff;
      break;
    }
    groups[count++] = value;
    if (position === end) break;
    if (bytes[position] !== COLON) return false;
    position++;
    if (position === end) return false; // A single trailing colon.
    if (bytes[position] !== COLON) continue;
    if (gap >= 0) return false;
    gap = count;
    position++;
  }
  if (gap < 0 ? count !== 8 : count > 7) return false;
  if (gap >= 0) expandGap(count, gap);
  for (let i = 0; i < 4; i++) words[i] = groups[2 * i]! * 65_536 + groups[2 * i + 1]!;
  return true;
}

/**
 * Writes an address in the one text form of RFC 5952 §4: lower case, no leading zeros, the
 * longest run of two or more zero groups (the first of equals) as `::`.
 * @param out     needs IPV6_TEXT_SIZE_MAX bytes from `offset`
 * @returns offset past the last byte written
 */
export function writeIpv6(words: Uint32Array, out: Uint8Array, offset: number): number {
  for (let i = 0; i < 8; i++) groups[i] = i % 2 === 0 ? words[i >> 1]! >>> 16 : words[i >> 1]!;
  let runStart = -1;
  let runSize = 1; // A single zero group is never shortened (RFC 5952 §4.2.2).
  for (let i = 0; i < 8; i++) {
    let size = 0;
    while (i + size < 8 && groups[i + size] === 0) size++;
    if (size > runSize) {
      runStart = i;
      runSize = size;
    }
    i += size;
  }
  let position = offset;
  for (let i = 0; i < 8; i++) {
    if (i === runStart) {
      out[position++] = COLON;
      if (i === 0) out[position++] = COLON;
      i += runSize - 1;
      continue;
    }
    position = writeGroup(groups[i]!, out, position);
    if (i < 7) out[position++] = COLON;
  }
  return position;
}

/** Moves the groups after `::` to the end and fills the hole with zeros. */
function expandGap(count: number, gap: number): void {
  const tail = count - gap;
  for (let i = 0; i < tail; i++) groups[7 - i] = groups[count - 1 - i]!;
  for (let i = gap; i < 8 - tail; i++) groups[i] = 0;
}

function writeGroup(value: number, out: Uint8Array, offset: number): number {
  let position = offset;
  for (let shift = 12; shift >= 0; shift -= 4) {
    if (shift > 0 && value >>> shift === 0) continue;
    const digit = (value >>> shift) & 15;
    out[position++] = digit < 10 ? ZERO + digit : 0x61 + digit - 10;
  }
  return position;
}
