/**
 * Reads a socket at a fixed rate: it takes what its allowance permits, then pauses, so that what
 * is not read piles up in the kernel first and in the sender next.
 */

import { connect } from 'node:net';
import type { Socket } from 'node:net';

const TICK_MS = 10;
/** Ticks a reader may save up while nothing comes. */
const SAVED_TICKS_MAX = 4;

/** One socket read at a rate. Nothing but the first read happens until the first `tick`. */
export class PacedReader {
  readonly socket: Socket;
  readonly #bytesPerTick: number;
  #allowance = 1;

  /** `onBytes` borrows its bytes for the call only. */
  constructor(socket: Socket, bytesPerSecond: number, onBytes: (bytes: Buffer) => void) {
    this.socket = socket;
    this.#bytesPerTick = (bytesPerSecond * TICK_MS) / 1000;
    socket.on('data', (bytes) => {
      const part = bytes as Buffer;
      this.#allowance -= part.length;
      if (this.#allowance <= 0) socket.pause();
      onBytes(part);
    });
  }

  /** Gives leave to read what falls due in one tick. */
  tick(): void {
    const most = this.#bytesPerTick * SAVED_TICKS_MAX;
    this.#allowance = Math.min(this.#allowance + this.#bytesPerTick, most);
    if (this.#allowance > 0 && !this.socket.destroyed) this.socket.resume();
  }
}

/** Ticks `reader` from `stallMs` on, until its socket is closed. */
export function runTicks(reader: PacedReader, stallMs: number): void {
  let timer = setTimeout(() => {
    timer = setInterval(() => reader.tick(), TICK_MS);
  }, stallMs);
  reader.socket.on('close', () => clearTimeout(timer));
}

/** A connection of the harness to 127.0.0.1:`port`; errors show in its `close` event. */
export function openLoopback(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => {});
  return socket;
}
