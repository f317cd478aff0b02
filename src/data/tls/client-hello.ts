/**
 * ClientHello reader: bytes in, offsets and one name out (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2).
 *
 * Total: any bytes give one of `HelloResult`, nothing throws. No allocation but the name.
 *
 * Everything in a ClientHello is said by a stranger: see docs/internals/tls-routing.md for what it
 * may decide. With Encrypted Client Hello the name is that of the outer hello.
 *
 * T1  splitting the same bytes differently over calls or records gives the same result.
 * T2  a hello is `HELLO_SIZE_MAX` bytes at most, in `HELLO_RECORDS_MAX` records at most.
 * T3  what two readers could read differently is malformed: an extension twice (RFC 8446 §4.2),
 *     two names (RFC 6066 §3), lengths that do not add up, bytes behind the last extension. So
 *     whoever gets the same bytes after us sees the same name or refuses.
 */

import { LOWER, latin1Text } from '../../base/ascii.ts';
import { parseIpv4, parseIpv6 } from '../../base/ip-address.ts';

/** Largest handshake message, its four bytes of type and length included. */
export const HELLO_SIZE_MAX: number = 16_384 + 4;
/** Most records that one hello is cut into. */
export const HELLO_RECORDS_MAX = 256;
const RECORD_HEADER_SIZE = 5;
const RECORD_SIZE_MAX = 16_384; // RFC 8446 §5.1.
/** A hello within the limits is complete within this many bytes. */
export const HELLO_WIRE_SIZE_MAX: number = HELLO_SIZE_MAX + HELLO_RECORDS_MAX * RECORD_HEADER_SIZE;

export const HelloResult = {
  /** The hello is complete, and in the object. */
  ok: 0,
  /** There is nothing wrong so far; `wantedSize` bytes are needed at least. */
  more: 1,
  /** It begins with a letter: most likely a plain HTTP request. */
  plainText: 2,
  /** Not TLS of any kind. */
  notTls: 3,
  /** A hello of SSL 2.0, which must not be taken (RFC 8446 appendix D.5). */
  sslv2: 4,
  /** TLS, but not a ClientHello: another record, another message, or an empty record. */
  unexpected: 5,
  malformed: 6,
  tooLarge: 7,
} as const;
export type HelloResult = (typeof HelloResult)[keyof typeof HelloResult];

/** What the server_name extension says. */
export const NameState = {
  /** There is none, or it holds an IP address, which is no name (RFC 6066 §3). */
  none: 0,
  valid: 1,
  /** NUL or other bytes no host name has, an empty label, a dot at the end, or too long. */
  invalid: 2,
} as const;
export type NameState = (typeof NameState)[keyof typeof NameState];

export const Extension = {
  serverName: 0,
  supportedGroups: 10,
  signatureAlgorithms: 13,
  alpn: 16,
  sessionTicket: 35,
  preSharedKey: 41,
  supportedVersions: 43,
  encryptedClientHello: 0xfe0d,
} as const;

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const NAME_SIZE_MAX = 253;
const LABEL_SIZE_MAX = 63;

/**
 * What was read last. Ranges are offsets in `bytes`, which is the input or a buffer of this file:
 * valid until the next read.
 */
export class ClientHello {
  bytes: Uint8Array = NOTHING;
  /** After `more`: bytes from the first one on without which the result stays the same. */
  wantedSize = 0;
  legacyVersion = 0;
  nameState: NameState = NameState.none;
  /** Lower case; empty unless `nameState` is `valid`. */
  serverName = '';
  hasServerName = false;
  /** Two bytes each, as are versions, groups and signature algorithms. */
  ciphersStart = 0;
  ciphersEnd = 0;
  versionsStart = 0;
  versionsEnd = 0;
  groupsStart = 0;
  groupsEnd = 0;
  signaturesStart = 0;
  signaturesEnd = 0;
  /** Names with a byte of length before each. */
  alpnStart = 0;
  alpnEnd = 0;
  /** All extensions: type, length, content. */
  extensionsStart = 0;
  extensionsEnd = 0;
  /** The ticket, or else the first identity of a pre-shared key; empty when there is neither. */
  ticketStart = 0;
  ticketEnd = 0;
  /** An Encrypted Client Hello, or grease of one: there may be another name inside. */
  hasEch = false;

