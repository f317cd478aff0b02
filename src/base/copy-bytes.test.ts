import assert from 'node:assert/strict';
import test from 'node:test';
import { copyBytes } from './copy-bytes.ts';

const SIZES = [0, 1, 31, 32, 33, 191, 192, 193, 1_000];

function numbered(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => i % 251);
}

test('copyBytes: copies between buffers at every edge of its methods', () => {
  const from = numbered(1_100);
  for (const size of SIZES) {
    const to = new Uint8Array(1_100);
    assert.equal(copyBytes(to, 5, from, 7, 7 + size), 5 + size);
    assert.deepEqual(to.subarray(5, 5 + size), from.subarray(7, 7 + size));
    assert.equal(to[4], 0);
    assert.equal(to[5 + size], 0);
  }
});

test('copyBytes: moves a range down within one buffer, overlapping or not', () => {
  for (const size of SIZES) {
    for (const distance of [1, 40, 90]) {
      const bytes = numbered(1_100);
      const expected = bytes.slice(95, 95 + size);
      assert.equal(copyBytes(bytes, 95 - distance, bytes, 95, 95 + size), 95 - distance + size);
      assert.deepEqual(bytes.slice(95 - distance, 95 - distance + size), expected);
    }
  }
});
