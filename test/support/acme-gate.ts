/**
 * A gate before an ACME authority: forwards every request as it is, counts what matters, and can
 * hold a request or its answer, or answer in the authority's place.
 */

import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { listenLoopback } from './free-port.ts';
import type { Pebble } from './pebble.ts';

export interface GateCall {
  /** From 1, in order of arrival. */
  readonly number: number;
  readonly method: string;
  /** Path without its last segment where that is an id: `/order-plz`, `/authZ`. */
  readonly kind: string;
  readonly url: string;
}

export interface GateAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What to do with a call, before it goes on; an answer is given in place of the authority. */
export type BeforeCall = (call: GateCall) => GateAnswer | null | Promise<GateAnswer | null>;
/** What to do between the authority's answer and its way back. */
export type AfterCall = (call: GateCall, status: number) => void | Promise<void>;

export class AcmeGate {
  readonly #server: https.Server;
  readonly #target: URL;
  readonly #ca: string;
  /** URL of the directory behind the gate. */
  directory = '';
  before: BeforeCall = () => null;
  after: AfterCall = () => undefined;
  readonly calls: GateCall[] = [];
  /** Answers by status and kind: `201 POST /sign-me-up` is an account that came to be. */
  readonly answers = new Map<string, number>();

  private constructor(pebble: Pebble) {
    this.#target = new URL(pebble.directory);
    this.#ca = pebble.ca;
    const folder = path.dirname(pebble.caFile);
    const cert = fs.readFileSync(path.join(folder, 'cert.pem'));
    const key = fs.readFileSync(path.join(folder, 'key.pem'));
    this.#server = https.createServer({ cert, key }, (request, response) => {
      this.#pass(request, response).catch(() => response.destroy());
    });
  }

  static async open(pebble: Pebble): Promise<AcmeGate> {
    const gate = new AcmeGate(pebble);
    const port = await listenLoopback(gate.#server);
    gate.directory = `https://localhost:${port}/dir`;
    return gate;
  }

  /** How often that was answered: `201 POST /order-plz`. */
  answered(answer: string): number {
    return this.answers.get(answer) ?? 0;
  }

  /** Forgets what was counted. */
  reset(): void {
    this.calls.length = 0;
    this.answers.clear();
    this.before = () => null;
    this.after = () => undefined;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #pass(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    const kind = `${method} ${url.split('/').slice(0, 2).join('/')}`;
    const call = { number: this.calls.length + 1, method, kind, url };
    this.calls.push(call);
    response.on('error', () => undefined);
    const body = Buffer.concat(await request.toArray());
    const own = await this.before(call);
    if (own !== null) {
      response.writeHead(own.status, own.headers ?? {});
      response.end(own.body ?? '');
      return;
    }
    const reply = await this.#ask(request, body);
    const bytes = Buffer.concat(await reply.toArray());
    const status = reply.statusCode ?? 0;
    const answer = `${status} ${call.kind}`;
    this.answers.set(answer, this.answered(answer) + 1);
    await this.after(call, status);
    if (response.destroyed) return;
    response.writeHead(status, reply.headers);
    response.end(bytes);
  }

  /** The Host field stays: the authority makes its URLs of it. */
  #ask(request: http.IncomingMessage, body: Buffer): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const outgoing = https.request(
        {
          host: '127.0.0.1',
          port: this.#target.port,
          servername: 'localhost',
          ca: this.#ca,
          agent: false,
          method: request.method,
          path: request.url,
          headers: request.headers,
        },
        resolve,
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }
}
