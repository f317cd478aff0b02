/**
 * Line writer: puts log values into a fixed buffer as printable ASCII, whatever their bytes.
 *
 * W1  nothing written through `escaped…` can end a line, close a quote or reach a terminal: bytes
 *     outside 0x20 to 0x7e, the double quote and the backslash are always escaped.
 * W2  no write passes `limit`; the first that would sets `isFull`, and the caller rolls back.
 * W3  no allocation.
 *
 * JSON escapes are `\u00XX` (bytes read as ISO 8859-1, so that any byte survives), `\"`, `\\`;
 * text escapes are `\xXX` for each byte, as Apache httpd and nginx write them.
 */

const BACKSLASH = 0x5c;
const HEX = asciiBytes('0123456789abcdef');
/** 1 for bytes that are written as they are. */
const PLAIN = plainTable();

/** ASCII bytes of `text`, for literals. Allocates: link time only. */
export function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

export class LineWriter {
  bytes: Uint8Array;
  position = 0;
  isFull = false;
  /** True for JSON escapes, false for `\xXX`. */
  readonly isJson: boolean;
  readonly #digits = new Uint8Array(16);

  constructor(bytes: Uint8Array, isJson: boolean) {
    this.bytes = bytes;
    this.isJson = isJson;
  }

  /** Continues in `bytes` at `position`. */
  open(bytes: Uint8Array, position: number): void {
    this.bytes = bytes;
    this.position = position;
    this.isFull = false;
  }

  /** Writes one byte as it is. */
  byte(value: number): void {
    if (this.position >= this.bytes.length) {
      this.isFull = true;
      return;
    }
    this.bytes[this.position++] = value;
  }

  /** Writes trusted bytes (literals, times) as they are. */
  literal(source: Uint8Array): void {
    const bytes = this.bytes; // A local: V8 would reload the field for every byte.
    const size = source.length;
    const to = this.position;
    if (to + size > bytes.length) {
      this.isFull = true;
      return;
    }
    for (let i = 0; i < size; i++) bytes[to + i] = source[i]!;
    this.position = to + size;
  }

  /** Writes bytes [start, end) of `source`, escaped. */
  escapedBytes(source: Uint8Array, start: number, end: number): void {
    const bytes = this.bytes;
    const limit = bytes.length - 6; // Room for the longest escape.
    let to = this.position;
    for (let i = start; i < end; i++) {
      if (to > limit) {
        this.isFull = true;
        return;
      }
      const value = source[i]!;
      if (PLAIN[value] === 1) bytes[to++] = value;
      else to = this.#escape(value, to);
    }
    this.position = to;
  }

  /** Writes `text`, escaped. Characters above U+00FF count as their UTF-16 units. */
  escapedText(text: string): void {
    const bytes = this.bytes;
    const limit = bytes.length - 6;
    let to = this.position;
    for (let i = 0; i < text.length; i++) {
      if (to > limit) {
        this.isFull = true;
        return;
      }
      const value = text.charCodeAt(i);
      if (value < 0x80 && PLAIN[value] === 1) bytes[to++] = value;
      else to = this.#escape(value, to);
    }
    this.position = to;
  }

  /** Writes an unsigned integer below 2^53 in decimal; anything else as 0. */
  integer(value: number): void {
    if (!(value >= 1 && value <= Number.MAX_SAFE_INTEGER)) return this.byte(0x30);
    let rest = Math.floor(value);
    let at = 16;
    while (rest > 0) {
      const next = Math.floor(rest / 10);
      this.#digits[--at] = 0x30 + (rest - next * 10);
      rest = next;
    }
    for (; at < 16; at++) this.byte(this.#digits[at]!);
  }

  /** Writes `value` thousandths with three decimals, as `12.345`. */
  thousandths(value: number): void {
    const whole = value > 0 && value <= Number.MAX_SAFE_INTEGER ? Math.floor(value) : 0;
    this.integer(Math.floor(whole / 1_000));
    this.byte(0x2e);
    this.threeDigits(whole % 1_000);
  }

  /** Writes 0 to 999 with leading zeros; anything else as 000. */
  threeDigits(number: number): void {
    const value = number >= 0 && number < 1_000 ? number : 0;
    this.byte(0x30 + Math.floor(value / 100));
    this.byte(0x30 + (Math.floor(value / 10) % 10));
    this.byte(0x30 + (value % 10));
  }

  /** @returns the position after the escape; the caller has made sure of 6 bytes of room */
  #escape(value: number, at: number): number {
    const bytes = this.bytes;
    let to = at;
    bytes[to++] = BACKSLASH;
    if (this.isJson && (value === 0x22 || value === BACKSLASH)) {
      bytes[to++] = value;
      return to;
    }
    if (this.isJson || value > 0xff) {
      bytes[to++] = 0x75; // u
      bytes[to++] = HEX[(value >> 12) & 15]!;
      bytes[to++] = HEX[(value >> 8) & 15]!;
    } else {
      bytes[to++] = 0x78; // x
    }
    bytes[to++] = HEX[(value >> 4) & 15]!;
    bytes[to++] = HEX[value & 15]!;
    return to;
  }
}

function plainTable(): Uint8Array {
  const table = new Uint8Array(256);
  for (let value = 0x20; value < 0x7f; value++) table[value] = 1;
  table[0x22] = 0;
  table[BACKSLASH] = 0;
  return table;
}
