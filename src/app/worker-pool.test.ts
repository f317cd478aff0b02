import assert from 'node:assert/strict';
import test from 'node:test';

import { ListenerCell, listenerBase, WorkerCell } from '../contract/metric-layout.ts';
import type { Snapshot } from '../contract/snapshot.ts';
import { FakeThread, listening, settle, snapshotOf, world } from './worker-pool.contract.ts';

test('pool: each worker starts with descriptors of its own, and then all listen', async () => {
  const { threads, sockets, events } = await listening();
  const fds = threads.map(({ start }) => start.listenerFds['l80']!);
  assert.deepEqual(
    fds.map((fd) => sockets.open.get(fd)),
    ['tcp\n127.0.0.1\n80\n 0', 'tcp\n127.0.0.1\n80\n 1'],
  );
  assert.deepEqual(events, ['listening']);
  assert.deepEqual(sockets.retained, [{ kind: 'tcp', host: '127.0.0.1', port: 80 }]);
});

test('pool: an address that cannot be had at the start is told once, not tried again', async () => {
  const threads: unknown[] = [];
  const events: string[] = [];
  const { pool } = world(1, {
    onListenFailed: (listener, message) => events.push(`${listener} ${message}`),
    onHopeless: () => events.push('hopeless'),
    onDrained: () => events.push('drained'),
    spawn: (start) => {
      threads.push(start);
      return new FakeThread(start);
    },
  });
  (pool as unknown as { snapshot: Snapshot }).snapshot = snapshotOf(1, [1]);
  pool.start();
  await settle();
  assert.deepEqual(events, ['l1 127.0.0.1:1: taken']);
  assert.equal(threads.length, 0);
});

test('pool: a stop takes back what a worker that does not run yet was granted', async () => {
  const { pool, threads, sockets, events } = await listening(1);
  sockets.isHeld = true;
  threads[0]!.emit('exit', 1);
  await settle();
  pool.drain(false);
  sockets.release();
  await settle();
  assert.equal(threads.length, 1);
  assert.equal(sockets.open.size, 1, 'that of the dead');
  assert.deepEqual(events, ['listening', 'drained']);
});

test('pool: a worker that dies is replaced alone, with its own metric buffer', async () => {
  const { pool, threads, events } = await listening();
  for (let death = 0; death < 3; death++) {
    threads.at(-1)!.emit('exit', 1);
    if (death === 0) threads[0]!.received.length = 0;
    await settle();
    threads.at(-1)!.listen();
  }
  assert.equal(pool.restarts, 3);
  assert.equal(threads.length, 5);
  assert.equal(threads[4]!.start.metricBuffer, threads[1]!.start.metricBuffer);
  assert.deepEqual(threads[0]!.types, []);
  assert.deepEqual(events, ['listening']);
  threads.at(-1)!.emit('exit', 1);
  assert.deepEqual(events, ['listening', 'hopeless']);
});

test('pool: a worker that throws serves on until its successor listens, then drains', async () => {
  const { pool, threads } = await listening();
  threads[1]!.say({ type: 'broken' });
  await settle();
  assert.equal(threads.length, 3);
  assert.deepEqual(threads[1]!.types, []);
  assert.deepEqual(
    pool.states.map(({ state }) => state),
    ['listening', 'broken'],
  );
  threads[2]!.listen();
  assert.deepEqual(threads[1]!.received, [{ type: 'drain', hasSuccessor: true }]);
  assert.deepEqual(
    pool.states.map(({ state }) => state),
    ['listening', 'listening'],
  );
  threads[1]!.say({ type: 'drained' });
  threads[1]!.emit('exit', 0);
  assert.equal(threads.length, 3, 'its end is no death');
  assert.deepEqual(threads[0]!.types, []);
});

