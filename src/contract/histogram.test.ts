import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import {
  HISTOGRAM_BUCKETS,
  HISTOGRAM_VALUE_MAX,
  histogramBucket,
  histogramBucketAtPower,
  histogramUpperEdge,
} from './histogram.ts';

function lowerEdge(bucket: number): number {
  return bucket === 0 ? 0 : histogramUpperEdge(bucket - 1);
}

test('histogram: a value lies above its lower edge and not above its upper edge', () => {
  const value = fc.oneof(
    fc.double({ min: 0, max: 40, noNaN: true }),
    fc.double({ min: 0, max: HISTOGRAM_VALUE_MAX, noNaN: true }),
    fc.integer({ min: 0, max: 31 }).map((power) => 2 ** power),
    fc.integer({ min: 0, max: 31 }).map((power) => 2 ** power + 1),
  );
  fc.assert(
    fc.property(value, (sample) => {
      const bucket = histogramBucket(sample);
      assert.ok(bucket >= 0 && bucket < HISTOGRAM_BUCKETS);
      assert.ok(sample <= histogramUpperEdge(bucket), 'upper edge');
      assert.ok(sample > lowerEdge(bucket) || (sample === 0 && bucket === 0), 'lower edge');
    }),
    { numRuns: 5_000 },
  );
});

test('histogram: no bucket above 4 is wider than 25 % of its lower edge', () => {
  for (let bucket = 4; bucket < HISTOGRAM_BUCKETS; bucket++) {
    const width = histogramUpperEdge(bucket) - lowerEdge(bucket);
    assert.ok(width > 0 && width <= lowerEdge(bucket) * 0.25, `bucket ${bucket}`);
  }
});

test('histogram: every upper edge counts in its own bucket and its successor in the next', () => {
  for (let bucket = 0; bucket < HISTOGRAM_BUCKETS - 1; bucket++) {
    const edge = histogramUpperEdge(bucket);
    assert.equal(histogramBucket(edge), bucket);
    assert.equal(histogramBucket(edge + 0.5), bucket + 1);
  }
});

test('histogram: hostile values count in the first or the last bucket', () => {
  for (const value of [0, -0, -1, Number.NaN, Number.NEGATIVE_INFINITY]) {
    assert.equal(histogramBucket(value), 0);
  }
  for (const value of [HISTOGRAM_VALUE_MAX, 1e300, Number.POSITIVE_INFINITY]) {
    assert.equal(histogramBucket(value), HISTOGRAM_BUCKETS - 1);
  }
});

test('histogram: powers of two are exact edges', () => {
  for (let power = 2; power <= 32; power++) {
    assert.equal(histogramUpperEdge(histogramBucketAtPower(power)), 2 ** power);
  }
});
