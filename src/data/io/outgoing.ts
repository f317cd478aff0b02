/**
 * Outgoing: bytes gathered in one chunk so that a head and the body that follows it leave in one
 * write. Owned by a connection; holds at most one chunk.
 */

import { copyBytes } from '../../base/copy-bytes.ts';
import type { Chunk, ChunkSource, Connection } from './backend.ts';

export class Outgoing {
  chunk: Chunk | null = null;
  start = 0;
  end = 0;
  private readonly chunks: ChunkSource;

  constructor(chunks: ChunkSource) {
    this.chunks = chunks;
  }

  /** Takes over one reference to `chunk`, whose bytes `[start, end)` are to be sent. */
  take(chunk: Chunk, start: number, end: number): void {
    this.drop();
    this.chunk = chunk;
    this.start = start;
    this.end = end;
  }

  /** Free bytes behind what is gathered; 0 when nothing is gathered. */
  get room(): number {
    return this.chunk === null ? 0 : this.chunk.bytes.length - this.end;
  }

  /** Copies `bytes[start, end)` behind what is gathered. The caller has checked `room`. */
  append(bytes: Uint8Array, start: number, end: number): void {
    this.end = copyBytes(this.chunk!.bytes, this.end, bytes, start, end);
  }

  /**
   * Writes what is gathered and gives the reference back.
   * @returns false for backpressure, as `Connection.write`; true when nothing was gathered
   */
  flush(connection: Connection): boolean {
    const chunk = this.chunk;
    if (chunk === null) return true;
    this.chunk = null;
    const isWritable = this.end > this.start ? connection.write(chunk, this.start, this.end) : true;
    this.chunks.release(chunk);
    return isWritable;
  }

  /** Forgets what is gathered. */
  drop(): void {
    const chunk = this.chunk;
    if (chunk === null) return;
    this.chunk = null;
    this.chunks.release(chunk);
  }
}