test('pool: two threads of one worker never share a metric buffer; counters go on', async () => {
  const { pool, threads } = await listening(1);
  const [old] = threads as [FakeThread];
  const cells = new Float64Array(old.start.metricBuffer);
  cells[WorkerCell.shed] = 5;
  cells[listenerBase(0) + ListenerCell.open] = 3;
  old.say({ type: 'broken' });
  await settle();
  const next = threads[1]!;
  assert.notEqual(next.start.metricBuffer, old.start.metricBuffer);
  next.listen();
  old.say({ type: 'drained' });
  old.emit('exit', 0);
  const { metrics } = pool;
  assert.deepEqual(
    metrics.map(({ id, isRetired }) => [id, isRetired]),
    [
      ['0', true],
      ['0', false],
    ],
  );
  assert.equal(metrics[0]!.cells[WorkerCell.shed], 5);
  assert.equal(metrics[0]!.cells[listenerBase(0) + ListenerCell.open], 0, 'gauges are over');
  next.say({ type: 'broken' });
  await settle();
  assert.equal(threads[2]!.start.metricBuffer, old.start.metricBuffer, 'taken up again');
});

test('pool: one that throws again and again serves on, and is not replaced any more', async () => {
  const { threads, events, lines } = await listening(1);
  for (let time = 0; time < 3; time++) {
    threads.at(-1)!.say({ type: 'broken' });
    await settle();
    threads.at(-1)!.listen();
  }
  threads.at(-1)!.say({ type: 'broken' });
  threads.at(-1)!.say({ type: 'broken' });
  await settle();
  assert.equal(threads.length, 4);
  assert.deepEqual(threads.at(-1)!.types, []);
  assert.deepEqual(events, ['listening']);
  assert.equal(lines.filter((line) => line.includes('again and again')).length, 1);
});

test('pool: a successor that dies before it listens is tried again', async () => {
  const { pool, threads } = await listening(1);
  threads[0]!.say({ type: 'broken' });
  await settle();
  threads[1]!.emit('exit', 1);
  await settle();
  assert.equal(threads.length, 3);
  assert.deepEqual(threads[0]!.types, []);
  threads[2]!.listen();
  assert.deepEqual(threads[0]!.types, ['drain']);
  assert.equal(pool.states[0]!.state, 'listening');
});

test('pool: one that dies while its successor starts leaves the place to it', async () => {
  const { pool, threads } = await listening(1);
  threads[0]!.say({ type: 'broken' });
  await settle();
  threads[0]!.emit('exit', 1);
  await settle();
  assert.equal(threads.length, 2);
  threads[1]!.listen();
  assert.equal(pool.states[0]!.state, 'listening');
  assert.deepEqual(threads[1]!.types, []);
});

test('pool: a drain ends when every thread has', async () => {
  const { pool, threads, events } = await listening();
  pool.drain(false);
  assert.deepEqual(threads[0]!.received, [{ type: 'drain', hasSuccessor: false }]);
  threads[0]!.say({ type: 'drained' });
  assert.deepEqual(events, ['listening']);
  threads[1]!.emit('exit', 1);
  assert.deepEqual(events, ['listening', 'drained']);
  threads[0]!.emit('exit', 0);
  assert.deepEqual(events, ['listening', 'drained'], 'told once');
});

test('pool: health goes to every thread', async () => {
  const { pool, threads } = await listening();
  pool.send({ type: 'health', endpoints: [] });
  assert.deepEqual(
    threads.flatMap(({ types }) => types),
    ['health', 'health'],
  );
});

test('pool: a worker whose loop stands still is ended, and replaced', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { pool, threads } = await listening();
  const cells = new Float64Array(threads[1]!.start.metricBuffer);
  for (let second = 0; second < 40; second++) {
    cells[WorkerCell.beats]!++;
    t.mock.timers.tick(1_000);
    assert.equal(pool.isAlive, second < 20);
  }
  assert.deepEqual(
    threads.map(({ isTerminated }) => isTerminated),
    [true, false],
  );
  threads[0]!.emit('exit', 1);
  await settle();
  threads[2]!.listen();
  assert.equal(pool.restarts, 1);
});
