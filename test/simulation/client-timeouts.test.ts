import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../src/contract/fault.ts';
import { get, isOver, post, statusesOf } from './requests.ts';
import { answering, listenOrigin, okWith } from './scripted-origin.ts';
import { openWorld, ORIGIN } from './world.ts';

test('head timeout: closes a silent connection without an answer', async () => {
  const world = await openWorld({ limits: 'head-timeout = "5s"' });
  const client = world.client();
  world.advance(4_999);
  assert.equal(isOver(client), false);
  world.advance(1);
  assert.equal(isOver(client), true);
  assert.equal(client.text(), '');
  world.assertQuiet();
});

test('head timeout: answers 408 when a head stays unfinished, however it drips', async () => {
  const world = await openWorld({ limits: 'head-timeout = "5s"' });
  const client = world.client('GET / HTTP/1.1\r\n');
  for (let i = 0; i < 4; i++) {
    world.advance(1_000);
    client.send(`X-${i}: y\r\n`);
  }
  world.advance(999);
  assert.equal(client.text(), '');
  world.advance(1);
  assert.deepEqual(statusesOf(client), [408]);
  assert.equal(world.faultCount(Fault.requestHeadTimeout), 1);
  assert.equal(client.hasEnded, true);
  world.assertQuiet();
});

test('head timeout: starts with the first byte on a connection that has been idle', async () => {
  const world = await openWorld({ limits: 'head-timeout = "5s"\nkeep-alive-timeout = "20s"' });
  listenOrigin(world.sim, ORIGIN, answering());
  const client = world.client(get());
  world.advance(10_000);
  client.send('GET / HT');
  world.advance(4_999);
  assert.deepEqual(statusesOf(client), [200]);
  world.advance(1);
  assert.deepEqual(statusesOf(client), [200, 408]);
  world.assertQuiet();
});

test('head timeout: is not due while a request that is complete waits for its answer', async () => {
  const world = await openWorld({ limits: 'head-timeout = "5s"' });
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(get());
  world.advance(30_000);
  origin.peers[0]!.send(okWith('late'));
  world.advance(0);
  assert.deepEqual(statusesOf(client), [200]);
  world.assertQuiet();
});

test('keep-alive timeout: closes an idle connection at its time', async () => {
  const world = await openWorld({ limits: 'keep-alive-timeout = "20s"' });
  listenOrigin(world.sim, ORIGIN, answering());
  const client = world.client(get());
  world.advance(19_999);
  assert.equal(isOver(client), false);
  client.send(get());
  world.advance(19_999);
  assert.deepEqual(statusesOf(client), [200, 200]);
  assert.equal(isOver(client), false);
  world.advance(1);
  assert.equal(isOver(client), true);
  world.assertQuiet();
});

test('body progress timeout: answers 408 when the body stops, and not while it drips', async () => {
  const world = await openWorld({ limits: 'body-progress-timeout = "3s"' });
  const origin = listenOrigin(world.sim, ORIGIN, answering());
  const client = world.client(post('0123456789').slice(0, -10));
  for (let i = 0; i < 5; i++) {
    world.advance(2_999);
    assert.equal(client.text(), '');
    client.send(String(i));
    world.advance(0);
  }
  world.advance(2_999);
  assert.equal(client.text(), '');
  world.advance(1);
  assert.deepEqual(statusesOf(client), [408]);
  assert.equal(world.faultCount(Fault.requestBodyTimeout), 1);
  assert.equal(origin.requests[0]!.isComplete, false);
  assert.equal(origin.requests[0]!.aborted, 'reset');
  world.assertQuiet();
  assert.equal(world.gauge('faults'), 0, "a client's fault is none of the endpoint's");
});

test('body progress timeout: is not due while the endpoint is the slow one', async () => {
  const world = await openWorld(
    {
      limits: 'body-progress-timeout = "3s"',
      transport: 'progress-timeout = "30s"\nresponse-head-timeout = "30s"',
    },
    { windowSize: 4_096 },
  );
  const origin = listenOrigin(world.sim, ORIGIN, answering());
  const body = 'x'.repeat(300_000);
  const client = world.client(post(body).slice(0, 150));
  origin.peers[0]!.pause();
  client.send(post(body).slice(150));
  world.advance(10_000);
  assert.equal(client.text(), '');
  origin.peers[0]!.resume();
  world.advance(100);
  assert.deepEqual(statusesOf(client), [200]);
  assert.equal(origin.requests[0]!.body.length, body.length);
  world.assertQuiet();
});

