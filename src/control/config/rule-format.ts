/**
 * Rules back to text, in the language rule-parser.ts reads.
 *
 * Invariant: for a flat rule (rule-tree.ts), parsing the text gives an equal rule. Exceptions
 * have no spelling of their own: the empty rule, and a query parameter with any value.
 */

import type { Matcher, Rule } from '../../contract/routing.ts';

/** Writes `rule`; the rule that matches everything is written as the prefix `/`. */
export function formatRule(rule: Rule): string {
  switch (rule.kind) {
    case 'and':
      if (rule.rules.length === 0) return 'PathPrefix(`/`)';
      return rule.rules.map((part) => grouped(part, part.kind === 'or')).join(' && ');
    case 'or':
      if (rule.rules.length === 0) return '!PathPrefix(`/`)';
      return rule.rules.map((part) => grouped(part, false)).join(' || ');
    case 'not':
      return `!${grouped(rule.rule, rule.rule.kind === 'and' || rule.rule.kind === 'or')}`;
    default:
      return formatMatcher(rule);
  }
}

function grouped(rule: Rule, needsParentheses: boolean): string {
  const text = formatRule(rule);
  return needsParentheses ? `(${text})` : text;
}

function formatMatcher(matcher: Matcher): string {
  switch (matcher.kind) {
    case 'host':
      return call('Host', matcher.host);
    case 'hostRegexp':
      return call('HostRegexp', matcher.pattern);
    case 'path':
      return call('Path', matcher.path);
    case 'pathPrefix':
      return call('PathPrefix', matcher.path);
    case 'pathRegexp':
      return call('PathRegexp', matcher.pattern);
    case 'method':
      return call('Method', matcher.method);
    case 'header':
      return call('Header', matcher.name, matcher.value);
    case 'headerRegexp':
      return call('HeaderRegexp', matcher.name, matcher.pattern);
    case 'query':
      if (matcher.value === null) return call('QueryRegexp', matcher.name, '');
      return call('Query', matcher.name, matcher.value);
    case 'queryRegexp':
      return call('QueryRegexp', matcher.name, matcher.pattern);
    case 'clientIp':
      return call('ClientIP', matcher.range);
  }
}

function call(name: string, ...args: readonly string[]): string {
  return `${name}(${args.map(quote).join(', ')})`;
}

function quote(value: string): string {
  if (!value.includes('`')) return `\`${value}\``;
  const escaped = value.replace(/[\\"]/g, (character) => `\\${character}`);
  return `"${escaped.replaceAll('\n', '\\n')}"`;
}
