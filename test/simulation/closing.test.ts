/** Answers to slow clients on connections that close, and other ends that must lose nothing. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { routeBase, RouteCell, ROUTE_NONE_INDEX } from '../../src/contract/metric-layout.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { get, isOver, request, statusesOf, SWITCHING, UPGRADE } from './requests.ts';
import { answering, listenOrigin, okWith } from './scripted-origin.ts';
import { openWorld, ORIGIN, type World } from './world.ts';

const BODY = 'x'.repeat(300_000);
const CHUNKED =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' +
  `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;

/** A network that takes less from a writer than one piece of an answer. */
function openSlowWorld(): Promise<World> {
  return openWorld({ limits: 'write-progress-timeout = "30s"' }, { windowSize: 20_000 });
}

/** A client that sends `bytes` and takes a piece of the answer whenever it is resumed. */
function slowClient(world: World, bytes: string): SimPeer {
  const client = world.client('', { onBytes: (peer) => peer.pause() });
  client.pause();
  client.send(bytes);
  world.advance(0);
  return client;
}

/** Lets the client take a piece every 7 s, until the other side ends. */
function readSlowly(world: World, client: SimPeer): void {
  for (let i = 0; i < 1_000 && !isOver(client); i++) {
    client.resume();
    world.advance(7_000);
  }
}

async function slowAnswer(toOrigin: string, answer: string): Promise<SimPeer> {
  const world = await openSlowWorld();
  listenOrigin(world.sim, ORIGIN, { onRequest: (_request, peer) => peer.send(answer) });
  const client = slowClient(world, toOrigin);
  world.advance(6_000);
  readSlowly(world, client);
  world.assertSound();
  return client;
}

test('closing: a slow client gets all of an answer behind which the connection closes', async () => {
  const closing = get('/', 'Connection: close\r\n');
  const client = await slowAnswer(closing, okWith(BODY));
  assert.equal(client.text().length - client.text().indexOf('\r\n\r\n') - 4, BODY.length);
  assert.equal(client.hasEnded, true);
});

test('closing: a slow HTTP/1.0 client gets all of an answer that only the end delimits', async () => {
  const client = await slowAnswer('GET / HTTP/1.0\r\n\r\n', CHUNKED);
  assert.equal(client.text().length - client.text().indexOf('\r\n\r\n') - 4, BODY.length);
  assert.equal(client.hasEnded, true);
});

test('closing: a slow client gets all of an early answer, though its upload goes on', async () => {
  const world = await openSlowWorld();
  listenOrigin(world.sim, ORIGIN, { onHead: (_request, peer) => peer.send(okWith(BODY)) });
  const head = request('POST', '/', 'Content-Length: 900000\r\n');
  const client = slowClient(world, `${head}abc`);
  world.advance(6_000);
  readSlowly(world, client);
  assert.equal(client.text().length - client.text().indexOf('\r\n\r\n') - 4, BODY.length);
  world.assertSound();
});

test('closing: a client that takes no byte of the last answer is reset at its time', async () => {
  const world = await openSlowWorld();
  listenOrigin(world.sim, ORIGIN, {
    onRequest: (_request, peer) => peer.send(CHUNKED),
  });
  const client = slowClient(world, 'GET / HTTP/1.0\r\n\r\n');
  world.advance(29_000);
  assert.equal(client.isClosed, false);
  world.advance(2_000);
  assert.equal(client.isClosed, true, 'a reset, which no reader takes for the end of the body');
  world.assertQuiet();
});

test('closing: a draining proxy lets a slow client take the answer that is queued', async () => {
  const world = await openSlowWorld();
  listenOrigin(world.sim, ORIGIN, { onRequest: (_request, peer) => peer.send(okWith(BODY)) });
  const client = slowClient(world, get());
  world.advance(1_000);
  world.data.drain(() => {});
  world.advance(6_000);
  readSlowly(world, client);
  assert.equal(client.text().length - client.text().indexOf('\r\n\r\n') - 4, BODY.length);
  world.assertQuiet();
});

test('closing: the last bytes of a tunnel reach a slow client', async () => {
  const world = await openSlowWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {
    onRequest: (_request, peer) => peer.send(SWITCHING),
  });
  const client = slowClient(world, UPGRADE);
  client.resume();
  world.advance(0);
  const before = client.receivedSize;
  client.end();
  const peer = origin.peers[0]!;
  peer.send(BODY);
  peer.end();
  world.advance(6_000);
  readSlowly(world, client);
  assert.equal(client.receivedSize - before, BODY.length);
  world.assertSound();
});

test('drain: a request whose head was arriving is answered, then the connection closes', async () => {
  const world = await openWorld({ limits: 'keep-alive-timeout = "60s"' });
  listenOrigin(world.sim, ORIGIN, answering());
  const client = world.client('GET /..%2Fx HTTP/1.1\r\nHost: a');
  let isDrained = false;
  world.data.drain(() => (isDrained = true));
  client.send('.test\r\n\r\n');
  world.advance(0);
  assert.deepEqual(statusesOf(client), [400]);
  world.advance(6_000);
  assert.equal(isDrained, true);
});

test('head: reaches the origin before the body, whose sender may wait for an answer', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {
    onHead: (_request, peer) => peer.send('HTTP/1.1 401 Who?\r\nContent-Length: 0\r\n\r\n'),
  });
  for (const fields of ['Content-Length: 5\r\n', 'Transfer-Encoding: chunked\r\n']) {
    const client = world.client(request('POST', '/', fields));
    world.advance(10);
    assert.deepEqual(statusesOf(client), [401], fields);
  }
  assert.equal(origin.requests.length, 2);
  world.assertSound();
});

test('metrics: a head that is refused takes nothing off the bytes received', async () => {
  const world = await openWorld();
  const client = world.client(get('/', 'bad field\r\n'));
  world.advance(0);
  assert.deepEqual(statusesOf(client), [400]);
  assert.equal(world.cells[routeBase(ROUTE_NONE_INDEX) + RouteCell.receivedBytes], 0);
});
