/**
 * Router compiler: ranked routes become the tables of `RouterTables`, and go on becoming them as
 * routes come and go.
 *
 * Every route is split into alternatives (see alternatives.ts); each goes into the path tree of
 * its host, or into the tree all hosts share. What host and path do not say becomes a condition.
 * A tree is written again when one of its routes changed; the one before stays behind as waste.
 */

import { utf8Bytes } from '../../base/utf8.ts';
import { GrowingInts } from '../../base/growing.ts';
import type { Condition, RouterTables } from '../../contract/router-tables.ts';
import type { Rule } from '../../contract/routing.ts';
import { alternativesOf } from './alternatives.ts';
import { HostTableWriter } from './host-table.ts';
import type { Candidate, PathLists } from './path-tree.ts';
import { PathTreeWriter } from './path-tree.ts';

/** Alternatives of one rule; a list of as many hosts still gets one table entry each. */
export const RULE_ALTERNATIVES_MAX = 1_024;
/** Alternatives of all rules together; past it, rules are kept whole (correct, but slower). */
export const ALTERNATIVES_MAX = 250_000;

/** Tables smaller than this are never worth writing anew. */
const WASTE_MIN = 4_096;

/** What the compiler needs of a route. */
export interface RoutableRoute {
  readonly rule: Rule;
  /** Listener indexes, or null for all. */
  readonly listeners: readonly number[] | null;
}

/**
 * @param routes  in order of precedence: on a tie the lower index wins
 * @returns tables that answer, for any request, the first route whose rule and listeners match
 */
export function compileRouter(routes: readonly RoutableRoute[]): RouterTables {
  const builder = new RouterBuilder();
  for (const [index, route] of routes.entries()) builder.add(index, index, route);
  return builder.build();
}

/** All candidates of one host, and the tree written of them. */
interface HostEntry {
  readonly lists: Map<string, PathLists>;
  /** Keys of `lists` in order, as of the last build. */
  keys: string[];
  /** -1: none. */
  root: number;
  /** Keys whose lists changed since the last build. */
  readonly changed: Set<string>;
}

/** Where an alternative of a route stands, so that it can be taken out again. */
interface Place {
  readonly host: string | null;
  readonly key: string;
}

/** Tables under construction. Routes may be added and removed between builds. */
export class RouterBuilder {
  readonly #trees = new PathTreeWriter();
  readonly #hostTable = new HostTableWriter();
  /** By host key; null is any host. */
  readonly #hosts = new Map<string | null, HostEntry>();
  /** Hosts with changed keys. */
  readonly #changed = new Set<string | null>();
  readonly #conditions: Condition[] = [];
  readonly #ranks = new GrowingInts();
  /** By route. */
  readonly #places: (readonly Place[])[] = [];
  #routeCount = 0;
  #alternativeCount = 0;
  /** Size after the first build: what was written since may replace some of it. */
  #firstSize = 0;

  /** True when more than half of what is built may be waste: better start with a new builder. */
  get isWasteful(): boolean {
    return this.#firstSize > 0 && this.#size > 2 * this.#firstSize + WASTE_MIN;
  }