  /** True when exactly this protocol is offered and no other. */
  offersOnly(protocol: Uint8Array): boolean {
    const { bytes, alpnStart } = this;
    const size = protocol.length;
    if (this.alpnEnd - alpnStart !== size + 1 || bytes[alpnStart] !== size) return false;
    for (let i = 0; i < size; i++) if (bytes[alpnStart + 1 + i] !== protocol[i]) return false;
    return true;
  }

  /** True when the ticket begins with `name`, as tickets do that were issued here. */
  hasTicketOf(name: Uint8Array): boolean {
    const size = name.length;
    if (size === 0 || this.ticketEnd - this.ticketStart < size) return false;
    for (let i = 0; i < size; i++) {
      if (this.bytes[this.ticketStart + i] !== name[i]) return false;
    }
    return true;
  }

  get hasTicket(): boolean {
    return this.ticketEnd > this.ticketStart;
  }

  reset(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.wantedSize = 0;
    this.legacyVersion = 0;
    this.nameState = NameState.none;
    this.serverName = '';
    this.hasServerName = false;
    this.ciphersStart = this.ciphersEnd = 0;
    this.versionsStart = this.versionsEnd = 0;
    this.groupsStart = this.groupsEnd = 0;
    this.signaturesStart = this.signaturesEnd = 0;
    this.alpnStart = this.alpnEnd = 0;
    this.extensionsStart = this.extensionsEnd = 0;
    this.ticketStart = this.ticketEnd = 0;
    this.hasEch = false;
  }
}

const NOTHING = new Uint8Array(0);
/** A message that comes in several records is put together here. */
let gathered = NOTHING;
/** One bit per extension type; all zero between calls. */
const seenExtensions = new Uint8Array(8_192);
const nameBytes = new Uint8Array(NAME_SIZE_MAX);
const addressWords = new Uint32Array(4);

/**
 * Reads the ClientHello at the start of a connection.
 * @param bytes received so far in [start, end), from the first byte of the connection on; borrowed
 * @param hello is filled on `ok`; its `wantedSize` on `more`
 */
export function readClientHello(
  bytes: Uint8Array,
  start: number,
  end: number,
  hello: ClientHello,
): HelloResult {
  hello.reset(bytes);
  hello.wantedSize = RECORD_HEADER_SIZE + 4;
  if (start >= end) return HelloResult.more;
  if (bytes[start] !== HANDSHAKE_RECORD) return strangerOf(bytes, start, end, hello);
  if (end - start > 1 && bytes[start + 1] !== 3) return HelloResult.notTls;
  if (end - start < RECORD_HEADER_SIZE) return HelloResult.more;
  const recordSize = uint16(bytes, start + 3);
  if (recordSize === 0) return HelloResult.unexpected;
  if (recordSize > RECORD_SIZE_MAX) return HelloResult.malformed;
  if (end - start < RECORD_HEADER_SIZE + 1) return HelloResult.more;
  const message = start + RECORD_HEADER_SIZE;
  if (bytes[message] !== CLIENT_HELLO) return HelloResult.unexpected;
  if (recordSize < 4) return gather(bytes, start, end, hello);
  if (end - message < 4) return HelloResult.more;
  const size = 4 + uint24(bytes, message + 1);
  if (size > recordSize) return gather(bytes, start, end, hello);
  hello.wantedSize = RECORD_HEADER_SIZE + size;
  if (end - message < size) return HelloResult.more;
  return readMessage(bytes, message + 4, message + size, hello);
}

/** What a first byte says that begins no handshake record. */
function strangerOf(
  bytes: Uint8Array,
  start: number,
  end: number,
  hello: ClientHello,
): HelloResult {
  const first = bytes[start]!;
  if (first >= 0x41 && first <= 0x5a) return HelloResult.plainText;
  const isSslv2 = first >= 0x80;
  const isRecord = first >= 20 && first <= 24;
  if (!isSslv2 && !isRecord) return HelloResult.notTls;
  hello.wantedSize = isSslv2 ? 3 : 2;
  if (end - start < hello.wantedSize) return HelloResult.more;
  if (isSslv2) return bytes[start + 2] === CLIENT_HELLO ? HelloResult.sslv2 : HelloResult.notTls;
  return bytes[start + 1] === 3 ? HelloResult.unexpected : HelloResult.notTls;
}

