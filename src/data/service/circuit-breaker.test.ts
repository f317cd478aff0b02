import assert from 'node:assert/strict';
import test from 'node:test';

import { CircuitBreaker, Outcome } from './circuit-breaker.ts';

const SPEC = { faultPercentMax: 50, attemptsMin: 10, windowMs: 10_000, openMs: 5_000 };

/** One request from begin to end; false when it was refused. */
function request(breaker: CircuitBreaker, nowMs: number, outcome: Outcome): boolean {
  if (breaker.refuses(nowMs)) return false;
  breaker.end(nowMs, outcome, breaker.begin());
  return true;
}

function opened(): CircuitBreaker {
  const breaker = new CircuitBreaker(SPEC);
  for (let i = 0; i < 10; i++) request(breaker, 0, Outcome.bad);
  return breaker;
}

test('breaker: opens when the share is reached, and not one request before', () => {
  const breaker = new CircuitBreaker(SPEC);
  for (let i = 0; i < 5; i++) request(breaker, i, Outcome.good);
  for (let i = 0; i < 4; i++) request(breaker, i, Outcome.bad);
  assert.equal(breaker.gauge, 0);
  request(breaker, 9, Outcome.bad);
  assert.equal(breaker.gauge, 1, '5 of 10');
  assert.equal(breaker.refuses(9), true);
});

test('breaker: too few requests say nothing, and unknown ends do not count', () => {
  const breaker = new CircuitBreaker(SPEC);
  for (let i = 0; i < 9; i++) request(breaker, i, Outcome.bad);
  for (let i = 0; i < 100; i++) request(breaker, 9, Outcome.unknown);
  assert.equal(breaker.gauge, 0);
  request(breaker, 10, Outcome.bad);
  assert.equal(breaker.gauge, 1);
});

test('breaker: faults older than the window do not count', () => {
  const breaker = new CircuitBreaker(SPEC);
  for (let i = 0; i < 9; i++) request(breaker, 0, Outcome.bad);
  for (let i = 0; i < 9; i++) request(breaker, 20_000, Outcome.bad);
  assert.equal(breaker.gauge, 0);
});

test('breaker: refuses while open and says how long; then lets one at a time through', () => {
  const breaker = opened();
  assert.equal(breaker.refuses(4_999), true);
  assert.equal(breaker.retryAfterSeconds(0), 5);
  assert.equal(breaker.retryAfterSeconds(4_999), 1);
  assert.equal(breaker.refuses(5_000), false);
  assert.equal(breaker.begin(), true, 'a trial');
  assert.equal(breaker.gauge, 0.5);
  assert.equal(breaker.refuses(5_001), true, 'the trial is out');
  breaker.end(5_002, Outcome.good, true);
  assert.equal(breaker.refuses(5_003), false);
});

test('breaker: three good trials close it, and it starts to count anew', () => {
  const breaker = opened();
  for (let i = 0; i < 3; i++) assert.equal(request(breaker, 5_000 + i, Outcome.good), true);
  assert.equal(breaker.gauge, 0);
  for (let i = 0; i < 9; i++) request(breaker, 6_000, Outcome.bad);
  assert.equal(breaker.gauge, 0, 'what opened it is forgotten');
});

test('breaker: a bad trial opens it again, for as long as before', () => {
  const breaker = opened();
  request(breaker, 5_000, Outcome.good);
  request(breaker, 5_001, Outcome.bad);
  assert.equal(breaker.gauge, 1);
  assert.equal(breaker.refuses(10_000), true);
  assert.equal(breaker.refuses(10_001), false);
});

test('breaker: a trial without a verdict gives its turn to the next', () => {
  const breaker = opened();
  assert.equal(request(breaker, 5_000, Outcome.unknown), true);
  assert.equal(breaker.gauge, 0.5);
  for (let i = 0; i < 3; i++) request(breaker, 5_001, Outcome.good);
  assert.equal(breaker.gauge, 0);
});

test('breaker: requests from before it opened decide nothing while it tries', () => {
  const breaker = opened();
  breaker.end(1_000, Outcome.good, false);
  assert.equal(breaker.gauge, 1);
  breaker.begin();
  for (let i = 0; i < 20; i++) breaker.end(5_000, Outcome.bad, false);
  assert.equal(breaker.gauge, 0.5);
});

test('breaker: changed settings keep state and counts', () => {
  const breaker = new CircuitBreaker(SPEC);
  for (let i = 0; i < 9; i++) request(breaker, 0, Outcome.bad);
  breaker.configure({ ...SPEC, attemptsMin: 5 });
  assert.equal(breaker.gauge, 0);
  request(breaker, 0, Outcome.bad);
  assert.equal(breaker.gauge, 1);
  breaker.configure({ ...SPEC, openMs: 60_000 });
  assert.equal(breaker.refuses(5_000), false, 'opened under the old settings');
});
