import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Prng } from '../../base/prng.ts';
import { isMoved, isRenewalPlan, latestRenewal, planRenewal, renewalDue } from './renewal-plan.ts';
import { retryDelay } from './retry-schedule.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;

function life(durationMs: number): { notBeforeMs: number; notAfterMs: number } {
  return { notBeforeMs: 0, notAfterMs: durationMs };
}

function left(durationMs: number): number {
  return durationMs - latestRenewal(life(durationMs));
}

test('renewal plan: the last moment is a sixth of the life or a day before the end', () => {
  assert.equal(left(90 * DAY), 15 * DAY);
  assert.equal(left(160 * HOUR), (160 * HOUR) / 6);
  assert.equal(left(4 * DAY), DAY);
  assert.equal(left(12 * HOUR), 4 * HOUR);
  assert.equal(left(0), 0);
});

test('renewal plan: without a window at a third left, or at half for short lives', () => {
  for (const [durationMs, from, to] of [
    [90 * DAY, 0.6, 0.667],
    [45 * DAY, 0.6, 0.667],
    [160 * HOUR, 0.42, 0.5],
    [12 * HOUR, 0.42, 0.5],
  ] as const) {
    for (const random of [0, 0.5, 0.999_999]) {
      const plan = planRenewal(life(durationMs), null, null, () => random);
      const share = renewalDue(life(durationMs), plan) / durationMs;
      assert.ok(share >= from - 1e-6 && share <= to, `${durationMs} ${random} ${share}`);
      assert.equal(plan.by, 'lifetime');
      assert.ok(isRenewalPlan(JSON.parse(JSON.stringify(plan))));
    }
  }
});

test('renewal plan: one instant per window, another one when it moves', () => {
  const random = new Prng(1);
  const next = (): number => random.next();
  const validity = life(90 * DAY);
  const rest = { nextLookMs: 0, explanationUrl: '' };
  const first = planRenewal(validity, { startMs: DAY, endMs: 2 * DAY, ...rest }, null, next);
  assert.ok(first.chosenMs >= DAY && first.chosenMs < 2 * DAY);
  const same = planRenewal(validity, { startMs: DAY, endMs: 2 * DAY, ...rest }, first, next);
  assert.equal(same, first);
  const moved = planRenewal(validity, { startMs: DAY, endMs: 3 * DAY, ...rest }, first, next);
  assert.notEqual(moved.chosenMs, first.chosenMs);
  assert.ok(isMoved(first, moved));
  const silent = planRenewal(validity, null, moved, next);
  assert.equal(silent.by, 'lifetime');
  assert.equal(planRenewal(validity, null, silent, next), silent);
  assert.equal(isMoved(silent, { ...moved, chosenMs: 70 * DAY }), false, 'first heard of, later');
  assert.equal(isMoved(silent, moved), true, 'first heard of, earlier than expected');
});

test('renewal plan: no certificate is ever planned beyond the bound, whatever is said', () => {
  const random = new Prng(7);
  for (let i = 0; i < 2_000; i++) {
    const validity = life(random.integer(1, 400) * HOUR * random.integer(1, 24));
    const startMs = random.integer(-1e6, 1e6) * HOUR;
    const endMs = random.integer(-1e6, 1e6) * HOUR;
    const window = { startMs, endMs, nextLookMs: 0, explanationUrl: '' };
    const plan = planRenewal(validity, window, null, () => random.next());
    const dueMs = renewalDue(validity, plan);
    assert.ok(dueMs <= latestRenewal(validity));
    assert.equal(plan.by, endMs > startMs ? 'authority' : 'lifetime');
  }
});

test('renewal plan: what a store holds is looked at', () => {
  const good = { startMs: 1, endMs: 3, chosenMs: 2, by: 'authority', explanationUrl: '' };
  assert.ok(isRenewalPlan(good));
  const bad = [
    null,
    1,
    {},
    { ...good, chosenMs: 4 },
    { ...good, by: 'me' },
    { ...good, endMs: '3' },
  ];
  for (const value of bad) assert.equal(isRenewalPlan(value), false, JSON.stringify(value));
});

test('retry schedule: from a minute to six hours, never before the authority wants', () => {
  const usual = { advice: 'retry', remainingMs: 0, waitMs: 0 } as const;
  const minutes = (failures: number, random = 0.5): number =>
    retryDelay({ ...usual, failures }, () => random) / 60_000;
  assert.deepEqual(
    [1, 2, 3, 4, 5, 25, 1_000].map((count) => minutes(count)),
    [1, 2, 2, 5, 10, 360, 360],
  );
  assert.ok(minutes(1, 0) >= 0.85 && minutes(1, 0.999) <= 1.15);
  const fix = (failures: number): number =>
    retryDelay({ ...usual, advice: 'fix', failures }, () => 0.5) / 60_000;
  assert.deepEqual([1, 2, 3, 4].map(fix), [10, 10, 10, 20]);
  for (const random of [0, 0.5, 0.999]) {
    const delayMs = retryDelay(
      { ...usual, advice: 'wait', failures: 1, waitMs: HOUR },
      () => random,
    );
    assert.ok(delayMs >= HOUR && delayMs <= 1.2 * HOUR);
  }
});

test('retry schedule: near the end of a certificate it hurries', () => {
  const late = { advice: 'retry', failures: 30, waitMs: 0, remainingMs: 8 * HOUR } as const;
  assert.equal(
    retryDelay(late, () => 0.5),
    HOUR,
  );
  assert.equal(
    retryDelay({ ...late, remainingMs: 60_000 }, () => 0.5),
    600_000,
  );
});
