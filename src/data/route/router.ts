/**
 * The router: which route serves a request. Hot: bytes in, a route index out; no allocation
 * unless a regexp has to be asked.
 *
 * A lookup visits at most three path trees (exact host, wildcard, any host) and keeps the
 * candidate of lowest rank that held so far: a list ends at the first candidate that holds or
 * cannot win, and a tree that cannot win is not entered. The number of routes appears nowhere in
 * that.
 */

import type { Condition, RouterTables } from '../../contract/router-tables.ts';
import {
  CANDIDATE_STRIDE,
  CandidateColumn,
  HOST_HASH_SEED,
  HOST_STRIDE,
  HostColumn,
  hostHashStep,
  hostSlot,
  NODE_STRIDE,
  NodeColumn,
  RANK_NONE,
} from '../../contract/router-tables.ts';
import type { RouteRequest } from '../../contract/routing.ts';
import type { Predicate } from './predicate.ts';
import { evaluate, linkPredicate } from './predicate.ts';
import { RequestTexts } from './request-texts.ts';

export interface Router {
  /** Number of routes, for the metric. */
  readonly ruleCount: number;
  /**
   * Finds the first route, in order of precedence, whose rule holds and whose listeners include
   * the request's.
   * @param request  borrowed for the call
   * @returns its index in the snapshot's routes, or -1 when there is none. Never throws.
   */
  match(request: RouteRequest): number;
}

/**
 * Links compiled tables; they are borrowed for the life of the router and never changed.
 * @param previous  a router whose conditions are taken over where they are the same objects
 */
export function linkRouter(tables: RouterTables, previous: Router | null = null): Router {
  const known = previous instanceof CompiledRouter ? previous : null;
  return new CompiledRouter(tables, known);
}

/** Offset of the record that every candidate beats. */
const NO_CANDIDATE = 0;
const DOT = 0x2e;
const SLASH = 0x2f;

class CompiledRouter implements Router {
  readonly ruleCount: number;
  readonly #hostSlots: Int32Array;
  readonly #hosts: Int32Array;
  readonly #hostBytes: Uint8Array;
  readonly #anyHostTree: number;
  readonly #nodes: Int32Array;
  readonly #nodeBytes: Uint8Array;
  readonly #labels: Uint8Array;
  readonly #candidates: Int32Array;
  readonly #sources: readonly Condition[];
  readonly #conditions: readonly Predicate[];
  readonly #texts = new RequestTexts();
  /** Nodes whose prefix list the current walk has met, from the root down. */
  readonly #walk: Int32Array;

