import assert from 'node:assert/strict';
import test from 'node:test';

import { Prng } from './prng.ts';

test('prng: gives the same sequence when the seed is the same', () => {
  const left = new Prng(7);
  const right = new Prng(7);
  for (let i = 0; i < 1_000; i++) assert.equal(left.bits(), right.bits());
});

test('prng: gives another sequence when the seed differs by one', () => {
  const left = new Prng(7);
  const right = new Prng(8);
  let equal = 0;
  for (let i = 0; i < 1_000; i++) if (left.bits() === right.bits()) equal++;
  assert.ok(equal < 3);
});

test('prng: next stays in [0, 1) and fills it evenly', () => {
  const prng = new Prng(1);
  const buckets = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 100_000; i++) {
    const value = prng.next();
    assert.ok(value >= 0 && value < 1);
    const bucket = Math.floor(value * 10);
    buckets[bucket] = buckets[bucket]! + 1;
  }
  for (const count of buckets) assert.ok(count > 9_500 && count < 10_500, `bucket ${count}`);
});

test('prng: integer includes both ends and collapses when they meet', () => {
  const prng = new Prng(3);
  const seen = new Set<number>();
  for (let i = 0; i < 1_000; i++) seen.add(prng.integer(2, 5));
  assert.deepEqual([...seen].toSorted(), [2, 3, 4, 5]);
  assert.equal(prng.integer(4, 4), 4);
  assert.equal(prng.integer(4, 1), 4);
});

test('prng: chance is never true at 0 and always at 1', () => {
  const prng = new Prng(3);
  for (let i = 0; i < 1_000; i++) {
    assert.equal(prng.chance(0), false);
    assert.equal(prng.chance(1), true);
  }
});
