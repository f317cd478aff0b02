import assert from 'node:assert/strict';
import test from 'node:test';

import { Prng } from '../../base/prng.ts';
import { RollingCounts } from './rolling-counts.ts';

test('rolling counts: what is older than the window is forgotten, bucket by bucket', () => {
  const counts = new RollingCounts(1_000);
  counts.add(0);
  counts.mark(0);
  counts.add(550);
  assert.deepEqual([counts.total, counts.marked], [2, 1]);
  counts.roll(899);
  assert.deepEqual([counts.total, counts.marked], [2, 1], 'within the window');
  counts.roll(1_100);
  assert.deepEqual([counts.total, counts.marked], [1, 0], 'the first is too old');
  counts.roll(1_700);
  assert.deepEqual([counts.total, counts.marked], [0, 0]);
});

test('rolling counts: a long silence forgets everything at once', () => {
  const counts = new RollingCounts(1_000);
  for (let i = 0; i < 100; i++) counts.add(i * 10);
  counts.roll(1e9);
  assert.equal(counts.total, 0);
  counts.add(1e9 + 1);
  assert.equal(counts.total, 1);
});

test('rolling counts: never counts what is older than the window, nor misses a recent one', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const prng = new Prng(seed);
    const windowMs = prng.integer(100, 20_000);
    const counts = new RollingCounts(windowMs);
    const times: number[] = [];
    let nowMs = prng.integer(0, 1e6);
    for (let i = 0; i < 400; i++) {
      nowMs += prng.integer(0, prng.chance(0.1) ? windowMs : windowMs / 50);
      counts.add(nowMs);
      times.push(nowMs);
      const atMost = times.filter((at) => at >= nowMs - windowMs).length;
      const atLeast = times.filter((at) => at > nowMs - windowMs * 0.9).length;
      assert.ok(counts.total <= atMost, `seed ${seed}: ${counts.total} of at most ${atMost}`);
      assert.ok(counts.total >= atLeast, `seed ${seed}: ${counts.total} of at least ${atLeast}`);
    }
  }
});

test('rolling counts: another window keeps what was counted', () => {
  const counts = new RollingCounts(1_000);
  counts.add(10);
  counts.setWindow(10_000);
  counts.roll(1_050);
  assert.equal(counts.total, 1);
});
