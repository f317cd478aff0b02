import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { median, quantile, rotate, spread } from './statistics.ts';

test('statistics: median takes the middle, or the mean of two', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([10, 1, 4, 6]), 5);
  assert.equal(median([7]), 7);
  assert.ok(Number.isNaN(median([])));
});

test('statistics: one wild round moves the median less than the mean', () => {
  assert.equal(median([18, 19, 19, 20, 400]), 19);
});

test('statistics: quantile is by nearest rank, both ends included', () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.equal(quantile(values, 0.99), 99);
  assert.equal(quantile(values, 1), 100);
  assert.equal(quantile(values, 0), 1);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});

test('statistics: spread relates the range to the median', () => {
  assert.equal(spread([9, 10, 12]), 0.3);
  assert.equal(spread([4, 4]), 0);
});

test('statistics: over as many rounds as peers, rotation puts each first exactly once', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 9 }), (peers) => {
      const firsts = peers.map((_, round) => rotate(peers, round)[0]);
      assert.deepEqual(firsts, peers);
      assert.deepEqual(rotate(peers, peers.length), peers);
    }),
  );
  assert.deepEqual(rotate([], 3), []);
});
