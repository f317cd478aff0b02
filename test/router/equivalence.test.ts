import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { alternativesOf } from '../../src/control/compile/alternatives.ts';
import type { CheckRequest } from '../../src/control/compile/explain-request.ts';
import type { RoutableRoute } from '../../src/control/compile/router.ts';
import { compileRouter } from '../../src/control/compile/router.ts';
import { checkRule } from '../../src/control/compile/rule-check.ts';
import { CANDIDATE_STRIDE } from '../../src/contract/router-tables.ts';
import { linkRouter } from '../../src/data/route/router.ts';
import { linkSequential } from '../../src/data/route/sequential.ts';
import type { Rule } from '../../src/contract/routing.ts';
import { anyRequest, anyRoutes, anyRule } from './arbitraries.ts';
import { TextRequest } from './text-request.ts';

/** Cases of one run, over all properties of this file; the issue asks for 10,000 or more. */
let caseCount = 0;

/** Asserts that all three matchers name the same route. @returns that route. */
function agree(routes: readonly RoutableRoute[], requests: readonly CheckRequest[]): number[] {
  // Structured clone, because that is how tables reach a worker.
  const compiled = linkRouter(structuredClone(compileRouter(routes)));
  const sequential = linkSequential(routes);
  return requests.map((request) => {
    const bytes = new TextRequest(request);
    const expected = routes.findIndex(
      ({ rule, listeners }) =>
        (listeners === null || listeners.includes(request.listenerIndex)) &&
        checkRule(rule, request) === null,
    );
    caseCount++;
    assert.equal(sequential.match(bytes), expected, 'sequential matcher');
    assert.equal(compiled.match(bytes), expected, 'compiled matcher');
    assert.equal(compiled.match(bytes), expected, 'compiled matcher, asked again');
    return expected;
  });
}

test('router: all matchers agree on random graphs and requests', () => {
  let matchCount = 0;
  fc.assert(
    fc.property(anyRoutes, fc.array(anyRequest, { minLength: 6, maxLength: 10 }), (routes, all) => {
      for (const route of agree(routes, all)) if (route > 0) matchCount++;
    }),
    { numRuns: 6_000 },
  );
  assert.ok(caseCount >= 10_000, `only ${caseCount} cases were tried`);
  assert.ok(matchCount > caseCount / 20, `only ${matchCount} were past the first route`);
});

test('router: a rule holds exactly when one of its alternatives holds', () => {
  fc.assert(
    fc.property(anyRule, anyRequest, fc.integer({ min: 1, max: 8 }), (rule, request, max) => {
      const alternatives = alternativesOf(rule, max);
      assert.ok(alternatives.length <= max, `${alternatives.length} alternatives`);
      const holding = alternatives.some(({ host, path, rest }) => {
        const rules: Rule[] = [...rest];
        if (host !== null) rules.push({ kind: 'host', host });
        if (path !== null)
          rules.push({ kind: path.isPrefix ? 'pathPrefix' : 'path', path: path.path });
        return checkRule({ kind: 'and', rules }, request) === null;
      });
      assert.equal(holding, checkRule(rule, request) === null);
    }),
    { numRuns: 10_000 },
  );
});

const word = fc.string({ unit: fc.constantFrom('a', 'b', '-', '1'), minLength: 1, maxLength: 3 });
const label = word.map((text) => `h${text}`);
const manyHosts = fc.uniqueArray(
  fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.')),
  { minLength: 220, maxLength: 320 },
);
const segments = fc.array(fc.constantFrom('a', 'ab', 'abc', 'b', '%2F', '%C3%A9'), {
  maxLength: 5,
});
const sharedPath = segments.map((parts) => `/${parts.join('/')}`);

test('router: all matchers agree with hundreds of hosts and shared prefixes', () => {
  fc.assert(
    fc.property(
      manyHosts,
      fc.array(sharedPath, { minLength: 30, maxLength: 60 }),
      fc.array(fc.nat(), { minLength: 12, maxLength: 12 }),
      (hosts, paths, picks) => {
        const routes = hosts.map((host, index): RoutableRoute => {
          const kind = index % 2 === 0 ? 'pathPrefix' : 'path';
          const name = index % 7 === 3 ? `*.${host}` : host;
          const path: Rule = { kind, path: paths[index % paths.length]! };
          const rules: Rule[] = index % 11 === 5 ? [path] : [{ kind: 'host', host: name }, path];
          return { rule: { kind: 'and', rules }, listeners: index % 13 === 0 ? [1] : null };
        });
        const requests = picks.map((pick): CheckRequest => {
          const host = hosts[pick % hosts.length]!;
          return {
            host: pick % 3 === 0 ? `x.${host}` : host,
            path: paths[(pick >> 3) % paths.length]! + (pick % 5 === 0 ? '/a' : ''),
            method: 'GET',
            headers: [],
            query: '',
            clientAddress: '127.0.0.1',
            listenerIndex: pick % 2,
          };
        });
        agree(routes, requests);
      },
    ),
    { numRuns: 200, endOnFailure: true },
  );
});

test('router: keeps a rule whole when it has too many alternatives', () => {
  const rule: Rule = { kind: 'and', rules: [choice('host'), choice('pathPrefix')] };
  const routes: RoutableRoute[] = [
    { rule, listeners: null },
    { rule: { kind: 'pathPrefix', path: '/' }, listeners: null },
  ];
  assert.ok(compileRouter(routes).candidates.length / CANDIDATE_STRIDE <= 43);
  const request = { method: 'GET', headers: [], query: '', clientAddress: '::1', listenerIndex: 0 };
  const requests = ['h39 /p39/x', 'h39 /p40', 'h40 /p39', 'h0 /p0'].map((text) => {
    const [host, path] = text.split(' ');
    return { ...request, host: host!, path: path! };
  });
  assert.deepEqual(agree(routes, requests), [0, 1, 1, 0]);
});

/** Any of 40 hosts, or of 40 prefixes. */
function choice(kind: 'host' | 'pathPrefix'): Rule {
  const rules = Array.from({ length: 40 }, (_, i): Rule => {
    return kind === 'host' ? { kind, host: `h${i}` } : { kind, path: `/p${i}` };
  });
  return { kind: 'or', rules };
}
