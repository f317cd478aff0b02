/**
 * ASCII bytes: names for the octets protocols turn on, class tables, and byte/text conversion.
 *
 * Pure and free of allocation, apart from the two conversions that say so. A class table has one
 * entry per octet, so a lookup with any byte is in range.
 */

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const DQUOTE = 0x22;
export const ASTERISK = 0x2a;
export const COMMA = 0x2c;
export const DOT = 0x2e;
export const SLASH = 0x2f;
export const DIGIT_0 = 0x30;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;
export const EQUALS = 0x3d;
export const QUESTION = 0x3f;
export const BACKSLASH = 0x5c;

/** Bits of `BYTE_CLASS`. */
export const TOKEN_BYTE = 1;
export const VALUE_BYTE = 2;
export const PATH_BYTE = 4;
export const QUERY_BYTE = 8;
export const AUTHORITY_BYTE = 16;
export const QUOTED_BYTE = 32;

/**
 * What each octet may be part of:
 * `TOKEN_BYTE`      tchar, RFC 9110 §5.6.2.
 * `VALUE_BYTE`      field value and reason phrase: HTAB, SP, VCHAR, obs-text, RFC 9110 §5.5.
 * `PATH_BYTE`       target path: VCHAR without `#`, `?` and `\`. Wider than RFC 3986, because
 *                   browsers send `|` and `"`; none of the extra octets ends a target.
 * `QUERY_BYTE`      target query: VCHAR without `#`.
 * `AUTHORITY_BYTE`  host and port of an absolute target, RFC 3986 §3.2.2, without userinfo.
 * `QUOTED_BYTE`     qdtext, RFC 9110 §5.6.4.
 */
export const BYTE_CLASS: Uint8Array = buildByteClass();

/** Every octet, with `A`..`Z` as `a`..`z`. */
export const LOWER: Uint8Array = buildLower();

/** Value of a hexadecimal digit, else -1. */
export const HEX_VALUE: Int8Array = buildHexValue();

/** Byte of the upper-case hexadecimal digit by value 0 to 15. */
export const HEX_UPPER: Uint8Array = Uint8Array.from('0123456789ABCDEF', (c) => c.charCodeAt(0));

function buildByteClass(): Uint8Array {
  const table = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) {
    const text = String.fromCharCode(byte);
    const isVisible = byte > 0x20 && byte < 0x7f;
    const isValue = byte === HTAB || byte === SP || isVisible || byte >= 0x80;
    let bits = 0;
    if (/[A-Za-z0-9!#$%&'*+.^_`|~-]/.test(text)) bits |= TOKEN_BYTE;
    if (isValue) bits |= VALUE_BYTE;
    if (isVisible && !'#?\\'.includes(text)) bits |= PATH_BYTE;
    if (isVisible && text !== '#') bits |= QUERY_BYTE;
    if (/[A-Za-z0-9._~%!$&'()*+,;=:[\]-]/.test(text)) bits |= AUTHORITY_BYTE;
    if (isValue && !'"\\'.includes(text)) bits |= QUOTED_BYTE;
    table[byte] = bits;
  }
  return table;
}

function buildLower(): Uint8Array {
  const table = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) {
    table[byte] = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
  }
  return table;
}

function buildHexValue(): Int8Array {
  const table = new Int8Array(256).fill(-1);
  for (let value = 0; value < 16; value++) {
    const digit = value.toString(16);
    table[digit.charCodeAt(0)] = value;
    table[digit.toUpperCase().charCodeAt(0)] = value;
  }
  return table;
}

/** True when the octet is optional whitespace: SP or HTAB (RFC 9110 §5.6.3). */
export function isOws(byte: number): boolean {
  return byte === SP || byte === HTAB;
}

/**
 * Compares a range with bytes that are already in lower case, ignoring ASCII case.
 * @param lower  the expected bytes, without upper-case letters
 */
export function equalsIgnoreCase(
  bytes: Uint8Array,
  start: number,
  end: number,
  lower: Uint8Array,
): boolean {
  const size = lower.length;
  if (end - start !== size) return false;
  for (let i = 0; i < size; i++) {
    if (LOWER[bytes[start + i]!] !== lower[i]) return false;
  }
  return true;
}

/** Latin-1 bytes of a text. Allocates: for constants, never per exchange. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

const TEXT_STEP = 4_096; // Arguments of one call: far below the stack limit.

/** Text of a range, one character per octet (latin-1). Allocates the text and a view. */
export function latin1Text(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let from = start; from < end; from += TEXT_STEP) {
    const part = bytes.subarray(from, Math.min(end, from + TEXT_STEP));
    text += String.fromCharCode.apply(null, part as unknown as number[]);
  }
  return text;
}
