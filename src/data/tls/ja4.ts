/**
 * JA4: a label for the kind of TLS client, made of what its ClientHello offers (FoxIO's JA4, for
 * TLS over TCP). Computed only when somebody asks: it allocates.
 *
 * A label for logs and coarse deny lists, never proof of anything: a client can take on any.
 */

import { sha256Hex } from '../../base/sha256.ts';
import { latin1Bytes } from '../../base/ascii.ts';
import { Extension, isGrease, uint16 } from './client-hello.ts';
import type { ClientHello } from './client-hello.ts';

const NOTHING_HASH = '000000000000';
const COUNT_MAX = 99;

const VERSIONS: { readonly [version: number]: string } = {
  0x0304: '13',
  0x0303: '12',
  0x0302: '11',
  0x0301: '10',
  0x0300: 's3',
  0x0002: 's2',
};

/**
 * @param hello as `readClientHello` filled it, before its next use
 * @returns such as `t13d1516h2_8daaf6152771_e5627efa2ab1`
 */
export function ja4(hello: ClientHello): string {
  const ciphers = values(hello, hello.ciphersStart, hello.ciphersEnd);
  const extensions = extensionTypes(hello);
  const version = VERSIONS[highestVersion(hello)] ?? '00';
  const name = hello.hasServerName ? 'd' : 'i';
  const head = `t${version}${name}${count(ciphers)}${count(extensions)}${alpnPart(hello)}`;
  const cipherHash = hash(ciphers.map(hex).toSorted().join(','));
  return `${head}_${cipherHash}_${extensionHash(hello, extensions)}`;
}

function extensionHash(hello: ClientHello, extensions: readonly number[]): string {
  const kept = extensions
    .filter((type) => type !== Extension.serverName && type !== Extension.alpn)
    .map(hex)
    .toSorted();
  const signatures = values(hello, hello.signaturesStart, hello.signaturesEnd).map(hex);
  if (kept.length === 0 && signatures.length === 0) return NOTHING_HASH;
  return hash(
    signatures.length === 0 ? kept.join(',') : `${kept.join(',')}_${signatures.join(',')}`,
  );
}

function hash(text: string): string {
  return text === '' ? NOTHING_HASH : sha256Hex(latin1Bytes(text)).slice(0, 12);
}

function highestVersion(hello: ClientHello): number {
  const offered = values(hello, hello.versionsStart, hello.versionsEnd);
  return offered.length === 0 ? hello.legacyVersion : Math.max(...offered);
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

function extensionTypes({ bytes, extensionsStart, extensionsEnd }: ClientHello): number[] {
  const types: number[] = [];
  for (let at = extensionsStart; at < extensionsEnd; at += 4 + uint16(bytes, at + 2)) {
    const type = uint16(bytes, at);
    if (!isGrease(type)) types.push(type);
  }
  return types;
}

/** Values of two bytes without those of RFC 8701. */
function values({ bytes }: ClientHello, start: number, end: number): number[] {
  const found: number[] = [];
  for (let at = start; at + 1 < end; at += 2) {
    const value = uint16(bytes, at);
    if (!isGrease(value)) found.push(value);
  }
  return found;
}

function count(list: readonly number[]): string {
  return String(Math.min(list.length, COUNT_MAX)).padStart(2, '0');
}

function hex(value: number): string {
  return value.toString(16).padStart(4, '0');
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
