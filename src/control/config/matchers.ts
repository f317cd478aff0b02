/**
 * The matchers of the rule language: how many arguments each takes and what it becomes.
 *
 * Semantics follow Traefik v3, except that PathPrefix respects segments: `/api` does not match
 * `/apix`. A prefix written with a trailing slash keeps its meaning: `/api/` does not match `/api`.
 */

import type { Matcher, Rule } from '../../contract/routing.ts';
import { parseHostPattern } from './host-pattern.ts';
import type { Parsed } from './parsed.ts';
import { good } from './parsed.ts';
import { parsePath } from './path-pattern.ts';
import type { RegexCheck } from './regex-check.ts';
import { parseFieldName, parseMethod, parseRange } from './tokens.ts';

/** Reads one argument; the outcome is what `build` receives. */
type Argument = (text: string, checkRegex: RegexCheck) => Parsed<string>;

export interface MatcherSpec {
  /** As the documentation writes it. */
  readonly name: string;
  /** One reader per argument. */
  readonly args: readonly Argument[];
  /** How many of them must be given. */
  readonly argsMin: number;
  readonly build: (first: string, second: string | undefined) => Rule;
  /** The call with named arguments, for issues. */
  readonly usage: string;
}

const regex: Argument = (text, checkRegex) => {
  const problem = checkRegex(text);
  return problem === null ? good(text) : { ok: false, problem };
};
const host: Argument = (text) => parseHostPattern(text);
const method: Argument = (text) => parseMethod(text);
const fieldName: Argument = (text) => parseFieldName(text);
const range: Argument = (text) => parseRange(text);
const anyText: Argument = (text) => good(text);

/** A path; canonical. */
const path: Argument = (text) => parsePath(text);

const SPECS: readonly MatcherSpec[] = [
  one('Host', 'host', host, (value) => ({ kind: 'host', host: value })),
  one('HostRegexp', 'regexp', regex, (pattern) => ({ kind: 'hostRegexp', pattern })),
  one('Path', 'path', path, (value) => ({ kind: 'path', path: value })),
  one('PathPrefix', 'path', path, prefixRule),
  one('PathRegexp', 'regexp', regex, (pattern) => ({ kind: 'pathRegexp', pattern })),
  one('Method', 'method', method, (value) => ({ kind: 'method', method: value })),
  two('Header', 'value', [fieldName, anyText], (name, value) => ({ kind: 'header', name, value })),
  two('HeaderRegexp', 'regexp', [fieldName, regex], (name, pattern) => {
    return { kind: 'headerRegexp', name, pattern };
  }),
  {
    name: 'Query',
    args: [anyText, anyText],
    argsMin: 1,
    // One argument asks for an empty value, as in Traefik.
    build: (name, value) => ({ kind: 'query', name, value: value ?? '' }),
    usage: 'Query(`name`, `value`)',
  },
  {
    name: 'QueryRegexp',
    args: [anyText, regex],
    argsMin: 1,
    build: (name, pattern) => {
      if (pattern === undefined) return { kind: 'query', name, value: '' };
      return { kind: 'queryRegexp', name, pattern };
    },
    usage: 'QueryRegexp(`name`, `regexp`)',
  },
  one('ClientIP', 'range', range, (value) => ({ kind: 'clientIp', range: value })),
];

/** Matcher names as the documentation writes them. */
export const MATCHER_NAMES: readonly string[] = SPECS.map((spec) => spec.name);

const BY_NAME = new Map(SPECS.map((spec) => [spec.name.toLowerCase(), spec]));

/** Matchers of other versions and kinds of Traefik rules, and what to write instead. */
const OTHER_NAMES: { readonly [name: string]: string } = {
  headers: 'this is Traefik v2 syntax: write Header(`name`, `value`)',
  headersregexp: 'this is Traefik v2 syntax: write HeaderRegexp(`name`, `regexp`)',
  hostheader: 'this is Traefik v2 syntax: write Host(`name`)',
  hostsni: 'routes match HTTP requests: write Host(`name`)',
  hostsniregexp: 'routes match HTTP requests: write HostRegexp(`regexp`)',
};

/** The matcher of that name in any case; null when there is none. */
export function findMatcher(name: string): MatcherSpec | null {
  return BY_NAME.get(name.toLowerCase()) ?? null;
}

/** Advice for a known foreign matcher name; undefined for any other. */
export function foreignMatcherHint(name: string): string | undefined {
  const lower = name.toLowerCase();
  return Object.hasOwn(OTHER_NAMES, lower) ? OTHER_NAMES[lower] : undefined;
}

/** `/api/` is all below `/api` but not `/api` itself, in terms of a segment-aware prefix. */
export function prefixRule(value: string): Rule {
  if (value === '/' || !value.endsWith('/')) return { kind: 'pathPrefix', path: value };
  const bare = value.slice(0, -1);
  const not: Rule = { kind: 'not', rule: { kind: 'path', path: bare } };
  return { kind: 'and', rules: [{ kind: 'pathPrefix', path: bare }, not] };
}

function one(
  name: string,
  label: string,
  argument: Argument,
  build: (value: string) => Rule,
): MatcherSpec {
  return { name, args: [argument], argsMin: 1, build, usage: `${name}(\`${label}\`)` };
}

function two(
  name: string,
  label: string,
  args: readonly [Argument, Argument],
  build: (name: string, value: string) => Matcher,
): MatcherSpec {
  const usage = `${name}(\`name\`, \`${label}\`)`;
  return { name, args, argsMin: 2, build: (key, value) => build(key, value ?? ''), usage };
}