/** Puts a message together that is cut into several records (RFC 8446 §5.1). */
function gather(bytes: Uint8Array, start: number, end: number, hello: ClientHello): HelloResult {
  if (gathered.length === 0) gathered = new Uint8Array(HELLO_SIZE_MAX);
  let position = start;
  let collected = 0;
  let size = 4; // Of the message; known when its first four bytes are there.
  for (let records = 0; collected < size; records++) {
    if (records >= HELLO_RECORDS_MAX) return HelloResult.tooLarge;
    hello.wantedSize = position - start + RECORD_HEADER_SIZE;
    if (position < end && bytes[position] !== HANDSHAKE_RECORD) return HelloResult.unexpected;
    if (position + 1 < end && bytes[position + 1] !== 3) return HelloResult.malformed;
    if (end - position < RECORD_HEADER_SIZE) return HelloResult.more;
    const recordSize = uint16(bytes, position + 3);
    if (recordSize === 0) return HelloResult.unexpected;
    if (recordSize > RECORD_SIZE_MAX) return HelloResult.malformed;
    position += RECORD_HEADER_SIZE;
    const available = Math.min(recordSize, end - position);
    let taken = 0;
    while (taken < available && collected < size) {
      gathered[collected++] = bytes[position + taken++]!;
      if (collected !== 4) continue;
      size = 4 + uint24(gathered, 1);
      if (size > HELLO_SIZE_MAX) return HelloResult.tooLarge;
    }
    if (collected === size && size > 4) break;
    hello.wantedSize = position - start + Math.min(recordSize, taken + size - collected);
    if (available < recordSize) return HelloResult.more;
    position += recordSize;
  }
  hello.bytes = gathered;
  return readMessage(gathered, 4, size, hello);
}

function readMessage(
  bytes: Uint8Array,
  start: number,
  end: number,
  hello: ClientHello,
): HelloResult {
  let position = start + 34; // Version and random.
  if (position >= end) return HelloResult.malformed;
  hello.legacyVersion = uint16(bytes, start);
  const sessionIdSize = bytes[position]!;
  if (sessionIdSize > 32) return HelloResult.malformed;
  position += 1 + sessionIdSize;
  if (position + 2 > end) return HelloResult.malformed;
  const ciphersSize = uint16(bytes, position);
  position += 2;
  if (ciphersSize < 2 || ciphersSize % 2 !== 0) return HelloResult.malformed;
  hello.ciphersStart = position;
  position += ciphersSize;
  hello.ciphersEnd = position;
  if (position >= end) return HelloResult.malformed;
  const compressionSize = bytes[position]!;
  position += 1 + compressionSize;
  if (compressionSize < 1 || position > end) return HelloResult.malformed;
  if (position === end) return HelloResult.ok; // No extensions: TLS 1.2 and before.
  if (position + 2 > end || position + 2 + uint16(bytes, position) !== end) {
    return HelloResult.malformed;
  }
  hello.extensionsStart = position + 2;
  hello.extensionsEnd = end;
  return readExtensions(bytes, hello) ? HelloResult.ok : HelloResult.malformed;
}

function readExtensions(bytes: Uint8Array, hello: ClientHello): boolean {
  const end = hello.extensionsEnd;
  let position = hello.extensionsStart;
  let isGood = true;
  while (isGood && position < end) {
    isGood = false;
    if (position + 4 > end) break;
    const type = uint16(bytes, position);
    const next = position + 4 + uint16(bytes, position + 2);
    const bit = 1 << (type & 7);
    if (next > end || (seenExtensions[type >> 3]! & bit) !== 0) break;
    seenExtensions[type >> 3]! |= bit;
    isGood = readExtension(bytes, type, position + 4, next, hello);
    position = next;
  }
  forgetSeen(bytes, hello.extensionsStart, end);
  return isGood;
}

/** Clears the marks of a walk; it ends where that one ended, or goes on harmlessly. */
function forgetSeen(bytes: Uint8Array, start: number, end: number): void {
  for (let at = start; at + 4 <= end; at += 4 + uint16(bytes, at + 2)) {
    seenExtensions[uint16(bytes, at) >> 3] = 0;
  }
}

