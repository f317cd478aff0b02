/**
 * Writes radix trees over path bytes: all trees of a router share one set of growing arrays.
 *
 * A tree is built from its sorted keys: the keys of a node are a run of neighbours that share
 * the bytes up to the node's end, so no node is ever split or moved.
 */

import { utf8Bytes } from '../../base/utf8.ts';
import { NODE_STRIDE, NodeColumn } from '../../contract/router-tables.ts';
import type { PathKey } from './alternatives.ts';

/** A route to consider. `condition` is an index in the tables' conditions, -1 for none. */
export interface Candidate {
  readonly route: number;
  readonly condition: number;
}

export interface KeyedCandidate extends Candidate {
  /** Null for any path. */
  readonly path: PathKey | null;
}

interface PathLists {
  readonly exact: Candidate[];
  readonly prefix: Candidate[];
}

/** Keys [low, high) of the sorted list; they share the first `depth` bytes, spelled above. */
interface Job {
  readonly low: number;
  readonly high: number;
  readonly depth: number;
  /** Prefix lists on the way from the root to this node, itself not counted. */
  readonly listCount: number;
}

export class PathTreeWriter {
  readonly nodes: number[] = [];
  readonly nodeBytes: number[] = [];
  readonly labels: number[] = [];
  /** Pairs, as in RouterTables. */
  readonly candidates: number[] = [];
  walkDepthMax = 0;

  /**
   * Adds a tree.
   * @param candidates  in any order, not empty
   * @returns its root node
   */
  add(candidates: readonly KeyedCandidate[]): number {
    const lists = groupByPath(candidates);
    const keys = [...lists.keys()].toSorted(compareCodes);
    const root = this.#nodeCount();
    const jobs: Job[] = [{ low: 0, high: keys.length, depth: 0, listCount: 0 }];
    this.#reserve(1);
    // Breadth first, so that the children of a node get consecutive indexes.
    for (let index = 0; index < jobs.length; index++) {
      const job = jobs[index]!;
      const node = root + index;
      const end = this.#writeLabel(node, keys, job);
      const own = keys[job.low]!.length === end ? keys[job.low]! : null;
      const listCount =
        job.listCount + this.#writeLists(node, own === null ? null : lists.get(own)!);
      this.walkDepthMax = Math.max(this.walkDepthMax, listCount);
      const children = splitByByte(keys, own === null ? job.low : job.low + 1, job.high, end);
      this.#set(node, NodeColumn.firstChild, this.#nodeCount());
      this.#set(node, NodeColumn.childCount, children.length - 1);
      this.#reserve(children.length - 1);
      for (let child = 0; child + 1 < children.length; child++) {
        jobs.push({ low: children[child]!, high: children[child + 1]!, depth: end, listCount });
      }
    }
    for (let node = root + jobs.length - 1; node >= root; node--) this.#writeLowest(node);
    return root;
  }

  #nodeCount(): number {
    return this.nodeBytes.length;
  }

  #reserve(count: number): void {
    for (let i = 0; i < count * NODE_STRIDE; i++) this.nodes.push(0);
    for (let i = 0; i < count; i++) this.nodeBytes.push(0);
  }

  #set(node: number, column: number, value: number): void {
    this.nodes[node * NODE_STRIDE + column] = value;
  }

  #get(node: number, column: number): number {
    return this.nodes[node * NODE_STRIDE + column]!;
  }

  /** @returns how many bytes of the keys are spelled from the root to the end of this node. */
  #writeLabel(node: number, keys: readonly string[], job: Job): number {
    const first = keys[job.low]!;
    const last = keys[job.high - 1]!;
    let end = job.depth;
    while (end < first.length && end < last.length && first[end] === last[end]) end++;
    this.#set(node, NodeColumn.labelStart, this.labels.length);
    this.#set(node, NodeColumn.labelSize, end - job.depth);
    for (let i = job.depth; i < end; i++) this.labels.push(first.charCodeAt(i));
    if (end > job.depth) this.nodeBytes[node] = first.charCodeAt(job.depth);
    return end;
  }

  /** @returns 1 when the node has a prefix list, else 0. */
  #writeLists(node: number, lists: PathLists | null): number {
    this.#set(node, NodeColumn.exactStart, this.candidates.length / 2);
    if (lists !== null) this.#writeList(lists.exact);
    this.#set(node, NodeColumn.prefixStart, this.candidates.length / 2);
    if (lists !== null) this.#writeList(lists.prefix);
    this.#set(node, NodeColumn.prefixEnd, this.candidates.length / 2);
    return lists !== null && lists.prefix.length > 0 ? 1 : 0;
  }

  #writeList(list: readonly Candidate[]): void {
    const sorted = list.toSorted((a, b) => a.route - b.route || a.condition - b.condition);
    let previous: Candidate | null = null;
    for (const candidate of sorted) {
      if (previous?.route === candidate.route && previous.condition === candidate.condition) {
        continue;
      }
      this.candidates.push(candidate.route, candidate.condition);
      if (candidate.condition < 0) return; // C1: nothing behind it can win.
      previous = candidate;
    }
  }

  /** Needs the children's values, so it runs from the last node to the first. */
  #writeLowest(node: number): void {
    let lowest = 0x7fffffff;
    const exactStart = this.#get(node, NodeColumn.exactStart);
    for (let i = exactStart; i < this.#get(node, NodeColumn.prefixEnd); i++) {
      lowest = Math.min(lowest, this.candidates[i * 2]!);
    }
    const firstChild = this.#get(node, NodeColumn.firstChild);
    for (let i = 0; i < this.#get(node, NodeColumn.childCount); i++) {
      lowest = Math.min(lowest, this.#get(firstChild + i, NodeColumn.lowestRoute));
    }
    this.#set(node, NodeColumn.lowestRoute, lowest);
  }
}

/** Lists by path, the path as one character per byte; any path is the prefix of no bytes. */
function groupByPath(candidates: readonly KeyedCandidate[]): Map<string, PathLists> {
  const groups = new Map<string, PathLists>();
  for (const candidate of candidates) {
    const key = candidate.path === null ? '' : byteText(candidate.path.path);
    let lists = groups.get(key);
    if (lists === undefined) groups.set(key, (lists = { exact: [], prefix: [] }));
    const isPrefix = candidate.path === null || candidate.path.isPrefix;
    (isPrefix ? lists.prefix : lists.exact).push(candidate);
  }
  return groups;
}

function byteText(text: string): string {
  let result = '';
  for (const byte of utf8Bytes(text)) result += String.fromCharCode(byte);
  return result;
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
    if (keys[i]![depth] !== keys[i - 1]![depth]) borders.push(i);
  }
  if (high > low) borders.push(high);
  return borders;
}

function compareCodes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
