import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import test from 'node:test';

import type { Config } from '../control/config/config.ts';
import type { FromProxy, SocketAddress, ToProxy } from './orders.ts';
import type { Child, ChildEvents, ChildStart } from './proxy-child.ts';
import { Supervisor } from './supervisor.ts';

const CONFIG = { workers: 2, drainTimeoutMs: 5_000, drainDelayMs: 0 } as Config;

/** A process that does what the test says. */
class FakeChild {
  readonly workers: number;
  readonly start: ChildStart;
  heritage: ChildStart['heritage'];
  heritageVersion: string;
  isReady = false;
  hasSockets = false;
  addresses: readonly SocketAddress[] | null = null;
  livedMs = 50;
  readonly orders: ToProxy[] = [];
  isKilled = false;
  private readonly events: ChildEvents;

  constructor(start: ChildStart, events: ChildEvents) {
    this.start = start;
    this.workers = start.workers;
    this.heritage = start.heritage;
    this.heritageVersion = start.heritageVersion;
    this.events = events;
  }

  get command(): ChildStart['command'] {
    return this.start.command;
  }

  order(message: ToProxy): void {
    this.orders.push(message);
  }

  deliver(message: ToProxy): Promise<void> {
    this.orders.push(message);
    return Promise.resolve();
  }

  kill(): void {
    this.isKilled = true;
  }

  say(message: FromProxy): void {
    this.events.onMessage(this as unknown as Child, message);
  }

  sayServes(generation: number): void {
    const heritage = { ...this.heritage, generation };
    this.say({ type: 'heritage', heritage, version: '1' });
  }

  /** Serves `generation`. */
  ready(generation = 1): void {
    this.sayServes(generation);
    this.say({ type: 'ready' });
  }

  exit(end: string, code: number | null): void {
    this.events.onExit(this as unknown as Child, end, code);
  }
}

function start(t: test.TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const written: string[] = [];
  t.mock.method(process.stderr, 'write', (text: string) => written.push(text) > 0);
  const signals = new EventEmitter();
  const children: FakeChild[] = [];
  const exits: number[] = [];
  new Supervisor({
    config: CONFIG,
    configPath: '/etc/proxy-now.toml',
    signals,
    onExit: (code) => exits.push(code),
    startChild: (begin, events) => {
      const child = new FakeChild(begin, events);
      children.push(child);
      return child as unknown as Child;
    },
  }).start();
  return {
    signals,
    children,
    exits,
    written,
    first: children[0]!,
    pass: (ms: number) => t.mock.timers.tick(ms),
  };
}

/** A supervisor whose first process serves and has just been told to hand over. */
function upgrading(t: test.TestContext) {
  const world = start(t);
  world.first.ready();
  world.signals.emit('SIGUSR2');
  assert.deepEqual(world.first.orders, [{ type: 'hand-over' }]);
  world.first.sayServes(7);
  return { ...world, second: world.children[1]! };
}

test('supervisor: a configuration that is not said again is the one before', (t) => {
  const { children, first, pass } = start(t);
  const config = { ...CONFIG, drainTimeoutMs: 7_000 };
  first.ready();
  const heritage = { ...first.heritage, config, generation: 2 };
  first.say({ type: 'heritage', heritage, version: '1' });
  first.say({
    type: 'heritage',
    heritage: { ...heritage, config: null, generation: 3 },
    version: '1',
  });
  first.exit('SIGKILL', null);
  pass(1);
  assert.deepEqual(children[1]!.start.heritage.config, config);
  assert.equal(children[1]!.start.heritage.generation, 3);
  children[1]!.say({ type: 'heritage', heritage: { ...heritage, config: null }, version: '1' });
  assert.deepEqual(children[1]!.heritage.config, config);
});

test('supervisor: a process that dies is started again, later and later', (t) => {
  const { children, first, written, pass } = start(t);
  first.ready(3);
  for (const [index, delayMs] of [0, 100, 200, 400].entries()) {
    children[index]!.exit('SIGKILL', null);
    if (delayMs > 0) pass(delayMs - 1);
    assert.equal(children.length, index + 1);
    pass(1);
    assert.equal(children.length, index + 2);
  }
  const last = children.at(-1)!;
  assert.equal(last.start.heritage.generation, 3, 'what the last good one handed over');
  assert.equal(last.start.restarts, 4);
  assert.match(written[0]!, /ended \(SIGKILL\) after 0\.1 s; start 1 of another one now/);
  last.ready();
  last.livedMs = 2_001;
  last.exit('code 1', 1);
  pass(100);
  assert.equal(children.length, 6, 'one that was well starts from the shortest delay');
});

