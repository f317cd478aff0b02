/**
 * The rule language of Traefik v3: matchers, `&&`, `||`, `!`, parentheses; `!` binds tightest,
 * then `&&`, then `||`. Values stand in backticks or double quotes.
 *
 * Values are checked and made canonical here. All problems with values are found; of problems
 * with the grammar only the first, because what follows it is guesswork.
 */

import type { Rule } from '../../contract/routing.ts';
import { suggest } from './did-you-mean.ts';
import type { TextRange } from './issue.ts';
import { findMatcher, foreignMatcherHint, MATCHER_NAMES } from './matchers.ts';
import type { MatcherSpec } from './matchers.ts';
import type { Problem } from './parsed.ts';
import type { RegexCheck } from './regex-check.ts';
import { acceptAnyRegex } from './regex-check.ts';
import { lexRule } from './rule-lexer.ts';
import type { RuleToken, RuleTokenKind } from './rule-lexer.ts';
import { andOf, orOf } from './rule-tree.ts';

/** Longest rule in UTF-16 units. */
export const RULE_SIZE_MAX = 16_384;
/** Deepest nesting of parentheses and negations. */
export const RULE_DEPTH_MAX = 50;

/** A problem with a rule and its place in the rule's text. */
export interface RuleIssue extends Problem {
  readonly severity: 'error' | 'warning';
  readonly within: TextRange;
}

export interface ParsedRule {
  /** Null when any issue is an error. */
  readonly rule: Rule | null;
  readonly issues: readonly RuleIssue[];
}

/**
 * Parses `text`. Warnings are dropped; regular expressions are only checked with `checkRegex`.
 * @returns the rule, or every error found, at least one
 */
export function parseRule(
  text: string,
  checkRegex: RegexCheck = acceptAnyRegex,
): Rule | RuleIssue[] {
  const { rule, issues } = parseRuleFully(text, checkRegex);
  return rule ?? issues.filter((issue) => issue.severity === 'error');
}

/** Parses `text` and keeps warnings. Never throws. */
export function parseRuleFully(text: string, checkRegex: RegexCheck): ParsedRule {
  const all = { start: 0, end: text.length };
  if (text.length > RULE_SIZE_MAX) {
    const message = `the rule has ${text.length} characters`;
    const expected = `at most ${RULE_SIZE_MAX}`;
    const issue = { severity: 'error', code: 'PN1301', message, expected, within: all } as const;
    return { rule: null, issues: [issue] };
  }
  const lexed = lexRule(text);
  if (!lexed.ok) {
    const { problem } = lexed;
    return {
      rule: null,
      issues: [{ ...problem, severity: 'error', within: problem.within ?? all }],
    };
  }
  return new RuleParser(lexed.tokens, checkRegex).parse();
}

/** What stands in for a matcher with a problem; the rule as a whole is then dropped. */
const NOTHING: Rule = { kind: 'or', rules: [] };

class RuleParser {
  readonly #tokens: readonly RuleToken[];
  readonly #checkRegex: RegexCheck;
  readonly #issues: RuleIssue[] = [];
  #next = 0;
  #depth = 0;
  /** Set by the first grammar problem: everything then unwinds. */
  #isBroken = false;

  constructor(tokens: readonly RuleToken[], checkRegex: RegexCheck) {
    this.#tokens = tokens;
    this.#checkRegex = checkRegex;
  }

