import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Matcher, Rule } from '../../contract/routing.ts';
import type { IssueDraft } from './issue.ts';
import { parseRule } from './rule-parser.ts';
import { andOf, orOf } from './rule-tree.ts';
import { lintShadows } from './shadow-lint.ts';
import { compareRoutes, specificityOf } from './specificity.ts';

interface Sketch {
  readonly rule: Rule | string;
  readonly priority?: number;
  readonly listeners?: readonly string[];
}

function routeOf({ rule, priority, listeners }: Sketch, order: number) {
  const parsed = typeof rule === 'string' ? (parseRule(rule) as Rule) : rule;
  return {
    name: `r${order}`,
    rule: parsed,
    specificity: specificityOf(parsed),
    priority: priority ?? 0,
    listeners: listeners ?? null,
    service: 's',
    streamsOnChangeMs: -1,
    tls: null,
    plainHttp: 'serve' as const,
    httpsPort: 443,
    hsts: '',
    middlewares: [],
    file: 'm.toml',
  };
}

function lint(...sketches: readonly Sketch[]): string[] {
  const drafts: IssueDraft[] = [];
  const placed = sketches.map((sketch, order) => {
    return {
      route: routeOf(sketch, order),
      spot: { file: 'm.toml', path: ['routes', `r${order}`] },
    };
  });
  lintShadows(placed, (draft) => drafts.push(draft));
  return drafts.map(({ code, spot }) => `${spot.path[1]} ${code}`);
}

const CASES: readonly [title: string, routes: readonly Sketch[], issues: readonly string[]][] = [
  ['same rule', [{ rule: 'Host(`a`)' }, { rule: 'Host(`a`)' }], ['r1 PN1401']],
  ['lower priority', [{ rule: 'Host(`a`)' }, { rule: 'Host(`a`)', priority: 1 }], ['r0 PN1401']],
  [
    'other listener',
    [
      { rule: 'Host(`a`)', listeners: ['x'] },
      { rule: 'Host(`a`)', listeners: ['y'] },
    ],
    [],
  ],
  [
    'same rule, a listener in common',
    [
      { rule: 'Host(`a`)', listeners: ['x', 'y'] },
      { rule: 'Host(`a`)', listeners: ['y', 'z'] },
    ],
    ['r1 PN1401'],
  ],
  [
    'wider rule, only a listener in common',
    [
      { rule: 'Host(`a`) || Host(`b`)', listeners: ['x', 'y'] },
      { rule: 'Host(`b`)', listeners: ['y', 'z'] },
    ],
    [],
  ],
  ['one of two hosts', [{ rule: 'Host(`a`) || Host(`b`)' }, { rule: 'Host(`b`)' }], ['r1 PN1402']],
  [
    'more specific wins although wider comes first',
    [{ rule: 'PathPrefix(`/a`)' }, { rule: 'PathPrefix(`/a/b`)' }],
    [],
  ],
  [
    'alternatives that lower the rank',
    [{ rule: 'PathPrefix(`/a`)', priority: 1 }, { rule: 'Path(`/a/b`) || PathPrefix(`/a`)' }],
    ['r1 PN1402'],
  ],
  [
    'further predicate on the other side',
    [{ rule: 'Host(`a`) || Host(`b`)' }, { rule: 'Host(`b`) && Method(`GET`)' }],
    [],
  ],
  [
    'methods covered one by one',
    [{ rule: 'Method(`GET`) || Method(`PUT`)' }, { rule: 'Method(`PUT`) || Method(`GET`)' }],
    ['r1 PN1402'],
  ],
  ['two hosts at once', [{ rule: 'Host(`a`) && Host(`b`)' }], ['r0 PN1403']],
  ['a path outside its prefix', [{ rule: 'Path(`/ab`) && PathPrefix(`/a`)' }], ['r0 PN1403']],
  ['a host outside its wildcard', [{ rule: 'Host(`a.b.c`) && Host(`*.c`)' }], ['r0 PN1403']],
  ['a host inside its wildcard', [{ rule: 'Host(`b.c`) && Host(`*.c`)' }], []],
  ['a trailing slash prefix', [{ rule: 'PathPrefix(`/a/`)' }, { rule: 'Path(`/a`)' }], []],
  ['a negation', [{ rule: 'Host(`a`) && !Host(`a`)' }], ['r0 PN1403']],
];

