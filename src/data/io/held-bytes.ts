/**
 * Held bytes: received bytes that cannot be used yet (a head that has not arrived in full, a
 * pipelined request, a body without a connection to send it on). At most one chunk.
 */

import type { Chunk, IoBackend } from './backend.ts';
import { CHUNK_HEADROOM, CHUNK_TAILROOM } from './backend.ts';

export class HeldBytes {
  chunk: Chunk | null = null;
  start = 0;
  end = 0;
  private readonly backend: IoBackend;

  constructor(backend: IoBackend) {
    this.backend = backend;
  }

  get isEmpty(): boolean {
    return this.chunk === null;
  }

  /** Keeps `chunk.bytes[start, end)`; nothing may be held. @returns false without memory */
  take(chunk: Chunk, start: number, end: number): boolean {
    const kept = this.backend.keep(chunk, start, end);
    if (kept === null) return false;
    this.chunk = kept;
    this.start = this.backend.keptStart;
    this.end = this.start + end - start;
    return true;
  }

  /**
   * Adds bytes behind those held, in place or in a larger chunk.
   * @returns false when not all of them could be taken: no chunk is that large (as many as fit
   *          have been added), or memory is exhausted
   */
  append(chunk: Chunk, start: number, end: number): boolean {
    const isGrown = this.end + end - start <= this.capacity || this.grow(end - start);
    const room = Math.max(this.capacity - this.end, 0);
    const size = isGrown ? end - start : Math.min(end - start, room);
    this.chunk!.bytes.set(chunk.bytes.subarray(start, start + size), this.end);
    this.end += size;
    return size === end - start;
  }

  /** Forgets the bytes before `position`. */
  consume(position: number): void {
    this.start = position;
    if (position >= this.end) this.drop();
  }

  drop(): void {
    if (this.chunk === null) return;
    this.backend.chunks.release(this.chunk);
    this.chunk = null;
  }

  /** Offset up to which bytes may be held. */
  private get capacity(): number {
    return this.chunk!.bytes.length - CHUNK_TAILROOM;
  }

  /** Moves what is held to the start of another chunk. @returns whether `size` more then fit */
  private grow(size: number): boolean {
    const chunks = this.backend.chunks;
    const used = this.end - this.start;
    const wanted = Math.min(Math.max(2 * used, used + size), chunks.sizeMax);
    if (wanted <= this.capacity - this.start) return false; // No chunk has more room than this one.
    const larger = chunks.acquire(wanted);
    if (larger === null) return false;
    larger.bytes.set(this.chunk!.bytes.subarray(this.start, this.end), CHUNK_HEADROOM);
    chunks.release(this.chunk!);
    this.chunk = larger;
    this.start = CHUNK_HEADROOM;
    this.end = CHUNK_HEADROOM + used;
    return used + size <= wanted;
  }
}
