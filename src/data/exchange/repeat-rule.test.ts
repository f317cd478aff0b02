import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault, FAULTS } from '../../contract/fault.ts';
import { Method } from '../codec/head.ts';
import { isIdempotent, mayRepeat } from './repeat-rule.ts';

const METHODS = Object.values(Method);
const IDEMPOTENT: readonly Method[] = [
  Method.get,
  Method.head,
  Method.options,
  Method.put,
  Method.delete,
];
const SAFE: readonly Method[] = [Method.get, Method.head];
const REUSED: readonly Fault[] = [Fault.upstreamClosed, Fault.upstreamReset];

test('repeat rule: the idempotent methods are those of RFC 9110 section 9.2.2 that may pass', () => {
  assert.deepEqual(METHODS.filter(isIdempotent).toSorted(), IDEMPOTENT.toSorted());
});

test('repeat rule: an unknown method is never idempotent', () => {
  assert.equal(isIdempotent(Method.other), false);
});

test('repeat rule: only faults before the first byte of an answer allow a repetition', () => {
  for (const fault of Object.values(Fault)) {
    const isAllowed = mayRepeat(fault, Method.get, true);
    assert.equal(isAllowed, REUSED.includes(fault), FAULTS[fault].label);
  }
});

test('repeat rule: on a reused connection every idempotent method may go again', () => {
  for (const fault of REUSED) {
    for (const method of METHODS) {
      assert.equal(mayRepeat(fault, method, true), IDEMPOTENT.includes(method), String(method));
    }
  }
});

test('repeat rule: on a fresh connection only GET and HEAD may go again', () => {
  for (const fault of REUSED) {
    for (const method of METHODS) {
      assert.equal(mayRepeat(fault, method, false), SAFE.includes(method), String(method));
    }
  }
});