test('supervisor: never waits longer than 10 s', (t) => {
  const { children, pass } = start(t);
  for (let death = 0; death < 12; death++) {
    children.at(-1)!.exit('code 1', 1);
    pass(10_000);
  }
  assert.equal(children.length, 13);
});

test('supervisor: a process that cannot serve ends it at the start, not later', (t) => {
  const { first, exits } = start(t);
  first.say({ type: 'refused', message: 'listener web: taken' });
  assert.equal(first.isKilled, true);
  first.exit('SIGKILL', null);
  assert.deepEqual(exits, [1]);
});

test('supervisor: what served once is tried again when it cannot serve', (t) => {
  const { children, first, exits, pass } = start(t);
  first.ready();
  first.exit('SIGKILL', null);
  pass(100);
  children[1]!.say({ type: 'refused', message: 'no descriptors' });
  children[1]!.exit('SIGKILL', null);
  pass(200);
  assert.equal(children.length, 3);
  assert.deepEqual(exits, []);
});

test('supervisor: the one before drains only when its successor is ready', (t) => {
  const { first, second, pass } = upgrading(t);
  assert.equal(second.start.heritage.generation, 7, 'as of now, not of the start');
  assert.equal(second.start.upgrades, 1);
  assert.equal(first.orders.length, 1);
  second.ready(8);
  assert.deepEqual(first.orders[1], { type: 'drain', hasSuccessor: true });
  assert.deepEqual(second.orders, []);
  first.exit('code 0', 0);
  pass(60_000);
  assert.equal(second.isKilled, false);
});

test('supervisor: a successor that is not ready after 30 s does not take over', (t) => {
  const { first, second, written, pass } = upgrading(t);
  second.hasSockets = true;
  pass(29_999);
  assert.deepEqual(second.orders, []);
  pass(1);
  assert.deepEqual(second.orders, [{ type: 'drain', hasSuccessor: true }], 'what it accepted');
  assert.equal(first.orders.length, 1);
  assert.match(written.join(''), /not ready after 30 s/);
  second.say({ type: 'ready' });
  assert.equal(first.orders.length, 1, 'too late');
  assert.equal(second.isKilled, false);
  pass(8_000);
  assert.equal(second.isKilled, true);
});

test('supervisor: a stop during an upgrade drains both', (t) => {
  const { first, second, signals } = upgrading(t);
  const address: SocketAddress = { kind: 'tcp', host: '127.0.0.1', port: 0, name: 'web' };
  second.say({ type: 'want-socket', id: 1, address, worker: 0 });
  signals.emit('SIGTERM');
  for (const child of [first, second]) {
    assert.deepEqual(child.orders.at(-1), { type: 'drain', hasSuccessor: false });
    assert.equal(child.isKilled, false);
  }
});

test('supervisor: a successor that never had a socket is not waited for', (t) => {
  const { second, pass } = upgrading(t);
  pass(30_000);
  assert.equal(second.isKilled, true);
});

test('supervisor: a successor that cannot serve is ended, and changes nothing', (t) => {
  const { first, second } = upgrading(t);
  second.say({ type: 'refused', message: 'the files have errors' });
  assert.equal(second.isKilled, true);
  assert.equal(first.orders.length, 1);
});

test('supervisor: no upgrade while too many processes have not ended yet', (t) => {
  const { children, first } = start(t);
  first.ready();
  for (let upgrade = 0; upgrade < 20; upgrade++) {
    children.at(-1)!.say({ type: 'upgrade' });
    children.at(-1)!.ready();
  }
  assert.equal(children.length, 17);
  assert.deepEqual(children.at(-1)!.orders.pop(), {
    type: 'upgraded',
    problem: '16 processes before it have not ended yet',
  });
  first.exit('code 0', 0);
  children.at(-1)!.say({ type: 'upgrade' });
  assert.equal(children.length, 18);
});

test('supervisor: who asked for the upgrade is told how it ended', (t) => {
  const { children, first } = start(t);
  first.ready();
  first.say({ type: 'upgrade' });
  children[1]!.exit('code 9', 9);
  const problem = 'the new process ended (code 9)';
  assert.deepEqual(first.orders.pop(), { type: 'upgraded', problem });
  first.say({ type: 'upgrade' });
  children[2]!.ready();
  assert.deepEqual(first.orders, [
    { type: 'upgraded', problem: null },
    { type: 'drain', hasSuccessor: true },
  ]);
});

test('supervisor: a successor that is asked for an upgrade before it serves is told, too', (t) => {
  const { first, second } = upgrading(t);
  second.say({ type: 'upgrade' });
  const problem = 'an upgrade is running already';
  assert.deepEqual(second.orders, [{ type: 'upgraded', problem }]);
  assert.equal(first.orders.length, 1);
});

