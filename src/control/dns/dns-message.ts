/**
 * DNS messages (RFC 1035 §4): writes questions, reads answers. Bytes in, plain data out.
 *
 * M1  total: any bytes give a message or null; nothing throws.
 * M2  work and memory are bounded by the size of the input: a compression pointer only leads
 *     back, and a name has 255 bytes at most (RFC 1035 §3.1, §4.1.4).
 * M3  names are lower case and without the trailing dot; a dot or a byte outside printable ASCII
 *     within a label is written `\DDD`, so two different names never look the same.
 */

export const RecordType = {
  a: 1,
  ns: 2,
  cname: 5,
  soa: 6,
  txt: 16,
  aaaa: 28,
  opt: 41,
  tsig: 250,
  caa: 257,
} as const;

export const ResponseCode = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
  notAuthorized: 9,
  notZone: 10,
} as const;

/** Names of the codes that people meet, for messages. */
export function responseCodeText(code: number): string {
  const texts = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];
  const more = ['YXDOMAIN', 'YXRRSET', 'NXRRSET', 'NOTAUTH', 'NOTZONE'];
  return [...texts, ...more][code] ?? `RCODE ${code}`;
}

export interface DnsRecord {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttlSeconds: number;
  /** Raw, borrowed from the message. */
  readonly data: Uint8Array;
  /**
   * A and AAAA: the address; NS, CNAME, SOA: the (first) name; TXT: its strings joined, one
   * character a byte; else empty.
   */
  readonly text: string;
  /** Offset of the record in the message. */
  readonly start: number;
}

export interface DnsMessage {
  readonly id: number;
  readonly isResponse: boolean;
  readonly isAuthoritative: boolean;
  readonly isTruncated: boolean;
  readonly code: number;
  readonly question: { readonly name: string; readonly type: number } | null;
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additional: readonly DnsRecord[];
}

/** Largest answer that is asked for over UDP (RFC 9715 §3: no fragments). */
export const UDP_SIZE_MAX = 1_232;
const NAME_SIZE_MAX = 255;
const LABEL_SIZE_MAX = 63;
const CLASS_INTERNET = 1;
const HEADER_SIZE = 12;

/** Bytes of a message in the making; big endian. */
export class MessageWriter {
  #bytes = new Uint8Array(512);
  size = 0;

  u8(value: number): this {
    this.#room(1);
    this.#bytes[this.size++] = value;
    return this;
  }

  u16(value: number): this {
    return this.u8((value >>> 8) & 0xff).u8(value & 0xff);
  }

  u32(value: number): this {
    return this.u16(value >>> 16).u16(value & 0xffff);
  }

  bytes(values: Uint8Array): this {
    this.#room(values.length);
    this.#bytes.set(values, this.size);
    this.size += values.length;
    return this;
  }

  done(): Uint8Array {
    return this.#bytes.slice(0, this.size);
  }

  #room(size: number): void {
    if (this.size + size <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.size + size));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/**
 * A name without compression (RFC 1035 §3.1), in lower case.
 * @param name with or without trailing dot, escapes as in M3; empty or `.`: the root
 * @returns null: not a name that DNS can carry
 */
export function nameToWire(name: string): Uint8Array | null {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  const out: number[] = [];
  for (const label of bare === '' ? [] : bare.split('.')) {
    const bytes = labelToBytes(label);
    if (bytes === null || bytes.length === 0 || bytes.length > LABEL_SIZE_MAX) return null;
    out.push(bytes.length, ...bytes);
  }
  out.push(0);
  return out.length > NAME_SIZE_MAX ? null : Uint8Array.from(out);
}

function labelToBytes(label: string): number[] | null {
  const bytes: number[] = [];
  for (let i = 0; i < label.length; i++) {
    let code = label.charCodeAt(i);
    if (code === 0x5c) {
      const digits = label.slice(i + 1, i + 4);
      if (!/^[0-2]\d\d$/.test(digits) || Number(digits) > 255) return null;
      code = Number(digits);
      i += 3;
    } else if (code <= 0x20 || code >= 0x7f) return null;
    bytes.push(code >= 0x41 && code <= 0x5a ? code + 0x20 : code);
  }
  return bytes;
}

/**
 * A question, with EDNS so that answers up to `UDP_SIZE_MAX` need no TCP (RFC 6891).
 * @param isRecursive whether a resolver is asked, and not a server of the zone
 * @returns null: `name` is not one
 */
export function writeQuery(
  id: number,
  name: string,
  type: number,
  isRecursive: boolean,
): Uint8Array | null {
  const wire = nameToWire(name);
  if (wire === null) return null;
  return new MessageWriter()
    .u16(id)
    .u16(isRecursive ? 0x0100 : 0)
    .u16(1) // One question, no answers, no authorities, one additional: OPT.
    .u32(0)
    .u16(1)
    .bytes(wire)
    .u16(type)
    .u16(CLASS_INTERNET)
    .u8(0)
    .u16(RecordType.opt)
    .u16(UDP_SIZE_MAX)
    .u32(0)
    .u16(0)
    .done();
}

