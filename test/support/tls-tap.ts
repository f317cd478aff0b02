/**
 * Reaches into connections of a real TLS client: hellos as it sends them, and a relay that changes
 * what passes before it gets to the server.
 */

import net from 'node:net';
import tls from 'node:tls';
import { listenLoopback } from './free-port.ts';
import type { TlsFetched, TlsFetchOptions } from './tls-fetch.ts';
import { fetchTls } from './tls-fetch.ts';
import { delay, within } from './wait.ts';

const RECORD_HEADER_SIZE = 5;

/** The first flight of a client: one record with its ClientHello. */
export async function recordHello(options: tls.ConnectionOptions): Promise<Buffer> {
  const { promise: hello, resolve: found } = Promise.withResolvers<Buffer>();
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (bytes) => {
      found(Buffer.from(bytes));
      socket.destroy();
    });
  });
  const port = await listenLoopback(server);
  tls.connect({ ...options, host: '127.0.0.1', port }).on('error', () => undefined);
  try {
    return await within(hello, 'a hello');
  } finally {
    server.close();
  }
}

/** The same handshake message in records of `size` bytes. */
export function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(RECORD_HEADER_SIZE);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.of(22, 3, 1, part.length >> 8, part.length & 0xff), part);
  }
  return Buffer.concat(records);
}

/** What passes from the client to the server, and how. */
export interface Tap {
  /** Sends the client's first flight; as it is when absent. */
  readonly hello?: (bytes: Buffer, server: net.Socket) => Promise<void> | void;
  /** Called when the server has answered the hello, before the client hears of it. */
  readonly onAnswer?: (server: net.Socket) => void;
  /** Called when the client's second flight, which ends the handshake, has been passed on. */
  readonly onFinished?: (server: net.Socket) => void;
}

/** Writes a few bytes at a time, each in a packet of its own as far as that can be said. */
export async function drip(bytes: Buffer, server: net.Socket, size = 1): Promise<void> {
  for (let at = 0; at < bytes.length && !server.destroyed; at += size) {
    server.write(bytes.subarray(at, at + size));
    await delay(0);
  }
}

/** As `fetchTls`, with `tap` in between. */
export async function fetchThrough(tap: Tap, options: TlsFetchOptions): Promise<TlsFetched> {
  const relay = net.createServer({ noDelay: true }, (client) => {
    void relayOne(client, options.port, tap);
  });
  const port = await listenLoopback(relay);
  try {
    return await fetchTls({ ...options, port });
  } finally {
    relay.close();
  }
}

async function relayOne(client: net.Socket, port: number, tap: Tap): Promise<void> {
  const server = net.connect({ host: '127.0.0.1', port, noDelay: true });
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    from.on('error', () => to.destroy());
    from.on('end', () => to.end());
    from.on('close', () => to.destroy());
  }
  server.once('data', () => tap.onAnswer?.(server));
  server.on('data', (bytes: Buffer) => client.write(bytes));
  const first = await new Promise<Buffer>((resolve) => client.once('data', resolve));
  client.pause();
  if (tap.hello === undefined) server.write(first);
  else await tap.hello(first, server);
  let isSecond = true;
  client.on('data', (bytes: Buffer) => {
    server.write(bytes);
    if (isSecond) tap.onFinished?.(server);
    isSecond = false;
  });
  client.resume();
}
