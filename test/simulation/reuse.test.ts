import assert from 'node:assert/strict';
import test from 'node:test';

import { get, post, responsesOf, statusesOf } from './requests.ts';
import { answering, listenOrigin, okWith } from './scripted-origin.ts';
import { openWorld, ORIGIN } from './world.ts';

test('reuse: the next request goes on the connection that was used last', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const clients = [world.client(get('/1')), world.client(get('/2'))];
  for (const index of [1, 0]) origin.peers[index]!.send(okWith('ok'));
  world.advance(0);
  assert.equal(world.gauge('idleConnections'), 2);
  clients[0]!.send(get('/3'));
  world.advance(0);
  assert.equal(origin.requests[2]!.connection, 1, 'the most recently used, not the oldest');
  assert.equal(world.gauge('idleConnections'), 1);
  world.assertQuiet();
});

/** What an origin may send so that a connection must not be used again. */
const SPOILED: Readonly<Record<string, string>> = {
  'bytes beyond the announced length': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!',
  'a second response': okWith('ok') + okWith('evil'),
  'bytes behind the last chunk':
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK',
  'a body behind 204': 'HTTP/1.1 204 No Content\r\n\r\nok',
  'a body behind 304': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok',
  'Connection: close': 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.0 without keep-alive': 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
};

for (const [name, bytes] of Object.entries(SPOILED)) {
  test(`reuse: never lends a connection again after ${name}`, async () => {
    const world = await openWorld();
    const origin = listenOrigin(world.sim, ORIGIN, {
      onRequest: ({ id }, peer) => peer.send(id === 1 ? bytes : okWith('second')),
    });
    const client = world.client(get('/1'));
    assert.equal(world.gauge('idleConnections'), 0);
    assert.equal(world.gauge('connections'), 0);
    client.send(get('/2'));
    world.advance(0);
    assert.deepEqual(
      origin.requests.map(({ connection }) => connection),
      [1, 2],
    );
    assert.equal(responsesOf(client)[1]!.body.toString(), 'second');
    world.assertQuiet();
  });
}

test('reuse: a body on HEAD spoils the connection', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {
    onRequest: (_request, peer) => peer.send(okWith('ok')),
  });
  const client = world.client('HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  assert.equal(world.gauge('idleConnections'), 0);
  client.send(get());
  world.advance(0);
  assert.deepEqual(
    responsesOf(client, ['HEAD', 'GET']).map(({ body }) => body.toString()),
    ['', 'ok'],
  );
  assert.equal(origin.peers.length, 2);
  world.assertQuiet();
});

test('reuse: a byte, a FIN or a reset while idle ends the connection', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, answering());
  const spoil = ['send', 'end', 'reset'] as const;
  for (const [index, how] of spoil.entries()) {
    const client = world.client(get());
    assert.equal(world.gauge('idleConnections'), 1, how);
    if (how === 'send') origin.peers[index]!.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    else origin.peers[index]![how]();
    world.advance(0);
    assert.equal(world.gauge('idleConnections'), 0, how);
    client.send(get());
    world.advance(0);
    assert.deepEqual(statusesOf(client), [200, 200], how);
    origin.peers[index + 1]!.end();
    world.advance(0);
    origin.peers.splice(index + 1, 1);
  }
  world.assertQuiet();
});

test('reuse: a connection whose request was not sent in full is not used again', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {
    onHead: (_request, peer) => peer.send(okWith('early')),
  });
  const client = world.client(post('0123456789').slice(0, -5));
  assert.deepEqual(statusesOf(client), [200]);
  assert.equal(responsesOf(client)[0]!.body.toString(), 'early');
  assert.equal(world.gauge('connections'), 0);
  assert.equal(origin.requests[0]!.isComplete, false);
  world.assertQuiet();
});

test('reuse: keeps no more idle connections than allowed', async () => {
  const world = await openWorld({ transport: 'idle-connections-max = 1' });
  const origin = listenOrigin(world.sim, ORIGIN, {});
  world.client(get('/1'));
  world.client(get('/2'));
  for (const peer of origin.peers) peer.send(okWith('ok'));
  world.advance(0);
  assert.equal(world.gauge('idleConnections'), 1);
  assert.equal(world.gauge('connections'), 1);
  world.assertQuiet();
});

test('reuse: a connection that nobody waits for any more serves the queue', async () => {
  const world = await openWorld({ transport: 'connections-max = 1' });
  const origin = listenOrigin(world.sim, ORIGIN, answering());
  const gone = world.sim.connectClient('127.0.0.1:8080', {
    onOpen: (peer) => peer.send(get('/a')),
  });
  world.sim.runUntil(() => world.gauge('connections') === 1);
  const waiting = world.sim.connectClient('127.0.0.1:8080', {
    onOpen: (peer) => peer.send(get('/b')),
  });
  gone.reset();
  world.advance(0);
  assert.deepEqual(statusesOf(waiting), [200]);
  assert.equal(origin.peers.length, 1);
  world.assertQuiet();
});
