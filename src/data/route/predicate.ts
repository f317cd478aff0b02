/**
 * Rules linked for evaluation: one class for all kinds, so that evaluating stays monomorphic.
 *
 * Everything that can be prepared is prepared here, once per generation: bytes of the wanted
 * values, regexps (RE2 semantics, linear time), address sets, and the visitors that header and
 * query lookups call.
 */

import { RE2JS } from 're2js';
import type { CidrSet } from '../../base/cidr.ts';
import { compileCidrSet } from '../../base/cidr.ts';
import { hasQueryParameter, someQueryValue } from '../../base/query.ts';
import { utf8Bytes } from '../../base/utf8.ts';
import type { Matcher, RouteRequest, Rule } from '../../contract/routing.ts';
import { bytesEqual, hasParentHost, hasPathPrefix } from './byte-match.ts';
import type { RequestTexts } from './request-texts.ts';

/** Kinds in ascending cost: the parts of an `and` or `or` are asked in this order. */
const Op = {
  always: 0,
  listener: 1,
  host: 2,
  parentHost: 3,
  path: 4,
  pathPrefix: 5,
  method: 6,
  header: 7,
  query: 8,
  queryPresent: 9,
  clientIp: 10,
  hostRegexp: 11,
  pathRegexp: 12,
  headerRegexp: 13,
  queryRegexp: 14,
  not: 15,
  and: 16,
  or: 17,
} as const;
type Op = (typeof Op)[keyof typeof Op];

type Visit = (value: string) => boolean;

const NO_BYTES = new Uint8Array(0);
const NO_RANGES = compileCidrSet([]);
const NO_REGEXP = RE2JS.compile('');
const NO_VISIT: Visit = () => false;

/** A linked rule. Immutable after linking; every instance has the same shape. */
export class Predicate {
  readonly op: Op;
  parts: readonly Predicate[] = [];
  /** Wanted host, path, query name; for `listener` one byte per index, 1 when served. */
  bytes: Uint8Array = NO_BYTES;
  valueBytes: Uint8Array = NO_BYTES;
  /** Wanted method, or header name. */
  text = '';
  regexp = NO_REGEXP;
  ranges: CidrSet = NO_RANGES;
  visit: Visit = NO_VISIT;

  constructor(op: Op) {
    this.op = op;
  }
}

/**
 * Links a rule and an optional restriction to listeners.
 * @param rule       null: holds always
 * @param listeners  indexes, or null for all
 * @throws only for a regexp or range that validation should have refused: our bug
 */
export function linkPredicate(rule: Rule | null, listeners: readonly number[] | null): Predicate {
  const parts: Predicate[] = [];
  if (listeners !== null) {
    const predicate = new Predicate(Op.listener);
    predicate.bytes = new Uint8Array(Math.max(0, ...listeners) + 1);
    for (const index of listeners) predicate.bytes[index] = 1;
    parts.push(predicate);
  }
  if (rule !== null) parts.push(linkRule(rule));
  return parts.length === 1 ? parts[0]! : linkParts(Op.and, parts);
}

/**
 * Does the rule hold? Allocates only where a regexp needs text; never throws.
 * @param texts  of this request: cleared before its lookup began
 */
export function evaluate(
  predicate: Predicate,
  request: RouteRequest,
  texts: RequestTexts,
): boolean {
  const wanted = predicate.bytes;
  switch (predicate.op) {
    case Op.always:
      return true;
    case Op.listener:
      return request.listenerIndex < wanted.length && wanted[request.listenerIndex] === 1;
    case Op.host:
      return bytesEqual(request.hostBytes, request.hostStart, request.hostEnd, wanted);
    case Op.parentHost:
      return hasParentHost(request.hostBytes, request.hostStart, request.hostEnd, wanted);
    case Op.path:
      return bytesEqual(request.pathBytes, request.pathStart, request.pathEnd, wanted);
    case Op.pathPrefix:
      return hasPathPrefix(request.pathBytes, request.pathStart, request.pathEnd, wanted);
    case Op.method:
      return request.method() === predicate.text;
    case Op.header:
    case Op.headerRegexp:
      return request.someHeader(predicate.text, predicate.visit);
    case Op.query:
      return hasQueryParameter(request.query(), wanted, predicate.valueBytes);
    case Op.queryPresent:
      return hasQueryParameter(request.query(), wanted, null);
    case Op.queryRegexp:
      return someQueryValue(request.query(), wanted, predicate.visit);
    case Op.clientIp:
      return predicate.ranges.contains(request.clientAddress());
    case Op.hostRegexp:
      return predicate.regexp.test(texts.host(request));
    case Op.pathRegexp:
      return predicate.regexp.test(texts.path(request));
    case Op.not:
      return !evaluate(predicate.parts[0]!, request, texts);
    case Op.and:
      return evaluateAll(predicate.parts, request, texts);
    case Op.or:
      return evaluateSome(predicate.parts, request, texts);
  }
}

