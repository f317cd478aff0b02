/**
 * DER reader: walks the distinguished encoding rules of ASN.1 (ITU-T X.690 §8, §10, §11), as far
 * as certificates, requests and OCSP responses use them.
 *
 * R1  total: whatever the bytes, a method returns or throws DerError, and nothing else.
 * R2  strict: definite lengths in their shortest form, shortest integers, booleans 00 and FF, tags
 *     below 31, nothing that reaches over the end of what holds it.
 * R3  bounded: every step consumes bytes, and values nest at most DEPTH_MAX deep.
 * R4  nothing is copied: what it returns are views over the bytes it was given.
 */

/** What is wrong with the encoding, in a few words; the only error of this room's readers. */
export class DerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DerError';
  }
}

/** Identifier octets; constructed ones have 0x20 set. */
export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Identifier octet of `[number]` with a tag of its own context. */
export function contextTag(number: number, isConstructed: boolean): number {
  return (isConstructed ? 0xa0 : 0x80) | number;
}

/** Deepest nesting that is read; certificates need about ten. */
export const DEPTH_MAX = 32;
/** Bytes of a length field that are read: values to 4 GiB. */
const LENGTH_BYTES_MAX = 4;
const ARCS_MAX = 64;

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Reads one value after the other. */
export class DerReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  private readonly depth: number;
  private position: number;
  /** End of the value whose header was read last. */
  private valueEnd = 0;

  /** Over `bytes` from `start` to `end`, which it does not change and does not copy. */
  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length, depth = 0) {
    if (depth > DEPTH_MAX) throw new DerError('values are nested too deeply');
    this.bytes = bytes;
    this.position = start;
    this.end = end;
    this.depth = depth;
  }

  get isAtEnd(): boolean {
    return this.position >= this.end;
  }

  /** Offset of the next value. */
  get offset(): number {
    return this.position;
  }

  /** Identifier octet of the next value; -1 at the end. */
  peek(): number {
    return this.position < this.end ? this.bytes[this.position]! : -1;
  }

  /** Reads the header of a value with `tag`. @returns a reader of what is in it */
  enter(tag: number): DerReader {
    const start = this.header(tag);
    this.position = this.valueEnd;
    return new DerReader(this.bytes, start, this.valueEnd, this.depth + 1);
  }

  /** @returns the content octets of a value with `tag` */
  content(tag: number): Uint8Array {
    const start = this.header(tag);
    this.position = this.valueEnd;
    return this.bytes.subarray(start, this.valueEnd);
  }

  /** @returns the next value whole, its header included; `tag` -1: of any tag */
  whole(tag = -1): Uint8Array {
    const start = this.position;
    this.header(tag === -1 ? this.peek() : tag);
    this.position = this.valueEnd;
    return this.bytes.subarray(start, this.valueEnd);
  }

  /** Passes over the next value, whatever it is. */
  skip(): void {
    this.header(this.peek());
    this.position = this.valueEnd;
  }

  /** Nothing may follow. */
  finish(): void {
    if (!this.isAtEnd) throw new DerError('there is more than was expected');
  }

  /** @returns content octets of an INTEGER: two's complement, the sign's octet included */
  integer(tag: number = Tag.integer): Uint8Array {
    const content = this.content(tag);
    if (content.length === 0) throw new DerError('an integer is empty');
    const second = content.length > 1 ? content[1]! : -1;
    const isPadded =
      second >= 0 &&
      ((content[0] === 0 && second < 0x80) || (content[0] === 0xff && second >= 0x80));
    if (isPadded) throw new DerError('an integer is longer than it has to be');
    return content;
  }

  /** An INTEGER (or ENUMERATED) from 0 to 2^31 - 1. */
  smallInteger(tag: number = Tag.integer): number {
    const content = this.integer(tag);
    if (content.length > 4 || content[0]! >= 0x80) throw new DerError('an integer is too large');
    let value = 0;
    for (const byte of content) value = value * 256 + byte;
    return value;
  }

  boolean(): boolean {
    const content = this.content(Tag.boolean);
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) {
      throw new DerError('a boolean is neither 00 nor FF');
    }
    return content[0] === 0xff;
  }

  /** @returns an OBJECT IDENTIFIER in dotted form */
  oid(tag: number = Tag.oid): string {
    return oidText(this.content(tag));
  }

  /** @returns the octets of a BIT STRING that is a whole number of them */
  bitString(tag: number = Tag.bitString): Uint8Array {
    const content = this.content(tag);
    if (content.length === 0 || content[0] !== 0) throw new DerError('bits are not whole octets');
    return content.subarray(1);
  }

  /** @returns bit 0 first, as named bits are counted; at most 32 of them */
  namedBits(tag: number = Tag.bitString): number {
    const content = this.content(tag);
    const unused = content[0];
    if (unused === undefined || unused > 7 || (unused > 0 && content.length === 1)) {
      throw new DerError('a bit string is malformed');
    }
    let bits = 0;
    for (let i = 0; i < Math.min(32, (content.length - 1) * 8); i++) {
      if ((content[1 + (i >> 3)]! & (0x80 >> (i & 7))) !== 0) bits |= 1 << i;
    }
    return bits >>> 0;
  }

  /** @returns a UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 has them, Unix milliseconds */
  time(): number {
    const tag = this.peek();
    if (tag !== Tag.utcTime && tag !== Tag.generalizedTime) throw new DerError('expected a time');
    return timeOf(this.content(tag), tag === Tag.utcTime);
  }

  /** Reads a header. @returns where the content starts; `valueEnd` says where it ends */
  private header(tag: number): number {
    const { bytes, end } = this;
    let position = this.position;
    if (position >= end) throw new DerError('a value is missing');
    const found = bytes[position++]!;
    if (found !== tag) throw new DerError('a value has another type than expected');
    if ((found & 0x1f) === 0x1f) throw new DerError('a tag is above 30');
    if (position >= end) throw new DerError('a length is cut off');
    let size = bytes[position++]!;
    if (size >= 0x80) {
      const count = size & 0x7f;
      if (count === 0) throw new DerError('a length is indefinite');
      if (count > LENGTH_BYTES_MAX || position + count > end) {
        throw new DerError('a length is too large');
      }
      if (bytes[position] === 0) throw new DerError('a length is longer than it has to be');
      size = 0;
      for (let i = 0; i < count; i++) size = size * 256 + bytes[position++]!;
      if (size < 0x80) throw new DerError('a length is longer than it has to be');
    }
    if (size > end - position) throw new DerError('a value reaches over its end');
    this.valueEnd = position + size;
    return position;
  }
}

