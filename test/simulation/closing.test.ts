/** Answers to slow clients on connections that close, and other ends that must lose nothing. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { routeBase, RouteCell, ROUTE_NONE_INDEX } from '../../src/contract/metric-layout.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { bodiesOf, get, request, statusesOf, SWITCHING, UPGRADE } from './requests.ts';
import { answering, listenOrigin, okWith } from './scripted-origin.ts';
import type { ScriptedOrigin } from './scripted-origin.ts';
import { openWorld, ORIGIN, type World } from './world.ts';

/** One read and nearly a window; two of them leave bytes in the proxy's queue. */
const BODY = 'x'.repeat(60_000);
const CHUNKED =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' +
  `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;
/** Longer than an IO backend waits for queued bytes after `close`. */
const PAUSE_MS = 7_000;

interface Stalled {
  readonly world: World;
  readonly client: SimPeer;
  readonly origin: ScriptedOrigin;
}

/** A client that takes nothing yet: a first answer fills its window, so `last`'s must queue. */
async function stalledBehind(last: string, answer: string): Promise<Stalled> {
  const world = await openWorld({ limits: 'write-progress-timeout = "30s"' });
  const origin = listenOrigin(world.sim, ORIGIN, {
    onHead: (request, peer) => peer.send(request.target === '/first' ? okWith(BODY) : answer),
  });
  const client = world.client();
  client.pause();
  client.send(get('/first') + last);
  world.advance(PAUSE_MS);
  return { world, client, origin };
}

function readAll({ world, client }: Stalled): string {
  client.resume();
  world.advance(0);
  world.assertSound();
  return client.text();
}

test('closing: a slow client gets all of the last answer of its connection', async () => {
  const stalled = await stalledBehind(get('/', 'Connection: close\r\n'), okWith(BODY));
  readAll(stalled);
  assert.deepEqual(bodiesOf(stalled.client), [BODY, BODY]);
  assert.equal(stalled.client.hasEnded, true);
  stalled.world.assertQuiet();
});

test('closing: a slow HTTP/1.0 client gets all of an answer that its end delimits', async () => {
  const stalled = await stalledBehind('GET / HTTP/1.0\r\n\r\n', CHUNKED);
  assert.ok(readAll(stalled).endsWith(`\r\n\r\n${BODY}`));
  assert.equal(stalled.client.hasEnded, true);
  stalled.world.assertQuiet();
});

test('closing: a slow client gets all of an early answer, though its upload goes on', async () => {
  const upload = request('POST', '/', 'Content-Length: 900000\r\n') + 'abc';
  const stalled = await stalledBehind(upload, okWith(BODY));
  stalled.client.send('more that nobody wants');
  readAll(stalled);
  assert.deepEqual(bodiesOf(stalled.client), [BODY, BODY]);
  stalled.world.assertQuiet();
});

test('closing: a client that takes no byte of the last answer is reset at its time', async () => {
  const { world, client } = await stalledBehind('GET / HTTP/1.0\r\n\r\n', CHUNKED);
  world.advance(22_900);
  assert.equal(world.data.connectionCount, 1);
  world.advance(200);
  assert.equal(world.data.connectionCount, 0);
  assert.equal(client.hasEnded, false, 'nobody takes a reset for the end of the body');
  world.assertQuiet();
});

test('closing: a draining proxy lets a slow client take the answer that is queued', async () => {
  const stalled = await stalledBehind(get(), okWith(BODY));
  let isDrained = false;
  stalled.world.data.drain(false, () => (isDrained = true));
  stalled.world.advance(PAUSE_MS);
  assert.equal(isDrained, false);
  readAll(stalled);
  assert.deepEqual(bodiesOf(stalled.client), [BODY, BODY]);
  stalled.world.assertQuiet();
  assert.equal(isDrained, true);
});

test('closing: the last bytes of a tunnel reach a slow client', async () => {
  const stalled = await stalledBehind(UPGRADE, SWITCHING + BODY);
  stalled.client.end();
  stalled.origin.peers[0]!.end();
  stalled.world.advance(PAUSE_MS);
  assert.ok(readAll(stalled).endsWith(`\r\n\r\n${BODY}`));
  stalled.world.assertQuiet();
});

test('drain: a request whose head was arriving is answered, then all is closed', async () => {
  const world = await openWorld({ limits: 'keep-alive-timeout = "60s"' });
  listenOrigin(world.sim, ORIGIN, answering());
  const client = world.client('GET /..%2Fx HTTP/1.1\r\nHost: a');
  let isDrained = false;
  world.data.drain(false, () => (isDrained = true));
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
