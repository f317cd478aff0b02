import assert from 'node:assert/strict';
import test from 'node:test';

import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { bodiesOf, get, isOver, post, responsesOf, statusesOf } from './requests.ts';
import { answering, listenOrigin, okWith } from './scripted-origin.ts';
import type { World } from './world.ts';
import { openWorld, ORIGIN } from './world.ts';

const BODY = 'x'.repeat(2_000_000);

/** Runs while `isBusy`, and tells the most chunks the product held at any moment. */
function mostChunks(world: World, ms: number): number {
  const chunks = world.sim.chunks;
  const endMs = world.sim.nowMs() + ms;
  let most = 0;
  while (world.sim.nowMs() < endMs && world.sim.world.step()) {
    most = Math.max(most, chunks.heldCount);
    world.checkInvariants();
  }
  return most;
}

test('pipelining: answers in order, each to its own request', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {
    onRequest: ({ target }, peer) => peer.send(okWith(`for ${target}`)),
  });
  const targets = Array.from({ length: 20 }, (_, index) => `/${index}`);
  const client = world.client(targets.map((target) => get(target)).join(''));
  assert.deepEqual(
    bodiesOf(client),
    targets.map((target) => `for ${target}`),
  );
  assert.equal(origin.peers.length, 1, 'one after the other on one connection');
  world.assertQuiet();
});

test('pipelining: the second request waits, unread, until the first is answered', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(get('/1') + post('two', '/2') + get('/3'));
  world.advance(10_000);
  assert.equal(origin.requests.length, 1);
  for (const number of [1, 2, 3]) {
    origin.peers[0]!.send(okWith(`ok ${number}`));
    world.advance(0);
  }
  assert.deepEqual(bodiesOf(client), ['ok 1', 'ok 2', 'ok 3']);
  assert.equal(origin.requests[1]!.body.toString(), 'two');
  world.assertQuiet();
});

test('pipelining: heads that are cut by the ends of chunks are read all the same', async () => {
  for (const sharedChance of [0, 1]) {
    const world = await openWorld({}, { sharedChance });
    const origin = listenOrigin(world.sim, ORIGIN, {
      onRequest: ({ target }, peer) => peer.send(okWith(target)),
    });
    const targets = Array.from({ length: 4_000 }, (_, index) => `/${'p'.repeat(index % 97)}`);
    const client = world.client(targets.map((target) => get(target)).join(''));
    world.advance(100);
    assert.deepEqual(bodiesOf(client), targets);
    assert.deepEqual(origin.violations, []);
    world.assertQuiet();
  }
});

test('pipelining: nothing behind a request of doubtful framing is looked at', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, answering());
  const bad =
    'POST /2 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n';
  const client = world.client(`${get('/1')}${bad}0\r\n\r\n${get('/3')}`);
  assert.deepEqual(statusesOf(client), [200, 400]);
  assert.equal(isOver(client), true);
  assert.deepEqual(
    origin.requests.map(({ target }) => target),
    ['/1'],
  );
  world.assertQuiet();
});

test('backpressure: a slow client stops the origin, and little is held for it', async () => {
  for (const framing of ['length', 'chunked'] as const) {
    const world = await openWorld({ limits: 'write-progress-timeout = "1h"' });
    const chunk = `${(50_000).toString(16)}\r\n${'y'.repeat(50_000)}\r\n`;
    const origin = listenOrigin(world.sim, ORIGIN, {
      onRequest: (_request, peer) =>
        peer.send(
          framing === 'length'
            ? okWith(BODY)
            : `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(40)}0\r\n\r\n`,
        ),
    });
    const baseline = world.sim.chunks.heldCount;
    const client = world.client();
    client.pause();
    client.send(get());
    const most = mostChunks(world, 10_000);
    assert.ok(most - baseline <= 2, `${most - baseline} chunks of ${framing} body were held`);
    assert.equal(origin.peers[0]!.connection.isDrained, false, 'the origin was stopped');
    client.resume();
    world.advance(100);
    const response = responsesOf(client)[0]!;
    assert.equal(response.isComplete, true);
    assert.equal(response.body.length, BODY.length);
    world.assertQuiet();
  }
});

test('backpressure: a slow origin stops the client, and little is held for it', async () => {
  const transport = 'progress-timeout = "1h"\nresponse-head-timeout = "1h"';
  const world = await openWorld({ transport });
  const origin = listenOrigin(world.sim, ORIGIN, answering());
  const baseline = world.sim.chunks.heldCount;
  const text = post(BODY);
  const client = world.client(text.slice(0, 200));
  origin.peers[0]!.pause();
  client.send(text.slice(200));
  const most = mostChunks(world, 10_000);
  assert.ok(most - baseline <= 2, `${most - baseline} chunks were held`);
  assert.equal(client.connection.isDrained, false, 'the client was stopped');
  origin.peers[0]!.resume();
  world.advance(100);
  assert.deepEqual(statusesOf(client), [200]);
  assert.equal(origin.requests[0]!.body.length, BODY.length);
  world.assertQuiet();
});

