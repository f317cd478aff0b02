import assert from 'node:assert/strict';
import test from 'node:test';

import { Prng } from '../../base/prng.ts';
import { AdaptiveLimit } from './adaptive-limit.ts';

/**
 * A service that serves `capacity` requests at a time and lets the others wait in line, asked by
 * as many clients as the limit lets in, `demand` at most.
 */
class QueueingService {
  readonly limit = new AdaptiveLimit();
  capacity: number;
  demand: number;
  baseMs = 20;
  nowMs = 0;
  lowest = Infinity;
  private readonly prng: Prng;
  /** When each request in progress began, oldest first, and when it is answered. */
  private readonly inProgress: { readonly beganMs: number; readonly doneMs: number }[] = [];
  /** When each of the service's hands is free. */
  private hands: number[] = [];

  constructor(seed: number, capacity: number, demand: number) {
    this.prng = new Prng(seed);
    this.capacity = capacity;
    this.demand = demand;
    this.limit.configure(0);
  }

  /** Runs `ms`; answers come as they are due, and places are taken again at once. */
  run(ms: number): void {
    const endMs = this.nowMs + ms;
    this.fill();
    while (this.inProgress.length > 0) {
      let first = 0;
      for (let i = 1; i < this.inProgress.length; i++) {
        if (this.inProgress[i]!.doneMs < this.inProgress[first]!.doneMs) first = i;
      }
      const { beganMs, doneMs } = this.inProgress[first]!;
      if (doneMs > endMs) break;
      this.nowMs = doneMs;
      this.limit.onAnswer(doneMs - beganMs, this.inProgress.length, doneMs);
      this.lowest = Math.min(this.lowest, this.limit.limit);
      this.inProgress.splice(first, 1);
      this.fill();
    }
    this.nowMs = endMs;
  }

  private fill(): void {
    while (this.inProgress.length < Math.min(this.limit.limit, this.demand)) {
      while (this.hands.length < this.capacity) this.hands.push(0);
      this.hands.length = this.capacity;
      this.hands.sort((a, b) => a - b);
      const startMs = Math.max(this.hands[0]!, this.nowMs);
      const doneMs = startMs + this.baseMs * (0.8 + 0.4 * this.prng.next());
      this.hands[0] = doneMs;
      this.inProgress.push({ beganMs: this.nowMs, doneMs });
    }
  }
}

for (const capacity of [1, 4, 20, 50]) {
  test(`adaptive limit: settles near a capacity of ${capacity} and stays there`, () => {
    const service = new QueueingService(7, capacity, 1_000);
    service.run(20_000);
    for (let second = 0; second < 70; second++) {
      service.run(1_000);
      const { limit } = service.limit;
      assert.ok(limit >= Math.min(3, capacity), `${limit} at second ${second}`);
      const most = capacity * 2 + 8;
      assert.ok(limit <= most, `${limit} of at most ${most} at second ${second}`);
    }
  });
}

test('adaptive limit: follows a capacity that falls, and recovers when it is back', () => {
  const service = new QueueingService(3, 50, 1_000);
  service.run(20_000);
  assert.ok(service.limit.limit >= 40, `${service.limit.limit} before`);
  service.capacity = 5;
  service.run(20_000);
  assert.ok(service.limit.limit <= 18, `${service.limit.limit} while it is small`);
  service.capacity = 50;
  service.run(40_000);
  assert.ok(service.limit.limit >= 40, `${service.limit.limit} after`);
});

test('adaptive limit: a service that becomes slower as such is not strangled', () => {
  const service = new QueueingService(5, 20, 1_000);
  service.run(20_000);
  service.baseMs = 100;
  service.run(10_000);
  assert.ok(service.limit.limit >= 15, `${service.limit.limit} soon, long before the next turn`);
  service.baseMs = 150;
  service.run(60_000);
  assert.ok(service.limit.limit >= 15, `${service.limit.limit} in the end`);
});

test('adaptive limit: never below 1 nor above the ceiling, whatever is measured', () => {
  const prng = new Prng(11);
  const limit = new AdaptiveLimit();
  limit.configure(30);
  let nowMs = 0;
  for (let i = 0; i < 20_000; i++) {
    nowMs += prng.integer(0, 40);
    const latencyMs = prng.chance(0.1) ? 0 : prng.next() * 10 ** prng.integer(0, 5);
    limit.onAnswer(latencyMs, prng.integer(1, 100), nowMs);
    assert.ok(limit.limit >= 1 && limit.limit <= 30, String(limit.limit));
  }
  limit.configure(1);
  assert.equal(limit.limit, 1);
});

test('adaptive limit: a service that is asked for little does not raise it', () => {
  const service = new QueueingService(2, 1_000, 4);
  service.run(60_000);
  assert.ok(service.limit.limit <= 20, String(service.limit.limit));
});

test('adaptive limit: a measurement without answers ends by itself', () => {
  const limit = new AdaptiveLimit();
  limit.tick(0);
  assert.equal(limit.limit, 3, 'few requests measure');
  limit.tick(999);
  assert.equal(limit.limit, 3);
  limit.tick(1_000);
  assert.equal(limit.limit, 20);
});
