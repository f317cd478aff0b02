/**
 * Canonical host and path of a request target: made once, and then the only spelling that is
 * matched, authorised, logged and forwarded. Hot: bytes in, bytes out, no allocation, no throw.
 *
 * T1  canonical of canonical is itself (`canonicalizePath` then answers 0).
 * T2  what is ambiguous is invalid, never repaired: two servers must not read it differently.
 * T3  a path never grows, so an `out` of the input's size is always enough.
 */

import { HEX_UPPER, HEX_VALUE } from './ascii.ts';
import { IPV6_TEXT_SIZE_MAX, parseIpv6, writeIpv6 } from './ip-address.ts';

/** Longest canonical host in bytes (RFC 1035 §2.3.4 without the root's dot). */
export const HOST_SIZE_MAX = 253;
const LABEL_SIZE_MAX = 63;

const SLASH = 0x2f;
const DOT = 0x2e;
const COLON = 0x3a;
const PERCENT = 0x25;
const SEMICOLON = 0x3b;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;

/** Lower-case byte of what may stand in a host label; 0 for everything else. */
const HOST_BYTE: Uint8Array = makeHostBytes();

/** Classes of path bytes; `plain` is 0 so that the common case is one load and one branch. */
const PathByte = { plain: 0, slash: 1, percent: 2, invalid: 3 } as const;
const PATH_BYTE: Uint8Array = makePathBytes();

/** 1 for RFC 3986 §2.3 unreserved bytes: an escape of one of these means the byte itself. */
const IS_UNRESERVED: Uint8Array = makeUnreserved();

let hostPort = -1;
const addressWords = new Uint32Array(4);

/**
 * Port of the last host that `canonicalizeHost` accepted: 1 to 65,535, or -1 when it named none
 * (also `host:` with an empty port, which RFC 3986 §3.2.3 allows). Read it before the next call.
 */
export function canonicalHostPort(): number {
  return hostPort;
}

/**
 * Writes the canonical form of a Host value or authority `host [":" port]` (RFC 9110 §7.2):
 * lower case, without port and without one trailing dot. An IPv6 literal keeps its brackets, so
 * it can never be mistaken for a name, and is rewritten as RFC 5952 spells it.
 *
 * Accepted are letters, digits, `-`, `_` and `.`: a host goes into matching, logs and forwarded
 * fields, so everything RFC 3986 would also allow (escapes, sub-delims, userinfo) is invalid.
 *
 * @param bytes  borrowed for the call
 * @param out    receives the host; HOST_SIZE_MAX bytes are enough for every input
 * @returns bytes written; 0 when the input is empty (no host sent); -1 when invalid: any other
 *          byte, an empty label, a label over 63 or a host over 253 bytes, unbalanced brackets,
 *          a port that is not 1 to 65,535 in at most five digits, a port without host
 */
export function canonicalizeHost(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
): number {
  hostPort = -1;
  if (start === end) return 0;
  if (bytes[start] === BRACKET_OPEN) return canonicalizeLiteral(bytes, start, end, out);
  let size = 0;
  let labelSize = 0;
  let position = start;
  for (; position < end; position++) {
    const byte = HOST_BYTE[bytes[position]!]!;
    if (byte === DOT) {
      if (labelSize === 0) return -1;
      labelSize = 0;
    } else if (byte !== 0) {
      if (++labelSize > LABEL_SIZE_MAX) return -1;
    } else if (bytes[position] === COLON) break;
    else return -1;
    if (size > HOST_SIZE_MAX) return -1;
    if (size < HOST_SIZE_MAX) out[size] = byte;
    else if (byte !== DOT) return -1; // Only the trailing dot may be byte number 254.
    size++;
  }
  if (size === 0) return -1;
  if (labelSize === 0) size--; // One trailing dot: the absolute form of the same name.
  if (position < end && !readPort(bytes, position + 1, end)) return -1;
  return size;
}

