import assert from 'node:assert/strict';
import test from 'node:test';

import type { Endpoint } from '../balance/endpoint.ts';
import { compareLatencies } from './latency-sweep.ts';

/** What each endpoint is held against; -1 when it is not. */
function compared(meansMs: readonly number[]): number[] {
  const seen = meansMs.map(() => -1);
  const endpoints = meansMs.map((meanMs, index) => {
    const outlier = {
      meanLatencyMs: () => meanMs,
      compareLatency: (othersMs: number) => (seen[index] = othersMs),
    };
    return { outlier } as unknown as Endpoint;
  });
  compareLatencies(endpoints);
  return seen;
}

test('latency sweep: holds each endpoint against the median of the others', () => {
  assert.deepEqual(compared([10, 20, 90]), [90, 90, 20]);
  assert.deepEqual(compared([90, 10, 30, 20]), [20, 30, 20, 30]);
  assert.deepEqual(compared([5, 500]), [500, 5]);
});

test('latency sweep: leaves out endpoints without a mean, and one alone', () => {
  assert.deepEqual(compared([-1, 10, 20]), [-1, 20, 10]);
  assert.deepEqual(compared([-1, 10]), [-1, -1]);
  assert.deepEqual(compared([]), []);
});
