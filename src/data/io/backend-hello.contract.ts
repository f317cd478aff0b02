/**
 * What stands before TLS in tests of IO backends: takes the bytes of a connection until its first
 * record, the ClientHello, is whole.
 */

import { CHUNK_HEADROOM } from './backend.ts';
import type { Chunk, ConnectionEvents } from './backend.ts';

const RECORD_HEAD_SIZE = 5;

export interface Hello {
  readonly chunk: Chunk;
  readonly start: number;
  readonly end: number;
}

export class HelloTaker implements ConnectionEvents {
  readonly #next: ConnectionEvents;
  readonly #done: (hello: Hello) => void;
  #received: number[] = [];

  /** @param next is told of everything but bytes */
  constructor(next: ConnectionEvents, done: (hello: Hello) => void) {
    this.#next = next;
    this.#done = done;
  }

  onReadable(chunk: Chunk, start: number, end: number): void {
    this.#received.push(...chunk.bytes.subarray(start, end));
    const [, , , high = 0, low = 0] = this.#received;
    const size = RECORD_HEAD_SIZE + high * 256 + low;
    if (this.#received.length < Math.max(size, RECORD_HEAD_SIZE)) return;
    const bytes = new Uint8Array(CHUNK_HEADROOM + this.#received.length);
    bytes.set(this.#received, CHUNK_HEADROOM);
    this.#done({ chunk: { bytes, isShared: true }, start: CHUNK_HEADROOM, end: bytes.length });
  }

  onOpen(): void {
    this.#next.onOpen();
  }

  onWritable(): void {
    this.#next.onWritable();
  }

  onEnd(): void {
    this.#next.onEnd();
  }

  onClose(fault: Parameters<ConnectionEvents['onClose']>[0]): void {
    this.#next.onClose(fault);
  }
}
