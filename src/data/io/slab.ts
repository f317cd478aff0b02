/**
 * Slab: reference-counted chunks of memory for received and outgoing bytes.
 *
 * S1  a chunk is free, or has at least one reference; its last release frees it, once. A release
 *     too many is ignored and counted (in debug mode it throws), so one owner's mistake cannot
 *     hand the same memory to two others.
 * S2  memory reserved never exceeds `memoryMax`; `acquire` then returns null and the caller
 *     fails its exchange with `Fault.memoryLimit`.
 * S3  in debug mode a released chunk is filled with a pattern that is checked on reuse, a release
 *     too many throws, and `leaks()` lists who acquired what is still held.
 * S4  `acquire` leaves `reserveSize` bytes to `acquireReserved`: answers can be written while
 *     requests have taken all the rest.
 *
 * Three size classes. A chunk belongs to a region, one allocation cut into equal slots; chunk
 * objects are made with their region and reused, so steady state allocates nothing. The free list
 * of a class is last-in first-out: the memory handed out next is the memory still in the cache.
 */

import { assert } from '../../base/assert.ts';
import { CHUNK_HEADROOM, CHUNK_TAILROOM } from './backend.ts';
import type { Chunk, ChunkSource } from './backend.ts';

/** Slot sizes in bytes, head and tail room included. */
const SMALL_SLOT_SIZE = 4_096;
const MEDIUM_SLOT_SIZE = 16_384;
/** Slot of one read: a stalled transfer holds about this much (larger ones only save calls). */
export const READ_SLOT_SIZE = 32_768;
export const SLOT_SIZE_MAX = 65_536;
/** Largest `size` of `acquire`: the largest slot without the room around it. */
export const CHUNK_SIZE_MAX: number = SLOT_SIZE_MAX - CHUNK_HEADROOM - CHUNK_TAILROOM;
/** Most bytes of one read. */
export const READ_SIZE_MAX: number = READ_SLOT_SIZE - CHUNK_HEADROOM - CHUNK_TAILROOM;

/** Default bytes per region. */
export const REGION_SIZE = 1_048_576;

const POISON = 0xdb;

export interface SlabOptions {
  /** Makes a region: uninitialised memory, not from a pool (`Buffer.allocUnsafeSlow`). */
  readonly allocate: (size: number) => Uint8Array;
  /** Gives a region's memory back now, instead of when it is collected. */
  readonly free?: (memory: Uint8Array) => void;
  /** Most bytes reserved in regions, used or free. */
  readonly memoryMax: number;
  /** Part of `memoryMax` that only `acquireReserved` may use; 0 by default. */
  readonly reserveSize?: number;
  /** Bytes per region, a multiple of the largest slot. */
  readonly regionSize?: number;
  /** See S3. Costs a fill and a scan per chunk: for tests. */
  readonly isDebug?: boolean;
}

/** A chunk of the slab. All fields but `bytes` and `isShared` belong to the slab. */
export class SlabChunk implements Chunk {
  readonly bytes: Uint8Array;
  readonly isShared: boolean;
  readonly region: Region | null;
  references = 0;
  /** Where it was acquired last; in debug mode only. */
  acquiredAt: Error | null = null;
  #interior: Uint8Array | null = null;

  constructor(bytes: Uint8Array, isShared: boolean, region: Region | null) {
    this.bytes = bytes;
    this.isShared = isShared;
    this.region = region;
  }

  /** The bytes between head and tail room, made once: where a backend receives. */
  get interior(): Uint8Array {
    this.#interior ??= this.bytes.subarray(CHUNK_HEADROOM, this.bytes.byteLength - CHUNK_TAILROOM);
    return this.#interior;
  }
}

/** One allocation, cut into slots of one class. */
class Region {
  readonly memory: Uint8Array;
  readonly sizeClass: SizeClass;
  readonly chunks: SlabChunk[] = [];
  usedCount = 0;
  /** Nothing of it was in use at the last `trim`. */
  wasIdle = false;

  constructor(memory: Uint8Array, sizeClass: SizeClass) {
    this.memory = memory;
    this.sizeClass = sizeClass;
    const size = sizeClass.slotSize;
    for (let at = 0; at + size <= memory.byteLength; at += size) {
      this.chunks.push(new SlabChunk(memory.subarray(at, at + size), false, this));
    }
  }
}

class SizeClass {
  readonly slotSize: number;
  readonly regions: Region[] = [];
  /** A stack; places at and above `freeCount` are stale. */
  readonly free: SlabChunk[] = [];
  freeCount = 0;

