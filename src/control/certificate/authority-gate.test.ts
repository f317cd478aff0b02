import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AuthorityGate, FAILURES_MAX, ORDERS_MAX, TRIAL_GAP_MS } from './authority-gate.ts';
import { IssueError } from './issuer.ts';
import { registeredDomain } from './registered-domain.ts';
import { SlidingBudget } from './sliding-budget.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const DOWN = new IssueError('down', { advice: 'retry' });

function fail(gate: AuthorityGate, error: IssueError, nowMs: number, waitMs = 0): void {
  gate.end(gate.begin(['a.test'], false, nowMs), error, waitMs, nowMs);
}

test('authority gate: room for so many orders, no more', () => {
  const gate = new AuthorityGate('ca');
  for (let i = 0; i < ORDERS_MAX; i++) {
    assert.ok(gate.hasRoom);
    gate.enter();
  }
  assert.equal(gate.hasRoom, false);
  gate.leave();
  assert.equal(gate.hasRoom, true);
});

test('authority gate: closes after failures in a row, longer each time', () => {
  const gate = new AuthorityGate('ca');
  for (let i = 1; i < FAILURES_MAX; i++) fail(gate, DOWN, 0);
  assert.equal(gate.closedFor(0), 0);
  fail(gate, DOWN, 0);
  assert.equal(gate.closedFor(0), 60_000);
  const ticket = gate.begin(['a.test'], false, 60_000);
  assert.ok(gate.closedFor(60_000) > 0, 'nobody else while one finds out');
  gate.end(ticket, DOWN, 0, 60_000);
  assert.equal(gate.closedFor(60_000), 120_000);
  let nowMs = 60_000;
  for (let i = 0; i < 10; i++) {
    nowMs += gate.closedFor(nowMs);
    fail(gate, DOWN, nowMs);
  }
  assert.equal(gate.closedFor(nowMs), HOUR);
  nowMs += HOUR;
  gate.end(gate.begin(['a.test'], false, nowMs), null, 0, nowMs);
  assert.equal(gate.closedFor(nowMs), 0);
  fail(gate, DOWN, nowMs);
  assert.equal(gate.closedFor(nowMs), 0, 'it counts from the beginning again');
});

test('authority gate: names that cannot be validated say nothing about the authority', () => {
  const gate = new AuthorityGate('ca');
  for (let i = 0; i < 20; i++) fail(gate, new IssueError('dns', { advice: 'fix' }), 0);
  assert.equal(gate.closedFor(0), 0);
  for (let i = 0; i < 20; i++) fail(gate, new IssueError('end', { advice: 'aborted' }), 0);
  assert.equal(gate.closedFor(0), 0);
});

test('authority gate: 503 with Retry-After closes it at once for as long as it says', () => {
  const problem = { type: 'x', status: 503, detail: '', identifier: '', subproblems: [] };
  const gate = new AuthorityGate('ca');
  fail(gate, new IssueError('busy', { advice: 'wait', problem }), 0, 5 * HOUR);
  assert.equal(gate.closedFor(0), 5 * HOUR);
});

const LETS_ENCRYPT = 'acme-v02.api.letsencrypt.org-directory';

test('authority gate: published limits are counted; replacements only as orders', () => {
  const gate = new AuthorityGate(LETS_ENCRYPT);
  for (let i = 0; i < 50; i++) {
    assert.equal(gate.budgetWait([`n${i}.example.com`], false, 0), 0);
    gate.begin([`n${i}.example.com`], false, 0);
  }
  assert.equal(gate.budgetWait(['other.example.com'], false, 0), TRIAL_GAP_MS);
  assert.equal(gate.budgetWait(['other.example.com'], true, 0), 0);
  assert.equal(gate.budgetWait(['other.example.net'], false, 0), 0);
  assert.equal(gate.budgetWait(['other.example.com'], false, 8 * DAY), 0);
  for (let i = 0; i < 5; i++) gate.begin(['same.example.net'], false, 0);
  assert.ok(gate.budgetWait(['same.example.net'], false, 0) > 0);
  for (let i = 0; i < 300; i++) gate.begin([`n${i}.test`], true, 0);
  assert.ok(gate.budgetWait(['a.example.org'], true, 0) > 0);
  assert.equal(gate.budgetWait(['a.example.org'], true, 4 * HOUR), 0);
  const other = new AuthorityGate('ca.internal-directory');
  for (let i = 0; i < 1_000; i++) other.begin(['same.example.net'], false, 0);
  assert.equal(other.budgetWait(['same.example.net'], false, 0), 0);
});

test('authority gate: beyond a limit one order finds out whether more is allowed', () => {
  const gate = new AuthorityGate(LETS_ENCRYPT);
  for (let i = 0; i < 50; i++) gate.begin([`n${i}.example.com`], false, 0);
  const names = ['other.example.com'];
  const refused = gate.begin(names, false, TRIAL_GAP_MS);
  assert.deepEqual(refused, { beyond: ['domain example.com'] });
  assert.equal(gate.budgetWait(names, false, TRIAL_GAP_MS), TRIAL_GAP_MS, 'one at a time');
  const limited = new IssueError('limited', { advice: 'wait' });
  gate.end(refused, limited, 30 * HOUR, TRIAL_GAP_MS);
  assert.equal(gate.budgetWait(names, false, TRIAL_GAP_MS), 30 * HOUR, 'for the whole domain');
  const later = TRIAL_GAP_MS + 30 * HOUR;
  assert.equal(gate.budgetWait(names, false, later), 0);
  gate.end(gate.begin(names, false, later), null, 0, later);
  for (let i = 0; i < 100; i++) {
    assert.equal(gate.budgetWait([`m${i}.example.com`], false, later), 0, 'it allows more');
    gate.begin([`m${i}.example.com`], false, later);
  }
});

test('registered domain: two labels, three where names are sold below, shared suffixes', () => {
  for (const [name, domain] of [
    ['example.com', 'example.com'],
    ['a.b.example.com', 'example.com'],
    ['*.example.com', 'example.com'],
    ['a.example.co.uk', 'example.co.uk'],
    ['example.co.uk', 'example.co.uk'],
    ['a.example.com.au', 'example.com.au'],
    ['me.github.io', 'me.github.io'],
    ['x.me.github.io', 'me.github.io'],
    ['localhost', 'localhost'],
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2::7', '2001:db8:1:2::/64'],
    ['2001:db8::7', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ] as const) {
    assert.equal(registeredDomain(name), domain, name);
  }
});

test('sliding budget: so many within a time, by key, and a bounded number of keys', () => {
  const budget = new SlidingBudget(2, 1_000, 3);
  budget.take('a', 0);
  assert.equal(budget.wait('a', 0), 0);
  budget.take('a', 400);
  assert.equal(budget.wait('a', 500), 500);
  assert.equal(budget.wait('b', 500), 0);
  assert.equal(budget.wait('a', 1_000), 0);
  budget.take('a', 1_000);
  assert.equal(budget.wait('a', 1_001), 399);
  for (const key of ['b', 'c', 'd']) budget.take(key, 1_001);
  assert.equal(budget.wait('a', 1_001), 0, 'the oldest one is forgotten');
});
