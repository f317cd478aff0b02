import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isSame } from './is-same.ts';

test('isSame: tells arrays, tables, null and missing keys apart', () => {
  const table: readonly (readonly [unknown, unknown, boolean])[] = [
    [1, 1, true],
    [NaN, NaN, true],
    [null, {}, false],
    [[], {}, false],
    [{}, [], false],
    [[1, 2], [1, 2], true],
    [[1, 2], [1, 2, 3], false],
    [{ a: 1 }, { a: 1, b: undefined }, false],
    [{ b: undefined }, { a: undefined }, false],
    [{ a: { b: [1] } }, { a: { b: [1] } }, true],
    [{ a: { b: [1] } }, { a: { b: [2] } }, false],
  ];
  for (const [a, b, expected] of table) assert.equal(isSame(a, b), expected);
});

test('isSame: says of plain data what deepEqual says', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), fc.jsonValue({ maxDepth: 3 }), (a, b) => {
      assert.ok(isSame(a, structuredClone(a)));
      let isEqual = true;
      try {
        assert.deepEqual(a, b);
      } catch {
        isEqual = false;
      }
      assert.equal(isSame(a, b), isEqual);
    }),
  );
});
