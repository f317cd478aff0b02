/**
 * Support of this room's tests: a DNS world of plain data, and a server that shows it on loopback.
 */

import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { DnsQueryError } from './dns-client.ts';
import { MessageWriter, nameToWire, readMessage, RecordType } from './dns-message.ts';
import type { DnsMessage } from './dns-message.ts';
import { brokenOff } from './dns-tools.ts';

/** A line of a zone file: name, type, value. */
export type FakeRecord = readonly [name: string, type: keyof typeof RecordType, value: string];

export interface FakeZone {
  readonly records: FakeRecord[];
  /** Stands in the authority section of negative answers instead of the zone's SOA. */
  stray?: FakeRecord;
  /** Code of answers about names that have no records. */
  code?: number;
}

/** The data of a record as it is on the wire. */
function dataOf(type: keyof typeof RecordType, value: string): Uint8Array {
  if (type === 'a') return Uint8Array.from(value.split('.').map(Number));
  if (type === 'aaaa') {
    return Uint8Array.from(
      value.split(':').flatMap((group) => {
        const number = Number.parseInt(group, 16);
        return [number >> 8, number & 0xff];
      }),
    );
  }
  if (type === 'txt') {
    const writer = new MessageWriter();
    for (const part of value.match(/[^]{1,255}/g) ?? ['']) {
      writer.u8(part.length).bytes(Buffer.from(part, 'latin1'));
    }
    return writer.done();
  }
  if (type === 'caa') {
    const [, flags, tag, text] = /^(\d+) (\S+) "([^"]*)"$/.exec(value)!;
    const writer = new MessageWriter().u8(Number(flags)).u8(tag!.length);
    return writer.bytes(Buffer.from(tag!)).bytes(Buffer.from(text!)).done();
  }
  const name = nameToWire(value)!;
  if (type !== 'soa') return name;
  return new MessageWriter().bytes(name).bytes(name).bytes(new Uint8Array(20)).done();
}

/** The answer of `zone` to a question; like a recursive resolver it follows CNAMEs. */
export function answerOf(zone: FakeZone, query: Uint8Array, isTruncated = false): Uint8Array {
  const { id, question } = readMessage(query)!;
  const { name, type } = question!;
  const found: FakeRecord[] = [];
  let target = name;
  for (let i = 0; i < 10; i++) {
    const here = zone.records.filter(([owner]) => owner === target);
    const matching = here.filter(([, kind]) => RecordType[kind] === type);
    found.push(...matching);
    const alias = here.find(([, kind]) => kind === 'cname');
    if (matching.length > 0 || alias === undefined) break;
    found.push(alias);
    target = alias[2];
  }
  const [soa] = zone.records
    .filter(([owner, kind]) => kind === 'soa' && `.${target}`.endsWith(`.${owner}`))
    .toSorted(([a], [b]) => b.length - a.length);
  const authority = zone.stray ?? soa;
  const authorities = found.length === 0 && authority !== undefined ? [authority] : [];
  const exists = zone.records.some(([owner]) => owner === name || owner.endsWith(`.${name}`));
  const code = exists ? 0 : (zone.code ?? 3);
  const sent = isTruncated ? [] : found;
  const writer = new MessageWriter()
    .u16(id)
    .u16(0x8580 | (isTruncated ? 0x0200 : 0) | code)
    .u16(1)
    .u16(sent.length)
    .u16(authorities.length)
    .u16(0)
    .bytes(nameToWire(name)!)
    .u16(type)
    .u16(1);
  for (const [owner, kind, value] of [...sent, ...authorities]) {
    const data = dataOf(kind, value);
    writer.bytes(nameToWire(owner)!).u16(RecordType[kind]).u16(1).u32(60);
    writer.u16(data.length).bytes(data);
  }
  return writer.done();
}

/** A client over worlds by server address; one that is not there does not answer. */
export class FakeDnsClient {
  readonly servers: Map<string, FakeZone>;
  readonly asked: string[] = [];

  constructor(servers: { readonly [server: string]: FakeZone }) {
    this.servers = new Map(Object.entries(servers));
  }

  async resolve(
    servers: readonly string[],
    name: string,
    type: number,
    signal: AbortSignal,
  ): Promise<DnsMessage> {
    for (const server of servers) {
      const answer = await this.ask(server, name, type, true, signal);
      if ([0, 3, 4].includes(answer.code)) return answer;
    }
    throw new DnsQueryError(`DNS could not be asked for ${name}`);
  }

  ask(
    server: string,
    name: string,
    type: number,
    _isRecursive: boolean,
    signal: AbortSignal,
  ): Promise<DnsMessage> {
    this.asked.push(`${server} ${name} ${type}`);
    if (signal.aborted) return Promise.reject(brokenOff());
    const zone = this.servers.get(server);
    if (zone === undefined) return Promise.reject(new DnsQueryError(`${server} did not answer`));
    const query = new MessageWriter().u16(7).u16(0x0100).u16(1).u32(0).u16(0);
    query.bytes(nameToWire(name)!).u16(type).u16(1);
    return Promise.resolve(readMessage(answerOf(zone, query.done()))!);
  }
}

export type FakeMode = 'good' | 'silent' | 'truncated' | 'wrong-id' | 'noise' | 'other-question';

/** A server of one world over UDP and TCP, on one port of 127.0.0.1. */
export class FakeDnsServer {
  readonly #udp = createSocket('udp4');
  readonly #tcp = createServer((socket) => {
    let received = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      this.overTcp++;
      const answer = answerOf(this.zone, received.subarray(2));
      socket.end(Buffer.concat([Uint8Array.of(answer.length >> 8, answer.length & 255), answer]));
    });
  });
  readonly zone: FakeZone;
  mode: FakeMode = 'good';
  overTcp = 0;
  address = '';
  readonly ids: number[] = [];
  readonly ports: number[] = [];

  constructor(zone: FakeZone) {
    this.zone = zone;
  }

  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.#tcp.listen(0, '127.0.0.1', resolve));
    const { port } = this.#tcp.address() as AddressInfo;
    await new Promise<void>((resolve) => this.#udp.bind(port, '127.0.0.1', resolve));
    this.#udp.on('message', (query, from) => {
      this.ids.push(query.readUInt16BE(0));
      this.ports.push(from.port);
      if (this.mode === 'silent') return;
      const answer = this.#reply(query);
      this.#udp.send(answer, from.port, from.address);
    });
    this.address = `127.0.0.1:${port}`;
    return this;
  }

  close(): void {
    this.#udp.close();
    this.#tcp.close();
  }

  #reply(query: Uint8Array): Uint8Array {
    if (this.mode === 'noise') return new Uint8Array(300).fill(0xc1);
    if (this.mode === 'truncated') return answerOf(this.zone, query, true);
    const asked = new Uint8Array(query);
    if (this.mode === 'other-question') asked[13]! ^= 1;
    const answer = answerOf(this.zone, asked);
    if (this.mode === 'wrong-id') answer[0]! ^= 0x55;
    return answer;
  }
}
