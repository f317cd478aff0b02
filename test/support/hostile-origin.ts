/**
 * A scripted, hostile origin: for each target, bytes to send, then FIN, RST or silence.
 *
 * Targets without a script get a clean answer that names them, so the same origin also serves
 * probes. It reads heads only; request bodies are collected as raw bytes.
 */

import net from 'node:net';
import { listenLoopback } from './free-port.ts';
import { readHead } from './strict-head.ts';
import { until } from './wait.ts';

export type OriginStep =
  | { readonly send: Buffer }
  /** Waits until the client's side has sent this many bytes after the head, or closed. */
  | { readonly receive: number }
  | { readonly end: 'fin' | 'reset' };

/** The steps for the n-th attempt (from 1) at one target. */
export type OriginScript = (attempt: number) => readonly OriginStep[];

/** One request head that reached a scripted target. */
export interface Visit {
  readonly method: string;
  readonly head: string;
  /** Bytes after the head, as they came. */
  received: Buffer;
  /** How the proxy ended this connection; null while it is open. */
  ended: 'fin' | 'reset' | null;
  endedAt: number;
  /** True once the script is done and the connection reads requests again. */
  isOver: boolean;
}

export class HostileOrigin {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #scripts = new Map<string, OriginScript>();
  readonly visits = new Map<string, Visit[]>();
  #port = 0;
  /** Sends scripted bytes one at a time. */
  splitsBytes = false;

  constructor() {
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket),
    );
  }

  static async start(): Promise<HostileOrigin> {
    const origin = new HostileOrigin();
    origin.#port = await listenLoopback(origin.#server);
    return origin;
  }

  get port(): number {
    return this.#port;
  }

  script(target: string, script: OriginScript): void {
    this.#scripts.set(target, script);
  }

  visitsOf(target: string): readonly Visit[] {
    return this.visits.get(target) ?? [];
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: net.Socket): void {
    this.#sockets.add(socket);
    let pending: Buffer = Buffer.alloc(0);
    let visit: Visit | null = null;
    const read = (): void => {
      while (visit === null || visit.isOver) {
        const head = readHead(pending, 0);
        if (head === null) return;
        pending = pending.subarray(head.end);
        const [method = '', target = ''] = head.startLine.split(' ');
        const script = this.#scripts.get(target);
        if (script === undefined) {
          this.#answer(socket, method, target);
          continue;
        }
        const begun = this.#visit(target, { method, head: head.raw, received: pending });
        visit = begun;
        pending = Buffer.alloc(0);
        void this.#perform(socket, begun, script(this.visitsOf(target).length)).then((rest) => {
          if (rest === null) return;
          pending = rest;
          begun.isOver = true;
          read();
        });
      }
    };
    socket.on('data', (bytes: Buffer) => {
      if (visit === null || visit.isOver) {
        pending = Buffer.concat([pending, bytes]);
        read();
      } else {
        visit.received = Buffer.concat([visit.received, bytes]);
      }
    });
    const ended = (how: 'fin' | 'reset'): void => {
      if (visit === null || visit.ended !== null) return;
      visit.ended = how;
      visit.endedAt = performance.now();
    };
    socket.on('end', () => {
      ended('fin');
      if (visit === null) socket.end();
    });
    socket.on('error', () => ended('reset'));
    socket.on('close', () => {
      ended('fin');
      this.#sockets.delete(socket);
    });
  }

  #answer(socket: net.Socket, method: string, target: string): void {
    const body = `clean ${target}\n`;
    const head =
      `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n` +
      `X-Origin-Target: ${encodeURIComponent(target)}\r\n\r\n`;
    socket.write(method === 'HEAD' ? head : head + body);
  }

  #visit(target: string, about: Pick<Visit, 'method' | 'head' | 'received'>): Visit {
    const visit: Visit = { ...about, ended: null, endedAt: 0, isOver: false };
    this.visits.set(target, [...this.visitsOf(target), visit]);
    return visit;
  }

  /**
   * @returns the bytes of the next request when the connection stays in HTTP and the body of
   *          this one is there; null when the script keeps the connection or ends it
   */
  async #perform(
    socket: net.Socket,
    visit: Visit,
    steps: readonly OriginStep[],
  ): Promise<Buffer | null> {
    const bodySize = Number(/^content-length: *([0-9]+)/im.exec(visit.head)?.[1] ?? 0);
    const keeps = steps.length > 0 && steps.every((step) => 'send' in step);
    const isTunnel = steps.some((step) => 'send' in step && step.send.includes('/1.1 101'));
    for (const step of steps) {
      if ('send' in step) {
        await this.#send(socket, step.send);
      } else if ('receive' in step) {
        const isThere = (): boolean =>
          visit.received.length >= step.receive || visit.ended !== null;
        await until(isThere, 'bytes from the proxy').catch(() => undefined);
      } else if (step.end === 'fin') {
        socket.end();
      } else {
        // What was written must have left before the reset, or nothing is ever seen of it.
        await until(() => socket.writableLength === 0 || socket.destroyed, 'flush').catch(
          () => undefined,
        );
        await new Promise((resolve) => setTimeout(resolve, 20));
        socket.resetAndDestroy();
      }
    }
    if (!keeps || isTunnel || visit.received.length < bodySize) return null;
    return visit.received.subarray(bodySize);
  }

  async #send(socket: net.Socket, bytes: Buffer): Promise<void> {
    if (!this.splitsBytes || bytes.length > 2_000) {
      if (!socket.destroyed) socket.write(bytes);
      return;
    }
    for (let i = 0; i < bytes.length && !socket.destroyed; i++) {
      socket.write(bytes.subarray(i, i + 1));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
