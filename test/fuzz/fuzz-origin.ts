/**
 * The origin of the fuzzer: answers planned targets with planned bytes, all others with a good
 * self-describing response, and complains about every request that is not strictly right.
 */

import net from 'node:net';
import { listenLoopback } from '../support/free-port.ts';
import { createPrng } from '../support/prng.ts';
import { RequestReader, type SeenRequest } from '../support/request-reader.ts';
import { describedBody } from './self-describing.ts';

export interface Plan {
  readonly bytes: Buffer;
  readonly cuts: readonly number[];
  readonly ending: 'keep' | 'fin' | 'reset';
}

export class FuzzOrigin {
  readonly #server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
    this.#accept(socket),
  );
  readonly #sockets = new Set<net.Socket>();
  readonly #plans = new Map<string, Plan>();
  readonly #random = createPrng(7);
  readonly #delivered = new Set<string>();
  #ids = 0;
  #connections = 0;
  port = 0;
  /** What was wrong with forwarded requests since the last `takeComplaints`. */
  #complaints: string[] = [];
  requestCount = 0;

  async start(): Promise<void> {
    this.port = await listenLoopback(this.#server);
  }

  plan(target: string, plan: Plan): void {
    this.#plans.set(target, plan);
  }

  forget(target: string): void {
    this.#plans.delete(target);
  }

  /** @returns false when some client has already got the answer with this id */
  markDelivered(id: string): boolean {
    if (this.#delivered.has(id)) return false;
    this.#delivered.add(id);
    return true;
  }

  takeComplaints(): string[] {
    const list = this.#complaints;
    this.#complaints = [];
    return list;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: net.Socket): void {
    this.#sockets.add(socket);
    let isTunnel = false;
    const reader = new RequestReader(++this.#connections, {
      nextId: () => ++this.#ids,
      onHead: (request) => this.#inspect(request),
      onRequest: (request) => {
        this.#complain(request);
        isTunnel ||= this.#answer(socket, request);
      },
    });
    socket.on('data', (bytes: Buffer) => {
      if (isTunnel) return;
      reader.push(bytes);
      if (reader.broken === '') return;
      this.#complaints.push(`unreadable: ${reader.broken}`);
      socket.destroy();
    });
    socket.on('end', () => socket.end());
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #inspect(request: SeenRequest): void {
    this.requestCount++;
    this.#complain(request);
  }

  #complain(request: SeenRequest): void {
    for (const violation of request.violations.splice(0)) {
      this.#complaints.push(`${violation} in ${JSON.stringify(request.rawHead.slice(0, 600))}`);
    }
  }

  /** @returns true when the connection leaves HTTP */
  #answer(socket: net.Socket, request: SeenRequest): boolean {
    const plan = this.#plans.get(request.target);
    if (plan === undefined) {
      const body = describedBody(this.#random.below(400), this.#random);
      const head =
        `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n` +
        `X-Origin-Id: ${request.id}\r\nX-Origin-Target: ${encodeURIComponent(request.target)}\r\n` +
        '\r\n';
      socket.write(request.method === 'HEAD' ? head : Buffer.concat([Buffer.from(head), body]));
      return false;
    }
    void this.#send(socket, plan);
    // Only a head that says so: a body may hold the same characters.
    return /(^|\r\n\r\n)HTTP\/1\.1 101/.test(plan.bytes.toString('latin1'));
  }

  async #send(socket: net.Socket, plan: Plan): Promise<void> {
    let start = 0;
    for (const cut of [...plan.cuts, plan.bytes.length]) {
      if (socket.destroyed) return;
      socket.write(plan.bytes.subarray(start, cut));
      start = cut;
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (plan.ending === 'fin') socket.end();
    if (plan.ending === 'reset') socket.resetAndDestroy();
  }
}
