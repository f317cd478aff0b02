/**
 * PROXY protocol header, versions 1 and 2 (HAProxy's proxy-protocol.txt): who is behind the proxy
 * that has connected.
 *
 * Reader and writer, sans-IO. Reading is total: any bytes give one of `ProxyResult`.
 *
 * P1  a header is one reading only: in version 1 single spaces, no leading zeros, addresses of the
 *     family that is named; in version 2 known commands and families, and lengths that fit.
 * P2  limits: 107 bytes in version 1, as the specification has it; `HEADER_SIZE_MAX` in version 2,
 *     which has room for extensions of any kind.
 * P3  splitting the same bytes differently over calls gives the same result.
 */

import { CR, LF, latin1Bytes, latin1Text } from '../../../base/ascii.ts';
import { parseAddress } from '../../../base/cidr.ts';
import { IPV6_TEXT_SIZE_MAX, isIpv4, writeIpv6 } from '../../../base/ip-address.ts';
import type { ProxyProtocolVersion } from '../../../contract/tls.ts';
import { crc32c } from './crc32c.ts';

/** Longest header of version 2. Extensions that are in use take some hundred bytes. */
export const HEADER_SIZE_MAX = 4_096;
const V1_SIZE_MAX = 107;
const V2_HEAD_SIZE = 16;

export const ProxyResult = {
  ok: 0,
  /** Nothing is wrong so far. */
  more: 1,
  /** No header, or one that means nothing. */
  invalid: 2,
} as const;
export type ProxyResult = (typeof ProxyResult)[keyof typeof ProxyResult];

/** What was read last. */
export class ProxyHeader {
  /** Bytes of the header; what follows it is the connection. */
  size = 0;
  /**
   * False where the header names nobody: the proxy's own health check (`LOCAL`), `UNKNOWN`, a unix
   * socket. Then the addresses of the connection itself count (§2.1, §2.2).
   */
  hasAddresses = false;
  /** Canonical text (RFC 5952), IPv4-mapped ones as IPv4; empty without addresses. */
  sourceAddress = '';
  sourcePort = 0;
  destinationAddress = '';
  destinationPort = 0;

  reset(): void {
    this.size = 0;
    this.hasAddresses = false;
    this.sourceAddress = '';
    this.sourcePort = 0;
    this.destinationAddress = '';
    this.destinationPort = 0;
  }
}

const SIGNATURE: Uint8Array = latin1Bytes('\r\n\r\n\0\r\nQUIT\n');
const V1_START: Uint8Array = latin1Bytes('PROXY ');

const words = new Uint32Array(4);
const text = new Uint8Array(IPV6_TEXT_SIZE_MAX);

/**
 * Reads the header at the start of a connection.
 * @param bytes received so far in [start, end); borrowed
 * @param header is filled on `ok`
 */
export function readProxyHeader(
  bytes: Uint8Array,
  start: number,
  end: number,
  header: ProxyHeader,
): ProxyResult {
  header.reset();
  if (start >= end) return ProxyResult.more;
  if (bytes[start] === V1_START[0]) return readV1(bytes, start, end, header);
  return readV2(bytes, start, end, header);
}

function readV1(bytes: Uint8Array, start: number, end: number, header: ProxyHeader): ProxyResult {
  if (!beginsWith(bytes, start, end, V1_START)) return ProxyResult.invalid;
  const limit = Math.min(end, start + V1_SIZE_MAX);
  for (let position = start; position < limit; position++) {
    if (bytes[position] !== LF) continue;
    if (bytes[position - 1] !== CR) return ProxyResult.invalid;
    header.size = position + 1 - start;
    const line = latin1Text(bytes, start + V1_START.length, position - 1);
    return readV1Fields(line, header) ? ProxyResult.ok : ProxyResult.invalid;
  }
  return limit === start + V1_SIZE_MAX ? ProxyResult.invalid : ProxyResult.more;
}

