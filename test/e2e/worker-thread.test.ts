/** One worker thread alone, driven by the messages that control would send. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import { Worker } from 'node:worker_threads';

import type { FromWorker, ToWorker, WorkerStart } from '../../src/contract/message.ts';
import { createMetricBuffer, WorkerCell } from '../../src/contract/metric-layout.ts';
import type { Snapshot } from '../../src/contract/snapshot.ts';
import { MetricIndexes } from '../../src/control/compile/metric-indexes.ts';
import { compileToml } from '../simulation/world.ts';
import { fetchFrom, startOrigin } from '../support/http-origin.ts';
import { RawClient } from '../support/raw-client.ts';
import { freePort } from '../support/free-port.ts';
import { delay, until, within } from '../support/wait.ts';

const LOG_BUFFER_SIZE = 65_536;

class Thread {
  readonly messages: FromWorker[] = [];
  readonly cells: Float64Array;
  readonly exited: Promise<number>;
  /** What arrived for the access log. */
  log = '';
  private readonly worker: Worker;
  private readonly logBuffers: readonly SharedArrayBuffer[];

  constructor(t: test.TestContext, snapshot: Snapshot, execArgv: readonly string[] = []) {
    const metricBuffer = createMetricBuffer();
    this.cells = new Float64Array(metricBuffer);
    this.logBuffers = [0, 1].map(() => new SharedArrayBuffer(LOG_BUFFER_SIZE));
    const start: WorkerStart = {
      index: 0,
      workerCount: 1,
      snapshot,
      health: [],
      metricBuffer,
      accessLogBuffers: this.logBuffers,
      listenerFds: {},
      tls: {
        certificates: [],
        challenges: [],
        ticketSecrets: { current: randomBytes(32), previous: null },
      },
    };
    const entry = new URL('../../src/app/worker.ts', import.meta.url);
    this.worker = new Worker(entry, { workerData: start, execArgv: [...execArgv] });
    this.worker.on('message', (message: FromWorker) => this.onMessage(message));
    this.exited = new Promise((resolve) => this.worker.on('exit', resolve));
    t.after(() => this.worker.terminate());
  }

  post(message: ToWorker): void {
    this.worker.postMessage(message);
  }

  publish(snapshot: Snapshot): void {
    const update = { kind: 'whole', snapshot } as const;
    this.post({ type: 'publish', update, listenerFds: {}, changedRoutes: [] });
  }

  count(type: FromWorker['type']): number {
    return this.messages.filter((message) => message.type === type).length;
  }

  async heard<T extends FromWorker['type']>(
    type: T,
    isIt: (message: Extract<FromWorker, { type: T }>) => boolean = () => true,
  ): Promise<Extract<FromWorker, { type: T }>> {
    const find = (): FromWorker | undefined =>
      this.messages.find(
        (message) => message.type === type && isIt(message as Extract<FromWorker, { type: T }>),
      );
    await until(() => find() !== undefined, `the message ${type}`);
    return find() as Extract<FromWorker, { type: T }>;
  }

  private onMessage(message: FromWorker): void {
    this.messages.push(message);
    if (message.type !== 'log-filled') return;
    const { buffer, size } = message;
    this.log += Buffer.from(this.logBuffers[buffer]!, 0, size).toString('latin1');
    this.post({ type: 'log-written', buffer });
  }
}

interface Sections {
  readonly listeners: Readonly<Record<string, number>>;
  readonly origin: number;
  readonly observe?: string;
}

const indexes = new MetricIndexes();

function snapshotOf(generation: number, { listeners, origin, observe }: Sections) {
  const blocks = Object.entries(listeners).map(
    ([name, port]) => `[listeners.${name}]\naddress = "127.0.0.1:${port}"\n`,
  );
  const toml = `${blocks.join('')}[admin]\naddress = "off"\n[routes.all]\npath = "/*"
service = "app"\n[services.app]\nendpoints = ["http://127.0.0.1:${origin}"]\n${observe ?? ''}`;
  return compileToml(toml, generation, indexes);
}

async function startHello(t: test.TestContext): Promise<number> {
  const origin = await startOrigin((_request, response) => void response.end('hello'));
  t.after(() => origin.close());
  return origin.port;
}