/**
 * Reads a whole message.
 * @returns null: malformed. A message with the TC bit may hold fewer records than its header says.
 */
export function readMessage(bytes: Uint8Array): DnsMessage | null {
  if (bytes.length < HEADER_SIZE) return null;
  const flags = u16At(bytes, 2);
  const isTruncated = (flags & 0x0200) !== 0;
  const questions = u16At(bytes, 4);
  let at = HEADER_SIZE;
  let question: DnsMessage['question'] = null;
  for (let i = 0; i < questions; i++) {
    const name = readName(bytes, at);
    if (name === null || name.end + 4 > bytes.length) return null;
    question ??= { name: name.text, type: u16At(bytes, name.end) };
    at = name.end + 4;
  }
  const sections: DnsRecord[][] = [[], [], []];
  for (let section = 0; section < 3; section++) {
    const count = u16At(bytes, 6 + 2 * section);
    for (let i = 0; i < count; i++) {
      const read = readRecord(bytes, at);
      if (read === null) {
        if (!isTruncated) return null;
        at = bytes.length;
        break;
      }
      sections[section]!.push(read.record);
      at = read.end;
    }
  }
  return {
    id: u16At(bytes, 0),
    isResponse: (flags & 0x8000) !== 0,
    isAuthoritative: (flags & 0x0400) !== 0,
    isTruncated,
    code: flags & 0x000f,
    question,
    answers: sections[0]!,
    authorities: sections[1]!,
    additional: sections[2]!,
  };
}

function u16At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function readRecord(bytes: Uint8Array, start: number): { record: DnsRecord; end: number } | null {
  const name = readName(bytes, start);
  if (name === null || name.end + 10 > bytes.length) return null;
  const type = u16At(bytes, name.end);
  const dataStart = name.end + 10;
  const end = dataStart + u16At(bytes, name.end + 8);
  if (end > bytes.length) return null;
  const text = readText(bytes, type, dataStart, end);
  if (text === null) return null;
  const ttlSeconds = u16At(bytes, name.end + 4) * 65_536 + u16At(bytes, name.end + 6);
  const data = bytes.subarray(dataStart, end);
  const record = { name: name.text, type, class: u16At(bytes, name.end + 2), ttlSeconds, data };
  return { record: { ...record, text, start }, end };
}

/** @returns null: malformed data of a type that is known */
function readText(bytes: Uint8Array, type: number, start: number, end: number): string | null {
  if (type === RecordType.a) {
    return end - start === 4 ? bytes.subarray(start, end).join('.') : null;
  }
  if (type === RecordType.aaaa) return end - start === 16 ? ipv6Text(bytes, start) : null;
  if (type === RecordType.txt) return readStrings(bytes, start, end);
  if (type === RecordType.ns || type === RecordType.cname || type === RecordType.soa) {
    const name = readName(bytes, start);
    if (name === null || name.end > end) return null;
    return type === RecordType.soa || name.end === end ? name.text : null;
  }
  return '';
}

function ipv6Text(bytes: Uint8Array, start: number): string {
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(u16At(bytes, start + i).toString(16));
  return groups.join(':');
}

function readStrings(bytes: Uint8Array, start: number, end: number): string | null {
  let text = '';
  for (let at = start; at < end;) {
    const stop = at + 1 + bytes[at]!;
    if (stop > end) return null;
    for (let i = at + 1; i < stop; i++) text += String.fromCharCode(bytes[i]!);
    at = stop;
  }
  return text;
}

/** Reads a name that may be compressed; `end` is the offset past it in place. */
function readName(bytes: Uint8Array, start: number): { text: string; end: number } | null {
  const labels: string[] = [];
  let size = 1;
  let at = start;
  let end = 0; // Set at the first pointer.
  for (;;) {
    const length = bytes[at];
    if (length === undefined) return null;
    if (length >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined) return null;
      const target = ((length & 0x3f) << 8) | low;
      if (target >= at) return null; // Only back, so it ends (M2).
      if (end === 0) end = at + 2;
      at = target;
      // A label before the target may run into the pointer again: the size limit ends that.
      if (++size > NAME_SIZE_MAX) return null;
      continue;
    }
    if (length > LABEL_SIZE_MAX) return null; // 01 and 10 are reserved.
    if (length === 0) return { text: labels.join('.'), end: end === 0 ? at + 1 : end };
    size += length + 1;
    if (size > NAME_SIZE_MAX || at + 1 + length > bytes.length) return null;
    labels.push(labelText(bytes, at + 1, at + 1 + length));
    at += 1 + length;
  }
}

function labelText(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    const isPlain = byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c;
    if (!isPlain) text += `\\${String(byte).padStart(3, '0')}`;
    else text += String.fromCharCode(byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte);
  }
  return text;
}
