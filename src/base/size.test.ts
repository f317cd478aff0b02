import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { formatSize, parseSize } from './size.ts';

const CASES: readonly [string, number | null][] = [
  ['0', 0],
  ['1B', 1],
  ['64KiB', 65_536],
  ['64KB', 64_000],
  ['1.5MiB', 1_572_864],
  ['256MiB', 268_435_456],
  ['1GiB', 1_073_741_824],
  ['', null],
  ['64', null],
  ['64kb', null],
  ['64K', null],
  ['64 KiB', null],
  ['-1B', null],
  ['0.5B', null],
  ['99999TiB', null],
];

test('size: reads each form, and nothing else', () => {
  for (const [text, expected] of CASES) assert.equal(parseSize(text), expected, text);
});

test('size: reads back what it writes', () => {
  assert.equal(formatSize(16_384), '16KiB');
  assert.equal(formatSize(1_000), '1000B');
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => assert.equal(parseSize(formatSize(bytes)), bytes)),
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4096 }), (n) => {
      assert.equal(parseSize(formatSize(n * 1024)), n * 1024);
    }),
  );
});