  parse(): ParsedRule {
    const rule = this.#either();
    if (!this.#isBroken && this.#peek().kind !== 'end') this.#unexpected('`&&`, `||` or the end');
    const hasError = this.#issues.some((issue) => issue.severity === 'error');
    return { rule: hasError ? null : rule, issues: this.#issues };
  }

  #either(): Rule {
    const rules = [this.#all()];
    while (!this.#isBroken && this.#accept('||')) rules.push(this.#all());
    return orOf(rules);
  }

  #all(): Rule {
    const rules = [this.#unary()];
    while (!this.#isBroken && this.#accept('&&')) rules.push(this.#unary());
    return andOf(rules);
  }

  #unary(): Rule {
    if (this.#depth >= RULE_DEPTH_MAX) {
      return this.#broken('the rule is nested too deeply', `at most ${RULE_DEPTH_MAX} levels`);
    }
    this.#depth++;
    const rule = this.#accept('!') ? this.#not() : this.#primary();
    this.#depth--;
    return rule;
  }

  #not(): Rule {
    return { kind: 'not', rule: this.#unary() };
  }

  #primary(): Rule {
    if (this.#peek().kind === 'name') return this.#matcher();
    if (!this.#accept('(')) return this.#unexpected('a matcher such as Host(`example.com`)');
    const rule = this.#either();
    if (!this.#isBroken && !this.#accept(')')) return this.#unexpected('`)`');
    return rule;
  }

  #matcher(): Rule {
    const name = this.#take();
    if (!this.#accept('(')) return this.#unexpected(`\`(\` after \`${name.text}\``);
    const args: RuleToken[] = [];
    while (this.#peek().kind === 'string') {
      args.push(this.#take());
      if (!this.#accept(',')) break;
    }
    const close = this.#peek();
    if (!this.#accept(')')) return this.#unexpected('a value in backticks, or `)`');
    const spec = findMatcher(name.text);
    if (spec !== null) return this.#call(spec, args, { start: name.start, end: close.end });
    const hint = foreignMatcherHint(name.text) ?? suggest(name.text, MATCHER_NAMES);
    this.#add('error', {
      code: 'PN1302',
      message: `unknown matcher \`${name.text}\``,
      hint,
      within: { start: name.start, end: name.end },
    });
    return NOTHING;
  }

  #call(spec: MatcherSpec, args: readonly RuleToken[], within: TextRange): Rule {
    if (args.length < spec.argsMin || args.length > spec.args.length) {
      const hint =
        spec.args.length === 1 && args.length > 1
          ? args.map((arg) => `${spec.name}(\`${arg.text}\`)`).join(' || ')
          : undefined;
      const count = args.length === 1 ? '1 argument' : `${args.length} arguments`;
      const message = `\`${spec.name}\` has ${count}`;
      this.#add('error', { code: 'PN1303', message, expected: spec.usage, hint, within });
      return NOTHING;
    }
    const values: string[] = [];
    for (const [index, arg] of args.entries()) {
      const parsed = spec.args[index]!(arg.text, this.#checkRegex);
      if (parsed.ok) values.push(parsed.value);
      const problem = parsed.ok ? parsed.warning : parsed.problem;
      if (problem === undefined) continue;
      this.#add(parsed.ok ? 'warning' : 'error', { ...problem, within: placeIn(arg, problem) });
    }
    return values.length === args.length ? spec.build(values[0]!, values[1]) : NOTHING;
  }

  #peek(): RuleToken {
    return this.#tokens[this.#next]!;
  }

  /** The current token; the one after it becomes current, except past the end. */
  #take(): RuleToken {
    const token = this.#peek();
    if (token.kind !== 'end') this.#next++;
    return token;
  }

  #accept(kind: RuleTokenKind): boolean {
    if (this.#peek().kind !== kind) return false;
    this.#take();
    return true;
  }

  #unexpected(expected: string): Rule {
    const { kind, text } = this.#peek();
    if (kind === 'end') return this.#broken('the rule ends too early', expected);
    const shown = kind === 'string' ? 'value' : `\`${text}\``;
    return this.#broken(`unexpected ${shown} in the rule`, expected);
  }

  #broken(message: string, expected: string): Rule {
    if (this.#isBroken) return NOTHING;
    this.#isBroken = true;
    const { start, end } = this.#peek();
    this.#add('error', { code: 'PN1301', message, expected, within: { start, end } });
    return NOTHING;
  }

  #add(severity: 'error' | 'warning', problem: Problem & { within: TextRange }): void {
    this.#issues.push({ ...problem, severity });
  }
}

/** The characters of the rule that `problem` is about: inside the quotes where offsets agree. */
function placeIn(token: RuleToken, problem: Problem): TextRange {
  const { within } = problem;
  if (within === undefined || !token.isVerbatim) return { start: token.start, end: token.end };
  return { start: token.start + 1 + within.start, end: token.start + 1 + within.end };
}
