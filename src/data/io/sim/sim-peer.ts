/**
 * A scripted peer: the client or origin of a test, at the other end of a simulated connection.
 *
 * It remembers what it received and how the connection ended, and sends whatever it is told to,
 * in order, however slowly the other side reads.
 */

import { utf8Bytes } from '../../../base/utf8.ts';
import type { Fault } from '../../../contract/fault.ts';
import { CHUNK_HEADROOM } from '../backend.ts';
import type { Chunk, Connection, ConnectionEvents } from '../backend.ts';
import { CHUNK_SIZE_MAX } from '../slab.ts';
import type { Slab } from '../slab.ts';

/** What a peer does on its own. */
export interface SimScript {
  /** The connection is established. */
  onOpen?(peer: SimPeer): void;
  /** `bytes` arrived; they are the script's to keep, and already part of `received`. */
  onBytes?(peer: SimPeer, bytes: Uint8Array): void;
  /** The other side sent FIN. */
  onEnd?(peer: SimPeer): void;
  onClose?(peer: SimPeer, fault: Fault): void;
}

export class SimPeer implements ConnectionEvents {
  /** Everything received so far. */
  received: Uint8Array[] = [];
  isOpen = false;
  /** The other side sent FIN. */
  hasEnded = false;
  isClosed = false;
  /** How it closed; `upstreamReset` when the other side sent RST. Null while open. */
  fault: Fault | null = null;
  connection!: Connection;

  readonly #slab: Slab;
  readonly #script: SimScript;
  #outbox: Uint8Array[] = [];
  #isEnding = false;

  constructor(slab: Slab, script: SimScript) {
    this.#slab = slab;
    this.#script = script;
  }

  /** Sends UTF-8 text or bytes, behind everything sent before. */
  send(data: string | Uint8Array): void {
    const bytes = typeof data === 'string' ? utf8Bytes(data) : data;
    for (let at = 0; at < bytes.byteLength; at += CHUNK_SIZE_MAX) {
      this.#outbox.push(Uint8Array.from(bytes.subarray(at, at + CHUNK_SIZE_MAX)));
    }
    this.#flush();
  }

  /** FIN behind everything sent. Reading goes on. */
  end(): void {
    this.#isEnding = true;
    this.#flush();
  }

  reset(): void {
    this.connection.reset();
  }

  /** Closes at once, as a process that dies. */
  abort(): void {
    this.connection.abort();
  }

  /** Stops reading, so that the other side's writes queue up. */
  pause(): void {
    this.connection.pause();
  }

  resume(): void {
    this.connection.resume();
  }

  /** Bytes received. */
  get receivedSize(): number {
    return this.received.reduce((sum, bytes) => sum + bytes.byteLength, 0);
  }

  /** Everything received, in one array. */
  bytes(): Uint8Array {
    const all = new Uint8Array(this.receivedSize);
    let at = 0;
    for (const bytes of this.received) {
      all.set(bytes, at);
      at += bytes.byteLength;
    }
    return all;
  }

  /** Everything received, one character per byte. */
  text(): string {
    let text = '';
    for (const bytes of this.received) for (const byte of bytes) text += String.fromCharCode(byte);
    return text;
  }

  /** `text()`, and forgets it. */
  take(): string {
    const text = this.text();
    this.received = [];
    return text;
  }

  onOpen(): void {
    this.isOpen = true;
    this.#script.onOpen?.(this);
    this.#flush();
  }

  onReadable(chunk: Chunk, start: number, end: number): void {
    const bytes = Uint8Array.from(chunk.bytes.subarray(start, end));
    this.received.push(bytes);
    this.#script.onBytes?.(this, bytes);
  }

  onWritable(): void {
    this.#flush();
  }

  onEnd(): void {
    this.hasEnded = true;
    this.#script.onEnd?.(this);
  }

  onClose(fault: Fault): void {
    this.isClosed = true;
    this.fault = fault;
    this.#outbox = [];
    this.#script.onClose?.(this, fault);
  }

  #flush(): void {
    while (this.isOpen && this.connection.isDrained && !this.connection.isClosed) {
      const bytes = this.#outbox.shift();
      if (bytes === undefined) break;
      const chunk = this.#slab.acquire(bytes.byteLength);
      if (chunk === null) throw new Error('a scripted peer ran out of memory');
      chunk.bytes.set(bytes, CHUNK_HEADROOM);
      this.connection.write(chunk, CHUNK_HEADROOM, CHUNK_HEADROOM + bytes.byteLength);
      this.#slab.release(chunk);
    }
    if (this.#isEnding && this.isOpen && this.#outbox.length === 0) this.connection.end();
  }
}
