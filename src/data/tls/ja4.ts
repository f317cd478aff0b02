/**
 * JA4: a label for the kind of TLS client, made of what its ClientHello offers (FoxIO's JA4, for
 * TLS over TCP). Computed only when somebody asks: it allocates.
 *
 * A label for logs and coarse deny lists, never proof of anything: a client can take on any.
 */

import { sha256Hex } from '../../base/sha256.ts';
import { COMMA, DIGIT_0 } from '../../base/ascii.ts';
import { Extension, HELLO_SIZE_MAX, isGrease, uint16 } from './client-hello.ts';
import type { ClientHello } from './client-hello.ts';

const NOTHING_HASH = '000000000000';
const COUNT_MAX = 99;
const UNDERSCORE = 0x5f;
const LOWER_A = 0x61;

const VERSIONS: { readonly [version: number]: string } = {
  0x0304: '13',
  0x0303: '12',
  0x0302: '11',
  0x0301: '10',
  0x0300: 's3',
  0x0002: 's2',
};

/** Scratch of one call: values, and their hexadecimal text. */
const values = new Uint16Array(HELLO_SIZE_MAX / 2);
const text = new Uint8Array(HELLO_SIZE_MAX * 3);

/**
 * @param hello as `readClientHello` filled it, before its next use
 * @returns such as `t13d1516h2_8daaf6152771_e5627efa2ab1`
 */
export function ja4(hello: ClientHello): string {
  const version = VERSIONS[highestVersion(hello)] ?? '00';
  const name = hello.hasServerName ? 'd' : 'i';
  const cipherCount = pairs(hello, hello.ciphersStart, hello.ciphersEnd);
  const cipherHash = hash(writeValues(cipherCount, true, 0));
  const counts = countText(cipherCount) + countText(extensionTypes(hello, true));
  const extensionHash = hash(writeExtensions(hello));
  return `t${version}${name}${counts}${alpnPart(hello)}_${cipherHash}_${extensionHash}`;
}

/** @returns size of what was written to `text` */
function writeExtensions(hello: ClientHello): number {
  const size = writeValues(extensionTypes(hello, false), true, 0);
  const signatureCount = pairs(hello, hello.signaturesStart, hello.signaturesEnd);
  if (signatureCount === 0) return size;
  text[size] = UNDERSCORE;
  return writeValues(signatureCount, false, size + 1);
}

/** Writes `count` of `values` to `text` from `offset` on. @returns offset past them */
function writeValues(count: number, isSorted: boolean, offset: number): number {
  if (isSorted) values.subarray(0, count).sort();
  let position = offset;
  for (let i = 0; i < count; i++) {
    if (i > 0) text[position++] = COMMA;
    for (let shift = 12; shift >= 0; shift -= 4) {
      const digit = (values[i]! >>> shift) & 15;
      text[position++] = digit < 10 ? DIGIT_0 + digit : LOWER_A + digit - 10;
    }
  }
  return position;
}

function hash(size: number): string {
  return size === 0 ? NOTHING_HASH : sha256Hex(text.subarray(0, size)).slice(0, 12);
}

function highestVersion(hello: ClientHello): number {
  const count = pairs(hello, hello.versionsStart, hello.versionsEnd);
  let highest = count === 0 ? hello.legacyVersion : 0;
  for (let i = 0; i < count; i++) highest = Math.max(highest, values[i]!);
  return highest;
}

/** First and last character of the first protocol; of its hexadecimal form if one is no such. */
function alpnPart({ bytes, alpnStart, alpnEnd }: ClientHello): string {
  if (alpnEnd <= alpnStart) return '00';
  const first = bytes[alpnStart + 1]!;
  const last = bytes[alpnStart + bytes[alpnStart]!]!;
  if (isAlphanumeric(first) && isAlphanumeric(last)) return String.fromCharCode(first, last);
  return hexByte(first)[0]! + hexByte(last)[1]!;
}

function isAlphanumeric(byte: number): boolean {
  const isDigit = byte >= 0x30 && byte <= 0x39;
  return isDigit || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}

/** Fills `values` with types, without those that say name and protocols unless `all`. */
function extensionTypes(hello: ClientHello, all: boolean): number {
  const { bytes, extensionsEnd } = hello;
  let count = 0;
  for (let at = hello.extensionsStart; at < extensionsEnd; at += 4 + uint16(bytes, at + 2)) {
    const type = uint16(bytes, at);
    const isKept = all || (type !== Extension.serverName && type !== Extension.alpn);
    if (isKept && !isGrease(type)) values[count++] = type;
  }
  return count;
}

/** Fills `values` with those in [start, end) that mean something (RFC 8701). @returns how many */
function pairs({ bytes }: ClientHello, start: number, end: number): number {
  let count = 0;
  for (let at = start; at + 1 < end; at += 2) {
    const value = uint16(bytes, at);
    if (!isGrease(value)) values[count++] = value;
  }
  return count;
}

function countText(count: number): string {
  return count < 10 ? `0${count}` : `${Math.min(count, COUNT_MAX)}`;
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
