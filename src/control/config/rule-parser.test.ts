import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Matcher, Rule } from '../../contract/routing.ts';
import { formatRule } from './rule-format.ts';
import { parseRule, RULE_DEPTH_MAX } from './rule-parser.ts';
import { andOf, orOf } from './rule-tree.ts';

const host = (name: string): Rule => ({ kind: 'host', host: name });
const path = (value: string): Rule => ({ kind: 'path', path: value });
const prefix = (value: string): Rule => ({ kind: 'pathPrefix', path: value });
const not = (rule: Rule): Rule => ({ kind: 'not', rule });

const VALID: readonly [text: string, rule: Rule][] = [
  ['Host(`a.com`)', host('a.com')],
  ['Host("a.com")', host('a.com')],
  ['  host ( `A.COM.` )\n', host('a.com')],
  ['HOST(`*.a.com`)', host('*.a.com')],
  ['Host(`*`)', host('*')],
  ['Host(`[0::1]`)', host('[::1]')],
  ['Hostregexp(`^a`)', { kind: 'hostRegexp', pattern: '^a' }],
  ['Path(`/%7ea/%c3%a4//b`)', path('/~a/%C3%A4/b')],
  ['Path(`/ä`)', path('/%C3%A4')],
  ['PathPrefix(`/api`)', prefix('/api')],
  ['PathPrefix(`/`)', prefix('/')],
  ['PathPrefix(`/api/`)', andOf([prefix('/api'), not(path('/api'))])],
  ['PathRegexp("^/\\\\d+$")', { kind: 'pathRegexp', pattern: '^/\\d+$' }],
  ['Method(`get`)', { kind: 'method', method: 'GET' }],
  ['Header(`X-A`, `B c`)', { kind: 'header', name: 'x-a', value: 'B c' }],
  ['HeaderRegexp(`X-A`, `^b`)', { kind: 'headerRegexp', name: 'x-a', pattern: '^b' }],
  ['Query(`a`)', { kind: 'query', name: 'a', value: '' }],
  ['Query(`a`, `b`)', { kind: 'query', name: 'a', value: 'b' }],
  ['QueryRegexp(`a`)', { kind: 'query', name: 'a', value: '' }],
  ['QueryRegexp(`a`, ``)', { kind: 'queryRegexp', name: 'a', pattern: '' }],
  ['ClientIP(`10.0.0.0/8`)', { kind: 'clientIp', range: '10.0.0.0/8' }],
  ['ClientIP(`::1`)', { kind: 'clientIp', range: '::1' }],
  ['Host(`a`) || Host(`b`) && !Host(`c`)', orOf([host('a'), andOf([host('b'), not(host('c'))])])],
  ['(Host(`a`) || Host(`b`)) && Path(`/`)', andOf([orOf([host('a'), host('b')]), path('/')])],
  ['Host(`a`) && (Host(`b`) && Host(`c`))', andOf([host('a'), host('b'), host('c')])],
  ['!!Host(`a`)', not(not(host('a')))],
  ['!(Host(`a`) || Host(`b`))', not(orOf([host('a'), host('b')]))],
];

test('parseRule: reads every matcher and operator, in any case and quoting', () => {
  for (const [text, rule] of VALID) assert.deepEqual(parseRule(text), rule, text);
});

