import test from 'node:test';
import assert from 'node:assert/strict';
import type { RouterTables } from '../../contract/router-tables.ts';
import {
  CANDIDATE_STRIDE,
  CandidateColumn,
  HOST_STRIDE,
  NODE_STRIDE,
  NodeColumn,
} from '../../contract/router-tables.ts';
import type { Rule } from '../../contract/routing.ts';
import { compileRouter } from './router.ts';

function route(
  host: string | null,
  path: string | null,
  method?: string,
): { rule: Rule; listeners: null } {
  const rules: Rule[] = [];
  if (host !== null) rules.push({ kind: 'host', host });
  if (path !== null) rules.push({ kind: 'pathPrefix', path });
  if (method !== undefined) rules.push({ kind: 'method', method });
  return { rule: { kind: 'and', rules }, listeners: null };
}

/** Candidate lists that are not empty, as `route:condition` each. */
function lists(tables: RouterTables): string[] {
  const result: string[] = [];
  const { nodes, candidates } = tables;
  for (let record = 0; record < nodes.length; record += NODE_STRIDE) {
    const borders = [NodeColumn.exactStart, NodeColumn.prefixStart, NodeColumn.prefixEnd];
    for (let k = 0; k < 2; k++) {
      const pairs: string[] = [];
      const end = nodes[record + borders[k + 1]!]!;
      for (let i = nodes[record + borders[k]!]!; i < end; i += CANDIDATE_STRIDE) {
        const route = candidates[i + CandidateColumn.route];
        pairs.push(`${route}:${candidates[i + CandidateColumn.condition]}`);
      }
      if (pairs.length > 0) result.push(pairs.join(' '));
    }
  }
  return result;
}

test('compileRouter: puts nothing behind a candidate without condition', () => {
  const routes = [
    route('a', '/p', 'GET'),
    route('a', '/p'),
    route('a', '/p', 'PUT'),
    route('a', '/p'),
  ];
  assert.deepEqual(lists(compileRouter(routes)), ['0:0 1:-1']);
});

test('compileRouter: gives equal remainders of a route one condition', () => {
  const method: Rule = { kind: 'method', method: 'GET' };
  const hosts: Rule = {
    kind: 'or',
    rules: ['a', 'b', '*.c'].map((host): Rule => ({ kind: 'host', host })),
  };
  const tables = compileRouter([{ rule: { kind: 'and', rules: [hosts, method] }, listeners: [1] }]);
  assert.deepEqual(lists(tables), ['0:0', '0:0', '0:0']);
  assert.deepEqual(tables.conditions, [{ listeners: [1], rule: method }]);
});

test('compileRouter: keeps the host table at most half full', () => {
  for (const count of [0, 1, 2, 3, 4, 5, 500]) {
    const routes = Array.from({ length: count }, (_, i) => route(`h${i}.test`, '/'));
    const { hosts, hostSlots } = compileRouter(routes);
    assert.equal(hosts.length / HOST_STRIDE, count);
    assert.equal(hostSlots.filter((slot) => slot !== 0).length, count);
    assert.ok(hostSlots.length >= 2 * count && hostSlots.length <= Math.max(2, 4 * count));
  }
});

test('compileRouter: has no table entry for a rule that cannot hold', () => {
  const rule: Rule = {
    kind: 'and',
    rules: [
      { kind: 'path', path: '/a' },
      { kind: 'path', path: '/b' },
    ],
  };
  const tables = compileRouter([{ rule, listeners: null }]);
  assert.equal(tables.routeCount, 1);
  assert.equal(tables.candidates.length, CANDIDATE_STRIDE);
  assert.equal(tables.anyHostTree, -1);
});

test('compileRouter: says how many prefix lists a path can meet', () => {
  const nested = ['/', '/a', '/a/b', '/a/b/c', '/x'].map((path) => route(null, path));
  assert.equal(compileRouter(nested).walkDepthMax, 4);
  assert.equal(compileRouter([]).walkDepthMax, 0);
});