test('backpressure: a client that pipelines and never reads makes no answers pile up', async () => {
  const world = await openWorld({}, { windowSize: 4_096 });
  const origin = listenOrigin(world.sim, ORIGIN, {
    onRequest: (_request, peer) => peer.send(okWith('z'.repeat(3_000))),
  });
  const client = world.client();
  client.pause();
  client.send(get().repeat(500));
  world.advance(1_000);
  assert.ok(origin.requests.length <= 3, `${origin.requests.length} requests were answered`);
  client.resume();
  world.advance(1_000);
  assert.equal(statusesOf(client).length, 500);
  world.assertQuiet();
});

for (const [name, fields] of [
  ['stays', ''],
  ['closes behind it', 'Connection: close\r\n'],
] as const) {
  test(`slow reader: gets the whole of its answer when the connection ${name}`, async () => {
    const world = await openWorld({ limits: 'write-progress-timeout = "20s"' });
    const body = 'z'.repeat(110_000);
    listenOrigin(world.sim, ORIGIN, { onRequest: (_request, peer) => peer.send(okWith(body)) });
    const client = world.client();
    client.pause();
    client.send(get('/', fields));
    world.advance(19_999);
    client.resume();
    world.advance(10);
    assert.equal(responsesOf(client)[0]!.isComplete, true);
    world.assertQuiet();
  });
}

test('early response: reaches the client while its body is still on the way', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {
    onHead: (_request, peer) => {
      peer.send(
        'HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno\n',
      );
      peer.end();
    },
  });
  const client = world.client(post(BODY).slice(0, 1_000));
  assert.deepEqual(statusesOf(client), [413]);
  assert.deepEqual(bodiesOf(client), ['no\n']);
  client.send(post(BODY).slice(1_000) + get('/never'));
  world.advance(10_000);
  assert.equal(origin.requests.length, 1, 'nothing behind the unread body is a request');
  assert.equal(isOver(client), true);
  world.assertQuiet();
});

test('early response: an answer and an upload go on side by side', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {
    onHead: (_request, peer) => peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
    onRequest: (_request, peer) => peer.send('4\r\ndone\r\n0\r\n\r\n'),
  });
  const text = post('0123456789');
  const client = world.client(text.slice(0, -5));
  origin.peers[0]!.send('3\r\nhi \r\n');
  world.advance(0);
  client.send(text.slice(-5));
  world.advance(0);
  assert.deepEqual(bodiesOf(client), ['hi done']);
  assert.equal(origin.requests[0]!.body.toString(), '0123456789');
  world.assertQuiet();
});

/** How a client may go away in the middle. */
const LEAVING: readonly (readonly [string, (peer: SimPeer) => void])[] = [
  ['resets', (peer) => peer.reset()],
  ['dies', (peer) => peer.abort()],
];

for (const [how, leave] of LEAVING) {
  test(`client gone: the origin is stopped when the client ${how} before an answer`, async () => {
    const world = await openWorld();
    const origin = listenOrigin(world.sim, ORIGIN, {});
    leave(world.client(get()));
    world.advance(1_000);
    assert.equal(origin.peers[0]!.isClosed, true);
    assert.equal(world.gauge('connections'), 0);
    assert.equal(world.gauge('faults'), 0, 'the endpoint has done nothing wrong');
    world.assertQuiet();
  });

  test(`client gone: the origin is stopped when the client ${how} in an answer`, async () => {
    const world = await openWorld();
    const origin = listenOrigin(world.sim, ORIGIN, {
      onRequest: (_request, peer) => peer.send(okWith(BODY).slice(0, 500_000)),
    });
    const client = world.client(get());
    assert.ok(client.receivedSize > 100_000);
    leave(client);
    world.advance(1_000);
    assert.equal(origin.peers[0]!.isClosed, true);
    world.assertQuiet();
  });

  test(`client gone: the origin sees no end of the body when the client ${how} in it`, async () => {
    for (const framing of ['Content-Length: 10', 'Transfer-Encoding: chunked']) {
      const world = await openWorld();
      const origin = listenOrigin(world.sim, ORIGIN, {});
      const body = framing.startsWith('C') ? '01234' : '5\r\n01234\r\n';
      leave(world.client(`POST / HTTP/1.1\r\nHost: a.test\r\n${framing}\r\n\r\n${body}`));
      world.advance(1_000);
      assert.equal(origin.requests[0]!.isComplete, false);
      assert.equal(origin.requests[0]!.aborted, 'reset');
      world.assertQuiet();
    }
  });
}

test('client gone: a client that ends in the middle of its body is not answered', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, answering());
  const client = world.client(post('0123456789').slice(0, -1));
  client.end();
  world.advance(0);
  assert.equal(client.text(), '');
  assert.equal(origin.requests[0]!.isComplete, false);
  world.assertQuiet();
});
