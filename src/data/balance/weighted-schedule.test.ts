import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { SCHEDULE_SIZE_MAX, weightedSchedule } from './weighted-schedule.ts';

test('weightedSchedule: gives each endpoint its share, evenly spread', () => {
  assert.deepEqual(weightedSchedule([1, 1]), [0, 1]);
  assert.deepEqual(weightedSchedule([5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
  assert.deepEqual(weightedSchedule([200, 100]), [0, 1, 0]);
});

test('weightedSchedule: leaves endpoints without weight out', () => {
  assert.deepEqual(weightedSchedule([0, 3]), [1]);
  assert.deepEqual(weightedSchedule([0, 0]), []);
  assert.deepEqual(weightedSchedule([]), []);
});

test('weightedSchedule: keeps every weight within one place of its share', () => {
  const weights = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(weights, (values) => {
      const schedule = weightedSchedule(values);
      const total = values.reduce((sum, value) => sum + value, 0);
      values.forEach((value, index) => {
        const places = schedule.filter((place) => place === index).length;
        assert.equal(places * total, value * schedule.length);
      });
    }),
  );
});

test('weightedSchedule: stays short for large weights and drops nobody', () => {
  const schedule = weightedSchedule([1_000_003, 1, 7]);
  assert.ok(schedule.length <= SCHEDULE_SIZE_MAX + 2);
  assert.ok(schedule.includes(1) && schedule.includes(2));
});

test('weightedSchedule: many endpoints get exact shares too, a slow start among them', () => {
  const weights = [1, ...Array.from({ length: 999 }, () => 10)];
  const counts = new Map<number, number>();
  for (const index of weightedSchedule(weights)) counts.set(index, (counts.get(index) ?? 0) + 1);
  weights.forEach((weight, index) => assert.equal(counts.get(index), weight));
});

test('weightedSchedule: endpoints that start slowly together do not take turns in one heap', () => {
  const weights = Array.from({ length: 1_000 }, (_, index) => (index < 500 ? 1 : 10));
  const schedule = weightedSchedule(weights);
  const rounds = Array.from({ length: 10 }, (_, round) => {
    const size = schedule.length / 10;
    return schedule.slice(round * size, (round + 1) * size).filter((index) => index < 500).length;
  });
  for (const count of rounds) assert.ok(count >= 25 && count <= 100, `${count} of about 50`);
});
