/**
 * Writes radix trees over path bytes: all trees of a router share one set of growing arrays.
 *
 * A tree is built from its sorted keys: the keys of a node are a run of neighbours that share
 * the bytes up to the node's end, so no node is ever split or moved.
 *
 * T1  what was written never changes: a tree with other keys is a new tree.
 * T2  a new tree takes over every subtree of the one before in which no key changed, so a change
 *     costs the nodes on the way to its key, and their siblings.
 */

import { assert } from '../../base/assert.ts';
import { GrowingBytes, GrowingInts } from '../../base/growing.ts';
import {
  CANDIDATE_STRIDE,
  CandidateColumn,
  NODE_STRIDE,
  NodeColumn,
  RANK_NONE,
} from '../../contract/router-tables.ts';

/** A route to consider. */
export interface Candidate {
  readonly rank: number;
  /** Index in the tables' conditions, -1 for none. */
  readonly condition: number;
  readonly route: number;
}

/** Candidates of one path, each list in any order. */
export interface PathLists {
  exact: Candidate[];
  prefix: Candidate[];
}

/** A tree to take subtrees from. */
export interface PreviousTree {
  readonly root: number;
  /** Keys whose lists changed, came or went since. */
  readonly changed: readonly string[];
}

/** Byte `offset` of the label of `node`. */
interface Cursor {
  readonly node: number;
  readonly offset: number;
}

/** Keys [low, high) of the sorted list; they share the first `depth` bytes, spelled above. */
interface Job {
  readonly node: number;
  readonly low: number;
  readonly high: number;
  readonly depth: number;
  /** Prefix lists on the way from the root to this node, itself not counted. */
  readonly listCount: number;
  /** Changed keys that begin with the shared bytes. */
  readonly changed: readonly string[];
  /** Where the tree before has those bytes; null when it has not. */
  readonly previous: Cursor | null;
}

export class PathTreeWriter {
  readonly nodes = new GrowingInts();
  readonly nodeBytes = new GrowingBytes();
  readonly labels = new GrowingBytes();
  /** Records, as in RouterTables. */
  readonly candidates = new GrowingInts();
  /** At least as many prefix lists as a walk can meet. */
  walkDepthMax = 0;

  constructor() {
    this.#writeCandidate({ rank: RANK_NONE, condition: -1, route: -1 });
  }

  /**
   * Writes a tree.
   * @param keys   paths as one character per byte, sorted, without repeats, not empty
   * @param lists  by key
   * @returns its root node
   */
  write(
    keys: readonly string[],
    lists: ReadonlyMap<string, PathLists>,
    previous: PreviousTree | null,
  ): number {
    const root = this.#reserve(1);
    const jobs: Job[] = [
      {
        node: root,
        low: 0,
        high: keys.length,
        depth: 0,
        listCount: 0,
        changed: previous?.changed ?? [],
        previous: previous === null ? null : { node: previous.root, offset: 0 },
      },
    ];
    // Subtrees are taken over without looking inside: each changed key may deepen one.
    if (previous !== null) this.walkDepthMax += previous.changed.length;
    // Breadth first, so that the children of a node get consecutive indexes.
    for (let index = 0; index < jobs.length; index++) {
      this.#writeNode(keys, lists, jobs[index]!, jobs);
    }
    for (let index = jobs.length - 1; index >= 0; index--) this.#writeLowest(jobs[index]!.node);
    return root;
  }

