/**
 * Router compiler: routes in order of precedence become the tables of `RouterTables`.
 *
 * Every route is split into alternatives (see alternatives.ts); each goes into the path tree of
 * its host, or into the tree all hosts share. What host and path do not say becomes a condition.
 */

import type { Condition, RouterTables } from '../../contract/router-tables.ts';
import type { Rule } from '../../contract/routing.ts';
import { alternativesOf } from './alternatives.ts';
import type { HostTrees } from './host-table.ts';
import { buildHostTable } from './host-table.ts';
import type { KeyedCandidate } from './path-tree.ts';
import { PathTreeWriter } from './path-tree.ts';

/** Alternatives of one rule; a list of as many hosts still gets one table entry each. */
export const RULE_ALTERNATIVES_MAX = 1_024;
/** Alternatives of all rules together; past it, rules are kept whole (correct, but slower). */
export const ALTERNATIVES_MAX = 250_000;

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
  const conditions: Condition[] = [];
  const byHost = groupByHost(routes, conditions);
  const writer = new PathTreeWriter();
  let anyHostTree = -1;
  const trees = new Map<string, HostTrees>();
  for (const [host, candidates] of byHost) {
    const tree = writer.add(candidates);
    if (host === null) {
      anyHostTree = tree;
      continue;
    }
    const isWildcard = host.startsWith('*.');
    const name = isWildcard ? host.slice(2) : host;
    let entry = trees.get(name);
    if (entry === undefined) trees.set(name, (entry = { exactTree: -1, wildcardTree: -1 }));
    if (isWildcard) entry.wildcardTree = tree;
    else entry.exactTree = tree;
  }
  return {
    routeCount: routes.length,
    ...buildHostTable(trees),
    anyHostTree,
    nodes: Int32Array.from(writer.nodes),
    nodeBytes: Uint8Array.from(writer.nodeBytes),
    labels: Uint8Array.from(writer.labels),
    candidates: Int32Array.from(writer.candidates),
    conditions,
    walkDepthMax: writer.walkDepthMax,
  };
}

/** Candidates by host key; null is any host. Appends to `conditions`. */
function groupByHost(
  routes: readonly RoutableRoute[],
  conditions: Condition[],
): Map<string | null, KeyedCandidate[]> {
  const byHost = new Map<string | null, KeyedCandidate[]>();
  let budget = ALTERNATIVES_MAX;
  for (const [route, { rule, listeners }] of routes.entries()) {
    const conditionOf = conditionFinder(listeners, conditions);
    const alternativesMax = Math.max(1, Math.min(RULE_ALTERNATIVES_MAX, budget));
    const alternatives = alternativesOf(rule, alternativesMax);
    budget -= alternatives.length;
    for (const { host, path, rest } of alternatives) {
      const candidate = { route, path, condition: conditionOf(rest) };
      const list = byHost.get(host);
      if (list === undefined) byHost.set(host, [candidate]);
      else list.push(candidate);
    }
  }
  return byHost;
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
