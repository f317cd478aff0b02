/**
 * Writes the hash table of host names: open addressing, at most half full.
 *
 * A name keeps its record once it has one: a host that nobody routes any more has no trees.
 */

import { GrowingBytes, GrowingInts } from '../../base/growing.ts';
import { utf8Bytes } from '../../base/utf8.ts';
import {
  HOST_HASH_SEED,
  HOST_STRIDE,
  HostColumn,
  hostHashStep,
  hostSlot,
} from '../../contract/router-tables.ts';

export interface HostTable {
  readonly hostSlots: Int32Array;
  readonly hosts: Int32Array;
  readonly hostBytes: Uint8Array;
}

const SLOT_COUNT_MIN = 2;

export class HostTableWriter {
  readonly #records = new Map<string, number>();
  readonly #hosts = new GrowingInts();
  readonly #bytes = new GrowingBytes();
  readonly #hashes: number[] = [];
  #slots = new Int32Array(SLOT_COUNT_MIN);

  get hostCount(): number {
    return this.#hashes.length;
  }

  /**
   * Says which tree a name has from now on.
   * @param host  a name, or `*.name`
   * @param tree  root node, -1 for none
   */
  set(host: string, tree: number): void {
    const isWildcard = host.startsWith('*.');
    const name = isWildcard ? host.slice(2) : host;
    const record = this.#records.get(name) ?? this.#add(name);
    this.#hosts.set(record + (isWildcard ? HostColumn.wildcardTree : HostColumn.exactTree), tree);
  }

  copy(): HostTable {
    return {
      hostSlots: this.#slots.slice(),
      hosts: this.#hosts.copy(),
      hostBytes: this.#bytes.copy(),
    };
  }

  #add(name: string): number {
    const bytes = utf8Bytes(name);
    const record = this.#hosts.size;
    this.#hosts.reserve(HOST_STRIDE);
    this.#hosts.set(record + HostColumn.nameStart, this.#bytes.size);
    this.#hosts.set(record + HostColumn.nameSize, bytes.length);
    this.#hosts.set(record + HostColumn.exactTree, -1);
    this.#hosts.set(record + HostColumn.wildcardTree, -1);
    let hash = HOST_HASH_SEED;
    for (let i = bytes.length - 1; i >= 0; i--) hash = hostHashStep(hash, bytes[i]!);
    for (const byte of bytes) this.#bytes.push(byte);
    this.#hashes.push(hash);
    this.#records.set(name, record);
    if (this.hostCount * 2 > this.#slots.length) this.#spread();
    else this.#occupy(this.hostCount - 1);
    return record;
  }

  /** Doubles the slots. */
  #spread(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    for (let host = 0; host < this.hostCount; host++) this.#occupy(host);
  }

  #occupy(host: number): void {
    const slots = this.#slots;
    let slot = hostSlot(this.#hashes[host]!, slots.length);
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = host + 1;
  }
}
