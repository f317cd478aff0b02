/**
 * The compiled router as plain data. Owned by control/compile (writer) and data/route (reader).
 *
 * A lookup goes host → path → candidates. Hosts are found in a hash table, each host has a radix
 * tree over path bytes, each tree node has two lists of candidates: routes for exactly this path
 * and routes for this path as a prefix. A candidate is a route and what is left to check.
 *
 * Precedence is a rank, not the place in the list of routes: a route keeps its index and its rank
 * when others come and go, so that a change of one route touches little of the tables. Parts that
 * nothing refers to any more may remain until the tables are written anew.
 *
 * C1  lists are in ascending order of rank, which is precedence; nothing follows a candidate
 *     without condition in its list, because nothing after it can win.
 * C2  a route appears wherever its rule may hold, so the lowest rank whose condition holds, over
 *     all lists a request reaches, is that of the first route whose rule holds.
 * C3  every offset is inside its array; the reader does not check again.
 * C4  no two routes have the same rank.
 */

import type { Rule } from './routing.ts';

export interface RouterTables {
  readonly routeCount: number;
  /** Open addressing with linear probing; size a power of two, at most half full. Host index
   * plus one; 0 for an empty slot. Slot of a name: `hostSlot` of its `hostHashStep` hash. */
  readonly hostSlots: Int32Array;
  /** Records of HOST_STRIDE numbers, see HostColumn. */
  readonly hosts: Int32Array;
  /** Host names, canonical, one after another. */
  readonly hostBytes: Uint8Array;
  /** Root node of the tree that every host shares; -1 without one. */
  readonly anyHostTree: number;
  /** Records of NODE_STRIDE numbers, see NodeColumn. */
  readonly nodes: Int32Array;
  /** First label byte by node index; 0 for an empty label, which only a root may have. */
  readonly nodeBytes: Uint8Array;
  /** Label bytes of all nodes. */
  readonly labels: Uint8Array;
  /** Records of CANDIDATE_STRIDE numbers, see CandidateColumn. The first one is no candidate: its
   * rank is behind all others and its route is -1. */
  readonly candidates: Int32Array;
  /** By route: of two that match, the one with the lower rank answers. At least 0. */
  readonly ranks: Int32Array;
  readonly conditions: readonly Condition[];
  /** Most prefix lists one walk down a tree can meet. */
  readonly walkDepthMax: number;
}

/** What must still hold once host and path have matched. */
export interface Condition {
  /** Listener indexes, or null for all. */
  readonly listeners: readonly number[] | null;
  readonly rule: Rule | null;
}

/** Columns of a host record. Trees are root node indexes, -1 for none. */
export const HostColumn = {
  nameStart: 0,
  nameSize: 1,
  /** For this very name. */
  exactTree: 2,
  /** For every name with one label more, `*.name`. */
  wildcardTree: 3,
} as const;
export const HOST_STRIDE = 4;

/** Columns of a candidate. */
export const CandidateColumn = {
  rank: 0,
  /** Index in the conditions; -1: none, the keys have said it all. */
  condition: 1,
  route: 2,
} as const;
export const CANDIDATE_STRIDE = 3;

/** Behind every rank that a route may have. */
export const RANK_NONE = 0x7fffffff;

/** Columns of a node record. Candidates are given as offsets of their first number. */
export const NodeColumn = {
  labelStart: 0,
  labelSize: 1,
  /** Children are consecutive, in ascending order of their first label byte. */
  firstChild: 2,
  childCount: 3,
  /** Candidates [exactStart, prefixStart) are for exactly this path. */
  exactStart: 4,
  /** Candidates [prefixStart, prefixEnd) are for this path as a segment-aware prefix. */
  prefixStart: 5,
  prefixEnd: 6,
  /** Lowest rank in this node and below. */
  lowestRank: 7,
} as const;
export const NODE_STRIDE = 8;

export const HOST_HASH_SEED = 0x811c9dc5 | 0;

/**
 * Adds one byte to a host hash (FNV-1a). Names are hashed from their last byte to their first,
 * so the hash of `example.com` is met on the way through `www.example.com`.
 */
export function hostHashStep(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193);
}

/** First slot to probe. The low bits of FNV alone are weak, so the high ones are folded in. */
export function hostSlot(hash: number, slotCount: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return (mixed ^ (mixed >>> 15)) & (slotCount - 1);
}
