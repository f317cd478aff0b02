import test from 'node:test';
import assert from 'node:assert/strict';
import type { Rule } from '../../contract/routing.ts';
import { alternativesOf } from './alternatives.ts';

const host = (name: string): Rule => ({ kind: 'host', host: name });
const path = (text: string): Rule => ({ kind: 'path', path: text });
const prefix = (text: string): Rule => ({ kind: 'pathPrefix', path: text });
const method = (name: string): Rule => ({ kind: 'method', method: name });
const and = (...rules: Rule[]): Rule => ({ kind: 'and', rules });
const or = (...rules: Rule[]): Rule => ({ kind: 'or', rules });

/** Alternatives as `host path +rest`, `/x` exact, `/x*` prefix, `-` for any. */
function split(rule: Rule, max = 100): string[] {
  return alternativesOf(rule, max).map((alternative) => {
    const { host: name, path: key, rest } = alternative;
    const pathText = key === null ? '-' : key.path + (key.isPrefix ? '*' : '');
    return `${name ?? '-'} ${pathText}${rest.map((part) => ` +${part.kind}`).join('')}`;
  });
}

test('alternatives: keys every host and path it can and leaves the rest', () => {
  const rows: [Rule, string[]][] = [
    [and(), ['- -']],
    [or(), []],
    [host('*'), ['- -']],
    [prefix('/'), ['- -']],
    [and(host('a'), prefix('/p'), method('GET')), ['a /p* +method']],
    [or(host('a'), host('*.b')), ['a -', '*.b -']],
    [
      and(or(host('a'), host('b')), or(path('/x'), prefix('/y'))),
      ['a /x', 'a /y*', 'b /x', 'b /y*'],
    ],
    [or(and(host('a'), method('GET')), path('/x')), ['a - +method', '- /x']],
    [or(host('a'), method('GET')), ['- - +or']],
    [or(host('a'), and()), ['- -']],
    [{ kind: 'not', rule: host('a') }, ['- - +not']],
    [and(host('a'), or(method('GET'), method('PUT'))), ['a - +or']],
  ];
  for (const [rule, expected] of rows)
    assert.deepEqual(split(rule), expected, JSON.stringify(rule));
});

test('alternatives: joins keys that hold together and drops those that cannot', () => {
  const rows: [Rule, string[]][] = [
    [and(host('a'), host('a')), ['a -']],
    [and(host('a'), host('b')), []],
    [and(host('*.t'), host('a.t')), ['a.t -']],
    [and(host('b.a.t'), host('*.t')), []],
    [and(host('*.a'), host('*.b')), []],
    [and(prefix('/a'), prefix('/a/b')), ['- /a/b*']],
    [and(prefix('/a'), path('/a/b')), ['- /a/b']],
    [and(path('/ab'), prefix('/a')), []],
    [and(prefix('/a/'), prefix('/a')), ['- /a/*']],
    [and(path('/a'), path('/a')), ['- /a']],
    [and(path('/a'), path('/b')), []],
  ];
  for (const [rule, expected] of rows)
    assert.deepEqual(split(rule), expected, JSON.stringify(rule));
});

test('alternatives: stays within its limit by keeping parts whole', () => {
  const many = or(host('a'), host('b'), host('c'));
  assert.deepEqual(split(many, 3), ['a -', 'b -', 'c -']);
  assert.deepEqual(split(many, 2), ['- - +or']);
  assert.deepEqual(split(and(many, or(path('/x'), path('/y'))), 6).length, 6);
  assert.deepEqual(split(and(many, or(path('/x'), path('/y'))), 5), [
    'a - +or',
    'b - +or',
    'c - +or',
  ]);
});
