/**
 * Shadowed and unreachable routes: those that a better-ranked route answers for, always.
 *
 * Conservative: silence is no proof. Cost is bounded: routes are looked up by the host and path
 * of their first case, and CANDIDATES_MAX routes are compared at most per lookup.
 */

import type { RouteConfig } from './config.ts';
import type { IssueDraft, Report, Spot } from './issue.ts';
import { caseImplies, casesOf, holdsAlways, isContradiction } from './rule-cases.ts';
import type { Case } from './rule-cases.ts';
import { formatRule } from './rule-format.ts';
import { compareRoutes } from './specificity.ts';

/** A route with the place of its declaration. */
export interface PlacedRoute {
  readonly route: RouteConfig;
  readonly spot: Spot;
}

/** What a rule means for the lint. */
interface JudgedRule {
  /** Cases that can hold; none: the route can match no request. */
  readonly cases: readonly Case[];
  /** Where the route is filed. */
  readonly keys: readonly string[];
  /** Where routes are filed that could answer for it. */
  readonly wideKeys: readonly string[];
}

interface JudgedRoute extends PlacedRoute, JudgedRule {}

/** What is known of routes from lints before; null: too complicated to judge. */
export type ShadowMemory = WeakMap<RouteConfig, JudgedRule | null>;

const CANDIDATES_MAX = 64;

/**
 * Warns of every route that can never be chosen, as far as that is certain.
 * @param routes in order of declaration
 */
export function lintShadows(
  routes: readonly PlacedRoute[],
  report: Report,
  memory: ShadowMemory = new WeakMap(),
): void {
  const sorted = routes.toSorted((a, b) => compareRoutes(a.route, b.route));
  const buckets = new Map<string, JudgedRoute[]>();
  for (const { route, spot } of sorted) {
    const rule = judge(route, memory);
    if (rule === null) continue;
    const { cases, keys, wideKeys } = rule;
    const judged = { route, spot, cases, keys, wideKeys };
    if (cases.length === 0) {
      report(draft('PN1403', judged, `route \`${route.name}\` can match no request`));
      continue;
    }
    const winner = findWinner(judged, buckets);
    if (winner === null) addToBuckets(judged, buckets);
    else reportShadow(judged, winner, report);
  }
}

function judge(route: RouteConfig, memory: ShadowMemory): JudgedRule | null {
  let judged = memory.get(route);
  if (judged === undefined) {
    const cases = casesOf(route.rule)?.filter((one) => !isContradiction(one));
    judged =
      cases === undefined
        ? null
        : {
            cases,
            keys: [...new Set(cases.map((one) => `${hostKey(one)} ${pathKey(one)}`))],
            wideKeys: cases.length === 0 ? [] : wideKeysOf(cases[0]!),
          };
    memory.set(route, judged);
  }
  return judged;
}

function findWinner(
  later: JudgedRoute,
  buckets: ReadonlyMap<string, readonly JudgedRoute[]>,
): JudgedRoute | null {
  for (const key of later.wideKeys) {
    const candidates = buckets.get(key);
    if (candidates === undefined) continue;
    const count = Math.min(candidates.length, CANDIDATES_MAX);
    for (let index = 0; index < count; index++) {
      if (answersFor(candidates[index]!, later)) return candidates[index]!;
    }
  }
  return null;
}

/**
 * True when `earlier` matches all that `later` matches, wherever `later` listens. For equal rules
 * one listener in common is enough: the later route is hardly meant to differ there.
 */
function answersFor(earlier: JudgedRoute, later: JudgedRoute): boolean {
  const { listeners } = earlier.route;
  const own = later.route.listeners;
  if (listeners !== null) {
    const isShared = (name: string): boolean => listeners.includes(name);
    if (own !== null && !own.some(isShared)) return false;
    const isOnAll = own !== null && own.every(isShared);
    if (!isOnAll && !haveSameRule(earlier, later)) return false;
  }
  return later.cases.every((narrow) => earlier.cases.some((wide) => caseImplies(narrow, wide)));
}

function haveSameRule(a: JudgedRoute, b: JudgedRoute): boolean {
  return formatRule(a.route.rule) === formatRule(b.route.rule);
}

function addToBuckets(route: JudgedRoute, buckets: Map<string, JudgedRoute[]>): void {
  for (const key of route.keys) {
    const bucket = buckets.get(key);
    if (bucket === undefined) buckets.set(key, [route]);
    else bucket.push(route);
  }
}

/** The narrowest positive host of a case that buckets know; `*` for any. */
function hostKey(conditions: Case): string {
  for (const condition of conditions) {
    const { matcher, isNegated } = condition;
    if (!isNegated && matcher.kind === 'host') return matcher.host;
  }
  return '*';
}

function pathKey(conditions: Case): string {
  for (const condition of conditions) {
    const { matcher, isNegated } = condition;
    if (isNegated || holdsAlways(condition)) continue;
    if (matcher.kind === 'path') return `=${matcher.path}`;
    if (matcher.kind === 'pathPrefix') return matcher.path;
  }
  return '/';
}

/** Keys under which a case that is wider than this one could be filed. */
function wideKeysOf(conditions: Case): string[] {
  const hosts = new Set(['*']);
  const paths = new Set(['/']);
  for (const { matcher, isNegated } of conditions) {
    if (isNegated) continue;
    if (matcher.kind === 'host') {
      hosts.add(matcher.host).add(`*${matcher.host.slice(matcher.host.indexOf('.'))}`);
    }
    if (matcher.kind === 'path') paths.add(`=${matcher.path}`);
    if (matcher.kind !== 'path' && matcher.kind !== 'pathPrefix') continue;
    for (let at = matcher.path.length; at > 0; at = matcher.path.lastIndexOf('/', at - 1)) {
      paths.add(matcher.path.slice(0, at));
    }
  }
  return [...hosts].flatMap((host) => [...paths].map((path) => `${host} ${path}`));
}

function reportShadow(later: JudgedRoute, winner: JudgedRoute, report: Report): void {
  const isSame = haveSameRule(later, winner);
  const message = isSame
    ? `route \`${later.route.name}\` has the same rule as \`${winner.route.name}\` and never wins`
    : `route \`${later.route.name}\` is unreachable: \`${winner.route.name}\` answers first`;
  report({
    ...draft(isSame ? 'PN1401' : 'PN1402', later, message),
    related: { text: `\`${winner.route.name}\` is at`, spot: winner.spot },
    hint: isSame ? 'give one of them another priority, or remove it' : undefined,
  });
}

function draft(
  code: 'PN1401' | 'PN1402' | 'PN1403',
  route: PlacedRoute,
  message: string,
): IssueDraft {
  return { severity: 'warning', code, message, spot: route.spot, part: 'key' };
}
