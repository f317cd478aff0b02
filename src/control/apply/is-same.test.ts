import assert from 'node:assert/strict';
import test from 'node:test';

import { isSame } from './is-same.ts';

test('is same: plain data by value, at any depth', () => {
  const same: readonly (readonly [unknown, unknown])[] = [
    [1, 1],
    [null, null],
    [Number.NaN, Number.NaN],
    [
      { a: 1, b: [1, { c: 2 }] },
      { b: [1, { c: 2 }], a: 1 },
    ],
    [[], []],
  ];
  for (const [a, b] of same) assert.ok(isSame(a, b), JSON.stringify([a, b]));
  const different: readonly (readonly [unknown, unknown])[] = [
    [1, '1'],
    [null, undefined],
    [null, {}],
    [[], {}],
    [{}, []],
    [[1], [1, 2]],
    [{ a: 1 }, { b: 1 }],
    [{ a: undefined }, { b: undefined }],
    [{ a: 1 }, { a: 1, b: undefined }],
    [{ a: [1, { c: 2 }] }, { a: [1, { c: 3 }] }],
  ];
  for (const [a, b] of different) assert.ok(!isSame(a, b), JSON.stringify([a, b]));
});
