import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault, FAULTS } from '../../contract/fault.ts';
import type { RetryCause, RetrySpec } from '../../contract/resilience.ts';
import { Method } from '../codec/head.ts';
import { Again, againAfter, isSafe, linkRetry, statusTable } from './repeat-rule.ts';

const METHODS = Object.values(Method);
const SAFE: readonly Method[] = [Method.get, Method.head, Method.options];
const SPEC: RetrySpec = {
  attemptsMax: 3,
  on: ['connect', 'closed', 'timeout'],
  statuses: [],
  methods: ['GET', 'HEAD', 'OPTIONS'],
  bodySizeMax: 0,
  budgetPercent: 20,
  budgetPerSecond: 10,
  tryTimeoutMs: 0,
  hedgeDelayMs: 0,
};

test('repeat rule: the safe methods are those of RFC 9110 §9.2.1 that may pass', () => {
  assert.deepEqual(METHODS.filter(isSafe).toSorted(), SAFE.toSorted());
});

test('repeat rule: only faults without an answer allow another attempt', () => {
  const retry = linkRetry(SPEC);
  const allowed = new Map<Fault, Again>([
    [Fault.connectRefused, Again.elsewhere],
    [Fault.connectTimeout, Again.elsewhere],
    [Fault.connectFailed, Again.elsewhere],
    [Fault.nameNotResolved, Again.elsewhere],
    [Fault.upstreamTlsFailed, Again.elsewhere],
    [Fault.upstreamCertificateInvalid, Again.elsewhere],
    [Fault.upstreamClosed, Again.anywhere],
    [Fault.upstreamReset, Again.anywhere],
    [Fault.responseHeadTimeout, Again.elsewhere],
    [Fault.tryTimeout, Again.anywhere],
  ]);
  for (const fault of Object.values(Fault)) {
    const expected = allowed.get(fault) ?? Again.nowhere;
    assert.equal(againAfter(retry, fault), expected, FAULTS[fault].label);
  }
});

test('repeat rule: each cause can be switched off', () => {
  const faults: Readonly<Record<RetryCause, Fault>> = {
    connect: Fault.connectRefused,
    closed: Fault.upstreamReset,
    timeout: Fault.tryTimeout,
  };
  for (const cause of SPEC.on) {
    const retry = linkRetry({ ...SPEC, on: SPEC.on.filter((other) => other !== cause) });
    for (const [name, fault] of Object.entries(faults)) {
      assert.equal(againAfter(retry, fault) === Again.nowhere, name === cause, `${cause} ${name}`);
    }
  }
});

test('repeat rule: by default only what asks for nothing to change goes again', () => {
  const { methods } = linkRetry(SPEC);
  for (const method of METHODS) {
    assert.equal(methods[method] === 1, SAFE.includes(method), String(method));
  }
});

test('repeat rule: no policy makes POST, PATCH or an unknown method go again', () => {
  const all = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'POST', 'PATCH', 'CONNECT', 'MERGE', ''];
  const { methods } = linkRetry({ ...SPEC, methods: [...all, 'constructor', '__proto__'] });
  const repeatable: readonly Method[] = [...SAFE, Method.put, Method.delete];
  for (const method of METHODS) {
    assert.equal(methods[method] === 1, repeatable.includes(method), String(method));
  }
});

test('repeat rule: status ranges include their ends', () => {
  const table = statusTable([
    { from: 502, to: 504 },
    { from: 599, to: 599 },
  ]);
  const marked = Array.from(table.keys()).filter((status) => table[status] === 1);
  assert.deepEqual(marked, [502, 503, 504, 599]);
  assert.equal(linkRetry(SPEC).statuses, null, 'nothing is looked up when there are none');
});
