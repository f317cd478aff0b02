/**
 * DER writer: makes encoded values (ITU-T X.690), the inner ones first. Every function returns a
 * whole value, header included, in bytes of its own.
 */

import { contextTag, Tag } from './der-reader.ts';

/** A value of any tag with the content `parts`, one after the other. */
export function derValue(tag: number, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const part of parts) size += part.length;
  const head = header(tag, size);
  const out = new Uint8Array(head.length + size);
  out.set(head);
  let offset = head.length;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

export function derSequence(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return derValue(Tag.sequence, ...parts);
}

/** A SET OF: its values in the order of their encodings (X.690 §11.6). */
export function derSet(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return derValue(Tag.set, ...parts.toSorted(compareBytes));
}

/** An INTEGER of big-endian bytes without a sign; zeros in front are dropped. */
export function derUnsigned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const rest = bytes.subarray(start);
  if (rest.length === 0) return derValue(Tag.integer, Uint8Array.of(0));
  return rest[0]! >= 0x80
    ? derValue(Tag.integer, Uint8Array.of(0), rest)
    : derValue(Tag.integer, rest);
}

/** A small INTEGER from 0 to 127. */
export function derSmallInteger(value: number): Uint8Array<ArrayBuffer> {
  return derValue(Tag.integer, Uint8Array.of(value));
}

export function derBoolean(value: boolean): Uint8Array<ArrayBuffer> {
  return derValue(Tag.boolean, Uint8Array.of(value ? 0xff : 0));
}

export function derNull(): Uint8Array<ArrayBuffer> {
  return derValue(Tag.null);
}

export function derOctetString(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return derValue(Tag.octetString, bytes);
}

/** A BIT STRING of whole octets. */
export function derBitString(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return derValue(Tag.bitString, Uint8Array.of(0), bytes);
}

/** A BIT STRING of named bits, bit 0 first, at most 16; zeros at the end are dropped (§11.2.2). */
export function derNamedBits(...set: readonly number[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(2);
  let last = -1;
  for (const bit of set) {
    bytes[bit >> 3]! |= 0x80 >> (bit & 7);
    last = Math.max(last, bit);
  }
  const size = (last >> 3) + 1;
  const unused = last < 0 ? 0 : size * 8 - last - 1;
  return derValue(Tag.bitString, Uint8Array.of(unused), bytes.subarray(0, size));
}

/** @param dotted such as `1.3.6.1.5.5.7.1.31` */
export function derOid(dotted: string): Uint8Array<ArrayBuffer> {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const digits = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      digits.unshift((left % 128) | 0x80);
    }
    bytes.push(...digits);
  }
  return derValue(Tag.oid, Uint8Array.from(bytes));
}

export function derUtf8(text: string): Uint8Array<ArrayBuffer> {
  return derValue(Tag.utf8String, new TextEncoder().encode(text));
}

/** `[number]` around whole values. */
export function derExplicit(
  number: number,
  ...parts: readonly Uint8Array[]
): Uint8Array<ArrayBuffer> {
  return derValue(contextTag(number, true), ...parts);
}

/** `[number]` in place of a primitive value's own tag. */
export function derImplicit(number: number, content: Uint8Array): Uint8Array<ArrayBuffer> {
  return derValue(contextTag(number, false), content);
}

/**
 * A time as certificates have it: UTCTime before 2050, GeneralizedTime from then on (RFC 5280
 * §4.1.2.5). Parts of a second are dropped.
 */
export function derTime(unixMs: number): Uint8Array<ArrayBuffer> {
  const digits = new Date(unixMs).toISOString().replace(/\.\d+Z$|[-:T]/g, '');
  const year = Number(digits.slice(0, 4));
  const isShort = year >= 1950 && year < 2050;
  const text = `${isShort ? digits.slice(2) : digits}Z`;
  const tag = isShort ? Tag.utcTime : Tag.generalizedTime;
  return derValue(tag, new TextEncoder().encode(text));
}

function header(tag: number, size: number): Uint8Array {
  if (size < 0x80) return Uint8Array.of(tag, size);
  const digits: number[] = [];
  for (let left = size; left > 0; left = Math.floor(left / 256)) digits.unshift(left % 256);
  return Uint8Array.of(tag, 0x80 | digits.length, ...digits);
}

function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const size = Math.min(left.length, right.length);
  for (let i = 0; i < size; i++) {
    if (left[i] !== right[i]) return left[i]! - right[i]!;
  }
  return left.length - right.length;
}
