/**
 * Field names as small integers, so that no name becomes a string on the way through.
 *
 * F1  a name maps to the same id whatever its case (RFC 9110 §5.1).
 * F2  a spelling that becomes a known name when `_` (or any other punctuation: lighttpd's CGI)
 *     turns into `-`, as CGI-like origins do, is `Field.aliased` and never forwarded: it would
 *     bypass whatever is done for the real name.
 * F3  ids 1..INTERPRETED_MAX are those a head parser reads itself.
 */

import { latin1Bytes, LOWER } from '../../base/ascii.ts';

/** Known names. `other` is any name not listed; `xForwardedOther` any further `x-forwarded-*`. */
export const Field = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  upgrade: 5,
  expect: 6,
  te: 7,
  keepAlive: 8,
  proxyConnection: 9,
  trailer: 10,
  proxyAuthenticate: 11,
  proxyAuthorization: 12,
  proxy: 13,
  http2Settings: 14,
  aliased: 15,
  xForwardedFor: 16,
  xForwardedProto: 17,
  xForwardedHost: 18,
  xForwardedPort: 19,
  xForwardedOther: 20,
  xRealIp: 21,
  forwarded: 22,
  via: 23,
  maxForwards: 24,
  xRequestId: 25,
  traceparent: 26,
  tracestate: 27,
  authorization: 28,
  cookie: 29,
  setCookie: 30,
  cacheControl: 31,
  contentType: 32,
  contentEncoding: 33,
  contentRange: 34,
  date: 35,
  server: 36,
  userAgent: 37,
  referer: 38,
  origin: 39,
  accept: 40,
  acceptEncoding: 41,
  acceptLanguage: 42,
  range: 43,
  ifNoneMatch: 44,
  ifModifiedSince: 45,
  etag: 46,
  lastModified: 47,
  location: 48,
  vary: 49,
  age: 50,
  expires: 51,
  retryAfter: 52,
  wwwAuthenticate: 53,
  strictTransportSecurity: 54,
  secWebsocketKey: 55,
  secWebsocketVersion: 56,
  secWebsocketAccept: 57,
  secWebsocketProtocol: 58,
  secWebsocketExtensions: 59,
  clientCert: 60,
  clientCertChain: 61,
} as const;
export type Field = (typeof Field)[keyof typeof Field];

/** Size of an array indexed by field id, such as a skip set. */
export const FIELD_INDEX_MAX = 62;

/** Highest id that a head parser interprets (F3). */
export const INTERPRETED_MAX = Field.te;

/**
 * 1 for each id that is never forwarded as received: the fields of RFC 9110 §7.6.1, the two that
 * the serialiser owns (Content-Length, Host), Expect (answered by us), Proxy (httpoxy),
 * HTTP2-Settings (h2c is never tunnelled) and aliased names.
 */
export const HOP_FIELDS: Uint8Array = new Uint8Array(FIELD_INDEX_MAX).fill(
  1,
  Field.host,
  Field.aliased + 1,
);

/** Lower-case name by id; empty for `other`, `aliased` and `xForwardedOther`. */
export const FIELD_NAMES: readonly string[] = buildNames();

const BUCKETS = 256;
const FORWARDED_PREFIX = latin1Bytes('x-forwarded-');
const HYPHEN = 0x2d;
const PUNCTUATION = "!#$%&'*+.^_`|~"; // Of a token (RFC 9110 §5.6.2), all but the hyphen.

// Lower case, punctuation as `-`: what an origin of the CGI family would take the octet for.
const FOLD = Uint8Array.from(LOWER, (byte) =>
  PUNCTUATION.includes(String.fromCharCode(byte)) ? HYPHEN : byte,
);
const NAME_SIZE = Uint8Array.from(FIELD_NAMES, (name) => name.length);
const NAME_OFFSET = new Uint16Array(FIELD_INDEX_MAX);
const NAME_BYTES = latin1Bytes(FIELD_NAMES.join(''));
const BUCKET = new Uint8Array(BUCKETS); // First id of a bucket; 0 when it is empty.
const BUCKET_NEXT = new Uint8Array(FIELD_INDEX_MAX); // Next id of the same bucket, or 0.
fillBuckets();

function buildNames(): string[] {
  const names = Array.from<string>({ length: FIELD_INDEX_MAX }).fill('');
  for (const [key, id] of Object.entries(Field)) {
    if (id === Field.other || id === Field.aliased || id === Field.xForwardedOther) continue;
    names[id] = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  }
  return names;
}

function fillBuckets(): void {
  let offset = 0;
  for (let id = 0; id < FIELD_INDEX_MAX; id++) {
    const size = NAME_SIZE[id]!;
    NAME_OFFSET[id] = offset;
    offset += size;
    if (size === 0) continue;
    const bucket = bucketOf(NAME_BYTES, offset - size, size);
    BUCKET_NEXT[id] = BUCKET[bucket]!;
    BUCKET[bucket] = id;
  }
}

function bucketOf(bytes: Uint8Array, start: number, size: number): number {
  const first = FOLD[bytes[start]!]!;
  const middle = FOLD[bytes[start + (size >> 1)]!]!;
  const last = FOLD[bytes[start + size - 1]!]!;
  return (size * 7 + first * 3 + middle * 11 + last * 5) & (BUCKETS - 1);
}

/**
 * Id of a field name, ignoring ASCII case.
 * @param bytes  borrowed for the call
 * @returns the id; `Field.aliased` for another punctuation of a known name (F2); `Field.other` for
 *          every other name, the empty one included
 */
export function fieldId(bytes: Uint8Array, start: number, end: number): Field {
  const size = end - start;
  if (size <= 0) return Field.other;
  let id = BUCKET[bucketOf(bytes, start, size)]!;
  while (id !== 0) {
    if (NAME_SIZE[id] === size) {
      const match = compareFolded(bytes, start, NAME_BYTES, NAME_OFFSET[id]!, size);
      if (match === 1) return id as Field;
      if (match === 2) return Field.aliased;
    }
    id = BUCKET_NEXT[id]!;
  }
  const prefixSize = FORWARDED_PREFIX.length;
  if (size <= prefixSize || FOLD[bytes[start]!] !== 0x78) return Field.other;
  const match = compareFolded(bytes, start, FORWARDED_PREFIX, 0, prefixSize);
  if (match === 0) return Field.other;
  return match === 1 ? Field.xForwardedOther : Field.aliased;
}

/** 0: different; 1: equal but for case; 2: equal once other punctuation reads as `-`. */
function compareFolded(
  bytes: Uint8Array,
  start: number,
  name: Uint8Array,
  offset: number,
  size: number,
): number {
  let match = 1;
  for (let i = 0; i < size; i++) {
    const byte = bytes[start + i]!;
    if (FOLD[byte] !== name[offset + i]) return 0;
    if (byte !== HYPHEN && FOLD[byte] === HYPHEN) match = 2;
  }
  return match;
}
