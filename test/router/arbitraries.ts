/**
 * Random rule graphs and requests for the router tests. Alphabets are tiny on purpose, so that
 * rules and requests meet often, at borders and in nests.
 */

import fc from 'fast-check';
import type { CheckRequest } from '../../src/control/compile/explain-request.ts';
import type { RoutableRoute } from '../../src/control/compile/router.ts';
import { canonicalizePath } from '../../src/base/target.ts';
import type { Matcher, Rule } from '../../src/contract/routing.ts';

const HOSTS = [
  'a.test',
  'b.test',
  'x.a.test',
  'y.a.test',
  'x.y.a.test',
  'test',
  'aa.test',
  '[::1]',
];
const HOST_RULES = [...HOSTS, '*.test', '*.a.test', '*.y.a.test', '*', '*.b.test'];
const PATHS = ['/', '/a', '/a/', '/a/b', '/a/b/', '/ab', '/a/b/c', '/abc', '/b', '/a%2Fb', '/A'];
const PREFIXES = ['/', '/a', '/a/', '/a/b', '/ab', '/a/b/c', '/b', '/a%2F', '/%C3%A9', '/a/b/'];
/** As clients spell them; canonical forms of these are what requests carry. */
const SPELLINGS = [
  '/a',
  '/a/',
  '/%61',
  '/a/b',
  '/a//b',
  '/a/./b',
  '/a/x/../b',
  '/ab',
  '/abc',
  '/',
  '/b',
];
const SPELLED = [
  ...SPELLINGS,
  '/a%2fb',
  '/a%2Fb/c',
  '/%c3%a9',
  '/%C3%A9/x',
  '/A',
  '/a/b/c/d',
  '/a/b/',
];
const METHODS = ['GET', 'POST', 'get'];
const ADDRESSES = ['10.0.0.1', '10.1.0.1', '::1', '::ffff:10.0.0.1', '192.0.2.7'];
const RANGES = ['10.0.0.0/8', '10.0.0.1', '::1', '0.0.0.0/0', '::/0', '192.0.2.0/24'];
const QUERIES = ['', 'q=1', 'q=2&q=1', 'q', 'q=%31', 'r=a+b', 'q=%zz', '%71=1&r', 'r=a%20b&q=2'];

const matcher: fc.Arbitrary<Matcher> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(...HOST_RULES).map((host): Matcher => ({ kind: 'host', host })),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(...PATHS).map((path): Matcher => ({ kind: 'path', path })),
  },
  {
    weight: 6,
    arbitrary: fc.constantFrom(...PREFIXES).map((path): Matcher => ({ kind: 'pathPrefix', path })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('^x\\.', 'a\\.test$', 'y')
      .map((pattern): Matcher => ({ kind: 'hostRegexp', pattern })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('^/a/?$', 'b', '(?i)^/A', '/(?:b|c)$')
      .map((pattern): Matcher => ({ kind: 'pathRegexp', pattern })),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(...METHODS).map((method): Matcher => ({ kind: 'method', method })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('1', '2', '')
      .map((value): Matcher => ({ kind: 'header', name: 'x-a', value })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('^[0-9]+$', '')
      .map((pattern): Matcher => ({ kind: 'headerRegexp', name: 'x-a', pattern })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('1', '2', 'a b', '%zz', null)
      .chain((value) =>
        fc.constantFrom('q', 'r').map((name): Matcher => ({ kind: 'query', name, value })),
      ),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('^a.b$', '')
      .map((pattern): Matcher => ({ kind: 'queryRegexp', name: 'r', pattern })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...RANGES).map((range): Matcher => ({ kind: 'clientIp', range })),
  },
);

const tree = fc.letrec<{ rule: Rule }>((tie) => ({
  rule: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 3, arbitrary: matcher },
    {
      weight: 3,
      arbitrary: fc
        .array(tie('rule'), { maxLength: 4 })
        .map((rules): Rule => ({ kind: 'and', rules })),
    },
    {
      weight: 2,
      arbitrary: fc
        .array(tie('rule'), { maxLength: 4 })
        .map((rules): Rule => ({ kind: 'or', rules })),
    },
    { weight: 1, arbitrary: tie('rule').map((rule): Rule => ({ kind: 'not', rule })) },
  ),
}));

/** Any rule, deep nests and empty groups included. */
export const anyRule: fc.Arbitrary<Rule> = tree.rule;

const listeners = fc.oneof(
  { weight: 4, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.subarray([0, 1, 2]) },
);

export const anyRoutes: fc.Arbitrary<readonly RoutableRoute[]> = fc.array(
  fc.record({ rule: anyRule, listeners }),
  { maxLength: 10 },
);

const host = fc.constantFrom('', ...HOSTS, 'c.test', 'x.b.test', 'x.test');
const headers = fc.constantFrom<CheckRequest['headers']>(
  [],
  [['x-a', '1']],
  [
    ['x-a', 'z'],
    ['x-a', '2'],
  ],
  [['x-b', '1']],
);

export const anyRequest: fc.Arbitrary<CheckRequest> = fc.record({
  host,
  path: fc.oneof(fc.constant('*'), fc.constantFrom(...SPELLED).map(canonical)),
  method: fc.constantFrom(...METHODS),
  headers,
  query: fc.constantFrom(...QUERIES),
  clientAddress: fc.constantFrom(...ADDRESSES),
  listenerIndex: fc.integer({ min: 0, max: 2 }),
});

function canonical(text: string): string {
  const bytes = Buffer.from(text);
  const out = new Uint8Array(bytes.length);
  const size = canonicalizePath(bytes, 0, bytes.length, out, false);
  return size === 0 ? text : Buffer.from(out.subarray(0, size)).toString('latin1');
}