  constructor(slotSize: number) {
    this.slotSize = slotSize;
  }

  add(region: Region): void {
    this.regions.push(region);
    for (const chunk of region.chunks) this.free[this.freeCount++] = chunk;
  }

  /** Takes an unused region out. Cold: walks the free list. */
  remove(region: Region): void {
    this.regions.splice(this.regions.indexOf(region), 1);
    let kept = 0;
    for (let i = 0; i < this.freeCount; i++) {
      const chunk = this.free[i]!;
      if (chunk.region !== region) this.free[kept++] = chunk;
    }
    this.freeCount = kept;
    this.free.length = kept; // Stale places would keep the region alive.
  }
}

export class Slab implements ChunkSource {
  readonly sizeMax: number = CHUNK_SIZE_MAX;
  memoryMax: number;
  /** What `acquire` may use of it. */
  usedMax: number;
  /** Bytes of regions, used or free. */
  memorySize = 0;
  /** Bytes of slots with at least one reference. */
  usedSize = 0;
  /** Chunks with at least one reference. */
  heldCount = 0;
  /** Releases and retains of chunks that were free: bugs, made harmless. */
  misuseCount = 0;
  /** Called when memory is about to be taken from the machine; must not use the slab. */
  onGrow: () => void = ignore;
  /** Acquires refused because of `memoryMax`. */
  refusedCount = 0;

  readonly #allocate: (size: number) => Uint8Array;
  readonly #free: (memory: Uint8Array) => void;
  readonly #regionSize: number;
  readonly #isDebug: boolean;
  readonly #small = new SizeClass(SMALL_SLOT_SIZE);
  readonly #medium = new SizeClass(MEDIUM_SLOT_SIZE);
  readonly #read = new SizeClass(READ_SLOT_SIZE);
  readonly #large = new SizeClass(SLOT_SIZE_MAX);
  readonly #classes = [this.#small, this.#medium, this.#read, this.#large];

  constructor(options: SlabOptions) {
    this.#allocate = options.allocate;
    this.#free = options.free ?? ignore;
    this.memoryMax = options.memoryMax;
    this.usedMax = options.memoryMax - (options.reserveSize ?? 0);
    this.#regionSize = options.regionSize ?? REGION_SIZE;
    this.#isDebug = options.isDebug ?? false;
    assert(this.#regionSize % SLOT_SIZE_MAX === 0, 'a region holds whole slots');
  }

  /**
   * A chunk with `size` bytes between its head and tail room, and one reference, owned by the
   * caller. Its bytes are whatever the last user left.
   * @returns null when memory is exhausted or `size` is above `sizeMax`
   */
  acquire(size: number): SlabChunk | null {
    return this.acquireSlot(size + CHUNK_HEADROOM + CHUNK_TAILROOM);
  }

  /** Like `acquire`, and may use the reserve: for bytes of answers on their way to clients. */
  acquireReserved(size: number): SlabChunk | null {
    return this.#take(size + CHUNK_HEADROOM + CHUNK_TAILROOM, this.memoryMax);
  }

  /** Like `acquire`, for a caller that needs no room around: `size` bytes from offset 0. */
  acquireSlot(size: number): SlabChunk | null {
    return this.#take(size, this.usedMax);
  }

  /** Like `acquireSlot`, and may use the reserve. */
  acquireSlotReserved(size: number): SlabChunk | null {
    return this.#take(size, this.memoryMax);
  }

  /** One more reference; the caller already holds one. */
  retain(chunk: Chunk): void {
    const own = chunk as SlabChunk;
    if (own.references < 1 || own.isShared) {
      this.#misused('retain of a chunk that is free or shared');
      return;
    }
    own.references++;
  }

  /** Gives one reference back; the last one frees the chunk. */
  release(chunk: Chunk): void {
    const own = chunk as SlabChunk;
    if (own.references < 1) {
      this.#misused('release of a chunk that is free or shared');
      return;
    }
    own.references--;
    if (own.references > 0) return;
    const region = own.region!;
    const sizeClass = region.sizeClass;
    if (this.#isDebug) own.bytes.fill(POISON);
    sizeClass.free[sizeClass.freeCount++] = own;
    region.usedCount--;
    this.usedSize -= sizeClass.slotSize;
    this.heldCount--;
  }

  /** A chunk that is not part of the slab and is never released: a shared read buffer. */
  sharedChunk(slotSize: number = READ_SLOT_SIZE): SlabChunk {
    return new SlabChunk(this.#allocate(slotSize), true, null);
  }

  #take(size: number, usedMax: number): SlabChunk | null {
    if (size > SLOT_SIZE_MAX) return null;
    let sizeClass = this.#classFor(size);
    if (sizeClass.freeCount === 0 && !this.#grow(sizeClass, usedMax)) {
      sizeClass = this.#largerThan(sizeClass);
    }
    if (sizeClass.freeCount === 0 || this.usedSize + sizeClass.slotSize > usedMax) {
      this.refusedCount++;
      return null;
    }
    const chunk = sizeClass.free[--sizeClass.freeCount]!;
    chunk.references = 1;
    chunk.region!.usedCount++;
    this.usedSize += sizeClass.slotSize;
    this.heldCount++;
    if (this.#isDebug) this.#checkFresh(chunk);
    return chunk;
  }

  /** The next class with a free slot; `wanted` itself when there is none. */
  #largerThan(wanted: SizeClass): SizeClass {
    for (const sizeClass of this.#classes) {
      if (sizeClass.slotSize > wanted.slotSize && sizeClass.freeCount > 0) return sizeClass;
    }
    return wanted;
  }

  #classFor(size: number): SizeClass {
    if (size <= SMALL_SLOT_SIZE) return this.#small;
    if (size <= MEDIUM_SLOT_SIZE) return this.#medium;
    return size <= READ_SLOT_SIZE ? this.#read : this.#large;
  }

  /**
   * Changes the ceiling. Under a lowered one nothing is taken back: chunks are handed out again
   * when enough came back, and `trim` gives up regions as they become unused.
   */
  setMemoryMax(memoryMax: number, reserveSize = 0): void {
    this.memoryMax = memoryMax;
    this.usedMax = memoryMax - reserveSize;
  }

  /**
   * Gives back regions that were unused now and at the previous call, all but one per class.
   * Meant for a slow timer, so that a burst's memory goes and a wave's memory stays.
   */
  trim(): void {
    for (const sizeClass of this.#classes) {
      for (const region of sizeClass.regions.slice(1)) {
        if (region.usedCount > 0) {
          region.wasIdle = false;
        } else if (!region.wasIdle) {
          region.wasIdle = true;
        } else {
          this.#giveBack(region);
        }
      }
    }
  }

  /** Gives back every region that is unused now: when memory is short. */
  trimAll(): void {
    for (const sizeClass of this.#classes) {
      for (const region of sizeClass.regions.slice()) {
        if (region.usedCount === 0) this.#giveBack(region);
      }
    }
  }

  #giveBack(region: Region): void {
    region.sizeClass.remove(region);
    this.memorySize -= this.#regionSize;
    this.#free(region.memory);
  }