  /**
   * @param route  index that no other route has now
   * @param rank   from 0 to below RANK_NONE; no other route has it now
   */
  add(route: number, rank: number, { rule, listeners }: RoutableRoute): void {
    const conditionOf = conditionFinder(listeners, this.#conditions);
    const left = ALTERNATIVES_MAX - this.#alternativeCount;
    const alternatives = alternativesOf(rule, Math.max(1, Math.min(RULE_ALTERNATIVES_MAX, left)));
    const places: Place[] = [];
    for (const { host, path, rest } of alternatives) {
      const key = path === null ? '' : byteText(path.path);
      const lists = this.#listsOf(host, key);
      const candidate: Candidate = { rank, condition: conditionOf(rest), route };
      (path === null || path.isPrefix ? lists.prefix : lists.exact).push(candidate);
      places.push({ host, key });
    }
    this.#places[route] = places;
    while (this.#ranks.size <= route) this.#ranks.push(0);
    this.#ranks.set(route, rank);
    this.#alternativeCount += alternatives.length;
    this.#routeCount++;
  }

  /** @param route  index of a route that was added */
  remove(route: number): void {
    const isOther = (candidate: Candidate): boolean => candidate.route !== route;
    const places = this.#places[route]!;
    for (const { host, key } of places) {
      const lists = this.#listsOf(host, key);
      lists.exact = lists.exact.filter(isOther);
      lists.prefix = lists.prefix.filter(isOther);
    }
    this.#places[route] = [];
    this.#alternativeCount -= places.length;
    this.#routeCount--;
  }

  /** @returns tables of the routes that are there now; their indexes must be 0, 1 and so on. */
  build(): RouterTables {
    for (const host of this.#changed) {
      const entry = this.#hosts.get(host)!;
      writeTree(this.#trees, entry);
      if (host !== null) this.#hostTable.set(host, entry.root);
    }
    this.#changed.clear();
    if (this.#firstSize === 0) this.#firstSize = this.#size;
    this.#ranks.size = this.#routeCount;
    const { nodes, nodeBytes, labels, candidates, walkDepthMax } = this.#trees;
    return {
      routeCount: this.#routeCount,
      ...this.#hostTable.copy(),
      anyHostTree: this.#hosts.get(null)?.root ?? -1,
      nodes: nodes.copy(),
      nodeBytes: nodeBytes.copy(),
      labels: labels.copy(),
      candidates: candidates.copy(),
      ranks: this.#ranks.copy(),
      conditions: [...this.#conditions],
      walkDepthMax,
    };
  }

  get #size(): number {
    const { nodeBytes, candidates } = this.#trees;
    return nodeBytes.size + candidates.size + this.#hostTable.hostCount + this.#conditions.length;
  }

  /** The lists of a key, which count as changed from now on. */
  #listsOf(host: string | null, key: string): PathLists {
    let entry = this.#hosts.get(host);
    if (entry === undefined) {
      entry = { lists: new Map(), keys: [], root: -1, changed: new Set() };
      this.#hosts.set(host, entry);
    }
    let lists = entry.lists.get(key);
    if (lists === undefined) entry.lists.set(key, (lists = { exact: [], prefix: [] }));
    entry.changed.add(key);
    this.#changed.add(host);
    return lists;
  }
}

/** Writes the tree of a host whose lists changed. */
function writeTree(trees: PathTreeWriter, entry: HostEntry): void {
  const { lists, changed } = entry;
  for (const key of changed) {
    const { exact, prefix } = lists.get(key)!;
    if (exact.length + prefix.length === 0) lists.delete(key);
  }
  const isSmallChange = entry.root >= 0 && changed.size * 4 < entry.keys.length;
  if (isSmallChange) for (const key of changed) place(entry.keys, key, lists.has(key));
  else entry.keys = [...lists.keys()].toSorted(compareCodes);
  const previous = isSmallChange ? { root: entry.root, changed: [...changed] } : null;
  entry.root = lists.size === 0 ? -1 : trees.write(entry.keys, lists, previous);
  changed.clear();
}

/** Puts `key` into the sorted `keys`, or takes it out. */
function place(keys: string[], key: string, isThere: boolean): void {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  const isFound = keys[low] === key;
  if (isThere && !isFound) keys.splice(low, 0, key);
  if (!isThere && isFound) keys.splice(low, 1);
}

/** A path as one character per byte. */
function byteText(text: string): string {
  let result = '';
  for (const byte of utf8Bytes(text)) result += String.fromCharCode(byte);
  return result;
}

function compareCodes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Gives equal remainders of one route the same condition index; -1 when nothing is left. */
function conditionFinder(
  listeners: readonly number[] | null,
  conditions: Condition[],
): (rest: readonly Rule[]) => number {
  const ruleIds = new Map<Rule, number>();
  const known = new Map<string, number>();
  return (rest) => {
    if (rest.length === 0 && listeners === null) return -1;
    let key = '';
    for (const rule of rest) {
      const id = ruleIds.get(rule) ?? ruleIds.size;
      ruleIds.set(rule, id);
      key += `${id},`;
    }
    let index = known.get(key);
    if (index === undefined) {
      const rule = rest.length === 1 ? rest[0]! : { kind: 'and' as const, rules: rest };
      index = conditions.push({ listeners, rule: rest.length === 0 ? null : rule }) - 1;
      known.set(key, index);
    }
    return index;
  };
}
