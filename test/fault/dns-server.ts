/**
 * A DNS server over UDP that answers as told: well, late, wrong, or not at all.
 *
 * It answers every A question with `addresses`, and AAAA questions with no records.
 */

import dgram from 'node:dgram';

export type DnsMode =
  | 'good'
  | 'silent'
  | 'late'
  | 'servfail'
  | 'nxdomain'
  | 'truncated'
  | 'many'
  | 'wrong-id'
  | 'loop'
  | 'short'
  | 'noise';

const LATE_MS = 5_000;
const MANY = 500;
const TYPE_A = 1;
const FLAG_TRUNCATED = 0x0200;

export class DnsServer {
  readonly #socket = dgram.createSocket('udp4');
  mode: DnsMode = 'good';
  addresses: readonly string[];
  questions = 0;
  port = 0;

  constructor(addresses: readonly string[]) {
    this.addresses = addresses;
    this.#socket.on('message', (query, from) => this.#answer(query, from));
    this.#socket.on('error', () => undefined);
  }

  /** Listens on a free port of 127.0.0.1. */
  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.bind(0, '127.0.0.1', resolve));
    this.port = this.#socket.address().port;
  }

  close(): void {
    this.#socket.close();
  }

  #answer(query: Buffer, from: dgram.RemoteInfo): void {
    this.questions++;
    if (this.mode === 'silent') return;
    const reply = this.#reply(query);
    const send = (): void => {
      this.#socket.send(reply, from.port, from.address, () => undefined);
    };
    if (this.mode === 'late') setTimeout(send, LATE_MS).unref();
    else send();
  }

  #reply(query: Buffer): Buffer {
    const end = questionEnd(query);
    const isAddress = query.readUInt16BE(end - 4) === TYPE_A;
    const question = query.subarray(12, end);
    const list = this.mode === 'many' ? addresses(MANY) : this.addresses;
    const records = isAddress ? list.map((address) => record(address, this.mode === 'loop')) : [];
    const head = Buffer.alloc(12);
    head.writeUInt16BE(query.readUInt16BE(0) ^ (this.mode === 'wrong-id' ? 0x5555 : 0), 0);
    const code = this.mode === 'servfail' ? 2 : this.mode === 'nxdomain' ? 3 : 0;
    const isTruncated = this.mode === 'truncated';
    head.writeUInt16BE(0x8180 | code | (isTruncated ? FLAG_TRUNCATED : 0), 2);
    head.writeUInt16BE(1, 4);
    const isEmpty = code !== 0 || isTruncated;
    head.writeUInt16BE(isEmpty ? 0 : records.length, 6);
    const whole = Buffer.concat([head, question, ...(isEmpty ? [] : records)]);
    if (this.mode === 'short') return whole.subarray(0, whole.length - 7);
    if (this.mode === 'noise') return Buffer.alloc(600, 0xc1);
    return whole;
  }
}

/** Offset past the first question of a query. */
function questionEnd(query: Buffer): number {
  let at = 12;
  while (at < query.length && query[at] !== 0) at += query[at]! + 1;
  return at + 5;
}

function record(address: string, isLoop: boolean): Buffer {
  const bytes = Buffer.alloc(16);
  // A name that points at itself never ends (RFC 1035 §4.1.4 allows only earlier ones).
  bytes.writeUInt16BE(isLoop ? 0xc000 | 0x3fff : 0xc00c, 0);
  bytes.writeUInt16BE(TYPE_A, 2);
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt32BE(1, 6);
  bytes.writeUInt16BE(4, 10);
  address.split('.').forEach((part, i) => (bytes[12 + i] = Number(part)));
  return bytes;
}

function addresses(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `127.0.${i >> 8}.${(i & 255) + 1}`);
}
