/**
 * Evaluates a rule over plain strings and says why it does not hold. The third implementation of
 * the matchers on purpose: written for people, and the oracle that the fast ones are tested with.
 */

import { RE2JS } from 're2js';
import { compileCidrSet } from '../../base/cidr.ts';
import { someQueryValue } from '../../base/query.ts';
import { utf8Bytes } from '../../base/utf8.ts';
import type { Matcher, Rule } from '../../contract/routing.ts';
import { formatRule } from '../config/rule-format.ts';
import { isHostInside, isPathInside } from './alternatives.ts';
import type { CheckRequest } from './explain-request.ts';

/** Why a rule does not hold: the first matcher, from left to right, that decided it. */
export interface Failure {
  /** In the rule language. Of a negation that failed, what stands behind the `!`. */
  readonly matcher: string;
  readonly wanted: string;
  readonly found: string;
  /** True when the matcher did hold and the rule wanted that it does not. */
  readonly isNegated: boolean;
  /** Further alternatives (`||`) that failed as well. */
  readonly otherAlternatives: number;
}

/** @returns null when the rule holds. */
export function checkRule(rule: Rule, request: CheckRequest): Failure | null {
  switch (rule.kind) {
    case 'and':
      for (const part of rule.rules) {
        const failure = checkRule(part, request);
        if (failure !== null) return failure;
      }
      return null;
    case 'or':
      return checkAlternatives(rule.rules, request);
    case 'not': {
      if (checkRule(rule.rule, request) !== null) return null;
      const found = firstFound(rule.rule, request);
      const matcher = formatRule(rule.rule);
      return { matcher, wanted: `not ${matcher}`, found, isNegated: true, otherAlternatives: 0 };
    }
    default: {
      if (holds(rule, request)) return null;
      const found = foundText(rule, request);
      const wanted = wantedText(rule);
      return { matcher: formatRule(rule), wanted, found, isNegated: false, otherAlternatives: 0 };
    }
  }
}

function checkAlternatives(rules: readonly Rule[], request: CheckRequest): Failure | null {
  let first: Failure | null = null;
  for (const rule of rules) {
    const failure = checkRule(rule, request);
    if (failure === null) return null;
    first ??= failure;
  }
  if (first !== null) return { ...first, otherAlternatives: rules.length - 1 };
  const nothing = { matcher: 'none', wanted: 'nothing', found: 'any request' };
  return { ...nothing, isNegated: false, otherAlternatives: 0 };
}

function holds(matcher: Matcher, request: CheckRequest): boolean {
  switch (matcher.kind) {
    case 'host':
      if (matcher.host === '*' || matcher.host === request.host) return true;
      return matcher.host.startsWith('*.') && isHostInside(request.host, matcher.host);
    case 'hostRegexp':
      return RE2JS.compile(matcher.pattern).test(request.host);
    case 'path':
      return matcher.path === request.path;
    case 'pathPrefix':
      return isPathInside(request.path, matcher.path);
    case 'pathRegexp':
      return RE2JS.compile(matcher.pattern).test(request.path);
    case 'method':
      return matcher.method === request.method;
    case 'header':
      return headerValues(matcher.name, request).includes(matcher.value);
    case 'headerRegexp': {
      const regexp = RE2JS.compile(matcher.pattern);
      return headerValues(matcher.name, request).some((value) => regexp.test(value));
    }
    case 'query': {
      const values = queryValues(matcher.name, request);
      return matcher.value === null ? values.length > 0 : values.includes(matcher.value);
    }
    case 'queryRegexp': {
      const regexp = RE2JS.compile(matcher.pattern);
      return queryValues(matcher.name, request).some((value) => regexp.test(value));
    }
    case 'clientIp':
      return compileCidrSet([matcher.range]).contains(request.clientAddress);
  }
}

function wantedText(matcher: Matcher): string {
  switch (matcher.kind) {
    case 'host':
      return matcher.host;
    case 'path':
      return matcher.path;
    case 'pathPrefix':
      return `${matcher.path} or below it`;
    case 'method':
      return matcher.method;
    case 'header':
      return matcher.value;
    case 'query':
      return matcher.value ?? 'any value';
    case 'clientIp':
      return matcher.range;
    default:
      return `a match of ${matcher.pattern}`;
  }
}

function foundText(matcher: Matcher, request: CheckRequest): string {
  switch (matcher.kind) {
    case 'host':
    case 'hostRegexp':
      return request.host === '' ? '(no host)' : request.host;
    case 'path':
    case 'pathPrefix':
    case 'pathRegexp':
      return request.path;
    case 'method':
      return request.method;
    case 'header':
    case 'headerRegexp':
      return headerValues(matcher.name, request).join(' | ') || '(not sent)';
    case 'query':
    case 'queryRegexp':
      return queryValues(matcher.name, request).join(' | ') || '(not there)';
    case 'clientIp':
      return request.clientAddress;
  }
}

/** What the first matcher of a rule sees: enough to explain a negation. */
function firstFound(rule: Rule, request: CheckRequest): string {
  if (rule.kind === 'not') return firstFound(rule.rule, request);
  if (rule.kind !== 'and' && rule.kind !== 'or') return foundText(rule, request);
  const first = rule.rules[0];
  return first === undefined ? 'any request' : firstFound(first, request);
}

function headerValues(name: string, request: CheckRequest): string[] {
  return request.headers.filter(([key]) => key === name).map(([, value]) => value);
}

function queryValues(name: string, request: CheckRequest): string[] {
  const values: string[] = [];
  someQueryValue(request.query, utf8Bytes(name), (value) => {
    values.push(value);
    return false;
  });
  return values;
}