/** @param line what stands between `PROXY ` and the end of the line */
function readV1Fields(line: string, header: ProxyHeader): boolean {
  if (line === 'UNKNOWN' || line.startsWith('UNKNOWN ')) return true;
  const [family, source, destination, sourcePort, destinationPort, more] = line.split(' ');
  if (family !== 'TCP4' && family !== 'TCP6') return false;
  if (destinationPort === undefined || more !== undefined) return false;
  const isV6 = family === 'TCP6';
  header.sourceAddress = canonical(source!, isV6);
  header.destinationAddress = canonical(destination!, isV6);
  header.sourcePort = portOf(sourcePort!);
  header.destinationPort = portOf(destinationPort);
  header.hasAddresses = true;
  const hasBoth = header.sourceAddress !== '' && header.destinationAddress !== '';
  return hasBoth && header.sourcePort >= 0 && header.destinationPort >= 0;
}

/** @returns empty when it is no address of that family */
function canonical(address: string, isV6: boolean): string {
  if (address.includes(':') !== isV6 || address.includes('%')) return '';
  return parseAddress(address, words) ? textOfWords() : '';
}

/** @returns -1 when it is no port, or has leading zeros */
function portOf(digits: string): number {
  if (!/^(?:0|[1-9][0-9]{0,4})$/.test(digits)) return -1;
  const port = Number(digits);
  return port <= 65_535 ? port : -1;
}

/** §2.2. */
function readV2(bytes: Uint8Array, start: number, end: number, header: ProxyHeader): ProxyResult {
  if (!beginsWith(bytes, start, end, SIGNATURE)) return ProxyResult.invalid;
  if (end - start < V2_HEAD_SIZE) return ProxyResult.more;
  const command = bytes[start + 12]!;
  const family = bytes[start + 13]!;
  const addressSize = addressSizeOf(family);
  const size = V2_HEAD_SIZE + uint16(bytes, start + 14);
  if ((command !== 0x20 && command !== 0x21) || addressSize < 0 || size > HEADER_SIZE_MAX) {
    return ProxyResult.invalid;
  }
  if (end - start < size) return ProxyResult.more;
  header.size = size;
  if (command === 0x20) return ProxyResult.ok; // LOCAL: what follows is to be discarded.
  if (size - V2_HEAD_SIZE < addressSize) return ProxyResult.invalid;
  const at = start + V2_HEAD_SIZE;
  if (!areExtensionsGood(bytes, start, at + addressSize, start + size)) return ProxyResult.invalid;
  if (family === 0x11) readAddresses(bytes, at, 4, header);
  if (family === 0x21) readAddresses(bytes, at, 16, header);
  return ProxyResult.ok;
}

/** Family and transport; -1 for what §2.2 does not define. Datagrams are nobody's stream. */
function addressSizeOf(family: number): number {
  switch (family) {
    case 0x00:
      return 0;
    case 0x11:
    case 0x12:
      return 12;
    case 0x21:
    case 0x22:
      return 36;
    case 0x31:
    case 0x32:
      return 216;
    default:
      return -1;
  }
}

function readAddresses(bytes: Uint8Array, at: number, size: number, header: ProxyHeader): void {
  header.hasAddresses = true;
  header.sourceAddress = textOfBytes(bytes, at, size);
  header.destinationAddress = textOfBytes(bytes, at + size, size);
  header.sourcePort = uint16(bytes, at + 2 * size);
  header.destinationPort = uint16(bytes, at + 2 * size + 2);
}

/** Walks the extensions (§2.2.1 on): lengths have to fit, and a checksum has to be right. */
function areExtensionsGood(bytes: Uint8Array, start: number, from: number, end: number): boolean {
  let position = from;
  while (position < end) {
    if (position + 3 > end) return false;
    const next = position + 3 + uint16(bytes, position + 1);
    if (next > end) return false;
    if (bytes[position] === CRC_TYPE) {
      if (next !== position + 7) return false;
      if (crc32c(bytes, start, end, position + 3) !== uint32(bytes, position + 3)) return false;
    }
    position = next;
  }
  return true;
}

