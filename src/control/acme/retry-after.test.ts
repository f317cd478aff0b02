import assert from 'node:assert/strict';
import { test } from 'node:test';

import { linksOf, retryAtMs } from './retry-after.ts';

const NOW = Date.parse('2026-11-20T20:00:00Z');

test('retry-after: seconds and dates, at most a week, never before now', () => {
  const cases: [string | undefined, number][] = [
    [undefined, 0],
    ['120', NOW + 120_000],
    [' 5 ', NOW + 5_000],
    ['0', NOW],
    ['9999999999', NOW + 7 * 86_400_000],
    ['Fri, 20 Nov 2026 21:00:00 GMT', NOW + 3_600_000],
    ['Fri, 20 Nov 2020 21:00:00 GMT', NOW],
    ['Fri, 20 Nov 2099 21:00:00 GMT', NOW + 7 * 86_400_000],
    ['-5', 0],
    ['1.5', 0],
    ['soon', 0],
    ['2026-11-20', 0],
    ['99999999999', 0],
    ['', 0],
  ];
  for (const [value, wanted] of cases) assert.equal(retryAtMs(value, NOW), wanted, String(value));
});

test('link: URLs of one relation, absolute, in order', () => {
  const base = 'https://ca/cert/1';
  const value =
    '<https://ca/dir>;rel="index", </cert/1/1>; rel="alternate", <x>;title="a";REL=alternate,' +
    '<https://ca/2>;rel="up alternate", <http://[>;rel="alternate"';
  assert.deepEqual(linksOf(value, 'alternate', base), [
    'https://ca/cert/1/1',
    'https://ca/cert/x',
    'https://ca/2',
  ]);
  assert.deepEqual(linksOf(undefined, 'alternate', base), []);
  const many = Array(20).fill('<https://ca/a>;rel="alternate"').join(', ');
  assert.equal(linksOf(many, 'alternate', base).length, 8);
});
