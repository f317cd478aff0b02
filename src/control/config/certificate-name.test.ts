import test from 'node:test';
import assert from 'node:assert/strict';
import { isPublicName, matchesName, wideOf } from './certificate-name.ts';

const PUBLIC =
  'example.com www.example.com *.example.com 8.8.8.8 2606:4700::1 xn--bcher-kva.example';
const PRIVATE =
  'localhost app.localhost printer.local db.internal nas.home.arpa home.arpa intranet *.com ' +
  '*.internal a_b.example.com 10.0.0.1 127.0.0.1 192.168.1.1 172.31.0.1 100.64.0.1 169.254.1.1 ' +
  '::1 fd00::1 fe80::1 0.0.0.0';

test('certificate name: public ones are those that an authority could be asked for', () => {
  for (const name of PUBLIC.split(' ')) assert.equal(isPublicName(name), true, name);
  for (const name of PRIVATE.split(' ')) assert.equal(isPublicName(name), false, name);
});

test('certificate name: a pattern stands for one label, or for all names', () => {
  const cases: readonly (readonly [pattern: string, name: string, matches: boolean])[] = [
    ['a.b', 'a.b', true],
    ['a.b', 'x.a.b', false],
    ['*.b.c', 'a.b.c', true],
    ['*.b.c', 'x.a.b.c', false],
    ['*.b.c', 'b.c', false],
    ['*.b.c', '*.b.c', true],
    ['*.b.c', '*.a.b.c', false],
    ['*', '*.b.c', true],
    ['*', '10.0.0.1', true],
    ['*.0.0.1', '10.0.0.1', false],
  ];
  for (const [pattern, name, matches] of cases) {
    assert.equal(matchesName(pattern, name), matches, `${pattern} ${name}`);
  }
  assert.deepEqual(['a.b.c', '*.b.c', 'a', '10.0.0.1', '::1'].map(wideOf), [
    '*.b.c',
    '',
    '',
    '',
    '',
  ]);
});