  /** One line per chunk still held: its size, references and, in debug mode, who acquired it. */
  leaks(): string[] {
    const lines: string[] = [];
    for (const sizeClass of this.#classes) {
      for (const region of sizeClass.regions) {
        for (const chunk of region.chunks) {
          if (chunk.references === 0) continue;
          const where = chunk.acquiredAt?.stack ?? '';
          const size = chunk.bytes.byteLength;
          lines.push(`${size} bytes, ${chunk.references} references ${where}`.trim());
        }
      }
    }
    return lines;
  }

  #grow(sizeClass: SizeClass, sizeMax: number): boolean {
    let memory: Uint8Array;
    if (this.memorySize + this.#regionSize <= sizeMax) {
      this.onGrow();
      memory = this.#allocate(this.#regionSize);
      this.memorySize += this.#regionSize;
    } else {
      const unused = this.#unusedRegion(sizeClass);
      if (unused === null) return false;
      unused.sizeClass.remove(unused);
      memory = unused.memory;
    }
    if (this.#isDebug) memory.fill(POISON);
    sizeClass.add(new Region(memory, sizeClass));
    return true;
  }

  /** A region of another class that could be cut anew. */
  #unusedRegion(wanted: SizeClass): Region | null {
    for (const sizeClass of this.#classes) {
      if (sizeClass === wanted || sizeClass.freeCount === 0) continue;
      for (const region of sizeClass.regions) if (region.usedCount === 0) return region;
    }
    return null;
  }

  /** Debug mode: nobody wrote to the chunk while it was free; notes who takes it. */
  #checkFresh(chunk: SlabChunk): void {
    chunk.acquiredAt = new Error('acquired');
    const bytes = chunk.bytes;
    for (let i = 0; i < bytes.length; i++) {
      // Three times as fast as `every`.
      if (bytes[i] !== POISON) throw new Error('a chunk was written to after its release');
    }
  }

  #misused(message: string): void {
    this.misuseCount++;
    if (this.#isDebug) throw new Error(message);
  }
}

function ignore(): void {}
