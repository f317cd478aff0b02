import assert from 'node:assert/strict';
import test from 'node:test';

import type { ToWorker } from '../contract/message.ts';
import { listening, publish, settle, snapshotOf } from './worker-pool.contract.ts';

/** Descriptors in what a thread is started with, or in a message to it. */
function fdsOf(message: object | undefined): number[] {
  return Object.values((message as { listenerFds: Record<string, number> }).listenerFds);
}

test('pool: publish gives each worker descriptors for what is new, and waits for all', async () => {
  const { pool, threads, sockets } = await listening();
  const outcome = publish(pool, snapshotOf(2, [80, 81]));
  await settle();
  for (const [worker, thread] of threads.entries()) {
    const message = thread.received[0]!;
    assert.equal(message.type, 'publish');
    const { listenerFds } = message as Extract<ToWorker, { type: 'publish' }>;
    assert.deepEqual(Object.keys(listenerFds), ['l81']);
    assert.equal(sockets.open.get(listenerFds['l81']!), `tcp\n127.0.0.1\n81\n ${worker}`);
  }
  threads[0]!.say({ type: 'linked', generation: 2 });
  await settle();
  assert.equal(outcome.isDone, false, 'the other one still routes by the former');
  threads[1]!.say({ type: 'linked', generation: 2 });
  await settle();
  assert.equal(outcome.isDone, true);
  assert.equal(sockets.retained!.length, 2);
  assert.deepEqual(
    pool.states.map(({ generation }) => generation),
    [2, 2],
  );
});

test('pool: a listener that comes back after it was gone gets a new descriptor', async () => {
  const { pool, threads } = await listening(1);
  for (const [generation, ports] of [
    [2, []],
    [3, [80]],
  ] as const) {
    publish(pool, snapshotOf(generation, ports));
    await settle();
    threads[0]!.say({ type: 'linked', generation });
    await settle();
  }
  const last = threads[0]!.received[1] as Extract<ToWorker, { type: 'publish' }>;
  assert.deepEqual(Object.keys(last.listenerFds), ['l80']);
});

test('pool: an address that cannot be opened rejects, and nobody was told anything', async () => {
  const { pool, threads, sockets } = await listening();
  const before = sockets.open.size;
  const outcome = publish(pool, snapshotOf(2, [80, 81, 1]));
  await settle();
  assert.match(String(outcome.error), /listener l1: 127\.0\.0\.1:1: taken/);
  assert.deepEqual(
    threads.flatMap(({ types }) => types),
    [],
  );
  assert.equal(sockets.open.size, before, 'descriptors are given back');
  const next = publish(pool, snapshotOf(3, [80, 81]));
  await settle();
  for (const thread of threads) thread.say({ type: 'linked', generation: 3 });
  await settle();
  assert.equal(next.isDone, true);
});

test('pool: sockets of both are kept until it is settled which one serves', async () => {
  const { pool, threads, sockets } = await listening();
  const portsOf = (): readonly number[] => sockets.retained!.map(({ port }) => port);
  sockets.isHeld = true;
  const outcome = publish(pool, snapshotOf(2, [81, 1]));
  assert.deepEqual(portsOf(), [80, 81, 1], 'before the first new one is bound');
  sockets.release();
  await settle();
  assert.notEqual(outcome.error, null);
  assert.deepEqual(portsOf(), [80], 'nobody listens on 81');
  publish(pool, snapshotOf(3, [81]));
  await settle();
  for (const thread of threads) thread.say({ type: 'linked', generation: 3 });
  await settle();
  assert.deepEqual(portsOf(), [81]);
});

test('pool: a thread that drains by now gets no descriptor that it would never use', async () => {
  const { pool, threads, sockets } = await listening(1);
  threads[0]!.say({ type: 'broken' });
  await settle();
  sockets.isHeld = true;
  publish(pool, snapshotOf(2, [80, 81]));
  await settle();
  threads[1]!.listen();
  sockets.release();
  await settle();
  assert.deepEqual(threads[0]!.types, ['drain']);
  assert.deepEqual(threads[1]!.types, ['publish']);
  assert.equal(sockets.open.size, 3, 'one of the first, two of its successor');
});

test('pool: descriptors are reclaimed from a thread that dies before it has them', async () => {
  const { pool, threads, sockets } = await listening(1);
  publish(pool, snapshotOf(2, [80, 81]));
  await settle();
  threads[0]!.emit('exit', 1);
  const lost = fdsOf(threads[0]!.received[0]);
  assert.deepEqual(sockets.reclaimed, lost, 'not what it was started with: it listened on that');
  await settle();
  threads[1]!.emit('exit', 1);
  assert.deepEqual(sockets.reclaimed, [...lost, ...fdsOf(threads[1]!.start)]);
  await settle();
  threads[2]!.listen();
  publish(pool, snapshotOf(3, [80, 81, 82]));
  await settle();
  threads[2]!.say({ type: 'linked', generation: 3 });
  threads[2]!.emit('exit', 1);
  assert.equal(sockets.reclaimed.length, 3, 'it had all of them');
});

test('pool: a publication waits for a worker that is just being replaced', async () => {
  const { pool, threads, sockets } = await listening(1);
  sockets.isHeld = true;
  threads[0]!.emit('exit', 1);
  await settle();
  const outcome = publish(pool, snapshotOf(2, [80, 81]));
  await settle();
  sockets.release();
  await settle();
  const successor = threads[1]!;
  assert.deepEqual(Object.keys(successor.start.listenerFds), ['l80']);
  const { listenerFds } = successor.received[0] as Extract<ToWorker, { type: 'publish' }>;
  assert.deepEqual(Object.keys(listenerFds), ['l81']);
  assert.equal(sockets.open.size, 3, 'one of the dead, two of its successor');
  successor.listen();
  await settle();
  assert.equal(outcome.isDone, false);
  successor.say({ type: 'linked', generation: 2 });
  await settle();
  assert.equal(outcome.isDone, true);
});

test('pool: a worker replaced during a publication gets the snapshot, too', async () => {
  const { pool, threads, sockets } = await listening(2);
  sockets.isHeld = true;
  const outcome = publish(pool, snapshotOf(2, [80, 81]));
  await settle();
  threads[0]!.emit('exit', 1);
  await settle();
  sockets.release();
  await settle();
  assert.equal(threads.length, 3);
  assert.deepEqual(threads[2]!.types, ['publish']);
  assert.deepEqual(threads[0]!.types, [], 'the dead is told nothing');
  assert.equal(sockets.open.size, 5, 'two of worker 1, two of the new worker 0, one of the dead');
  threads[2]!.listen();
  for (const thread of threads.slice(1)) thread.say({ type: 'linked', generation: 2 });
  await settle();
  assert.equal(outcome.isDone, true);
});

test('pool: a snapshot reaches a thread that threw and its successor alike', async () => {
  const { pool, threads } = await listening(1);
  threads[0]!.say({ type: 'broken' });
  await settle();
  publish(pool, snapshotOf(2, [80]));
  await settle();
  assert.deepEqual(threads[0]!.types, ['publish']);
  assert.deepEqual(threads[1]!.types, ['publish']);
});

test('pool: a drain during a publication ends that too', async () => {
  const { pool } = await listening();
  const outcome = publish(pool, snapshotOf(2, [80]));
  await settle();
  pool.drain(true);
  await settle();
  assert.equal(outcome.isDone, true);
});
