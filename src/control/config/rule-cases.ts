/**
 * Rules as cases: a rule holds when one of its cases holds, a case when all its conditions do
 * (disjunctive normal form). What one case implies about another is decided here, carefully:
 * "no" may mean "not known".
 */

import type { Matcher, Rule } from '../../contract/routing.ts';

/** A matcher that must hold, or must not. */
export interface Condition {
  readonly matcher: Matcher;
  readonly isNegated: boolean;
  /** Equal texts are equal conditions. */
  readonly id: string;
}

export type Case = readonly Condition[];

/** Most cases a rule is split into; rules with more are not judged. */
export const CASES_MAX = 64;

/** The cases of `rule`; null when there would be more than CASES_MAX. */
export function casesOf(rule: Rule, isNegated = false): Case[] | null {
  switch (rule.kind) {
    case 'not':
      return casesOf(rule.rule, !isNegated);
    case 'and':
    case 'or': {
      const parts: Case[][] = [];
      for (const part of rule.rules) {
        const cases = casesOf(part, isNegated);
        if (cases === null) return null;
        parts.push(cases);
      }
      // De Morgan: a negated `and` is an `or`.
      return (rule.kind === 'or') === isNegated ? product(parts) : limited(parts.flat());
    }
    default:
      return [[{ matcher: rule, isNegated, id: JSON.stringify([isNegated, rule]) }]];
  }
}

/** True when whatever fulfils `narrow` certainly fulfils `wide`. */
export function caseImplies(narrow: Case, wide: Case): boolean {
  return wide.every((condition) => holdsAlways(condition) || isImplied(narrow, condition));
}

/** True when no request can fulfil all conditions of the case. */
export function isContradiction(conditions: Case): boolean {
  return conditions.some((a, index) => {
    return conditions.slice(index + 1).some((b) => areExclusive(a, b));
  });
}

/** True for matchers every request fulfils. */
export function holdsAlways(condition: Condition): boolean {
  const { matcher, isNegated } = condition;
  if (isNegated) return false;
  if (matcher.kind === 'host') return matcher.host === '*';
  return matcher.kind === 'pathPrefix' && matcher.path === '/';
}

function isImplied(narrow: Case, wanted: Condition): boolean {
  return narrow.some((given) => {
    if (given.id === wanted.id) return true;
    if (given.isNegated && wanted.isNegated) return matcherImplies(wanted.matcher, given.matcher);
    if (given.isNegated || wanted.isNegated) return false;
    return matcherImplies(given.matcher, wanted.matcher);
  });
}

/** True when a request that fulfils `narrow` fulfils `wide`; decided for hosts and paths. */
function matcherImplies(narrow: Matcher, wide: Matcher): boolean {
  if (narrow.kind === 'host' && wide.kind === 'host') {
    return wide.host === '*' || narrow.host === wide.host || isUnder(narrow.host, wide.host);
  }
  const isPath = narrow.kind === 'path' || narrow.kind === 'pathPrefix';
  if (isPath && wide.kind === 'pathPrefix') return isBelow(narrow.path, wide.path);
  return false;
}

function areExclusive(a: Condition, b: Condition): boolean {
  if (a.isNegated !== b.isNegated) {
    const [positive, negative] = a.isNegated ? [b, a] : [a, b];
    const isSame = JSON.stringify(positive.matcher) === JSON.stringify(negative.matcher);
    return isSame || matcherImplies(positive.matcher, negative.matcher);
  }
  if (a.isNegated) return false;
  const { matcher: first } = a;
  const { matcher: second } = b;
  if (first.kind === 'host' && second.kind === 'host') {
    return !matcherImplies(first, second) && !matcherImplies(second, first);
  }
  if (first.kind === 'method' && second.kind === 'method') return first.method !== second.method;
  const arePaths = isPathMatcher(first) && isPathMatcher(second);
  if (!arePaths) return false;
  if (first.kind === 'path' && second.kind === 'path') return first.path !== second.path;
  return !matcherImplies(first, second) && !matcherImplies(second, first);
}

function isPathMatcher(matcher: Matcher): matcher is Matcher & { kind: 'path' | 'pathPrefix' } {
  return matcher.kind === 'path' || matcher.kind === 'pathPrefix';
}

/** True when `host` is one label below the wildcard `pattern`. */
function isUnder(host: string, pattern: string): boolean {
  if (!pattern.startsWith('*.')) return false;
  const dot = host.indexOf('.');
  return dot > 0 && host.slice(dot) === pattern.slice(1);
}

/** True when `path` is `prefix` or below it, by segments. */
export function isBelow(path: string, prefix: string): boolean {
  return prefix === '/' || path === prefix || path.startsWith(`${prefix}/`);
}

function product(parts: readonly Case[][]): Case[] | null {
  let cases: Case[] = [[]];
  for (const part of parts) {
    cases = cases.flatMap((left) => part.map((right) => [...left, ...right]));
    if (cases.length > CASES_MAX) return null;
  }
  return cases;
}

function limited(cases: Case[]): Case[] | null {
  return cases.length > CASES_MAX ? null : cases;
}
