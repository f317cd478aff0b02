import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../src/contract/fault.ts';
import { WorkerCell } from '../../src/contract/metric-layout.ts';
import { TRICKLE_COUNT } from '../../src/data/overload/overload-level.ts';
import { get, isOver, post, responsesOf, statusesOf } from './requests.ts';
import { answering, listenOrigin, okWith } from './scripted-origin.ts';
import { openWorld, ORIGIN } from './world.ts';
import type { Chunk } from '../../src/data/io/backend.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';

function fieldOf(client: SimPeer, name: string): string | undefined {
  const fields = responsesOf(client).at(-1)!.fields;
  return fields.find((field) => field.name.toLowerCase() === name)?.value;
}

test('overload: level 1 ends connections after their answer, and idle ones by and by', async () => {
  const world = await openWorld();
  listenOrigin(world.sim, ORIGIN, answering());
  const clients = Array.from({ length: 64 }, () => world.client(get()));
  world.data.setOverload(1);
  world.advance(0);
  const over = clients.map((client) => isOver(client));
  assert.deepEqual(over.slice(0, 3), [true, true, false], 'the oldest two of 64');
  clients[63]!.send(get());
  world.advance(0);
  assert.deepEqual(statusesOf(clients[63]!), [200, 200]);
  assert.equal(fieldOf(clients[63]!, 'connection'), 'close');
  assert.equal(isOver(clients[63]!), true);
  for (let i = 0; i < 200; i++) world.data.setOverload(1);
  world.advance(0);
  assert.equal(world.data.connectionCount, 0);
  world.data.setOverload(0);
  const later = world.client(get());
  assert.equal(fieldOf(later, 'connection'), undefined);
  assert.equal(isOver(later), false);
  world.assertQuiet();
});

test('overload: level 2 answers new requests with 503 and lets running ones finish', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const running = Array.from({ length: TRICKLE_COUNT - 1 }, () => world.client(get('/running')));
  const head = 'POST /up HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\n';
  const uploading = world.client(`${head}ab`);
  const late = world.client();
  world.data.setOverload(2);
  world.advance(0);
  const unread = world.client(post('body')); // A new connection is not even read.
  late.send(get('/late'));
  world.advance(0);
  for (const client of [late, unread]) {
    assert.deepEqual(statusesOf(client), [503]);
    assert.equal(fieldOf(client, 'retry-after'), '1');
    assert.equal(fieldOf(client, 'connection'), 'close');
    assert.equal(isOver(client), true);
  }
  assert.equal(world.faultCount(Fault.overloaded), 2);
  assert.equal(world.cells[WorkerCell.shed], 2);
  assert.equal(world.cells[WorkerCell.overloadLevel], 2);
  assert.equal(world.listenerCell('refused'), 1);
  uploading.send('cd');
  world.advance(0);
  for (const peer of origin.peers) peer.send(okWith('ok'));
  world.advance(0);
  for (const client of [...running, uploading]) assert.deepEqual(statusesOf(client), [200]);
  assert.equal(origin.requests.length, TRICKLE_COUNT);
  world.data.setOverload(0);
  world.assertQuiet();
});

test('overload: level 2 still serves a few: memory at rest is no outage', async () => {
  const world = await openWorld();
  listenOrigin(world.sim, ORIGIN, answering());
  world.data.setOverload(2);
  for (let i = 0; i < 100; i++) {
    const client = world.client(get());
    assert.deepEqual(statusesOf(client), [200]);
    assert.equal(fieldOf(client, 'connection'), 'close');
    client.end();
    world.advance(0);
  }
  assert.equal(world.cells[WorkerCell.shed], 0);
  world.data.setOverload(0);
  world.assertQuiet();
});

test('overload: level 2 gives up clients that take nothing, and no other', async () => {
  const world = await openWorld();
  const body = 'x'.repeat(300_000);
  listenOrigin(world.sim, ORIGIN, { onRequest: (_request, peer) => peer.send(okWith(body)) });
  const stalled = world.client();
  stalled.pause();
  stalled.send(get());
  world.advance(1_900);
  world.data.setOverload(2);
  assert.equal(world.faultCount(Fault.clientWriteTimeout), 0, 'it may go on any moment');
  world.data.setOverload(0);
  const slow = world.client();
  slow.pause();
  slow.send(get());
  world.advance(1_000);
  slow.resume();
  world.sim.runUntil(() => slow.receivedSize > 70_000);
  slow.pause();
  world.advance(1_500);
  world.data.setOverload(2);
  world.advance(0);
  assert.equal(world.faultCount(Fault.clientWriteTimeout), 1);
  stalled.resume();
  slow.resume();
  world.advance(100);
  assert.equal(stalled.fault, Fault.upstreamReset);
  assert.deepEqual(statusesOf(slow), [200]);
  world.data.setOverload(0);
  world.assertQuiet();
});

