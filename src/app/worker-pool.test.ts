import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import test from 'node:test';

import type { FromWorker, ToWorker, WorkerStart } from '../contract/message.ts';
import { ListenerCell, listenerBase, WorkerCell } from '../contract/metric-layout.ts';
import type { Snapshot } from '../contract/snapshot.ts';
import { createLogger } from '../control/admin/logger.ts';
import { addressKey } from './socket-address.ts';
import type { SocketAddress } from './orders.ts';
import type { SocketGrant, SocketSource } from './broker-client.ts';
import { WorkerPool } from './worker-pool.ts';
import type { WorkerPoolOptions } from './worker-pool.ts';

/** A thread that does what the test says. */
class FakeThread extends EventEmitter {
  readonly start: WorkerStart;
  readonly received: ToWorker[] = [];
  isTerminated = false;

  constructor(start: WorkerStart) {
    super();
    this.start = start;
  }

  postMessage(message: ToWorker): void {
    this.received.push(message);
  }

  terminate(): void {
    this.isTerminated = true;
  }

  say(message: FromWorker): void {
    this.emit('message', message);
  }

  listen(): void {
    this.say({ type: 'listening', ports: { web: 80 } });
  }

  get types(): string[] {
    return this.received.map(({ type }) => type);
  }
}

/** Grants a new number each time; addresses on port 1 are taken. */
class FakeSockets implements SocketSource {
  readonly open = new Map<number, string>();
  retained: readonly SocketAddress[] | null = null;
  /** Answers wait for `release` while true. */
  isHeld = false;
  private held: (() => void)[] = [];
  private next = 100;

  async want(address: SocketAddress, worker: number): Promise<SocketGrant> {
    if (this.isHeld) await new Promise<void>((resolve) => this.held.push(resolve));
    if (address.port === 1) throw new Error('127.0.0.1:1: taken');
    const fd = this.next++;
    this.open.set(fd, `${addressKey(address)} ${worker}`);
    return { fd, port: address.port };
  }

  giveBack({ fd }: SocketGrant): void {
    assert.ok(this.open.delete(fd), 'given back once');
  }

  retain(addresses: readonly SocketAddress[]): void {
    this.retained = addresses;
  }

  release(): void {
    this.isHeld = false;
    for (const resolve of this.held.splice(0)) resolve();
  }
}

function snapshotOf(generation: number, ports: readonly number[]): Snapshot {
  const listeners = ports.map((port) => {
    return { name: `l${port}`, kind: 'tcp', host: '127.0.0.1', port, metricIndex: 0 };
  });
  return { generation, listeners } as unknown as Snapshot;
}

/** Lets promises settle. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

function world(count = 2, options: Partial<WorkerPoolOptions> = {}) {
  const threads: FakeThread[] = [];
  const sockets = new FakeSockets();
  const events: string[] = [];
  const lines: string[] = [];
  const pool = new WorkerPool(
    {
      count,
      sockets,
      logger: createLogger({
        level: 'debug',
        format: 'text',
        wallMs: () => 0,
        write: (line) => lines.push(line),
      }),
      health: () => [],
      drainTimeoutMs: () => 60_000,
      onListening: () => events.push('listening'),
      onListenFailed: (listener, message) => events.push(`failed ${listener} ${message}`),
      onOutlier: () => events.push('outlier'),
      onLogFilled: (_bytes, done) => done(),
      onDrained: () => events.push('drained'),
      onHopeless: () => events.push('hopeless'),
      spawn: (start) => {
        const thread = new FakeThread(start);
        threads.push(thread);
        return thread;
      },
      ...options,
    },
    snapshotOf(1, [80]),
  );
  return { pool, threads, sockets, events, lines };
}

async function listening(count = 2) {
  const all = world(count);
  all.pool.start();
  await settle();
  for (const thread of all.threads) thread.listen();
  return all;
}

function publish(pool: WorkerPool, snapshot: Snapshot): { isDone: boolean; error: unknown } {
  const outcome: { isDone: boolean; error: unknown } = { isDone: false, error: null };
  pool.publish(snapshot, { kind: 'whole', snapshot }, []).then(
    () => (outcome.isDone = true),
    (error: unknown) => (outcome.error = error),
  );
  return outcome;
}

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

test('pool: sockets of both configurations are kept until it is settled which one serves', async () => {
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

test('pool: a snapshot reaches a thread that threw and its successor alike', async () => {
  const { pool, threads } = await listening(1);
  threads[0]!.say({ type: 'broken' });
  await settle();
  publish(pool, snapshotOf(2, [80]));
  await settle();
  assert.deepEqual(threads[0]!.types, ['publish']);
  assert.deepEqual(threads[1]!.types, ['publish']);
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

test('pool: a drain during a publication ends that too', async () => {
  const { pool } = await listening();
  const outcome = publish(pool, snapshotOf(2, [80]));
  await settle();
  pool.drain(true);
  await settle();
  assert.equal(outcome.isDone, true);
});

test('pool: health goes to every thread', async () => {
  const { pool, threads } = await listening();
  pool.sendHealth([]);
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
