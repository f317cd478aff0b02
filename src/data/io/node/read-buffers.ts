/**
 * Read buffers: what memory the next read of a connection goes to.
 *
 * R1  every connection reads into one shared buffer, so an idle or slow one owns no memory.
 * R2  a connection whose read filled half of the buffer or more reads into a slab chunk of its own
 *     next, so that body bytes are sent from where they were received.
 * R3  at most `bulkMax` connections hold such a chunk. One that has not read for a while loses it
 *     to a newcomer; a paused one keeps it only while fewer than half of `bulkMax` are held.
 *
 * Node asks for the next buffer right after each read, without saying for whom; `afterRead` leaves
 * the answer in `next`, and nothing runs in between.
 */

import { READ_SIZE_MAX } from '../slab.ts';
import type { Slab, SlabChunk } from '../slab.ts';

/** A read of at least this many bytes makes the next one go to a private chunk. */
export const BULK_SIZE_MIN: number = READ_SIZE_MAX / 2;
/** A holder that has not read for this long may lose its chunk. */
const STALE_MS = 1_000;

/** A connection, as far as its reads go. Fields marked so belong to `ReadBuffers`. */
export interface BulkReader {
  readonly isPaused: boolean;
  readonly isClosed: boolean;
  /** The private chunk of the next read, or null for the shared one. Owned here. */
  readChunk: SlabChunk | null;
  /** Place among the holders. Owned here. */
  bulkIndex: number;
  /** Owned here. */
  bulkReadAtMs: number;
  /** Points the next read at `view`, outside of a read. @returns false when it cannot */
  redirect(view: Uint8Array): boolean;
}

export interface ReadBuffersOptions {
  readonly slab: Slab;
  readonly nowMs: () => number;
  /** Most private chunks reserved for reads to come. */
  readonly bulkMax: number;
}

export class ReadBuffers {
  readonly shared: SlabChunk;
  /** Memory is short: everybody reads into the shared buffer, those who had their own as well. */
  isShared = false;
  /** Where the read in preparation goes; undefined: where the last one went. */
  next: Uint8Array | undefined = undefined;

  readonly #slab: Slab;
  readonly #nowMs: () => number;
  readonly #bulkMax: number;
  readonly #holders: BulkReader[] = [];
  #hand = 0;

  constructor(options: ReadBuffersOptions) {
    this.#slab = options.slab;
    this.#nowMs = options.nowMs;
    this.#bulkMax = options.bulkMax;
    this.shared = options.slab.sharedChunk();
  }

  /** Private chunks reserved now. */
  get bulkCount(): number {
    return this.#holders.length;
  }

  /** A socket is about to be made: its first read is shared. */
  prepareFirst(): void {
    this.next = this.shared.interior;
  }

  /** Called at the end of a read callback: decides where the next read of `reader` goes. */
  afterRead(reader: BulkReader, size: number): void {
    this.next = undefined;
    const held = reader.readChunk;
    const isSmall = size < BULK_SIZE_MIN || this.isShared;
    if (isSmall || reader.isClosed || this.#isTooPaused(reader)) {
      if (held === null) return;
      this.drop(reader);
      this.next = this.shared.interior;
      return;
    }
    if (held !== null) {
      reader.bulkReadAtMs = this.#nowMs();
      if (held.references > 1) this.#replace(reader, held);
      return;
    }
    if (this.#holders.length >= this.#bulkMax && !this.#evictOne()) return;
    const fresh = this.#slab.acquire(READ_SIZE_MAX);
    if (fresh === null) return;
    reader.readChunk = fresh;
    reader.bulkReadAtMs = this.#nowMs();
    reader.bulkIndex = this.#holders.length;
    this.#holders.push(reader);
    this.next = fresh.interior;
  }

  /** Takes the private chunk of `reader` back, if any. Its next read must go elsewhere. */
  drop(reader: BulkReader): void {
    const held = reader.readChunk;
    if (held === null) return;
    reader.readChunk = null;
    this.#slab.release(held);
    const last = this.#holders.pop()!;
    if (last !== reader) {
      this.#holders[reader.bulkIndex] = last;
      last.bulkIndex = reader.bulkIndex;
    }
    reader.bulkIndex = -1;
  }

  /** The bytes just read are still in use elsewhere: the next ones go to another chunk. */
  #replace(reader: BulkReader, held: SlabChunk): void {
    const fresh = this.#slab.acquire(READ_SIZE_MAX);
    if (fresh === null) {
      this.drop(reader);
      this.next = this.shared.interior;
      return;
    }
    this.#slab.release(held);
    reader.readChunk = fresh;
    this.next = fresh.interior;
  }

  #isTooPaused(reader: BulkReader): boolean {
    return reader.isPaused && this.#holders.length * 2 >= this.#bulkMax;
  }

  /** Looks at one holder, a different one each time, and takes its chunk if it is stale. */
  #evictOne(): boolean {
    if (this.#holders.length === 0) return false; // `bulkMax` of 0: no private chunks at all.
    this.#hand = (this.#hand + 1) % this.#holders.length;
    const holder = this.#holders[this.#hand]!;
    if (this.#nowMs() - holder.bulkReadAtMs < STALE_MS) return false;
    if (!holder.redirect(this.shared.interior)) return false;
    this.drop(holder);
    return true;
  }
}