test('write progress timeout: breaks the transfer to a client that stops reading', async () => {
  const limits = 'write-progress-timeout = "4s"';
  const world = await openWorld({ limits, transport: 'progress-timeout = "1s"' });
  const body = 'x'.repeat(1_000_000);
  const origin = listenOrigin(world.sim, ORIGIN, {
    onRequest: (_request, peer) => peer.send(okWith(body)),
  });
  const client = world.client();
  client.pause();
  client.send(get());
  world.advance(3_999);
  assert.equal(client.isClosed, false);
  assert.equal(origin.peers[0]!.isClosed, false);
  world.advance(1);
  assert.equal(world.faultCount(Fault.clientWriteTimeout), 1);
  client.resume();
  world.advance(0);
  assert.equal(client.fault, Fault.upstreamReset);
  assert.equal(origin.peers[0]!.isClosed, true);
  world.assertQuiet();
});

test('write progress timeout: starts again when the client has taken what was queued', async () => {
  const limits = 'write-progress-timeout = "4s"';
  const world = await openWorld({ limits });
  const body = 'x'.repeat(1_000_000);
  listenOrigin(world.sim, ORIGIN, { onRequest: (_request, peer) => peer.send(okWith(body)) });
  const client = world.client();
  client.pause();
  client.send(get());
  for (let i = 0; i < 3; i++) {
    world.advance(3_999);
    const before = client.receivedSize;
    client.resume();
    world.sim.runUntil(() => client.receivedSize > before + 200_000);
    client.pause();
  }
  client.resume();
  world.advance(100);
  assert.deepEqual(statusesOf(client), [200]);
  world.assertQuiet();
});

test('write progress timeout: a slow client that does not empty the queue is not cut', async () => {
  const limits = 'write-progress-timeout = "4s"';
  const transport = 'progress-timeout = "1h"';
  const world = await openWorld({ limits, transport }, { windowSize: 60_000 });
  const body = 'x'.repeat(40_000); // The first answer fits in the window, half of the second.
  listenOrigin(world.sim, ORIGIN, { onRequest: (_request, peer) => peer.send(okWith(body)) });
  const client = world.client();
  client.pause();
  client.send(get() + get());
  world.advance(3_000);
  world.sim.world.network.windowSize = 500; // Part of what waits.
  client.resume();
  world.sim.runUntil(() => client.receivedSize >= 60_000);
  client.pause();
  world.advance(3_000); // 6 s; part of the piece was taken after 3.
  assert.equal(client.isClosed, false);
  assert.equal(world.faultCount(Fault.clientWriteTimeout), 0);
  world.advance(4_000); // Nothing since.
  assert.equal(world.faultCount(Fault.clientWriteTimeout), 1);
  client.resume();
  world.advance(0);
  world.assertQuiet();
});

test('half-closed client: still gets an answer that comes within the grace', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(get());
  client.end();
  world.advance(899);
  origin.peers[0]!.send(okWith('in time'));
  world.advance(0);
  assert.deepEqual(statusesOf(client), [200]);
  assert.equal(client.hasEnded, true);
  world.assertQuiet();
});

test('half-closed client: is given up when nothing comes within the grace', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(get());
  client.end();
  world.advance(899);
  assert.equal(client.isClosed, false);
  world.advance(1);
  assert.equal(client.isClosed, true);
  assert.equal(origin.peers[0]!.isClosed, true, 'nobody waits for the origin any more');
  assert.equal(world.faultCount(Fault.clientClosed), 1);
  world.assertQuiet();
});

test('half-closed client: each byte of the answer gives it the whole grace again', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(get());
  client.end();
  world.advance(500);
  origin.peers[0]!.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n');
  for (const byte of 'abcd') {
    world.advance(899);
    origin.peers[0]!.send(byte);
  }
  world.advance(0);
  assert.deepEqual(statusesOf(client), [200]);
  world.assertQuiet();
});

test('half-closed client: gets every answer it asked for before it ended', async () => {
  const world = await openWorld();
  listenOrigin(world.sim, ORIGIN, answering());
  const client = world.client();
  client.send(get('/1') + get('/2') + get('/3'));
  client.end();
  world.advance(0);
  assert.deepEqual(statusesOf(client), [200, 200, 200]);
  assert.equal(client.hasEnded, true);
  world.assertQuiet();
});
