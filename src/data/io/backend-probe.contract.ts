/**
 * A recording end of a connection, for tests of IO backends: what it was told, in order, with the
 * contract's rules B1, B2 and B4 checked on every callback.
 */

import { assert } from '../../base/assert.ts';
import type { Fault } from '../../contract/fault.ts';
import { CHUNK_HEADROOM } from './backend.ts';
import type { Chunk, Connection, ConnectionEvents, IoBackend } from './backend.ts';

const PIECE_SIZE = 65_000;

/** Byte number `index` of the stream `seed`: position-dependent, so lost or moved bytes show. */
export function streamByte(seed: number, index: number): number {
  return (Math.imul(index + seed, 0x9e3779b1) >>> 24) ^ (index & 0xff);
}

export class BackendProbe implements ConnectionEvents {
  connection!: Connection;
  isOpen = false;
  hasEnded = false;
  closeCount = 0;
  fault: Fault | -1 = -1;
  writableCount = 0;
  receivedSize = 0;
  readCount = 0;
  /** Set to check that what arrives is the stream of this seed. */
  expectedSeed = -1;
  /** Runs instead of the default, which is to count. */
  onBytes: ((chunk: Chunk, start: number, end: number) => void) | null = null;
  onEnded: (() => void) | null = null;
  onOpened: (() => void) | null = null;
  onClosed: (() => void) | null = null;
  isPaused = false;

  readonly #backend: IoBackend;
  #isInside = false;
  #nextFrom = 0;
  #sendSeed = 0;
  #sentSize = 0;
  #sendEnd = 0;
  #afterSend: 'nothing' | 'end' | 'close' = 'nothing';

  constructor(backend: IoBackend) {
    this.#backend = backend;
  }

  /** Calls methods of the connection; no callback of it may come from inside. */
  call<T>(action: (connection: Connection) => T): T {
    const wasInside = this.#isInside;
    this.#isInside = true;
    try {
      return action(this.connection);
    } finally {
      this.#isInside = wasInside;
    }
  }

  pause(): void {
    this.isPaused = true;
    this.call((connection) => connection.pause());
  }

  resume(): void {
    this.isPaused = false;
    this.call((connection) => connection.resume());
  }

  /** Sends `size` bytes of the stream `seed`, minding backpressure, then ends or closes. */
  send(seed: number, size: number, then: 'nothing' | 'end' | 'close' = 'nothing'): void {
    this.#sendSeed = seed;
    this.#sentSize = 0;
    this.#sendEnd = size;
    this.#afterSend = then;
    this.#pump();
  }

  get isSent(): boolean {
    return this.#sentSize === this.#sendEnd;
  }

  get sentSize(): number {
    return this.#sentSize;
  }

  /** One write of `size` bytes of the stream `seed`, whatever was said before. */
  write(seed: number, size: number, from = 0): boolean {
    const { chunks } = this.#backend;
    const chunk = chunks.acquire(size);
    assert(chunk !== null, 'the test has memory');
    for (let i = 0; i < size; i++) chunk.bytes[CHUNK_HEADROOM + i] = streamByte(seed, from + i);
    const end = CHUNK_HEADROOM + size;
    const isWritable = this.call((connection) => connection.write(chunk, CHUNK_HEADROOM, end));
    chunks.release(chunk);
    return isWritable;
  }

  /** One write that goes on in the stream of seed 1 where the last one stopped. */
  writeNext(size: number): void {
    this.write(1, size, this.#nextFrom);
    this.#nextFrom += size; // A connection that refuses bytes refuses all that follow.
  }

  onOpen(): void {
    this.#check();
    assert(!this.isOpen, 'onOpen comes once');
    this.isOpen = true;
    this.onOpened?.();
  }

  onReadable(chunk: Chunk, start: number, end: number): void {
    this.#check();
    assert(!this.isPaused, 'B4: nothing to read while paused');
    assert(!this.hasEnded, 'nothing to read after the end');
    assert(start < end && start >= CHUNK_HEADROOM, 'a read has bytes and headroom');
    assert(end + CHUNK_HEADROOM <= chunk.bytes.byteLength, 'a read has tailroom');
    this.readCount++;
    if (this.expectedSeed >= 0) {
      for (let i = start; i < end; i++) {
        const expected = streamByte(this.expectedSeed, this.receivedSize + i - start);
        assert(chunk.bytes[i] === expected, 'B3: bytes arrive unchanged and in order');
      }
    }
    this.receivedSize += end - start;
    this.onBytes?.(chunk, start, end);
  }

  onWritable(): void {
    this.#check();
    this.writableCount++;
    assert(this.connection.isDrained, 'onWritable means that the queue is empty');
    this.#pump();
  }

  onEnd(): void {
    this.#check();
    assert(!this.isPaused, 'B4: no end while paused');
    assert(!this.hasEnded, 'onEnd comes once');
    this.hasEnded = true;
    this.onEnded?.();
  }

  onClose(fault: Fault): void {
    this.#check();
    this.closeCount++;
    this.fault = fault;
    this.onClosed?.();
  }

  #check(): void {
    assert(this.closeCount === 0, 'B1: nothing after onClose');
    assert(!this.#isInside, 'B2: no callback from inside a method');
  }

  #pump(): void {
    while (this.#sentSize < this.#sendEnd) {
      const size = Math.min(PIECE_SIZE, this.#sendEnd - this.#sentSize);
      const from = this.#sentSize;
      this.#sentSize += size;
      if (!this.write(this.#sendSeed, size, from)) break;
    }
    if (this.#sentSize < this.#sendEnd) return;
    const then = this.#afterSend;
    this.#afterSend = 'nothing';
    if (then === 'end') this.call((connection) => connection.end());
    if (then === 'close') this.call((connection) => connection.close());
  }
}