test('worker: says the port of each listener by name', async (t) => {
  const origin = await startHello(t);
  const thread = new Thread(t, await snapshotOf(1, { listeners: { one: 0, two: 0 }, origin }));
  const { ports } = await thread.heard('listening');
  assert.deepEqual(Object.keys(ports).toSorted(), ['one', 'two']);
  for (const port of Object.values(ports)) {
    assert.equal((await fetchFrom(port, '/')).body.toString(), 'hello');
  }
});

test('worker: acknowledges a snapshot when its new listener listens', async (t) => {
  const origin = await startHello(t);
  const [first, second] = [await freePort(), await freePort()];
  const thread = new Thread(t, await snapshotOf(1, { listeners: { a: first }, origin }));
  await thread.heard('listening');
  const idle = new RawClient(first);
  idle.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => idle.received.includes('hello'), 'an answer');
  thread.publish(await snapshotOf(2, { listeners: { b: second, renamed: first }, origin }));
  await thread.heard('linked', ({ generation }) => generation === 2);
  assert.equal((await fetchFrom(second, '/')).body.toString(), 'hello');
  idle.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => idle.received.toString().split('hello').length === 3, 'the second answer');
  assert.equal(idle.closed, null, 'the address stays, and its connections with it');
  assert.equal(thread.cells[WorkerCell.generation], 2);
  assert.ok(thread.cells[WorkerCell.linkUs]! > 0);
  idle.destroy();
});

test('worker: reports a listener that cannot be opened, acknowledges the rest', async (t) => {
  const origin = await startHello(t);
  const [first, second] = [await freePort(), await freePort()];
  const thread = new Thread(t, await snapshotOf(1, { listeners: { a: first }, origin }));
  await thread.heard('listening');
  thread.publish(
    await snapshotOf(2, { listeners: { a: first, taken: origin, b: second }, origin }),
  );
  const failed = await thread.heard('listen-failed');
  assert.equal(failed.listener, 'taken');
  assert.match(failed.message, /EADDRINUSE/);
  await thread.heard('linked', ({ generation }) => generation === 2);
  assert.equal((await fetchFrom(second, '/')).body.toString(), 'hello');
});

