/**
 * Building rules: flat, without groups of one.
 */

import type { Rule } from '../../contract/routing.ts';

/** The rule without a condition: matches every request. */
export const MATCH_ALL: Rule = { kind: 'and', rules: [] };

/** All of `rules`. One rule stays itself; groups of the same kind are merged. */
export function andOf(rules: readonly Rule[]): Rule {
  const flat = rules.flatMap((rule) => (rule.kind === 'and' ? rule.rules : [rule]));
  return flat.length === 1 ? flat[0]! : { kind: 'and', rules: flat };
}

/** Any of `rules`; see `andOf`. None of no rules: an empty group matches nothing. */
export function orOf(rules: readonly Rule[]): Rule {
  const flat = rules.flatMap((rule) => (rule.kind === 'or' ? rule.rules : [rule]));
  return flat.length === 1 ? flat[0]! : { kind: 'or', rules: flat };
}