  constructor(tables: RouterTables, previous: CompiledRouter | null) {
    this.ruleCount = tables.routeCount;
    this.#hostSlots = tables.hostSlots;
    this.#hosts = tables.hosts;
    this.#hostBytes = tables.hostBytes;
    this.#anyHostTree = tables.anyHostTree;
    this.#nodes = tables.nodes;
    this.#nodeBytes = tables.nodeBytes;
    this.#labels = tables.labels;
    this.#candidates = tables.candidates;
    this.#sources = tables.conditions;
    this.#conditions = tables.conditions.map((source, index) =>
      previous !== null && previous.#sources[index] === source
        ? previous.#conditions[index]!
        : linkPredicate(source.rule, source.listeners),
    );
    this.#walk = new Int32Array(tables.walkDepthMax);
  }

  match(request: RouteRequest): number {
    this.#texts.clear();
    const bytes = request.hostBytes;
    const start = request.hostStart;
    const end = request.hostEnd;
    let best = NO_CANDIDATE; // The best one that holds so far.
    if (this.#hosts.length > 0) {
      let hash = HOST_HASH_SEED;
      let parentHash = HOST_HASH_SEED;
      let dot = -1; // Ends as the leftmost one.
      for (let i = end - 1; i >= start; i--) {
        const byte = bytes[i]!;
        if (byte === DOT) {
          dot = i;
          parentHash = hash;
        }
        hash = hostHashStep(hash, byte);
      }
      const host = this.#findHost(bytes, start, end, hash);
      if (host >= 0)
        best = this.#searchTree(this.#hosts[host + HostColumn.exactTree]!, request, best);
      if (dot > start) {
        const parent = this.#findHost(bytes, dot + 1, end, parentHash);
        if (parent >= 0) {
          best = this.#searchTree(this.#hosts[parent + HostColumn.wildcardTree]!, request, best);
        }
      }
    }
    best = this.#searchTree(this.#anyHostTree, request, best);
    return this.#candidates[best + CandidateColumn.route]!;
  }

  /** @returns offset of the record of this name, or -1. */
  #findHost(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const slots = this.#hostSlots;
    const hosts = this.#hosts;
    const names = this.#hostBytes;
    const size = end - start;
    let slot = hostSlot(hash, slots.length);
    // Ends because the table is never full.
    for (let index = slots[slot]!; index !== 0; index = slots[slot]!) {
      const record = (index - 1) * HOST_STRIDE;
      if (hosts[record + HostColumn.nameSize] === size) {
        const nameStart = hosts[record + HostColumn.nameStart]!;
        let i = 0;
        while (i < size && bytes[start + i] === names[nameStart + i]) i++;
        if (i === size) return record;
      }
      slot = (slot + 1) & (slots.length - 1);
    }
    return -1;
  }

  /**
   * Walks down the tree along the path, then asks the lists it met from the deepest up: longer
   * prefixes have precedence as a rule, so the first answer mostly ends the others at once.
   * @param best  offset of a candidate
   * @returns offset of the candidate of lowest rank that holds and beats `best`, else `best`
   */
  #searchTree(root: number, request: RouteRequest, best: number): number {
    if (root < 0) return best;
    const nodes = this.#nodes;
    const labels = this.#labels;
    const walk = this.#walk;
    const path = request.pathBytes;
    const end = request.pathEnd;
    // Mostly the first tree is the only one: a constant then saves a look into the table.
    const bestRank = best === NO_CANDIDATE ? RANK_NONE : this.#candidates[best]!;
    let position = request.pathStart;
    let listCount = 0;
    let result = best;
    let node = root;
    while (node >= 0) {
      const record = node * NODE_STRIDE;
      if (nodes[record + NodeColumn.lowestRank]! >= bestRank) break;
      const labelSize = nodes[record + NodeColumn.labelSize]!;
      if (end - position < labelSize) break;
      const labelStart = nodes[record + NodeColumn.labelStart]!;
      let i = 0;
      while (i < labelSize && labels[labelStart + i] === path[position + i]) i++;
      if (i < labelSize) break;
      position += labelSize;
      const prefixStart = nodes[record + NodeColumn.prefixStart]!;
      const prefixEnd = nodes[record + NodeColumn.prefixEnd]!;
      if (prefixStart < prefixEnd && isSegmentBorder(request, position)) walk[listCount++] = record;
      if (position === end) {
        const exactStart = nodes[record + NodeColumn.exactStart]!;
        if (exactStart < prefixStart) {
          result = this.#searchList(exactStart, prefixStart, request, result, bestRank);
        }
        break;
      }
      node = this.#findChild(record, path[position]!);
    }
    while (listCount > 0) {
      const record = walk[--listCount]!;
      const prefixStart = nodes[record + NodeColumn.prefixStart]!;
      const prefixEnd = nodes[record + NodeColumn.prefixEnd]!;
      const rank = result === best ? bestRank : this.#candidates[result]!;
      result = this.#searchList(prefixStart, prefixEnd, request, result, rank);
    }
    return result;
  }

  /** @returns the child whose label begins with `byte`, or -1. */
  #findChild(record: number, byte: number): number {
    const firstBytes = this.#nodeBytes;
    let low = this.#nodes[record + NodeColumn.firstChild]!;
    let high = low + this.#nodes[record + NodeColumn.childCount]!;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const first = firstBytes[middle]!;
      if (first === byte) return middle;
      if (first < byte) low = middle + 1;
      else high = middle;
    }
    return -1;
  }

  /**
   * @param bestRank  that of `best`
   * @returns offset of the first candidate of the list that beats `best` and holds, else `best`
   */
  #searchList(
    start: number,
    end: number,
    request: RouteRequest,
    best: number,
    bestRank: number,
  ): number {
    const candidates = this.#candidates;
    for (let i = start; i < end; i += CANDIDATE_STRIDE) {
      if (candidates[i]! >= bestRank) return best;
      const condition = candidates[i + CandidateColumn.condition]!;
      if (condition < 0 || evaluate(this.#conditions[condition]!, request, this.#texts)) return i;
    }
    return best;
  }
}

/** May a prefix end at `position`? At the path's end, before a slash, or just after one. */
function isSegmentBorder(request: RouteRequest, position: number): boolean {
  const path = request.pathBytes;
  if (position === request.pathEnd || position === request.pathStart) return true;
  return path[position] === SLASH || path[position - 1] === SLASH;
}