  /** Writes one node; adds a job for each child that is not taken over. */
  #writeNode(
    keys: readonly string[],
    lists: ReadonlyMap<string, PathLists>,
    job: Job,
    jobs: Job[],
  ): void {
    const { node } = job;
    const end = this.#writeLabel(keys, job);
    const first = keys[job.low]!;
    const own = first.length === end ? lists.get(first)! : null;
    const listCount = job.listCount + this.#writeLists(node, own);
    this.walkDepthMax = Math.max(this.walkDepthMax, listCount);
    const borders = splitByByte(keys, own === null ? job.low : job.low + 1, job.high, end);
    const childCount = borders.length - 1;
    const firstChild = this.#reserve(childCount);
    this.#set(node, NodeColumn.firstChild, firstChild);
    this.#set(node, NodeColumn.childCount, childCount);
    const before = this.#advance(job.previous, first, job.depth, end);
    for (let child = 0; child < childCount; child++) {
      const low = borders[child]!;
      const key = keys[low]!;
      const previous = this.#step(before, key.charCodeAt(end));
      const prefix = key.slice(0, end + 1);
      const changed = job.changed.filter((one) => one.startsWith(prefix));
      if (job.previous !== null && changed.length === 0) {
        assert(previous !== null, 'what did not change is in the tree before');
        this.#takeOver(firstChild + child, previous);
        continue;
      }
      const high = borders[child + 1]!;
      const next = firstChild + child;
      jobs.push({ node: next, low, high, depth: end, listCount, changed, previous });
    }
  }

  /** @returns the first of the new nodes. */
  #reserve(count: number): number {
    const first = this.nodeBytes.size;
    this.nodes.reserve(count * NODE_STRIDE);
    this.nodeBytes.reserve(count);
    return first;
  }

  #set(node: number, column: number, value: number): void {
    this.nodes.set(node * NODE_STRIDE + column, value);
  }

  #get(node: number, column: number): number {
    return this.nodes.get(node * NODE_STRIDE + column);
  }

  /** @returns how many bytes of the keys are spelled from the root to the end of this node. */
  #writeLabel(keys: readonly string[], job: Job): number {
    const { node, depth } = job;
    const first = keys[job.low]!;
    const last = keys[job.high - 1]!;
    let end = depth;
    while (
      end < first.length &&
      end < last.length &&
      first.charCodeAt(end) === last.charCodeAt(end)
    ) {
      end++;
    }
    this.#set(node, NodeColumn.labelStart, this.labels.size);
    this.#set(node, NodeColumn.labelSize, end - depth);
    for (let i = depth; i < end; i++) this.labels.push(first.charCodeAt(i));
    if (end > depth) this.nodeBytes.set(node, first.charCodeAt(depth));
    return end;
  }

  /** @returns 1 when the node has a prefix list, else 0. */
  #writeLists(node: number, lists: PathLists | null): number {
    this.#set(node, NodeColumn.exactStart, this.candidates.size);
    if (lists !== null) this.#writeList(lists.exact);
    this.#set(node, NodeColumn.prefixStart, this.candidates.size);
    if (lists !== null) this.#writeList(lists.prefix);
    this.#set(node, NodeColumn.prefixEnd, this.candidates.size);
    return lists !== null && lists.prefix.length > 0 ? 1 : 0;
  }

  #writeList(list: readonly Candidate[]): void {
    const sorted =
      list.length < 2
        ? list
        : list.toSorted((a, b) => a.rank - b.rank || a.condition - b.condition);
    let previous: Candidate | null = null;
    for (const candidate of sorted) {
      if (previous?.rank === candidate.rank && previous.condition === candidate.condition) {
        continue;
      }
      this.#writeCandidate(candidate);
      if (candidate.condition < 0) return; // C1: nothing behind it can win.
      previous = candidate;
    }
  }

  #writeCandidate({ rank, condition, route }: Candidate): void {
    const start = this.candidates.size;
    this.candidates.reserve(CANDIDATE_STRIDE);
    this.candidates.set(start + CandidateColumn.rank, rank);
    this.candidates.set(start + CandidateColumn.condition, condition);
    this.candidates.set(start + CandidateColumn.route, route);
  }

  /** Needs the children's values, so it runs from the last node to the first. */
  #writeLowest(node: number): void {
    let lowest: number = RANK_NONE;
    const exactStart = this.#get(node, NodeColumn.exactStart);
    const prefixEnd = this.#get(node, NodeColumn.prefixEnd);
    for (let i = exactStart; i < prefixEnd; i += CANDIDATE_STRIDE) {
      lowest = Math.min(lowest, this.candidates.get(i + CandidateColumn.rank));
    }
    const firstChild = this.#get(node, NodeColumn.firstChild);
    const childCount = this.#get(node, NodeColumn.childCount);
    for (let child = firstChild; child < firstChild + childCount; child++) {
      lowest = Math.min(lowest, this.#get(child, NodeColumn.lowestRank));
    }
    this.#set(node, NodeColumn.lowestRank, lowest);
  }

  /** Makes `node` what the rest of another one is; both have the same subtree. */
  #takeOver(node: number, { node: other, offset }: Cursor): void {
    for (let column = 0; column < NODE_STRIDE; column++) {
      this.#set(node, column, this.#get(other, column));
    }
    const labelStart = this.#get(other, NodeColumn.labelStart) + offset;
    this.#set(node, NodeColumn.labelStart, labelStart);
    this.#set(node, NodeColumn.labelSize, this.#get(other, NodeColumn.labelSize) - offset);
    this.nodeBytes.set(node, this.labels.get(labelStart));
  }

  /** Where bytes [start, end) of `key` lead from `from`; the cursor then stands behind the last. */
  #advance(from: Cursor | null, key: string, start: number, end: number): Cursor | null {
    let cursor = from;
    for (let i = start; i < end && cursor !== null; i++) {
      cursor = this.#step(cursor, key.charCodeAt(i));
      if (cursor !== null) cursor = { node: cursor.node, offset: cursor.offset + 1 };
    }
    return cursor;
  }

  /** The place of `byte` when it comes next; null when something else does. */
  #step(cursor: Cursor | null, byte: number): Cursor | null {
    if (cursor === null) return null;
    const { node, offset } = cursor;
    if (offset < this.#get(node, NodeColumn.labelSize)) {
      const labelStart = this.#get(node, NodeColumn.labelStart);
      return this.labels.get(labelStart + offset) === byte ? cursor : null;
    }
    const firstChild = this.#get(node, NodeColumn.firstChild);
    const childCount = this.#get(node, NodeColumn.childCount);
    for (let child = firstChild; child < firstChild + childCount; child++) {
      if (this.nodeBytes.get(child) === byte) return { node: child, offset: 0 };
    }
    return null;
  }
}

/** @returns borders of the runs of keys [low, high) with the same byte at `depth`. */
function splitByByte(
  keys: readonly string[],
  low: number,
  high: number,
  depth: number,
): readonly number[] {
  const borders = [low];
  for (let i = low + 1; i < high; i++) {
    if (keys[i]!.charCodeAt(depth) !== keys[i - 1]!.charCodeAt(depth)) borders.push(i);
  }
  if (high > low) borders.push(high);
  return borders;
}