for (const [title, routes, issues] of CASES) {
  test(`lintShadows: judges ${title}`, () => assert.deepEqual(lint(...routes), issues));
}

test('lintShadows: stays fast with thousands of similar routes', () => {
  const rules = Array.from({ length: 5_000 }, (_, i) => ({
    rule: `Host(\`a\`) && Header(\`x\`, \`${i}\`)`,
  }));
  assert.deepEqual(lint(...rules), []);
});

interface Request {
  readonly host: string;
  readonly path: string;
  readonly method: string;
}

function matches(rule: Rule, request: Request): boolean {
  switch (rule.kind) {
    case 'and':
      return rule.rules.every((part) => matches(part, request));
    case 'or':
      return rule.rules.some((part) => matches(part, request));
    case 'not':
      return !matches(rule.rule, request);
    case 'host': {
      if (rule.host === '*' || rule.host === request.host) return true;
      const [first, ...rest] = request.host.split('.');
      return first !== '' && rest.length > 0 && rule.host === `*.${rest.join('.')}`;
    }
    case 'path':
      return rule.path === request.path;
    case 'pathPrefix': {
      if (rule.path === '/' || rule.path === request.path) return true;
      return request.path.startsWith(`${rule.path}/`);
    }
    case 'method':
      return rule.method === request.method;
    default:
      throw new Error('not generated');
  }
}

const HOSTS = ['a', 'x.a', 'y.a', 'z.x.a', 'b'];
const PATHS = ['/', '/p', '/p/', '/p/q', '/pq', '/r'];
const REQUESTS: readonly Request[] = HOSTS.flatMap((host) =>
  PATHS.flatMap((path) => ['GET', 'PUT'].map((method) => ({ host, path, method }))),
);

const matcher: fc.Arbitrary<Matcher> = fc.oneof(
  fc.constantFrom('a', 'x.a', '*.a', '*', 'b').map((host): Matcher => ({ kind: 'host', host })),
  fc.constantFrom(...PATHS).map((path): Matcher => ({ kind: 'path', path })),
  fc.constantFrom('/', '/p', '/p/q').map((path): Matcher => ({ kind: 'pathPrefix', path })),
  fc.constantFrom('GET', 'PUT').map((method): Matcher => ({ kind: 'method', method })),
);
const { rule } = fc.letrec<{ rule: Rule }>((tie) => ({
  rule: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    matcher,
    fc.array(tie('rule'), { maxLength: 3 }).map(andOf),
    fc.array(tie('rule'), { minLength: 1, maxLength: 3 }).map(orOf),
    tie('rule').map((one): Rule => ({ kind: 'not', rule: one })),
  ),
}));

test('lintShadows: a route it calls unreachable never wins a request', () => {
  let judged = 0;
  const property = fc.property(fc.array(rule, { minLength: 1, maxLength: 6 }), (rules) => {
    const unreachable = lint(...rules.map((one) => ({ rule: one }))).map(
      (text) => text.split(' ')[0],
    );
    judged += unreachable.length;
    const sorted = rules.map((one, order) => routeOf({ rule: one }, order)).toSorted(compareRoutes);
    for (const request of REQUESTS) {
      const winner = sorted.find((route) => matches(route.rule, request));
      assert.ok(
        winner === undefined || !unreachable.includes(winner.name),
        JSON.stringify(request),
      );
    }
  });
  fc.assert(property, { numRuns: 2_000 });
  assert.ok(judged > 200, 'the property must meet unreachable routes');
});
