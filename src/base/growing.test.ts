import test from 'node:test';
import assert from 'node:assert/strict';
import { GrowingBytes, GrowingInts } from './growing.ts';

test('growing: keeps what was added, and copies what is there now', () => {
  const ints = new GrowingInts();
  for (let i = 0; i < 1_000; i++) ints.push(-i);
  const copy = ints.copy();
  ints.set(7, 70);
  ints.push(5);
  assert.equal(copy.length, 1_000);
  assert.equal(copy[7], -7);
  assert.equal(copy[999], -999);
  assert.equal(ints.get(7), 70);
  assert.equal(ints.copy()[1_000], 5);
});

test('growing: reserves zeroes, however many', () => {
  const bytes = new GrowingBytes();
  bytes.push(9);
  bytes.reserve(300);
  assert.equal(bytes.size, 301);
  bytes.set(300, 8);
  assert.deepEqual([...bytes.copy()], [9, ...new Uint8Array(299), 8]);
});
