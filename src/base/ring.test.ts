import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { Ring } from './ring.ts';

/** Runs `operations` (-1 takes, anything else is pushed) on a ring and on an array. */
function check(operations: number[], countMax: number): void {
  const ring = new Ring<number>(countMax, 2);
  const model: number[] = [];
  for (const value of operations) {
    assert.equal(ring.peek(), model[0]);
    if (value < 0) {
      assert.equal(ring.shift(), model.shift());
    } else if (model.length < countMax) {
      assert.equal(ring.push(value), true);
      model.push(value);
    } else {
      assert.equal(ring.push(value), false);
    }
    assert.equal(ring.count, model.length);
  }
}

test('ring: behaves like an array used as a queue, for any order of operations', () => {
  const operations = fc.array(fc.oneof(fc.nat(), fc.constant(-1)), { maxLength: 200 });
  const countMax = fc.integer({ min: 1, max: 40 });
  fc.assert(fc.property(operations, countMax, check), { numRuns: 500 });
});

test('ring: takes exactly countMax items and refuses the next one', () => {
  const ring = new Ring<string>(3);
  assert.ok(ring.push('a') && ring.push('b') && ring.push('c'));
  assert.equal(ring.push('d'), false);
  assert.equal(ring.shift(), 'a');
  assert.equal(ring.push('d'), true);
});