test('buffers: when requests have taken all memory, the answer that says so gets out', async () => {
  const memory = { memoryMax: 8_388_608, reserveSize: 1_048_576, sharedChance: 1 };
  const world = await openWorld({}, memory);
  const origin = listenOrigin(world.sim, ORIGIN, answering());
  const { chunks } = world.sim;
  const held: Chunk[] = [];
  for (let chunk = chunks.acquire(10); chunk !== null; chunk = chunks.acquire(10)) held.push(chunk);
  const client = world.client(post('body'));
  assert.deepEqual(statusesOf(client), [503]);
  assert.equal(world.faultCount(Fault.memoryLimit), 1);
  assert.equal(origin.requests.length, 0);
  for (const chunk of held) chunks.release(chunk);
  assert.deepEqual(statusesOf(world.client(post('body'))), [200]);
  world.assertQuiet();
});

test('connection limit: idle connections make room, the oldest first', async () => {
  const world = await openWorld({ limits: 'connections = 3' });
  listenOrigin(world.sim, ORIGIN, {
    onRequest: ({ target }, peer) => target !== '/waits' && peer.send(okWith('ok')),
  });
  const busy = world.client(get('/waits'));
  const oldest = world.client(get());
  const younger = world.client(get());
  assert.deepEqual(statusesOf(world.client(get())), [503], 'both were in use just now');
  world.advance(1_500);
  younger.send(get());
  world.advance(1_000);
  const fourth = world.client(get());
  assert.deepEqual(statusesOf(fourth), [200]);
  assert.equal(isOver(oldest), true);
  assert.equal(isOver(younger), false);
  assert.equal(isOver(busy), false);
  world.advance(2_500);
  const fifth = world.client(get('/waits'));
  const sixth = world.client(get('/waits'));
  assert.equal(isOver(younger) && isOver(fourth), true);
  const seventh = world.client(get()); // Nobody is idle now.
  assert.deepEqual(statusesOf(seventh), [503]);
  assert.equal(world.listenerCell('refused'), 2);
  for (const client of [busy, fifth, sixth]) client.reset();
  world.advance(0);
  world.assertQuiet();
});

test('connection limit: a silent client makes room, one that has just come does not', async () => {
  const world = await openWorld({ limits: 'connections = 2' });
  listenOrigin(world.sim, ORIGIN, answering());
  const silent = [world.client(), world.client()];
  const third = world.client(get());
  assert.deepEqual(statusesOf(third), [503]);
  silent[0]!.send(get());
  world.advance(0);
  assert.deepEqual(statusesOf(silent[0]!), [200]);
  world.advance(1_500);
  silent[0]!.send(get());
  world.advance(1_000);
  assert.deepEqual(statusesOf(world.client(get())), [200]);
  assert.deepEqual(silent.map(isOver), [false, true], 'who is in use keeps its place');
  world.assertQuiet();
});

test('descriptors: attempts wait while none is left, and no endpoint is blamed', async () => {
  const world = await openWorld({ transport: 'queue-timeout = "10s"' });
  listenOrigin(world.sim, ORIGIN, answering());
  world.sim.canConnect = false;
  const waiting = world.client(get());
  assert.deepEqual(statusesOf(waiting), []);
  assert.equal(world.gauge('queued'), 1);
  world.data.relieve();
  world.advance(1_000);
  assert.deepEqual(statusesOf(waiting), []);
  world.sim.canConnect = true;
  world.data.relieve();
  world.advance(0);
  assert.deepEqual(statusesOf(waiting), [200]);
  world.sim.canConnect = false;
  const reusing = world.client(get());
  assert.deepEqual(statusesOf(reusing), [200], 'an idle connection needs no descriptor');
  assert.equal(world.gauge('faults'), 0);
  world.assertQuiet();
});

test('descriptors: an idle connection of another endpoint makes room', async () => {
  const other = '10.0.0.2:80';
  const world = await openWorld({
    more:
      `[routes.other]\npath = "/other"\nservice = "other"\n` +
      `[services.other]\nendpoints = ["http://${other}"]`,
  });
  listenOrigin(world.sim, ORIGIN, answering());
  listenOrigin(world.sim, other, answering());
  world.client(get());
  const idle = world.endpoints.find(({ pool }) => pool.idleCount === 1)!;
  world.sim.canConnect = false;
  const waiting = world.client(get('/other'));
  world.data.relieve();
  world.advance(0);
  assert.equal(idle.pool.idleCount, 0);
  world.sim.canConnect = true;
  world.data.relieve();
  world.advance(0);
  assert.deepEqual(statusesOf(waiting), [200]);
  world.assertQuiet();
});