test('worker: switches the access log on, over and off, and loses no line', async (t) => {
  const origin = await startHello(t);
  const port = await freePort();
  const of = (generation: number, observe: string): Promise<Snapshot> =>
    snapshotOf(generation, { listeners: { a: port }, origin, observe });
  const thread = new Thread(t, await of(1, ''));
  await thread.heard('listening');
  await fetchFrom(port, '/silent');
  const json = '[observe.access-log]\npath = "a.log"\nformat = "json"\n';
  const template =
    '[observe.access-log]\npath = "b.log"\nformat = "template"\ntemplate = "T {path}"\n';
  const steps = [json, template, json, ''];
  for (const [index, observe] of steps.entries()) {
    const generation = index + 2;
    thread.publish(await of(generation, observe));
    await thread.heard('linked', (message) => message.generation === generation);
    const isComplete = index === 0 || thread.log.includes(`/${generation - 1}-2`);
    assert.ok(isComplete, 'the lines of before are here before the acknowledgement');
    for (let i = 0; i < 3; i++) await fetchFrom(port, `/${generation}-${i}`);
  }
  thread.post({ type: 'drain', hasSuccessor: false });
  await thread.heard('drained');
  const lines = thread.log.trimEnd().split('\n');
  const paths = lines.map((line) => /\/[^" ]*/.exec(line)![0]);
  const expected = [2, 3, 4].flatMap((generation) => [0, 1, 2].map((i) => `/${generation}-${i}`));
  assert.deepEqual(paths, expected);
  assert.deepEqual(
    lines.map((line) => line.startsWith('T ')),
    [false, false, false, true, true, true, false, false, false],
  );
});

test('worker: what began while the access log was off is not in it', async (t) => {
  const held: (() => void)[] = [];
  const origin = await startOrigin((request, response) => {
    if (request.url === '/held') held.push(() => response.end('late'));
    else response.end('hello');
  });
  t.after(() => origin.close());
  const port = await freePort();
  const of = (generation: number, observe: string): Promise<Snapshot> =>
    snapshotOf(generation, { listeners: { a: port }, origin: origin.port, observe });
  const json = '[observe.access-log]\npath = "a.log"\nformat = "json"\n';
  const thread = new Thread(t, await of(1, json));
  await thread.heard('listening');
  await fetchFrom(port, '/first?secret=1'); // Its head is in the memory that is used again.
  thread.publish(await of(2, ''));
  await thread.heard('linked', ({ generation }) => generation === 2);
  const late = fetchFrom(port, '/held');
  await until(() => held.length === 1, 'the request');
  thread.publish(await of(3, json));
  await thread.heard('linked', ({ generation }) => generation === 3);
  held[0]!();
  assert.equal((await late).body.toString(), 'late');
  await fetchFrom(port, '/last');
  thread.post({ type: 'drain', hasSuccessor: false });
  await thread.heard('drained');
  const paths = thread.log.match(/\/(first|held|last)/g);
  assert.deepEqual(paths, ['/first', '/last'], thread.log);
  assert.equal(thread.log.trimEnd().split('\n').length, 2);
});

test('worker: ends by itself once it is drained', async (t) => {
  const origin = await startHello(t);
  const port = await freePort();
  const thread = new Thread(t, await snapshotOf(1, { listeners: { a: port }, origin }));
  await thread.heard('listening');
  await fetchFrom(port, '/'); // Leaves an idle connection to the origin.
  thread.post({ type: 'drain', hasSuccessor: false });
  assert.equal(await within(thread.exited, 'the end of the thread', 1_500), 0);
  assert.equal(thread.count('drained'), 1);
});

test('worker: does not end before a connection that it closed has lingered', async (t) => {
  const origin = await startHello(t);
  const port = await freePort();
  const thread = new Thread(t, await snapshotOf(1, { listeners: { a: port }, origin }));
  await thread.heard('listening');
  const client = new RawClient(port); // It does not end its side when the other one has.
  const errors: string[] = [];
  client.socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? ''));
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => client.received.includes('hello'), 'an answer');
  thread.post({ type: 'drain', hasSuccessor: false });
  await until(() => client.closed !== null, 'the end');
  assert.equal(client.closed, 'fin');
  client.send('GET /crossing HTTP/1.1\r\nHost: a\r\n\r\n');
  await delay(100);
  assert.equal(thread.count('drained'), 0, 'control would end the process');
  await thread.heard('drained');
  assert.deepEqual(errors, [], 'what crosses the end is not answered with a reset');
  client.destroy();
});

test('worker: ends after an abort, with connections open', async (t) => {
  const origin = await startHello(t);
  const port = await freePort();
  const thread = new Thread(t, await snapshotOf(1, { listeners: { a: port }, origin }));
  await thread.heard('listening');
  const idle = new RawClient(port);
  idle.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => idle.received.includes('hello'), 'an answer');
  thread.post({ type: 'drain', hasSuccessor: true });
  thread.post({ type: 'abort' });
  assert.equal(await within(thread.exited, 'the end of the thread', 1_500), 0);
  assert.equal(thread.count('drained'), 1);
  idle.destroy();
});

test('worker: says once that it is broken, and serves on', async (t) => {
  const origin = await startHello(t);
  const port = await freePort();
  const bomb =
    'data:text/javascript,import {isMainThread} from "node:worker_threads";' +
    'if(!isMainThread)for(const at of [50,60])setTimeout(()=>{throw new Error("boom")},at).unref()';
  const snapshot = await snapshotOf(1, { listeners: { a: port }, origin });
  const thread = new Thread(t, snapshot, ['--import', bomb]);
  await thread.heard('broken');
  await until(() => thread.cells[WorkerCell.internalErrors] === 2, 'both errors');
  assert.equal((await fetchFrom(port, '/')).body.toString(), 'hello');
  assert.equal(thread.count('broken'), 1);
  thread.post({ type: 'drain', hasSuccessor: true });
  assert.equal(await within(thread.exited, 'the end of the thread', 1_500), 0);
});
