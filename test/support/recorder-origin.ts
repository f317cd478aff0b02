/**
 * The byte recorder: an origin that reads strictly, logs everything and answers with an id.
 *
 * Every answer carries `X-Origin-Id` and `X-Origin-Target`, so a client can prove that it got
 * the answer to its own request (no queue poisoning).
 */

import net from 'node:net';
import { listenLoopback } from './free-port.ts';
import { RequestReader, type SeenRequest } from './request-reader.ts';
import { fieldValue } from './strict-head.ts';

const RAW_MAX = 8_000_000;

/** What to send for a request: bytes, and how to leave the connection afterwards. */
export interface Answer {
  readonly bytes: Buffer;
  readonly ending: 'keep' | 'fin' | 'reset';
}

export interface RecordedConnection {
  readonly number: number;
  /** Everything received, bounded. */
  raw: Buffer;
  ended: 'fin' | 'reset' | null;
  readonly reader: RequestReader;
}

/** The plain answer: 200 with the id and the target, no body for HEAD. */
export function defaultAnswer(request: SeenRequest): Answer {
  const body = `origin ${request.id} ${request.method} ${request.target}\n`;
  const isLast = /\bclose\b/i.test(fieldValue(request.fields, 'connection') ?? '');
  const head =
    `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n` +
    `X-Origin-Id: ${request.id}\r\nX-Origin-Target: ${encodeURIComponent(request.target)}\r\n` +
    `${isLast ? 'Connection: close\r\n' : ''}\r\n`;
  const text = request.method === 'HEAD' ? head : head + body;
  return { bytes: Buffer.from(text, 'latin1'), ending: isLast ? 'fin' : 'keep' };
}

export class RecorderOrigin {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #port = 0;
  #ids = 0;
  #connectionCount = 0;
  /** Every head seen, in order. */
  requests: SeenRequest[] = [];
  connections: RecordedConnection[] = [];
  /** Replaces the plain answer; called when a request is complete. Null answers nothing. */
  answer: (request: SeenRequest) => Answer | null = defaultAnswer;

  constructor() {
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket),
    );
  }

  static async start(): Promise<RecorderOrigin> {
    const origin = new RecorderOrigin();
    origin.#port = await listenLoopback(origin.#server);
    return origin;
  }

  get port(): number {
    return this.#port;
  }

  /** Problems of whole connections: unreadable bytes, or bytes that belong to no request. */
  connectionErrors(): string[] {
    const errors: string[] = [];
    for (const { number, reader } of this.connections) {
      if (reader.broken !== '') errors.push(`connection ${number}: ${reader.broken}`);
      else if (reader.leftover.length > 0) {
        const text = JSON.stringify(reader.leftover.toString('latin1').slice(0, 200));
        errors.push(`I1 connection ${number}: bytes left over ${text}`);
      }
    }
    return errors;
  }

  /** Forgets what was seen; open connections stay open. */
  forget(): void {
    this.requests = [];
    this.connections = this.connections.filter((connection) => connection.ended === null);
    for (const connection of this.connections) connection.raw = Buffer.alloc(0);
    this.answer = defaultAnswer;
  }

  /** Ends every open connection, so the next vector starts on a clean one. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.connections = [];
  }

  async close(): Promise<void> {
    this.dropConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: net.Socket): void {
    this.#sockets.add(socket);
    const reader = new RequestReader(++this.#connectionCount, {
      nextId: () => ++this.#ids,
      onHead: (request) => {
        this.requests.push(request);
        if (fieldValue(request.fields, 'expect') !== undefined) {
          socket.write('HTTP/1.1 100 Continue\r\n\r\n');
        }
      },
      onRequest: (request) => this.#reply(socket, request),
    });
    const number = reader.connection;
    const connection: RecordedConnection = { number, raw: Buffer.alloc(0), ended: null, reader };
    this.connections.push(connection);
    socket.on('data', (bytes: Buffer) => {
      if (connection.raw.length < RAW_MAX) connection.raw = Buffer.concat([connection.raw, bytes]);
      reader.push(bytes);
      if (reader.broken !== '') socket.destroy();
    });
    socket.on('end', () => {
      connection.ended ??= 'fin';
      reader.end('fin');
      socket.end();
    });
    socket.on('error', () => {
      connection.ended ??= 'reset';
      reader.end('reset');
    });
    socket.on('close', () => {
      connection.ended ??= 'fin';
      this.#sockets.delete(socket);
    });
  }

  #reply(socket: net.Socket, request: SeenRequest): void {
    const answer = this.answer(request);
    if (answer === null || socket.destroyed) return;
    socket.write(answer.bytes);
    if (answer.ending === 'fin') socket.end();
    if (answer.ending === 'reset') socket.resetAndDestroy();
  }
}
