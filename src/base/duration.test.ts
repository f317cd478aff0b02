import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { formatDuration, parseDuration } from './duration.ts';

const CASES: readonly [string, number | null][] = [
  ['0', 0],
  ['0s', 0],
  ['1ms', 1],
  ['30s', 30_000],
  ['1.5s', 1_500],
  ['1.1s', 1_100],
  ['5m', 300_000],
  ['1h30m', 5_400_000],
  ['1d', 86_400_000],
  ['', null],
  ['30', null],
  ['s', null],
  ['30 s', null],
  ['-1s', null],
  ['1.5ms', null],
  ['1s1s', null],
  ['1m1h', null],
  ['1e3s', null],
  ['30sec', null],
  ['99999999999999999d', null],
];

test('duration: reads each form, and nothing else', () => {
  for (const [text, expected] of CASES) assert.equal(parseDuration(text), expected, text);
});

test('duration: reads back what it writes', () => {
  assert.equal(formatDuration(5_400_000), '1h30m');
  fc.assert(
    fc.property(fc.maxSafeNat(), (ms) => assert.equal(parseDuration(formatDuration(ms)), ms)),
  );
});