/**
 * Writes the canonical form of an absolute path, without query (RFC 3986 §6.2.2):
 * - dot segments removed, also spelled `%2e`; a path that climbs above the root is invalid;
 * - repeated slashes are one slash;
 * - escapes of unreserved bytes decoded, all others kept with upper-case digits. Nothing is
 *   decoded twice: `%252e` stays as it is.
 *
 * Invalid, beside malformed escapes: `%00`; bytes below 0x21 or above 0x7e, `#`, `?` and `\`;
 * a segment `.` or `..` with parameters (`..;x`), which some origins take for a dot segment.
 * `%2F` and `%5C` are kept (they are data, not separators) or invalid, as the caller wants; with
 * `.` or `..` beside them (`..%2Fadmin`) they are invalid always: an origin that decodes them
 * would climb out of the path that was matched.
 *
 * @param bytes               borrowed for the call
 * @param out                 receives the path when it changed; needs `end - start` bytes and
 *                            must not be `bytes`
 * @param rejectEncodedSlash  true: `%2F` and `%5C` are invalid
 * @returns 0 when the input is canonical already (nothing useful is in `out`), else the bytes
 *          written (at least 1), or -1 when invalid or not starting with `/`
 */
export function canonicalizePath(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  rejectEncodedSlash: boolean,
): number {
  if (start >= end || bytes[start] !== SLASH) return -1;
  let hasEncodedSlash = false;
  for (let i = start; i < end; i++) {
    const kind = PATH_BYTE[bytes[i]!]!;
    if (kind === PathByte.plain) continue;
    if (kind === PathByte.invalid) return -1;
    if (kind === PathByte.slash) {
      if (i + 1 === end) break;
      const next = bytes[i + 1]!;
      if (next === SLASH) return rewritePath(bytes, start, end, out, rejectEncodedSlash);
      if (next === DOT && isDotSegment(bytes, i + 1, end)) {
        return rewritePath(bytes, start, end, out, rejectEncodedSlash);
      }
      continue;
    }
    const escaped = readEscape(bytes, i, end);
    if (escaped < 0 || (rejectEncodedSlash && isEncodedSlash(escaped))) return -1;
    if (IS_UNRESERVED[escaped] === 1 || !isUpperEscape(bytes, i)) {
      return rewritePath(bytes, start, end, out, rejectEncodedSlash);
    }
    if (isEncodedSlash(escaped)) hasEncodedSlash = true;
    i += 2;
  }
  return hasEncodedSlash && hidesDotSegment(bytes, start, end) ? -1 : 0;
}

/** The slow pass: writes every segment, then drops or undoes it when it was a dot segment. */
function rewritePath(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  rejectEncodedSlash: boolean,
): number {
  out[0] = SLASH;
  let size = 1;
  let hasEncodedSlash = false;
  let segment = 1; // Where the current segment begins in `out`, just after a slash.
  for (let i = start + 1; i < end; i++) {
    const kind = PATH_BYTE[bytes[i]!]!;
    if (kind === PathByte.plain) {
      out[size++] = bytes[i]!;
    } else if (kind === PathByte.slash) {
      size = closeSegment(out, segment, size);
      if (size < 0) return -1;
      if (size > segment) out[size++] = SLASH;
      segment = size;
    } else if (kind === PathByte.percent) {
      const escaped = readEscape(bytes, i, end);
      if (escaped < 0 || (rejectEncodedSlash && isEncodedSlash(escaped))) return -1;
      if (isEncodedSlash(escaped)) hasEncodedSlash = true;
      if (IS_UNRESERVED[escaped] === 1) out[size++] = escaped;
      else {
        out[size++] = PERCENT;
        out[size++] = HEX_UPPER[escaped >> 4]!;
        out[size++] = HEX_UPPER[escaped & 15]!;
      }
      i += 2;
    } else return -1;
  }
  size = closeSegment(out, segment, size);
  return hasEncodedSlash && hidesDotSegment(out, 0, size) ? -1 : size;
}

/** True when a canonical path has dot segments for whoever takes `%2F` and `%5C` for slashes. */
function hidesDotSegment(bytes: Uint8Array, start: number, end: number): boolean {
  let piece = start;
  for (let i = start; i <= end; i++) {
    const isEscape = i < end && bytes[i] === PERCENT && isEncodedSlash(readEscape(bytes, i, end));
    if (i < end && bytes[i] !== SLASH && !isEscape) continue;
    if (bytes[piece] === DOT && piece < i && isDotSegment(bytes, piece, i)) return true;
    if (isEscape) i += 2;
    piece = i + 1;
  }
  return false;
}

