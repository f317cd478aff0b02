import assert from 'node:assert/strict';
import test from 'node:test';

import type { RetrySpec } from '../../contract/resilience.ts';
import { RetryBudget } from './retry-budget.ts';

function budgetOf(budgetPercent: number, budgetPerSecond: number, workerCount = 1): RetryBudget {
  const budget = new RetryBudget();
  budget.configure({ budgetPercent, budgetPerSecond } as RetrySpec, workerCount);
  return budget;
}

/** Retries granted of `asked` at one moment. */
function granted(budget: RetryBudget, asked: number, nowMs: number): number {
  let count = 0;
  for (let i = 0; i < asked; i++) if (budget.take(nowMs)) count++;
  return count;
}

test('retry budget: allows its share of the requests of the last seconds and no more', () => {
  const budget = budgetOf(20, 0);
  for (let i = 0; i < 100; i++) budget.onRequest(1_000 + i);
  assert.equal(granted(budget, 1_000, 1_100), 20);
  assert.equal(granted(budget, 10, 5_000), 0, 'those of the last seconds count on');
});

test('retry budget: what was spent comes back when the window has passed', () => {
  const budget = budgetOf(50, 0);
  for (let i = 0; i < 10; i++) budget.onRequest(0);
  assert.equal(granted(budget, 10, 0), 5);
  for (let i = 0; i < 10; i++) budget.onRequest(11_500);
  assert.equal(granted(budget, 10, 11_500), 5);
});

test('retry budget: a quiet service has its retries per second, divided among workers', () => {
  assert.equal(granted(budgetOf(0, 10), 1_000, 0), 100, 'ten a second in ten seconds');
  assert.equal(granted(budgetOf(0, 10, 4), 1_000, 0), 25);
});

test('retry budget: zero and zero allow none', () => {
  const budget = budgetOf(0, 0);
  budget.onRequest(0);
  assert.equal(budget.take(0), false);
});

test('retry budget: changed settings count at once and with what was counted before', () => {
  const budget = budgetOf(100, 0);
  for (let i = 0; i < 10; i++) budget.onRequest(0);
  assert.equal(granted(budget, 6, 0), 6);
  budget.configure({ budgetPercent: 70, budgetPerSecond: 0 } as RetrySpec, 1);
  assert.equal(granted(budget, 10, 0), 1);
});