const CRC_TYPE = 0x03;

/** The two ends of a client's connection. */
export interface ProxiedAddresses {
  /** Numeric; empty: unknown, then the header says so. */
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
}

/** The header that is sent ahead to an endpoint. Allocates. */
export function proxyHeaderBytes(
  version: ProxyProtocolVersion,
  addresses: ProxiedAddresses,
): Uint8Array {
  const isV4 = isV4Text(addresses.sourceAddress) && isV4Text(addresses.destinationAddress);
  const source = wordsOf(addresses.sourceAddress);
  const destination = wordsOf(addresses.destinationAddress);
  if (source === null || destination === null) {
    return version === 'v1' ? latin1Bytes('PROXY UNKNOWN\r\n') : v2Bytes(0x00, 0);
  }
  return version === 'v1'
    ? v1Bytes(addresses, source, destination, isV4)
    : v2AddressBytes(addresses, source, destination, isV4);
}

function v1Bytes(
  { sourcePort, destinationPort }: ProxiedAddresses,
  source: Uint32Array,
  destination: Uint32Array,
  isV4: boolean,
): Uint8Array {
  const ends = `${v1Text(source, isV4)} ${v1Text(destination, isV4)}`;
  const family = isV4 ? 'TCP4' : 'TCP6';
  return latin1Bytes(`PROXY ${family} ${ends} ${sourcePort} ${destinationPort}\r\n`);
}

/** Of two families the IPv4 address is written in its mapped form. */
function v1Text(address: Uint32Array, isV4: boolean): string {
  words.set(address);
  if (isV4) return textOfWords();
  return latin1Text(text, 0, writeIpv6(words, text, 0));
}

function v2AddressBytes(
  { sourcePort, destinationPort }: ProxiedAddresses,
  source: Uint32Array,
  destination: Uint32Array,
  isV4: boolean,
): Uint8Array {
  const size = isV4 ? 4 : 16;
  const bytes = v2Bytes(isV4 ? 0x11 : 0x21, 2 * size + 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < size; i += 4) {
    const word = isV4 ? 3 : i / 4;
    view.setUint32(V2_HEAD_SIZE + i, source[word]!);
    view.setUint32(V2_HEAD_SIZE + size + i, destination[word]!);
  }
  view.setUint16(V2_HEAD_SIZE + 2 * size, sourcePort);
  view.setUint16(V2_HEAD_SIZE + 2 * size + 2, destinationPort);
  return bytes;
}

/** A header with room for addresses of `size`. */
function v2Bytes(family: number, size: number): Uint8Array {
  const bytes = new Uint8Array(V2_HEAD_SIZE + size);
  bytes.set(SIGNATURE);
  bytes[12] = 0x21;
  bytes[13] = family;
  bytes[15] = size; // Below 256.
  return bytes;
}

function isV4Text(address: string): boolean {
  return parseAddress(address, words) && isIpv4(words);
}

function wordsOf(address: string): Uint32Array | null {
  return parseAddress(address, words) ? words.slice() : null;
}

/** Text of what is in `words`. */
function textOfWords(): string {
  if (!isIpv4(words)) return latin1Text(text, 0, writeIpv6(words, text, 0));
  const address = words[3]!;
  const parts = [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255];
  return parts.join('.');
}

function textOfBytes(bytes: Uint8Array, at: number, size: number): string {
  words.set([0, 0, 0xffff, 0]);
  const first = size === 4 ? 3 : 0;
  for (let i = 0; i < size; i += 4) words[first + i / 4] = uint32(bytes, at + i);
  return textOfWords();
}

/** True when the bytes so far are those of `expected`, or its beginning. */
function beginsWith(bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean {
  const size = Math.min(end - start, expected.length);
  for (let i = 0; i < size; i++) if (bytes[start + i] !== expected[i]) return false;
  return true;
}

function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function uint32(bytes: Uint8Array, at: number): number {
  return uint16(bytes, at) * 65_536 + uint16(bytes, at + 2);
}