test('supervisor: a process that is stuck is upgraded from what it said before', (t) => {
  const { children, first, signals, pass } = start(t);
  first.ready(2);
  signals.emit('SIGUSR2');
  assert.equal(children.length, 1);
  pass(1_000);
  assert.equal(children[1]!.start.heritage.generation, 2);
});

test('supervisor: an upgrade asked for before the first one serves follows', (t) => {
  const { children, first, signals, pass } = start(t);
  signals.emit('SIGUSR2');
  pass(1_000);
  assert.equal(children.length, 1);
  first.ready();
  assert.equal(children.length, 2);
});

test('supervisor: what was applied during an upgrade is looked at by the new one', (t) => {
  const { first, second } = upgrading(t);
  first.heritage = { ...first.heritage, draining: ['api http://10.0.0.1:80'] };
  first.sayServes(9);
  second.ready(8);
  const since = { drained: ['api http://10.0.0.1:80'], undrained: [] };
  assert.deepEqual(second.orders, [{ type: 'reload', since }]);
});

test('supervisor: one that was drained and does not end is killed', (t) => {
  const { first, second, pass } = upgrading(t);
  second.ready();
  pass(7_999);
  assert.equal(first.isKilled, false);
  pass(1);
  assert.equal(first.isKilled, true, 'its drain timeout and 3 s more');
});

test('supervisor: when the old one dies meanwhile, all wait for the successor', (t) => {
  const { children, first, second, pass } = upgrading(t);
  first.exit('SIGKILL', null);
  pass(1_000);
  assert.equal(children.length, 2);
  second.exit('code 1', 1);
  pass(100);
  assert.equal(children.length, 3, 'and start over when it dies, too');
});

test('supervisor: a stop drains what runs, ends with its code, and waits for all', (t) => {
  const { first, second, signals, exits } = upgrading(t);
  second.ready();
  signals.emit('SIGTERM');
  assert.deepEqual(second.orders, [{ type: 'drain', hasSuccessor: false }]);
  second.exit('code 0', 0);
  assert.deepEqual(exits, []);
  first.exit('code 0', 0);
  assert.deepEqual(exits, [0]);
});

test('supervisor: a process that does not take the order to stop is killed in the end', (t) => {
  const { first, signals, exits, pass } = start(t);
  first.ready();
  signals.emit('SIGTERM');
  pass(7_999);
  assert.equal(first.isKilled, false);
  pass(1);
  assert.equal(first.isKilled, true, 'its drain timeout and 3 s more');
  first.exit('SIGKILL', null);
  assert.deepEqual(exits, [1]);
});

test('supervisor: another number of workers takes effect with an upgrade alone', (t) => {
  const { children, first, pass } = start(t);
  first.heritage = { ...first.heritage, config: { ...CONFIG, workers: 1 } };
  first.ready();
  first.exit('SIGKILL', null);
  pass(100);
  children[1]!.ready();
  children[1]!.say({ type: 'upgrade' });
  children[2]!.ready();
  children[2]!.exit('SIGKILL', null);
  pass(200);
  assert.deepEqual(
    children.map(({ start: { workers } }) => workers),
    [2, 2, 1, 1],
  );
});

test('supervisor: a stop between two processes ends it at once', (t) => {
  const { children, first, signals, exits, pass } = start(t);
  first.ready();
  first.exit('SIGKILL', null);
  signals.emit('SIGINT');
  assert.deepEqual(exits, [0]);
  pass(10_000);
  assert.equal(children.length, 1);
});

test('supervisor: listeners are closed for a stop, not for an upgrade', async (t) => {
  const { first, second, signals } = upgrading(t);
  const address: SocketAddress = { kind: 'tcp', host: '127.0.0.1', port: 0, name: 'web' };
  const want = async (child: FakeChild): Promise<ToProxy> => {
    child.orders.length = 0;
    child.say({ type: 'want-socket', id: 1, address, worker: 0 });
    while (child.orders.length === 0) await new Promise((resolve) => setImmediate(resolve));
    return child.orders[0]!;
  };
  assert.equal((await want(first)).type, 'socket');
  second.ready();
  first.say({ type: 'close-listeners' });
  assert.deepEqual(first.orders.at(-1), { type: 'listeners-closed' });
  assert.equal((await want(second)).type, 'socket');
  signals.emit('SIGTERM');
  second.say({ type: 'close-listeners' });
  assert.equal((await want(second)).type, 'socket-failed');
});
