/**
 * Kept body: a request body as it was sent, framing included, so that it can be sent again. For
 * services that ask for it; empty for all others.
 *
 * K1  at most `sizeMax` bytes are kept; past it all of it is dropped and the request cannot be
 *     sent again. Large pieces are kept where they were received, small ones are copied together,
 *     so that the chunks held are at most a few times the bytes kept.
 * K2  all bodies kept by a worker hold at most a share of its buffer memory: past it one more is
 *     not kept, so that what may be sent again never crowds out what is sent.
 * K3  what is replayed is what was added, in order; nothing is added while a replay is under way.
 */

import { copyBytes } from '../../base/copy-bytes.ts';
import type { Chunk, IoBackend } from '../io/backend.ts';
import { CHUNK_HEADROOM, CHUNK_TAILROOM } from '../io/backend.ts';
import type { UpstreamConnection } from '../pool/upstream-connection.ts';

/** Pieces from this size on are kept by reference where the chunk allows it. */
const REFERENCE_SIZE_MIN = 8_192;
/** Size of a chunk in which small pieces are gathered. */
const GATHER_SIZE = 16_320;
/** Part of a worker's buffer memory that kept bodies may hold. */
const MEMORY_SHARE = 1 / 4;

/** What the kept bodies of one worker hold. */
export class KeptMemory {
  /** Bytes of chunks, used or not; a chunk kept twice counts twice. */
  size = 0;
}

export class KeptBody {
  /** Everything so far is kept. */
  isWhole = false;
  /** Something may have to be given back. */
  private isUsed = false;
  private readonly backend: IoBackend;
  private readonly memory: KeptMemory;
  private readonly chunks: Chunk[] = [];
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  /** Offset up to which the last chunk, if it is ours alone, may be filled. */
  private lastRoomEnd = 0;
  private size = 0;
  private sizeMax = 0;
  private memoryMax = 0;
  /** Pieces sent by the replay under way; -1 when there is none. */
  private replayed = -1;

  /** @param memory shared by all bodies of the worker */
  constructor(backend: IoBackend, memory: KeptMemory) {
    this.backend = backend;
    this.memory = memory;
  }

  /**
   * Starts to keep.
   * @param announcedSize of the body; -1 when it is not known
   * @param bufferSizeMax memory of the worker
   */
  begin(sizeMax: number, announcedSize: number, bufferSizeMax: number): void {
    this.isUsed = true;
    this.sizeMax = sizeMax;
    this.memoryMax = bufferSizeMax * MEMORY_SHARE;
    this.isWhole = sizeMax > 0 && announcedSize <= sizeMax;
  }

  /**
   * Keeps `chunk.bytes[start, end)`; the caller's reference stays the caller's. Past the limit, or
   * without memory, everything is dropped.
   */
  add(chunk: Chunk, start: number, end: number): void {
    if (!this.isWhole) return;
    this.size += end - start;
    if (this.size > this.sizeMax || !this.keep(chunk, start, end)) this.drop();
  }

  /** True while what was kept is being sent again. */
  get isReplaying(): boolean {
    return this.replayed >= 0;
  }

  /** Starts to send everything again. */
  beginReplay(): void {
    this.replayed = this.chunks.length > 0 ? 0 : -1;
  }

  /**
   * Sends until everything is sent or the connection takes no more; then call again once it does.
   * @returns true when everything is sent
   */
  replay(upstream: UpstreamConnection): boolean {
    while (this.replayed >= 0) {
      const at = this.replayed++;
      const isWritable = upstream.send(this.chunks[at]!, this.starts[at]!, this.ends[at]!);
      if (this.replayed === this.chunks.length) this.replayed = -1;
      else if (!isWritable) return false;
    }
    return true;
  }

  /** It will not be sent once more: keeps only what the replay under way still needs. */
  settle(): void {
    if (this.isReplaying) this.isWhole = false;
    else this.drop();
  }

  /** Forgets everything; the request cannot be sent again. */
  drop(): void {
    if (!this.isUsed) return;
    this.isUsed = false;
    this.isWhole = false;
    this.replayed = -1;
    this.size = 0;
    this.lastRoomEnd = 0;
    for (const chunk of this.chunks) {
      this.memory.size -= chunk.bytes.length;
      this.backend.chunks.release(chunk);
    }
    this.chunks.length = 0;
    this.starts.length = 0;
    this.ends.length = 0;
  }

  /** @returns false without memory (K2) */
  private keep(chunk: Chunk, start: number, end: number): boolean {
    if (end - start >= REFERENCE_SIZE_MIN) {
      const kept = this.backend.keep(chunk, start, end);
      if (kept === null) return false;
      this.lastRoomEnd = 0;
      return this.push(kept, this.backend.keptStart, end - start);
    }
    const last = this.chunks.length - 1;
    const room = last < 0 ? 0 : this.lastRoomEnd - this.ends[last]!;
    if (room >= end - start) {
      const { bytes } = this.chunks[last]!;
      this.ends[last] = copyBytes(bytes, this.ends[last]!, chunk.bytes, start, end);
      return true;
    }
    const own = this.backend.chunks.acquire(this.gatherSize(end - start));
    if (own === null) return false;
    copyBytes(own.bytes, CHUNK_HEADROOM, chunk.bytes, start, end);
    this.lastRoomEnd = own.bytes.length - CHUNK_TAILROOM;
    return this.push(own, CHUNK_HEADROOM, end - start);
  }

  /** No more room than the limit can fill. */
  private gatherSize(size: number): number {
    return Math.min(GATHER_SIZE, Math.max(size, this.sizeMax - this.size + size));
  }

  /** @returns false when the worker keeps enough already; the caller drops all then */
  private push(chunk: Chunk, start: number, size: number): boolean {
    this.memory.size += chunk.bytes.length;
    this.chunks.push(chunk);
    this.starts.push(start);
    this.ends.push(start + size);
    return this.memory.size <= this.memoryMax;
  }
}