/**
 * Applies the dot-segment rules to the segment `out[segment, size)` (RFC 3986 §5.2.4).
 * @returns `size` for an ordinary segment; less, and just after a slash, when the segment was
 *          `.` or `..`; -1 when it climbs above the root or is a dot segment with parameters
 */
function closeSegment(out: Uint8Array, segment: number, size: number): number {
  if (size === segment || out[segment] !== DOT) return size;
  if (size === segment + 1) return segment;
  if (out[segment + 1] === SEMICOLON) return -1;
  if (out[segment + 1] !== DOT) return size;
  if (size > segment + 2) return out[segment + 2] === SEMICOLON ? -1 : size;
  if (segment === 1) return -1;
  let parent = segment - 1;
  while (out[parent - 1] !== SLASH) parent--;
  return parent;
}

/** True when the segment at `start` is, or may be after decoding, `.`, `..`, `.;x` or `..;x`. */
function isDotSegment(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start + 1; // The first byte is a dot already.
  if (i < end && bytes[i] === DOT) i++;
  if (i === end) return true;
  return bytes[i] === SLASH || bytes[i] === SEMICOLON;
}

/** Value of the escape at `position`; -1 when it is malformed, cut short or `%00`. */
function readEscape(bytes: Uint8Array, position: number, end: number): number {
  if (position + 2 >= end) return -1;
  const high = HEX_VALUE[bytes[position + 1]!]!;
  const low = HEX_VALUE[bytes[position + 2]!]!;
  if (high < 0 || low < 0) return -1;
  return high + low === 0 ? -1 : high * 16 + low;
}

/** True when neither digit of the escape at `position` is a lower-case letter. */
function isUpperEscape(bytes: Uint8Array, position: number): boolean {
  return bytes[position + 1]! < 0x61 && bytes[position + 2]! < 0x61;
}

function isEncodedSlash(escaped: number): boolean {
  return escaped === SLASH || escaped === 0x5c;
}

/** `"[" IPv6address "]" [":" port]`; IPvFuture (RFC 3986 §3.2.2) is invalid, nobody uses it. */
function canonicalizeLiteral(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
): number {
  let close = start + 1;
  const last = Math.min(end, start + IPV6_TEXT_SIZE_MAX + 8); // Mixed forms are a little longer.
  while (close < last && bytes[close] !== BRACKET_CLOSE) close++;
  if (close >= last || !parseIpv6(bytes, start + 1, close, addressWords)) return -1;
  if (close + 1 < end) {
    if (bytes[close + 1] !== COLON || !readPort(bytes, close + 2, end)) return -1;
  }
  out[0] = BRACKET_OPEN;
  const size = writeIpv6(addressWords, out, 1);
  out[size] = BRACKET_CLOSE;
  return size + 1;
}

/** Sets `hostPort`. @returns false unless the range is empty or a port 1 to 65,535. */
function readPort(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true;
  if (end - start > 5) return false;
  let port = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i]! - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  if (port < 1 || port > 65_535) return false;
  hostPort = port;
  return true;
}

function makeHostBytes(): Uint8Array {
  const table = new Uint8Array(256);
  for (let byte = 0x30; byte <= 0x39; byte++) table[byte] = byte;
  for (let byte = 0x61; byte <= 0x7a; byte++) {
    table[byte] = byte;
    table[byte - 0x20] = byte;
  }
  for (const byte of [0x2d, 0x5f, DOT]) table[byte] = byte;
  return table;
}

function makePathBytes(): Uint8Array {
  const table = new Uint8Array(256).fill(PathByte.invalid);
  for (let byte = 0x21; byte <= 0x7e; byte++) table[byte] = PathByte.plain;
  for (const byte of [0x23, 0x3f, 0x5c]) table[byte] = PathByte.invalid;
  table[SLASH] = PathByte.slash;
  table[PERCENT] = PathByte.percent;
  return table;
}

function makeUnreserved(): Uint8Array {
  const table = new Uint8Array(256);
  for (let byte = 0x30; byte <= 0x39; byte++) table[byte] = 1;
  for (let byte = 0x41; byte <= 0x5a; byte++) table[byte] = 1;
  for (let byte = 0x61; byte <= 0x7a; byte++) table[byte] = 1;
  for (const byte of [0x2d, 0x2e, 0x5f, 0x7e]) table[byte] = 1;
  return table;
}