function evaluateAll(
  parts: readonly Predicate[],
  request: RouteRequest,
  texts: RequestTexts,
): boolean {
  for (let i = 0; i < parts.length; i++) {
    if (!evaluate(parts[i]!, request, texts)) return false;
  }
  return true;
}

function evaluateSome(
  parts: readonly Predicate[],
  request: RouteRequest,
  texts: RequestTexts,
): boolean {
  for (let i = 0; i < parts.length; i++) {
    if (evaluate(parts[i]!, request, texts)) return true;
  }
  return false;
}

function linkRule(rule: Rule): Predicate {
  switch (rule.kind) {
    case 'and':
      return linkParts(Op.and, rule.rules.map(linkRule));
    case 'or':
      return linkParts(Op.or, rule.rules.map(linkRule));
    case 'not': {
      const predicate = new Predicate(Op.not);
      predicate.parts = [linkRule(rule.rule)];
      return predicate;
    }
    default:
      return linkMatcher(rule);
  }
}

function linkParts(op: Op, parts: readonly Predicate[]): Predicate {
  const predicate = new Predicate(op);
  predicate.parts = parts.toSorted((a, b) => a.op - b.op);
  return predicate;
}

function linkMatcher(matcher: Matcher): Predicate {
  switch (matcher.kind) {
    case 'host':
      if (matcher.host === '*') return new Predicate(Op.always);
      if (matcher.host.startsWith('*.')) return withBytes(Op.parentHost, matcher.host.slice(2));
      return withBytes(Op.host, matcher.host);
    case 'path':
      return withBytes(Op.path, matcher.path);
    case 'pathPrefix':
      if (matcher.path === '/') return new Predicate(Op.always);
      return withBytes(Op.pathPrefix, matcher.path);
    case 'hostRegexp':
      return withRegexp(Op.hostRegexp, matcher.pattern);
    case 'pathRegexp':
      return withRegexp(Op.pathRegexp, matcher.pattern);
    case 'method': {
      const predicate = new Predicate(Op.method);
      predicate.text = matcher.method;
      return predicate;
    }
    case 'header':
    case 'headerRegexp':
      return linkHeader(matcher);
    case 'query':
    case 'queryRegexp':
      return linkQuery(matcher);
    case 'clientIp': {
      const predicate = new Predicate(Op.clientIp);
      predicate.ranges = compileCidrSet([matcher.range]);
      return predicate;
    }
  }
}

function linkHeader(matcher: Matcher & { kind: 'header' | 'headerRegexp' }): Predicate {
  if (matcher.kind === 'headerRegexp') {
    const predicate = withRegexp(Op.headerRegexp, matcher.pattern);
    predicate.text = matcher.name;
    return predicate;
  }
  const predicate = new Predicate(Op.header);
  predicate.text = matcher.name;
  predicate.visit = (value) => value === matcher.value;
  return predicate;
}

function linkQuery(matcher: Matcher & { kind: 'query' | 'queryRegexp' }): Predicate {
  if (matcher.kind === 'queryRegexp') {
    const predicate = withRegexp(Op.queryRegexp, matcher.pattern);
    predicate.bytes = utf8Bytes(matcher.name);
    return predicate;
  }
  const predicate = withBytes(matcher.value === null ? Op.queryPresent : Op.query, matcher.name);
  predicate.valueBytes = utf8Bytes(matcher.value ?? '');
  return predicate;
}

function withBytes(op: Op, text: string): Predicate {
  const predicate = new Predicate(op);
  predicate.bytes = utf8Bytes(text);
  return predicate;
}

function withRegexp(op: Op, pattern: string): Predicate {
  const predicate = new Predicate(op);
  const regexp = RE2JS.compile(pattern);
  predicate.regexp = regexp;
  predicate.visit = (value) => regexp.test(value);
  return predicate;
}
