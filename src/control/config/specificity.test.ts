import test from 'node:test';
import assert from 'node:assert/strict';
import type { Rule } from '../../contract/routing.ts';
import { parseRule } from './rule-parser.ts';
import {
  compareRoutes,
  compareSpecificity,
  describeSpecificity,
  specificityOf,
} from './specificity.ts';

function rank(text: string) {
  return specificityOf(parseRule(text) as Rule);
}

/** From the most to the least specific. */
const LADDER: readonly string[] = [
  'Host(`a.b`) && Path(`/api/x`) && Method(`GET`)',
  'Host(`a.b`) && Path(`/api/x`)',
  'Host(`a.b`) && Path(`/api`)',
  'Host(`a.b`) && PathPrefix(`/api/long`)',
  'Host(`a.b`) && PathPrefix(`/api`) && Method(`GET`) && !ClientIP(`::1`)',
  'Host(`a.b`) && PathPrefix(`/api`) && Query(`a`)',
  'Host(`a.b`) && PathPrefix(`/api`)',
  'Host(`a.b`) && PathRegexp(`x`)',
  'Host(`a.b`) && Header(`a`, `b`)',
  'Host(`a.b`)',
  'Host(`*.b`) && Path(`/api`)',
  'Host(`*.b`)',
  'HostRegexp(`x`) && Path(`/api`)',
  'HostRegexp(`x`)',
  'Path(`/api`)',
  'PathPrefix(`/a`)',
  'PathRegexp(`^/very/long/and/exact$`)',
  'Method(`GET`)',
  'PathPrefix(`/`)',
];

test('specificity: ranks host, then path, then the number of further predicates', () => {
  for (const [index, text] of LADDER.entries()) {
    for (const lower of LADDER.slice(index + 1)) {
      assert.ok(compareSpecificity(rank(text), rank(lower)) < 0, `${text} before ${lower}`);
      assert.ok(compareSpecificity(rank(lower), rank(text)) > 0, `${lower} after ${text}`);
    }
  }
});

const EQUAL: readonly [string, string][] = [
  ['Host(`a.b`) || PathPrefix(`/`)', 'PathPrefix(`/`)'],
  ['Host(`a.b`) || Host(`*.b`)', 'Host(`*.b`)'],
  ['Host(`*`) && Path(`/a`)', 'Path(`/a`)'],
  ['!Host(`a.b`)', 'Method(`GET`)'],
  ['Path(`/a`) && PathPrefix(`/abc`)', 'Path(`/a`)'],
];

test('specificity: takes the lesser side of an alternative, and no side of a negation', () => {
  for (const [a, b] of EQUAL) assert.deepEqual(rank(a), rank(b), a);
});

test('specificity: describes itself in one line', () => {
  const text = describeSpecificity(rank('Host(`a.b`) && PathPrefix(`/api`) && Method(`GET`)'));
  assert.equal(text, 'exact host, prefix of 4 characters, 1 further predicate');
});

test('compareRoutes: asks specificity, then priority, then declaration', () => {
  const specificity = rank('Host(`a`)');
  const routes = [
    { name: 'last', specificity: rank('Path(`/`)'), priority: 9 },
    { name: 'second', specificity, priority: 1 },
    { name: 'third', specificity, priority: 1 },
    { name: 'first', specificity, priority: 2 },
  ];
  const names = routes.toSorted(compareRoutes).map((route) => route.name);
  assert.deepEqual(names, ['first', 'second', 'third', 'last']);
});
