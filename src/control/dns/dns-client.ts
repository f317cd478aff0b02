/**
 * DNS client: asks given servers, over UDP and over TCP where an answer was cut (RFC 7766).
 *
 * Nothing is cached: whoever waits for a record to appear must see what is there now.
 * C1  every question goes from a port of its own with an id of its own, both random, over a
 *     connected socket; an answer counts only with that id and question (RFC 5452 §9).
 * C2  one question costs at most servers x tries x timeout.
 */

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { promises } from 'node:dns';
import { connect, isIP } from 'node:net';
import { readMessage, ResponseCode, responseCodeText, writeQuery } from './dns-message.ts';
import type { DnsMessage } from './dns-message.ts';
import { brokenOff, throwIfAborted } from './dns-tools.ts';

/** Why there is no answer; the message names the server and never anything secret. */
export class DnsQueryError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DnsQueryError';
  }
}

export interface DnsClientOptions {
  /** For one try at one server. */
  readonly timeoutMs?: number;
  /** Rounds over all servers. */
  readonly tries?: number;
}

export interface DnsServerAddress {
  readonly host: string;
  readonly port: number;
}

const TCP_ANSWER_SIZE_MAX = 65_535;
/** Answers that say what there is. A server that does not know a type has no records of it. */
const IS_RESULT: readonly number[] = [
  ResponseCode.noError,
  ResponseCode.noSuchName,
  ResponseCode.notImplemented,
];

/** Reads `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address; port 53 by default. */
export function parseServer(text: string): DnsServerAddress | null {
  if (isIP(text) === 6) return { host: text, port: 53 };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return null;
  const host = match[1] ?? match[2]!;
  const port = match[3] === undefined ? 53 : Number(match[3]);
  if (match[1] !== undefined && isIP(host) !== 6) return null;
  return port >= 1 && port <= 65_535 ? { host, port } : null;
}

export class DnsClient {
  readonly #timeoutMs: number;
  readonly #tries: number;

  constructor(options: DnsClientOptions = {}) {
    this.#timeoutMs = options.timeoutMs ?? 3_000;
    this.#tries = options.tries ?? 2;
  }

  /**
   * Asks the servers in turn until one answers with a result: records, or that there are none.
   * @param servers `host:port`, at least one
   * @throws DnsQueryError: none did; DnsProviderError: broken off
   */
  async resolve(
    servers: readonly string[],
    name: string,
    type: number,
    signal: AbortSignal,
  ): Promise<DnsMessage> {
    let problem = 'there is no DNS server to ask';
    for (let i = 0; i < this.#tries; i++) {
      for (const server of servers) {
        throwIfAborted(signal);
        try {
          const answer = await this.ask(server, name, type, true, signal);
          if (IS_RESULT.includes(answer.code)) return answer;
          problem = `${server} answered ${responseCodeText(answer.code)}`;
        } catch (error) {
          if (!(error instanceof DnsQueryError)) throw error;
          problem = error.message;
        }
      }
    }
    throw new DnsQueryError(`DNS could not be asked for ${name}: ${problem}`);
  }

  /**
   * Asks one server once.
   * @returns its answer, whatever code it has
   * @throws DnsQueryError: it did not answer; DnsProviderError: broken off
   */
  async ask(
    server: string,
    name: string,
    type: number,
    isRecursive: boolean,
    signal: AbortSignal,
  ): Promise<DnsMessage> {
    const id = randomInt(65_536);
    const query = writeQuery(id, name, type, isRecursive);
    if (query === null) throw new DnsQueryError(`${name} is no name that DNS can carry`);
    return this.exchange(server, query, signal);
  }

  /**
   * Sends a message as it is and waits for the answer with its id and question.
   * @throws as `ask`
   */
  async exchange(server: string, message: Uint8Array, signal: AbortSignal): Promise<DnsMessage> {
    const raw = await this.exchangeRaw(server, message, signal);
    return readMessage(raw)!; // Only what can be read is taken for an answer.
  }

