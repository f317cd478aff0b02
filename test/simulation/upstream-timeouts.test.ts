import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../src/contract/fault.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { get, isOver, post, responsesOf, statusesOf, SWITCHING, UPGRADE } from './requests.ts';
import { answering, listenOrigin, okWith } from './scripted-origin.ts';
import { openWorld, ORIGIN } from './world.ts';

test('connect timeout: answers 504 when nobody answers the connect, and not before', async () => {
  const world = await openWorld({ transport: 'connect-timeout = "2s"' });
  world.sim.blackhole(ORIGIN);
  const client = world.client(get());
  world.advance(1_999);
  assert.equal(client.text(), '');
  assert.equal(world.gauge('connections'), 1);
  world.advance(1);
  assert.deepEqual(statusesOf(client), [504]);
  assert.equal(world.gauge('connections'), 0, 'its place is free again');
  world.assertQuiet();
});

test('response head timeout: answers 504 at its time and resets the origin', async () => {
  const world = await openWorld({ transport: 'response-head-timeout = "6s"' });
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(get());
  world.advance(5_000);
  origin.peers[0]!.send('HTTP/1.1 20'); // An unfinished head is no head.
  world.advance(999);
  assert.equal(client.text(), '');
  world.advance(1);
  assert.deepEqual(statusesOf(client), [504]);
  assert.equal(isOver(client), false, 'the client may ask again');
  assert.equal(origin.peers[0]!.fault, Fault.upstreamReset);
  world.assertQuiet();
});

test('response head timeout: starts when the request has been sent in full', async () => {
  const world = await openWorld({ transport: 'response-head-timeout = "6s"' });
  listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(post('0123456789').slice(0, -1));
  world.advance(20_000);
  assert.equal(client.text(), '');
  client.send('9');
  world.advance(5_999);
  assert.equal(client.text(), '');
  world.advance(1);
  assert.deepEqual(statusesOf(client), [504]);
  world.assertQuiet();
});

test('response progress timeout: breaks a body that stops, and lets one that drips', async () => {
  const world = await openWorld({ transport: 'progress-timeout = "3s"' });
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(get());
  origin.peers[0]!.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n');
  for (let i = 0; i < 5; i++) {
    world.advance(2_999);
    assert.equal(isOver(client), false);
    origin.peers[0]!.send('.');
    world.advance(0);
  }
  world.advance(2_999);
  assert.equal(isOver(client), false);
  world.advance(1);
  assert.equal(isOver(client), true);
  assert.equal(responsesOf(client)[0]!.isComplete, false);
  assert.equal(world.faultCount(Fault.responseBodyTimeout), 1);
  world.assertQuiet();
});

test('response progress timeout: is not due while the client is the slow one', async () => {
  const world = await openWorld({ transport: 'progress-timeout = "3s"' });
  const body = 'x'.repeat(1_000_000);
  listenOrigin(world.sim, ORIGIN, { onRequest: (_request, peer) => peer.send(okWith(body)) });
  const client = world.client();
  client.pause();
  client.send(get());
  world.advance(30_000);
  client.resume();
  world.advance(100);
  assert.equal(responsesOf(client)[0]!.isComplete, true);
  world.assertQuiet();
});

test('progress timeout: gives up an origin that does not take the request body', async () => {
  const world = await openWorld({ transport: 'progress-timeout = "3s"' }, { windowSize: 4_096 });
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const body = 'x'.repeat(300_000);
  const client = world.client(post(body).slice(0, 150));
  origin.peers[0]!.pause();
  client.send(post(body).slice(150));
  world.advance(2_999);
  assert.equal(client.text(), '');
  world.advance(1);
  assert.deepEqual(statusesOf(client), [504]);
  assert.equal(world.faultCount(Fault.upstreamWriteTimeout), 1);
  world.assertQuiet();
});

test('progress timeout: gives up an origin that does not even take the first write', async () => {
  const world = await openWorld({ transport: 'progress-timeout = "3s"' }, { windowSize: 1_000 });
  world.sim.listenOrigin(ORIGIN, () => ({ onOpen: (peer) => peer.pause() }));
  const client = world.client(post('x'.repeat(10_000)).slice(0, 3_000));
  world.advance(2_999);
  assert.equal(client.text(), '');
  world.advance(1);
  assert.deepEqual(statusesOf(client), [504]);
  assert.equal(world.faultCount(Fault.upstreamWriteTimeout), 1);
  world.assertQuiet();
});

test('progress timeout: an origin that takes a long write slowly is not given up', async () => {
  const transport = 'progress-timeout = "4s"';
  const world = await openWorld({ transport }, { windowSize: 60_000 });
  const peers: SimPeer[] = [];
  const onOpen = (peer: SimPeer): void => {
    peers.push(peer);
    peer.pause();
  };
  world.sim.listenOrigin(ORIGIN, () => ({ onOpen }));
  const client = world.client(post('x'.repeat(100_000))); // A window full, and more that waits.
  const origin = peers[0]!;
  world.advance(3_000);
  world.sim.world.network.windowSize = 500; // Part of what waits.
  origin.resume();
  world.sim.runUntil(() => origin.receivedSize >= 60_000);
  origin.pause();
  world.advance(3_000); // 6 s; part of what waits was taken after 3.
  assert.equal(client.text(), '');
  assert.equal(world.faultCount(Fault.upstreamWriteTimeout), 0);
  world.advance(4_000);
  assert.deepEqual(statusesOf(client), [504]);
  assert.equal(world.faultCount(Fault.upstreamWriteTimeout), 1);
  world.assertQuiet();
});

