import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../contract/fault.ts';
import { Simulation } from '../io/sim/simulation.ts';
import type { AttemptEvents } from './attempt-events.ts';
import { WaitQueue } from './wait-queue.ts';

interface Setup {
  readonly sim: Simulation;
  readonly queue: WaitQueue<AttemptEvents>;
  /** `name:fault` of each attempt that was given up, and `expired` for the queue's own word. */
  readonly log: string[];
  attempt(name: string, onFault?: () => void): AttemptEvents;
}

function setUp(): Setup {
  const sim = new Simulation({ seed: 1 });
  const log: string[] = [];
  const queue: WaitQueue<AttemptEvents> = new WaitQueue(
    sim,
    (attempt: AttemptEvents) => attempt.onLeaseFault(Fault.queueTimeout),
    () => log.push(`expired, ${queue.count} left`),
  );
  const attempt = (name: string, onFault?: () => void): AttemptEvents => {
    const onLeaseFault = (fault: Fault): void => {
      log.push(`${name}:${fault}`);
      onFault?.();
    };
    return { onLeaseFault } as AttemptEvents;
  };
  return { sim, queue, log, attempt };
}

test('wait queue: first come, first served', () => {
  const { queue, attempt } = setUp();
  const [a, b, c] = [attempt('a'), attempt('b'), attempt('c')];
  for (const each of [a, b, c]) queue.add(each, 1_000);
  assert.equal(queue.count, 3);
  assert.equal(queue.shift(), a);
  assert.equal(queue.remove(b), true);
  assert.equal(queue.remove(b), false, 'it has left already');
  assert.equal(queue.shift(), c);
  assert.equal(queue.shift(), null);
  assert.equal(queue.count, 0);
});

test('wait queue: each attempt is given up at its own deadline, and not before', () => {
  const { sim, queue, log, attempt } = setUp();
  queue.add(attempt('a'), 1_000);
  sim.advanceMs(400);
  queue.add(attempt('b'), 1_000);
  sim.advanceMs(599);
  assert.deepEqual(log, []);
  sim.advanceMs(1);
  assert.deepEqual(log, [`a:${Fault.queueTimeout}`, 'expired, 1 left']);
  sim.advanceMs(399);
  assert.equal(queue.count, 1);
  sim.advanceMs(1);
  assert.equal(log[2], `b:${Fault.queueTimeout}`);
  assert.equal(queue.count, 0);
});

test('wait queue: one that was served or has left is not given up later', () => {
  const { sim, queue, log, attempt } = setUp();
  const [a, b, c] = [attempt('a'), attempt('b'), attempt('c')];
  for (const each of [a, b, c]) queue.add(each, 1_000);
  queue.shift();
  queue.remove(b);
  sim.advanceMs(5_000);
  assert.deepEqual(log, [`c:${Fault.queueTimeout}`, 'expired, 0 left']);
});

test('wait queue: an attempt may queue again while it is being given up', () => {
  const { sim, queue, log, attempt } = setUp();
  const second = attempt('second');
  queue.add(
    attempt('first', () => queue.add(second, 1_000)),
    1_000,
  );
  sim.advanceMs(1_999);
  assert.deepEqual(log, [`first:${Fault.queueTimeout}`, 'expired, 1 left']);
  sim.advanceMs(1);
  assert.equal(queue.count, 0);
});

test('wait queue: a shorter timeout of a new generation is kept behind longer ones', () => {
  const { sim, queue, log, attempt } = setUp();
  queue.add(attempt('long'), 10_000);
  queue.add(attempt('short'), 1_000);
  sim.advanceMs(999);
  assert.deepEqual(log, []);
  sim.advanceMs(1);
  assert.equal(log[0], `short:${Fault.queueTimeout}`);
  assert.equal(queue.count, 1);
  sim.advanceMs(9_000);
  assert.equal(queue.count, 0);
});

test('wait queue: holds more than a call can have arguments', () => {
  const { sim, queue, attempt } = setUp();
  const one = attempt('one');
  queue.add(one, 1_000);
  for (let i = 0; i < 200_000; i++) queue.add(one, 2_000);
  sim.advanceMs(1_000);
  assert.equal(queue.count, 200_000);
});
