import test from 'node:test';
import assert from 'node:assert/strict';
import { editDistance, nearest, suggest } from './did-you-mean.ts';

const DISTANCES: readonly [a: string, b: string, distance: number][] = [
  ['', '', 0],
  ['abc', 'abc', 0],
  ['abc', '', 3],
  ['abc', 'abd', 1],
  ['abc', 'ac', 1],
  ['abc', 'abxc', 1],
  ['adress', 'address', 1],
  ['hots', 'host', 1],
  ['ca', 'abc', 3],
];

test('editDistance: counts edits, and a swap of neighbours as one', () => {
  for (const [a, b, distance] of DISTANCES) {
    assert.equal(editDistance(a, b), distance, `${a} ${b}`);
    assert.equal(editDistance(b, a), distance, `${b} ${a}`);
  }
});

test('nearest: finds a slip, not a different word', () => {
  const words = ['host', 'path', 'priority'];
  assert.equal(nearest('HOTS', words), 'host');
  assert.equal(nearest('prioritty', words), 'priority');
  assert.equal(nearest('service', words), null);
  assert.equal(nearest('ab', words), null);
  assert.equal(nearest('x'.repeat(65), ['x'.repeat(65)]), null);
});

test('suggest: lists the words when they are few and none is near', () => {
  assert.equal(suggest('zzz', ['a1', 'b1']), 'known: a1, b1');
  assert.equal(suggest('zzz', []), undefined);
  assert.equal(
    suggest(
      'zzz',
      Array.from({ length: 13 }, (_, i) => `word${i}`),
    ),
    undefined,
  );
});
