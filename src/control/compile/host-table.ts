/**
 * Builds the hash table of host names: open addressing, at most half full.
 */

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

/** Trees of one name; -1 for none. */
export interface HostTrees {
  exactTree: number;
  wildcardTree: number;
}

/** @param trees  by host name, without `*.`. */
export function buildHostTable(trees: ReadonlyMap<string, HostTrees>): HostTable {
  let slotCount = 2;
  while (slotCount < trees.size * 2) slotCount *= 2;
  const hostSlots = new Int32Array(slotCount);
  const hosts = new Int32Array(trees.size * HOST_STRIDE);
  const names: number[] = [];
  let index = 0;
  for (const [name, { exactTree, wildcardTree }] of trees) {
    const bytes = utf8Bytes(name);
    const record = index * HOST_STRIDE;
    hosts[record + HostColumn.nameStart] = names.length;
    hosts[record + HostColumn.nameSize] = bytes.length;
    hosts[record + HostColumn.exactTree] = exactTree;
    hosts[record + HostColumn.wildcardTree] = wildcardTree;
    let hash = HOST_HASH_SEED;
    for (let i = bytes.length - 1; i >= 0; i--) hash = hostHashStep(hash, bytes[i]!);
    let slot = hostSlot(hash, slotCount);
    while (hostSlots[slot] !== 0) slot = (slot + 1) & (slotCount - 1);
    hostSlots[slot] = ++index;
    for (const byte of bytes) names.push(byte);
  }
  return { hostSlots, hosts, hostBytes: Uint8Array.from(names) };
}