/** Code and the marked part of the rule, for each issue. */
const INVALID: readonly [text: string, ...issues: [code: string, marked: string][]][] = [
  ['', ['PN1301', '']],
  ['Host', ['PN1301', '']],
  ['Host(', ['PN1301', '']],
  ['Host(`a`', ['PN1301', '']],
  ['Host(`a', ['PN1301', '`a']],
  ['Host(a)', ['PN1301', 'a']],
  ["Host('a')", ['PN1301', "'"]],
  ['Host(`a`) Host(`b`)', ['PN1301', 'Host']],
  ['Host(`a`) and Host(`b`)', ['PN1301', 'and']],
  ['Host(`a`) &&', ['PN1301', '']],
  ['Host(`a`) & Path(`/`)', ['PN1301', '&']],
  ['(Host(`a`)', ['PN1301', '']],
  ['Host(`a`))', ['PN1301', ')']],
  ['Host()', ['PN1303', 'Host()']],
  ['Host(`a`, `b`)', ['PN1303', 'Host(`a`, `b`)']],
  ['Header(`a`)', ['PN1303', 'Header(`a`)']],
  ['Nope(`a`)', ['PN1302', 'Nope']],
  ['constructor(`a`)', ['PN1302', 'constructor']],
  ['Host(`a b`)', ['PN1306', '`a b`']],
  ['Host(``)', ['PN1306', '``']],
  ['Host(`a.*`)', ['PN1306', '*']],
  ['Host("a.*\\n")', ['PN1306', '"a.*\\n"']],
  [
    'Path(`x`) || Path(`/%zz`) && Nope(`/`)',
    ['PN1307', '`x`'],
    ['PN1307', '%'],
    ['PN1302', 'Nope'],
  ],
  ['ClientIP(`10.0.0.0/8, ::1`)', ['PN1310', '`10.0.0.0/8, ::1`']],
];

test('parseRule: marks what is wrong, and finds every wrong value', () => {
  for (const [text, ...expected] of INVALID) {
    const issues = parseRule(text);
    assert.ok(Array.isArray(issues), text);
    const marked = issues.map(({ code, within }) => [code, text.slice(within.start, within.end)]);
    assert.deepEqual(marked, expected, text);
  }
});

test('parseRule: nesting is accepted up to its limit and no deeper', () => {
  const deepest = '!'.repeat(RULE_DEPTH_MAX - 1) + 'Host(`a`)';
  assert.ok(!Array.isArray(parseRule(deepest)));
  assert.ok(Array.isArray(parseRule(`!${deepest}`)));
  assert.ok(Array.isArray(parseRule('('.repeat(10_000))));
  assert.ok(Array.isArray(parseRule('Host(`a`) || '.repeat(2_000))));
});

const word = fc.stringMatching(/^[a-z]{1,6}$/);
const anyValue = fc.string({
  unit: fc.constantFrom('a', ' ', '`', '"', '\\', '\n', 'é'),
  maxLength: 6,
});
const matcher: fc.Arbitrary<Matcher> = fc.oneof(
  word.map((value): Matcher => ({ kind: 'host', host: `${value}.com` })),
  anyValue.map((pattern): Matcher => ({ kind: 'hostRegexp', pattern })),
  word.map((value): Matcher => ({ kind: 'path', path: `/${value}/` })),
  word.map((value): Matcher => ({ kind: 'pathPrefix', path: `/${value}` })),
  anyValue.map((pattern): Matcher => ({ kind: 'pathRegexp', pattern })),
  fc.constantFrom('GET', 'M-SEARCH').map((method): Matcher => ({ kind: 'method', method })),
  fc.tuple(word, anyValue).map(([name, value]): Matcher => ({ kind: 'header', name, value })),
  fc.tuple(anyValue, anyValue).map(([name, value]): Matcher => ({ kind: 'query', name, value })),
  fc
    .tuple(anyValue, anyValue)
    .map(([name, pattern]): Matcher => ({ kind: 'queryRegexp', name, pattern })),
  fc.constant<Matcher>({ kind: 'clientIp', range: 'fd00::/8' }),
);
const { rule } = fc.letrec<{ rule: Rule }>((tie) => ({
  rule: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    matcher,
    fc.array(tie('rule'), { minLength: 2, maxLength: 3 }).map(andOf),
    fc.array(tie('rule'), { minLength: 2, maxLength: 3 }).map(orOf),
    tie('rule').map(not),
  ),
}));

test('formatRule: writes what parseRule reads back', () => {
  fc.assert(fc.property(rule, (one) => assert.deepEqual(parseRule(formatRule(one)), one)));
});

test('parseRule: never throws for any text', () => {
  const piece = fc.oneof(
    fc.constantFrom('Host(`a`)', '&&', '||', '!', '(', ')', '"', '`', ',', ' '),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const parsed = parseRule(pieces.join(''));
      if (Array.isArray(parsed)) assert.ok(parsed.length > 0);
    }),
  );
});