function readExtension(
  bytes: Uint8Array,
  type: number,
  start: number,
  end: number,
  // oxlint-disable-next-line max-params -- a step of `readExtensions`.
  hello: ClientHello,
): boolean {
  switch (type) {
    case Extension.serverName:
      return readServerName(bytes, start, end, hello);
    case Extension.alpn:
      hello.alpnStart = start + 2;
      hello.alpnEnd = end;
      return isAlpnList(bytes, start, end);
    case Extension.supportedVersions:
      hello.versionsStart = start + 1;
      hello.versionsEnd = end;
      return end - start >= 3 && (end - start) % 2 === 1 && bytes[start] === end - start - 1;
    case Extension.supportedGroups:
      hello.groupsStart = start + 2;
      hello.groupsEnd = end;
      return isPairList(bytes, start, end);
    case Extension.signatureAlgorithms:
      hello.signaturesStart = start + 2;
      hello.signaturesEnd = end;
      return isPairList(bytes, start, end);
    case Extension.sessionTicket:
      if (!hello.hasTicket) setTicket(hello, start, end);
      return true;
    case Extension.preSharedKey:
      return readPreSharedKey(bytes, start, end, hello);
    case Extension.encryptedClientHello:
      hello.hasEch = true;
      return true;
    default:
      return true;
  }
}

function setTicket(hello: ClientHello, start: number, end: number): void {
  hello.ticketStart = start;
  hello.ticketEnd = end;
}

/** RFC 8446 §4.2.11: a list of identities, then a list of binders. */
function readPreSharedKey(
  bytes: Uint8Array,
  start: number,
  end: number,
  hello: ClientHello,
): boolean {
  if (start + 4 > end) return false;
  const identities = uint16(bytes, start);
  const first = uint16(bytes, start + 2);
  if (first < 1 || first + 6 > identities || start + 2 + identities > end) return false;
  setTicket(hello, start + 4, start + 4 + first);
  return true;
}

/** A list of two-byte values with two bytes of length, not empty. */
function isPairList(bytes: Uint8Array, start: number, end: number): boolean {
  const size = end - start - 2;
  return size >= 2 && size % 2 === 0 && uint16(bytes, start) === size;
}

/** RFC 7301 §3.1: no list and no name is empty. */
function isAlpnList(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 4 || uint16(bytes, start) !== end - start - 2) return false;
  let position = start + 2;
  while (position < end) {
    if (bytes[position] === 0) return false;
    position += 1 + bytes[position]!;
  }
  return position === end;
}

/** RFC 6066 §3: a list of exactly one host name. Other kinds of name do not exist. */
function readServerName(
  bytes: Uint8Array,
  start: number,
  end: number,
  hello: ClientHello,
): boolean {
  if (end - start < 6 || uint16(bytes, start) !== end - start - 2) return false;
  const size = uint16(bytes, start + 3);
  if (bytes[start + 2] !== 0 || start + 5 + size !== end) return false;
  hello.hasServerName = true;
  const name = start + 5;
  if (isAddress(bytes, name, end)) return true;
  if (!isHostName(bytes, name, end)) {
    hello.nameState = NameState.invalid;
    return true;
  }
  for (let i = 0; i < size; i++) nameBytes[i] = LOWER[bytes[name + i]!]!;
  hello.nameState = NameState.valid;
  hello.serverName = latin1Text(nameBytes, 0, size);
  return true;
}

function isAddress(bytes: Uint8Array, start: number, end: number): boolean {
  return parseIpv4(bytes, start, end, addressWords) || parseIpv6(bytes, start, end, addressWords);
}

/** Letters, digits, hyphens and underscores in labels of 1 to 63, without a dot at the end. */
function isHostName(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > NAME_SIZE_MAX) return false;
  let labelStart = start;
  for (let position = start; position <= end; position++) {
    if (position === end || bytes[position] === 0x2e) {
      const labelSize = position - labelStart;
      if (labelSize < 1 || labelSize > LABEL_SIZE_MAX) return false;
      labelStart = position + 1;
    } else if (!isNameByte(bytes[position]!)) {
      return false;
    }
  }
  return true;
}

function isNameByte(byte: number): boolean {
  const lower = LOWER[byte]!;
  if (lower >= 0x61 && lower <= 0x7a) return true;
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x5f;
}

/** True for reserved values that clients send to keep servers tolerant (RFC 8701). */
export function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);
}

/** Two bytes, most significant first; they are there. */
export function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function uint24(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}