/** Runs `read`. @returns null where the encoding is malformed */
export function tryDer<Value>(read: () => Value): Value | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof DerError) return null;
    throw error;
  }
}

/** Text of a string type of X.520. @throws DerError */
export function textOf(tag: number, content: Uint8Array): string {
  if (tag === Tag.bmpString) {
    if (content.length % 2 !== 0) throw new DerError('a text is malformed');
    let text = '';
    for (let i = 0; i < content.length; i += 2) {
      text += String.fromCharCode(content[i]! * 256 + content[i + 1]!);
    }
    return text;
  }
  if (tag === Tag.utf8String) {
    try {
      return UTF8.decode(content);
    } catch {
      throw new DerError('a text is not UTF-8');
    }
  }
  return latin1(content);
}

/** One character per byte. */
export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function oidText(content: Uint8Array): string {
  if (content.length === 0 || content.at(-1)! >= 0x80) {
    throw new DerError('an object identifier is malformed');
  }
  let text = '';
  let arcs = 0;
  let value = 0;
  let isStart = true;
  for (const byte of content) {
    if (isStart && byte === 0x80) throw new DerError('an object identifier is malformed');
    if (value >= 2 ** 45) throw new DerError('an object identifier is too large');
    value = value * 128 + (byte & 0x7f);
    isStart = byte < 0x80;
    if (!isStart) continue;
    if (arcs === 0) {
      const first = Math.min(2, Math.floor(value / 40));
      text = `${first}.${value - first * 40}`;
    } else text += `.${value}`;
    if (++arcs > ARCS_MAX) throw new DerError('an object identifier is too long');
    value = 0;
  }
  return text;
}

/** `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`, nothing else. */
function timeOf(content: Uint8Array, isShort: boolean): number {
  const yearDigits = isShort ? 2 : 4;
  if (content.length !== yearDigits + 11 || content.at(-1) !== 0x5a) {
    throw new DerError('a time is malformed');
  }
  const pair = (offset: number): number => {
    const tens = content[offset]! - 0x30;
    const ones = content[offset + 1]! - 0x30;
    if (tens < 0 || tens > 9 || ones < 0 || ones > 9) throw new DerError('a time is malformed');
    return tens * 10 + ones;
  };
  let year = pair(0);
  if (isShort) year += year < 50 ? 2000 : 1900;
  else year = year * 100 + pair(2);
  const month = pair(yearDigits);
  const day = pair(yearDigits + 2);
  const hour = pair(yearDigits + 4);
  const minute = pair(yearDigits + 6);
  const second = pair(yearDigits + 8);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const isReal = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!isReal || hour > 23 || minute > 59 || second > 59) throw new DerError('a time is no time');
  return date.getTime();
}
