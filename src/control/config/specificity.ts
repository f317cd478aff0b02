/**
 * Route precedence: specificity, then priority, then declaration; deterministic.
 *
 * Specificity compares, in this order: the host (exact, then `*.` wildcard, then regexp, then
 * none), the path (exact, then prefixes from long to short, then regexp, then none), and how many
 * further predicates there are (method, header, query, client address, and each negation).
 * Of `a || b` the less specific side counts, of `a && b` the best of each part. `Host(*)` and the
 * prefix `/` hold for every request, so they count as none.
 */

import type { Matcher, Rule } from '../../contract/routing.ts';

export const HostRank = { none: 0, regexp: 1, wildcard: 2, exact: 3 } as const;
export type HostRank = (typeof HostRank)[keyof typeof HostRank];

export const PathRank = { none: 0, regexp: 1, prefix: 2, exact: 3 } as const;
export type PathRank = (typeof PathRank)[keyof typeof PathRank];

export interface Specificity {
  readonly hostRank: HostRank;
  readonly pathRank: PathRank;
  /** Size of the prefix or exact path in characters; 0 for the other ranks. */
  readonly pathSize: number;
  /** Further predicates. */
  readonly predicates: number;
}

/** What route precedence is decided by. */
export interface RankedRoute {
  readonly specificity: Specificity;
  /** Higher first among equally specific routes. */
  readonly priority: number;
}

const NONE: Specificity = { hostRank: 0, pathRank: 0, pathSize: 0, predicates: 0 };

/** How specific `rule` is. */
export function specificityOf(rule: Rule): Specificity {
  switch (rule.kind) {
    case 'and':
      return rule.rules.reduce<Specificity>((all, part) => both(all, specificityOf(part)), NONE);
    case 'or': {
      const branches = rule.rules.map(specificityOf).toSorted(compareSpecificity);
      return branches.at(-1) ?? NONE; // Sorted from most to least specific.
    }
    case 'not':
      return { ...NONE, predicates: 1 };
    default:
      return ofMatcher(rule);
  }
}

/** Negative when `a` is more specific than `b`; 0 when neither is. */
export function compareSpecificity(a: Specificity, b: Specificity): number {
  return (
    b.hostRank - a.hostRank ||
    b.pathRank - a.pathRank ||
    b.pathSize - a.pathSize ||
    b.predicates - a.predicates
  );
}

/**
 * Orders routes by precedence: negative when `a` is asked before `b`; 0 when the declaration
 * decides. A stable sort of routes in order of declaration is therefore their precedence.
 */
export function compareRoutes(a: RankedRoute, b: RankedRoute): number {
  return compareSpecificity(a.specificity, b.specificity) || b.priority - a.priority;
}

const HOST_WORDS = ['any host', 'host regexp', 'wildcard host', 'exact host'] as const;
const PATH_WORDS = ['any path', 'path regexp', 'prefix of', 'exact path of'] as const;

/** One line for people: `exact host, prefix of 4 characters, 2 further predicates`. */
export function describeSpecificity(specificity: Specificity): string {
  const { hostRank, pathRank, pathSize, predicates } = specificity;
  const unit = pathSize === 1 ? 'character' : 'characters';
  const path = PATH_WORDS[pathRank] + (pathSize > 0 ? ` ${pathSize} ${unit}` : '');
  const further = predicates === 1 ? 'predicate' : 'predicates';
  return `${HOST_WORDS[hostRank]}, ${path}, ${predicates} further ${further}`;
}

function both(a: Specificity, b: Specificity): Specificity {
  const isPathOfA = a.pathRank - b.pathRank || a.pathSize - b.pathSize;
  const path = isPathOfA >= 0 ? a : b;
  return {
    hostRank: a.hostRank >= b.hostRank ? a.hostRank : b.hostRank,
    pathRank: path.pathRank,
    pathSize: path.pathSize,
    predicates: a.predicates + b.predicates,
  };
}

function ofMatcher(matcher: Matcher): Specificity {
  switch (matcher.kind) {
    case 'host':
      return { ...NONE, hostRank: hostRankOf(matcher.host) };
    case 'hostRegexp':
      return { ...NONE, hostRank: HostRank.regexp };
    case 'path':
      return { ...NONE, pathRank: PathRank.exact, pathSize: matcher.path.length };
    case 'pathPrefix':
      if (matcher.path === '/') return NONE;
      return { ...NONE, pathRank: PathRank.prefix, pathSize: matcher.path.length };
    case 'pathRegexp':
      return { ...NONE, pathRank: PathRank.regexp };
    default:
      return { ...NONE, predicates: 1 };
  }
}

function hostRankOf(host: string): HostRank {
  if (host === '*') return HostRank.none;
  return host.startsWith('*.') ? HostRank.wildcard : HostRank.exact;
}