  /** As `exchange`, with the bytes of the answer. */
  async exchangeRaw(server: string, message: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const address = parseServer(server);
    if (address === null) throw new DnsQueryError(`${server} is no DNS server address`);
    throwIfAborted(signal);
    const host = await hostAddress(address.host);
    const call = { server, host, port: address.port, message, timeoutMs: this.#timeoutMs, signal };
    const answer = await overUdp(call);
    return readMessage(answer)!.isTruncated ? overTcp(call) : answer;
  }
}

interface Call {
  /** As configured, for messages. */
  readonly server: string;
  /** An address. */
  readonly host: string;
  readonly port: number;
  readonly message: Uint8Array;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

async function hostAddress(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await promises.lookup(host)).address;
  } catch {
    throw new DnsQueryError(`the DNS server ${host} has no address`);
  }
}

/** Whether `bytes` answer `message`: same id, same question. */
function isAnswer(bytes: Uint8Array, message: Uint8Array): boolean {
  if (bytes[0] !== message[0] || bytes[1] !== message[1]) return false;
  const answer = readMessage(bytes);
  if (answer === null || !answer.isResponse) return false;
  const asked = readMessage(message)?.question;
  // A server that fails may leave the question out.
  if (answer.question === null) return answer.code !== ResponseCode.noError;
  return answer.question.name === asked?.name && answer.question.type === asked.type;
}

function overUdp(call: Call): Promise<Uint8Array> {
  return settle(call, (done, fail) => {
    const socket = createSocket(isIP(call.host) === 6 ? 'udp6' : 'udp4');
    socket.on('message', (bytes) => {
      if (isAnswer(bytes, call.message)) done(new Uint8Array(bytes));
    });
    socket.on('error', (error) => fail(`${call.server} could not be asked (${codeOf(error)})`));
    socket.connect(call.port, call.host, () => socket.send(call.message));
    return () => socket.close();
  });
}

function overTcp(call: Call): Promise<Uint8Array> {
  return settle(call, (done, fail) => {
    const socket = connect(call.port, call.host);
    let received = Buffer.alloc(0);
    socket.on('connect', () => {
      const size = call.message.length;
      socket.write(Uint8Array.of(size >> 8, size & 0xff));
      socket.write(call.message);
    });
    socket.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      if (received.length > TCP_ANSWER_SIZE_MAX + 2) fail(`${call.server} sent too much`);
      if (received.length < 2) return;
      const end = 2 + received.readUInt16BE(0);
      if (received.length < end) return;
      const answer = new Uint8Array(received.subarray(2, end));
      if (isAnswer(answer, call.message)) done(answer);
      else fail(`${call.server} answered something else over TCP`);
    });
    socket.on('error', (error) => fail(`${call.server} failed over TCP (${codeOf(error)})`));
    socket.on('end', () => fail(`${call.server} ended its answer over TCP early`));
    return () => socket.destroy();
  });
}

/** Runs one try with its timeout; whatever ends it first also closes its socket. */
function settle(
  call: Call,
  start: (done: (bytes: Uint8Array) => void, fail: (why: string) => void) => () => void,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    let close: (() => void) | null = null;
    let isOver = false;
    const end = (): boolean => {
      if (isOver) return false;
      isOver = true;
      clearTimeout(timer);
      call.signal.removeEventListener('abort', onAbort);
      close?.();
      return true;
    };
    const onAbort = (): void => {
      if (end()) reject(brokenOff());
    };
    const fail = (why: string): void => {
      if (end()) reject(new DnsQueryError(why));
    };
    const timer = setTimeout(() => fail(`${call.server} did not answer`), call.timeoutMs);
    call.signal.addEventListener('abort', onAbort, { once: true });
    close = start((bytes) => {
      if (end()) resolve(bytes);
    }, fail);
    if (isOver) close();
  });
}

function codeOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return code ?? 'error';
}