test('progress timeout: an upload that moves keeps an answer alive that has begun', async () => {
  const world = await openWorld({ transport: 'progress-timeout = "3s"' });
  const origin = listenOrigin(world.sim, ORIGIN, {
    onHead: (_request, peer) => peer.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n'),
    onRequest: (_request, peer) => peer.send('done'),
  });
  const client = world.client(post('0123456789').slice(0, -10));
  for (const byte of '0123456789') {
    world.advance(1_000);
    client.send(byte);
  }
  world.advance(0);
  assert.equal(origin.requests[0]!.isComplete, true);
  assert.equal(responsesOf(client)[0]!.body.toString(), 'done');
  world.assertQuiet();
});

test('total timeout: ends an exchange that makes progress all the time', async () => {
  const transport = 'total-timeout = "10s"\nprogress-timeout = "3s"';
  const world = await openWorld({ transport });
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(get());
  origin.peers[0]!.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n');
  for (let i = 1; i < 10; i++) {
    world.advance(1_000);
    origin.peers[0]!.send('.');
  }
  world.advance(999);
  assert.equal(isOver(client), false);
  world.advance(1);
  assert.equal(isOver(client), true);
  assert.equal(responsesOf(client)[0]!.isComplete, false);
  assert.equal(world.faultCount(Fault.requestTimeout), 1);
  world.assertQuiet();
});

test('total timeout: answers 504 while there is no answer yet', async () => {
  const world = await openWorld({ transport: 'total-timeout = "10s"' });
  const origin = listenOrigin(world.sim, ORIGIN, {
    onRequest: (seen, peer) => {
      if (seen.target === '/fast') peer.send(okWith('fast'));
    },
  });
  const client = world.client(get('/fast'));
  world.advance(9_000);
  client.send(get('/slow'));
  world.advance(9_999);
  assert.deepEqual(statusesOf(client), [200]);
  world.advance(1);
  assert.deepEqual(statusesOf(client), [200, 504]);
  assert.equal(origin.peers[0]!.isClosed, true);
  world.assertQuiet();
});

test('queue timeout: answers 503 at its time to each that waits', async () => {
  const transport = 'connections-max = 1\nqueue-timeout = "4s"';
  const world = await openWorld({ transport });
  listenOrigin(world.sim, ORIGIN, {});
  const first = world.client(get('/first'));
  const second = world.client(get('/second'));
  world.advance(1_000);
  const third = world.client(get('/third'));
  assert.equal(world.gauge('queued'), 2);
  world.advance(2_999);
  assert.equal(second.text(), '');
  world.advance(1);
  assert.deepEqual(statusesOf(second), [503]);
  assert.equal(world.gauge('queued'), 1);
  world.advance(999);
  assert.equal(third.text(), '');
  world.advance(1);
  assert.deepEqual(statusesOf(third), [503]);
  assert.equal(world.gauge('queued'), 0);
  assert.equal(world.faultCount(Fault.queueTimeout), 2);
  assert.equal(world.gauge('faults'), 0, 'our queue is not the fault of the endpoint');
  assert.equal(first.text(), '');
  world.assertQuiet();
});

test('upstream idle timeout: closes an unused connection at its time', async () => {
  const world = await openWorld({ transport: 'idle-timeout = "7s"' });
  const origin = listenOrigin(world.sim, ORIGIN, answering());
  world.client(get());
  assert.equal(world.gauge('idleConnections'), 1);
  world.advance(6_999);
  assert.equal(origin.peers[0]!.hasEnded, false);
  world.advance(1);
  assert.equal(origin.peers[0]!.hasEnded, true);
  assert.equal(world.gauge('idleConnections'), 0);
  world.assertQuiet();
});

test('tunnel idle timeout: breaks a tunnel that is silent both ways, and no other', async () => {
  const world = await openWorld({ transport: 'tunnel-idle-timeout = "5s"' });
  const origin = listenOrigin(world.sim, ORIGIN, {
    onRequest: (_request, peer) => peer.send(SWITCHING),
  });
  const client = world.client(UPGRADE);
  assert.deepEqual(statusesOf(client), [101]);
  assert.equal(world.tunnels, 1);
  world.advance(4_999);
  client.send('from the client');
  world.advance(4_999);
  origin.peers[0]!.send('from the origin');
  world.advance(4_999);
  assert.equal(isOver(client), false);
  world.advance(1);
  assert.equal(isOver(client), true);
  assert.equal(origin.peers[0]!.isClosed, true);
  assert.equal(world.faultCount(Fault.tunnelIdleTimeout), 1);
  world.assertQuiet();
});
