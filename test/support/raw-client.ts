/**
 * A raw client: writes bytes exactly as told, in one piece or split, and collects the answer.
 *
 * A send in pieces stops once the peer has closed or has answered all it should, because a
 * write after a close would discard that answer.
 */

import net from 'node:net';
import { holdsWithin } from './wait.ts';

/** One action on the connection, in order. */
export type ClientStep =
  | { readonly send: Buffer }
  | { readonly waitFor: string }
  | { readonly end: 'fin' | 'reset' };

export interface ClientPlan {
  readonly steps: readonly ClientStep[];
  /** Offsets at which sends are cut; `bytes` cuts everywhere. Absent: one write per step. */
  readonly cuts?: readonly number[] | 'bytes';
  /** True once enough has arrived; then only `quietMs` more is awaited. */
  readonly isEnough: (received: Buffer) => boolean;
  /** How long to look for bytes that should not come. */
  readonly quietMs: number;
  readonly timeoutMs: number;
}

export interface Conversation {
  readonly sent: Buffer;
  readonly received: Buffer;
  /** How the peer closed; null while the connection was still open when we looked away. */
  readonly closed: 'fin' | 'reset' | null;
  readonly elapsedMs: number;
}

/** An open raw connection; `received` grows as bytes arrive. */
export class RawClient {
  readonly socket: net.Socket;
  received: Buffer = Buffer.alloc(0);
  closed: 'fin' | 'reset' | null = null;
  #chunks: Buffer[] = [];
  lastByteAt = 0;

  constructor(port: number, path?: string) {
    this.socket =
      path === undefined
        ? net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
        : net.connect({ path, allowHalfOpen: true });
    this.socket.on('data', (bytes: Buffer) => {
      this.#chunks.push(bytes);
      this.received = this.#chunks.length === 1 ? bytes : Buffer.concat(this.#chunks);
      this.#chunks = [this.received];
      this.lastByteAt = performance.now();
    });
    this.socket.on('end', () => (this.closed ??= 'fin'));
    this.socket.on('error', () => (this.closed ??= 'reset'));
    this.socket.on('close', () => (this.closed ??= 'fin'));
  }

  /** Sends, also after the peer's FIN: its side may be half-closed. */
  send(bytes: Buffer | string): void {
    if (this.socket.writable) this.socket.write(bytes as Buffer);
  }

  destroy(): void {
    this.socket.destroy();
  }
}

function pieces(bytes: Buffer, cuts: ClientPlan['cuts'], offset: number): Buffer[] {
  if (cuts === undefined) return [bytes];
  if (cuts === 'bytes') return Array.from(bytes, (_byte, i) => bytes.subarray(i, i + 1));
  const list: Buffer[] = [];
  let start = 0;
  for (const cut of cuts) {
    const at = cut - offset;
    if (at <= start || at >= bytes.length) continue;
    list.push(bytes.subarray(start, at));
    start = at;
  }
  list.push(bytes.subarray(start));
  return list;
}

function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function perform(client: RawClient, plan: ClientPlan): Promise<Buffer> {
  const sent: Buffer[] = [];
  let offset = 0;
  for (const step of plan.steps) {
    if ('waitFor' in step) {
      const isThere = (): boolean =>
        client.received.includes(step.waitFor) || client.closed !== null;
      await holdsWithin(isThere, plan.timeoutMs);
    } else if ('end' in step) {
      if (step.end === 'reset') client.socket.resetAndDestroy();
      else await new Promise<void>((resolve) => client.socket.end(() => resolve()));
    } else {
      const before = client.received.length;
      for (const piece of pieces(step.send, plan.cuts, offset)) {
        if (plan.cuts !== undefined) {
          if (client.closed !== null) break;
          await tick(); // The loop polls first, so an early answer is read before we write on.
          if (client.received.length > before && plan.isEnough(client.received)) break;
        }
        client.send(piece);
        sent.push(piece);
      }
      offset += step.send.length;
    }
  }
  return Buffer.concat(sent);
}

/** Performs the plan on a new connection, then closes it. Never throws for what the peer does. */
export async function converse(port: number, plan: ClientPlan): Promise<Conversation> {
  const started = performance.now();
  const client = new RawClient(port);
  const sent = await perform(client, plan);
  const isOver = (): boolean => {
    if (client.closed !== null) return true;
    if (!plan.isEnough(client.received)) return false;
    return performance.now() - Math.max(client.lastByteAt, started) >= plan.quietMs;
  };
  await holdsWithin(isOver, plan.timeoutMs);
  const { received, closed } = client;
  client.destroy();
  return { sent, received, closed, elapsedMs: performance.now() - started };
}
