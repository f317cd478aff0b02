import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault, FAULTS } from '../../contract/fault.ts';
import { Method } from '../codec/head.ts';
import { isSafe, mayRepeat } from './repeat-rule.ts';

const METHODS = Object.values(Method);
const SAFE: readonly Method[] = [Method.get, Method.head, Method.options];
const UNANSWERED: readonly Fault[] = [Fault.upstreamClosed, Fault.upstreamReset];

test('repeat rule: the safe methods are those of RFC 9110 §9.2.1 that may pass', () => {
  assert.deepEqual(METHODS.filter(isSafe).toSorted(), SAFE.toSorted());
});

test('repeat rule: only faults before the first byte of an answer allow a repetition', () => {
  for (const fault of Object.values(Fault)) {
    const isAllowed = mayRepeat(fault, Method.get);
    assert.equal(isAllowed, UNANSWERED.includes(fault), FAULTS[fault].label);
  }
});

test('repeat rule: a request that may have had an effect never goes again', () => {
  for (const fault of UNANSWERED) {
    for (const method of METHODS) {
      assert.equal(mayRepeat(fault, method), SAFE.includes(method), String(method));
    }
  }
});
