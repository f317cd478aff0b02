/**
 * Splits a rule into alternatives the router can look up by host and path.
 *
 * A1  the rule holds for a request exactly when at least one alternative holds.
 * A2  an alternative holds when its host key, its path key and all of its `rest` hold.
 * A rule that would give more than the wanted number stays whole where it would multiply: its
 * part goes unsplit into `rest`. Correct for any rule, and small for every rule people write.
 */

import type { Rule } from '../../contract/routing.ts';

/** Where a request must be found for a part of a rule to hold. */
export interface Alternative {
  /** Exact host or `*.name`; null for any. */
  readonly host: string | null;
  readonly path: PathKey | null;
  readonly rest: readonly Rule[];
}

export interface PathKey {
  readonly isPrefix: boolean;
  readonly path: string;
}

const ANYWHERE: Alternative = { host: null, path: null, rest: [] };

/**
 * @param alternativesMax  at least 1
 * @returns at most `alternativesMax` alternatives; none when the rule can never hold
 */
export function alternativesOf(rule: Rule, alternativesMax: number): readonly Alternative[] {
  switch (rule.kind) {
    case 'and':
      return conjunction(rule.rules, alternativesMax);
    case 'or':
      return disjunction(rule, rule.rules, alternativesMax);
    case 'host':
      return [rule.host === '*' ? ANYWHERE : { ...ANYWHERE, host: rule.host }];
    case 'path':
      return [{ ...ANYWHERE, path: { isPrefix: false, path: rule.path } }];
    case 'pathPrefix': {
      if (rule.path === '/' || rule.path === '') return [ANYWHERE];
      return [{ ...ANYWHERE, path: { isPrefix: true, path: rule.path } }];
    }
    default:
      return [whole(rule)];
  }
}

/** Segment-aware: does `prefix` match `path`? The text form of the rule in `Matcher`. */
export function isPathInside(path: string, prefix: string): boolean {
  if (prefix === '/' || prefix === '') return true;
  if (!path.startsWith(prefix)) return false;
  return path.length === prefix.length || prefix.endsWith('/') || path[prefix.length] === '/';
}

/** Does `*.name` match `host`? Exactly one label stands for the star. */
export function isHostInside(host: string, wildcard: string): boolean {
  const dot = host.indexOf('.');
  return dot > 0 && host.slice(dot) === wildcard.slice(1);
}

function whole(rule: Rule): Alternative {
  return { ...ANYWHERE, rest: [rule] };
}

function disjunction(
  rule: Rule,
  rules: readonly Rule[],
  alternativesMax: number,
): readonly Alternative[] {
  const all: Alternative[] = [];
  for (const part of rules) {
    for (const alternative of alternativesOf(part, alternativesMax)) {
      // One part without keys must be considered for every request: keys of others are no help.
      const isKeyless = alternative.host === null && alternative.path === null;
      if (isKeyless && alternative.rest.length > 0) return [whole(rule)];
      if (isKeyless) return [ANYWHERE];
      if (all.length === alternativesMax) return [whole(rule)];
      all.push(alternative);
    }
  }
  return all;
}

function conjunction(rules: readonly Rule[], alternativesMax: number): readonly Alternative[] {
  let all: readonly Alternative[] = [ANYWHERE];
  for (const rule of rules) {
    const parts = alternativesOf(rule, alternativesMax);
    const next: Alternative[] = [];
    const isTooMany = parts.length > 1 && all.length * parts.length > alternativesMax;
    for (const left of all) {
      for (const right of isTooMany ? [whole(rule)] : parts) {
        const both = combine(left, right);
        if (both !== null) next.push(both);
      }
    }
    all = next;
  }
  return all;
}

/** Both at once, or null when no request can satisfy both. */
function combine(left: Alternative, right: Alternative): Alternative | null {
  const host = combineHosts(left.host, right.host);
  const path = combinePaths(left.path, right.path);
  if (host === undefined || path === undefined) return null;
  const rest = right.rest.length === 0 ? left.rest : [...left.rest, ...right.rest];
  return { host, path, rest };
}

/** @returns undefined when both cannot hold. */
function combineHosts(left: string | null, right: string | null): string | null | undefined {
  if (left === null || left === right) return right;
  if (right === null) return left;
  if (right.startsWith('*.') && isHostInside(left, right)) return left;
  if (left.startsWith('*.') && isHostInside(right, left)) return right;
  return undefined;
}

/** @returns undefined when both cannot hold. */
function combinePaths(left: PathKey | null, right: PathKey | null): PathKey | null | undefined {
  if (left === null) return right;
  if (right === null) return left;
  if (left.isPrefix && isPathInside(right.path, left.path)) return right;
  if (right.isPrefix && isPathInside(left.path, right.path)) return left;
  return !left.isPrefix && !right.isPrefix && left.path === right.path ? left : undefined;
}
