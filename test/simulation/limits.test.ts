import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../src/contract/fault.ts';
import { bodiesOf, get, isOver, request, responsesOf, statusesOf } from './requests.ts';
import { answering, listenOrigin, okWith } from './scripted-origin.ts';
import { openWorld, ORIGIN } from './world.ts';

test('connection limit: the one too many gets 503 and nothing of it is read', async () => {
  const world = await openWorld({ limits: 'connections = 2' });
  const origin = listenOrigin(world.sim, ORIGIN, {
    onRequest: ({ target }, peer) => target === '/' && peer.send(okWith('ok')),
  });
  const first = world.client(get('/waits'));
  const second = world.client(get('/waits'));
  assert.equal(origin.requests.length, 2, 'the second is still within the limit');
  const third = world.client(get());
  assert.deepEqual(statusesOf(third), [503]);
  assert.equal(third.hasEnded, true);
  assert.equal(world.faultCount(Fault.connectionLimit), 1);
  assert.equal(world.listenerCell('refused'), 1);
  assert.equal(world.data.connectionCount, 2);
  assert.equal(origin.requests.length, 2);
  first.reset();
  world.advance(0);
  const fourth = world.client(get());
  assert.deepEqual(statusesOf(fourth), [200], 'a place that is given back serves again');
  second.reset();
  world.advance(0);
  world.assertQuiet();
});

test('connection limit: one address gets 429 for one too many', async () => {
  const world = await openWorld({ limits: 'connections = 10\nconnections-per-address = 1' });
  listenOrigin(world.sim, ORIGIN, answering());
  const first = world.client(get());
  const second = world.client(get());
  assert.deepEqual(statusesOf(first), [200]);
  assert.deepEqual(statusesOf(second), [429]);
  assert.equal(world.faultCount(Fault.addressConnectionLimit), 1);
  first.reset();
  world.advance(0);
  const third = world.client(get());
  assert.deepEqual(statusesOf(third), [200]);
  world.assertQuiet();
});

test('keep-alive limit: the last exchange says so and the connection closes', async () => {
  const world = await openWorld({ limits: 'keep-alive-exchanges = 2' });
  const origin = listenOrigin(world.sim, ORIGIN, answering());
  const client = world.client(get('/1'));
  assert.equal(isOver(client), false);
  client.send(get('/2') + get('/3'));
  world.advance(0);
  const fields = responsesOf(client).map((response) =>
    response.fields.some(({ name, value }) => name === 'Connection' && value === 'close'),
  );
  assert.deepEqual(fields, [false, true]);
  assert.equal(isOver(client), true);
  assert.equal(origin.requests.length, 2, 'what stands behind the last one is not looked at');
  world.assertQuiet();
});

test('queue: serves in order of arrival when a connection comes free', async () => {
  const world = await openWorld({ transport: 'connections-max = 1' });
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const clients = ['/1', '/2', '/3', '/4'].map((target) => world.client(get(target)));
  assert.equal(world.gauge('queued'), 3);
  for (let served = 1; served <= 4; served++) {
    assert.equal(origin.requests.length, served);
    assert.equal(origin.requests[served - 1]!.target, `/${served}`);
    origin.peers[0]!.send(okWith(`ok ${served}`));
    world.advance(0);
    assert.deepEqual(bodiesOf(clients[served - 1]!), [`ok ${served}`]);
  }
  assert.equal(world.gauge('queued'), 0);
  assert.equal(origin.peers.length, 1);
  world.assertQuiet();
});

test('queue: opens a connection for the next one when the used one cannot go on', async () => {
  const world = await openWorld({ transport: 'connections-max = 1' });
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const first = world.client(get('/1'));
  const second = world.client(get('/2'));
  origin.peers[0]!.send('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok');
  world.advance(0);
  assert.deepEqual(statusesOf(first), [200]);
  assert.equal(origin.requests[1]!.target, '/2');
  assert.equal(origin.requests[1]!.connection, 2);
  origin.peers[1]!.send(okWith('ok'));
  world.advance(0);
  assert.deepEqual(statusesOf(second), [200]);
  world.assertQuiet();
});

test('queue: refuses with 503 at once past its limit', async () => {
  const world = await openWorld({ transport: 'connections-max = 1\nqueue-max = 2' });
  const origin = listenOrigin(world.sim, ORIGIN, answering());
  origin.close();
  listenOrigin(world.sim, ORIGIN, {});
  const waiting = [world.client(get()), world.client(get()), world.client(get())];
  const refused = world.client(get());
  assert.deepEqual(statusesOf(refused), [503]);
  assert.equal(isOver(refused), false);
  assert.equal(world.faultCount(Fault.queueFull), 1);
  assert.equal(world.gauge('queued'), 2);
  assert.equal(world.endpoints[0]!.inFlight, 3);
  for (const client of waiting) assert.equal(client.text(), '');
  world.assertQuiet();
});

test('queue: a client that leaves gives its place to those behind it', async () => {
  const world = await openWorld({ transport: 'connections-max = 1\nqueue-max = 2' });
  const origin = listenOrigin(world.sim, ORIGIN, {});
  world.client(get('/1'));
  const gone = world.client(get('/2'));
  const last = world.client(get('/3'));
  gone.reset();
  world.advance(0);
  assert.equal(world.gauge('queued'), 1);
  origin.peers[0]!.send(okWith('1'));
  world.advance(0);
  assert.equal(origin.requests[1]!.target, '/3');
  origin.peers[0]!.send(okWith('3'));
  world.advance(0);
  assert.deepEqual(bodiesOf(last), ['3']);
  world.assertQuiet();
});

test('body limit: a chunked body past it is refused, one at it passes', async () => {
  const world = await openWorld({ limits: 'body-size = "10B"' });
  listenOrigin(world.sim, ORIGIN, answering());
  const head = 'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n';
  const good = world.client(`${head}a\r\n0123456789\r\n0\r\n\r\n`);
  assert.deepEqual(statusesOf(good), [200]);
  const bad = world.client(`${head}a\r\n0123456789\r\n1\r\n!\r\n0\r\n\r\n`);
  assert.deepEqual(statusesOf(bad), [413]);
  world.assertQuiet();
});

test('interim limit: one response too many is a bad response', async () => {
  for (const [count, status] of [
    [2, 200],
    [3, 502],
  ] as const) {
    const world = await openWorld({ limits: 'interim-responses = 2' });
    const interim = 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(count);
    listenOrigin(world.sim, ORIGIN, {
      onRequest: (_request, peer) => peer.send(interim + okWith('ok')),
    });
    const client = world.client(get());
    assert.deepEqual(statusesOf(client), [status]);
    world.assertQuiet();
  }
});

test('memory limit: fails exchanges with 503 and recovers', async () => {
  const world = await openWorld({}, { memoryMax: 1_048_576 });
  listenOrigin(world.sim, ORIGIN, answering());
  const held = [];
  for (
    let chunk = world.sim.chunks.acquire(64);
    chunk !== null;
    chunk = world.sim.chunks.acquire(64)
  )
    held.push(chunk);
  const refused = world.client(get());
  assert.deepEqual(statusesOf(refused), [], 'there is no memory even to say so');
  assert.equal(world.faultCount(Fault.memoryLimit), 1);
  assert.equal(isOver(refused), true);
  for (const chunk of held) world.sim.chunks.release(chunk);
  const client = world.client(get());
  assert.deepEqual(statusesOf(client), [200]);
  world.assertQuiet();
});

test("memory limit: an upload that finds no memory is nobody else's fault", async () => {
  const world = await openWorld({}, { memoryMax: 1_048_576, windowSize: 20_000, sharedChance: 1 });
  listenOrigin(world.sim, ORIGIN, { onHead: (_seen, peer) => peer.pause() });
  const head = request('POST', '/', 'Content-Length: 100000\r\n');
  const clients = Array.from({ length: 60 }, () => world.client(head));
  for (const client of clients) client.send('.'.repeat(100_000));
  world.advance(1_000);
  assert.ok(world.faultCount(Fault.memoryLimit) > 0);
  assert.equal(world.faultCount(Fault.upstreamClosed), 0);
  assert.equal(world.gauge('faults'), 0, 'the endpoint is not blamed');
  for (const client of clients) client.reset();
  world.assertQuiet();
});

test("memory limit: an answer that finds no memory is not the client's leaving", async () => {
  const world = await openWorld({}, { memoryMax: 2_097_152, windowSize: 20_000, sharedChance: 1 });
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n';
  const origin = listenOrigin(world.sim, ORIGIN, {
    onRequest: (_seen, peer) => peer.send(head + '.'.repeat(10_000)),
  });
  const clients = Array.from({ length: 100 }, () => {
    const client = world.client();
    client.pause();
    client.send(get());
    return client;
  });
  world.advance(100);
  for (const peer of origin.peers) peer.send('.'.repeat(20_000)); // Half of it fits nowhere.
  world.advance(100);
  assert.ok(world.faultCount(Fault.memoryLimit) > 0);
  assert.equal(world.faultCount(Fault.clientClosed), 0);
  for (const client of clients) client.reset();
  world.assertQuiet();
});

for (const framing of ['Content-Length: 28890', 'X-Framing: close']) {
  test(`head limit: a body behind a large head is whole (${framing})`, async () => {
    const sizes = 'response-head-size = "60KiB"\nhead-size = "60KiB"';
    const world = await openWorld({ limits: sizes });
    const origin = listenOrigin(world.sim, ORIGIN, {});
    const client = world.client(get());
    const fields = Array.from({ length: 6 }, (_, at) => `F${at}: ${'v'.repeat(7_400)}\r\n`);
    const head = `HTTP/1.1 200 OK\r\n${fields.join('')}${framing}\r\n\r\n`;
    const body = Array.from({ length: 6_000 }, (_, at) => `${at} `).join('');
    // The last read does not fit behind what is held of the head.
    for (const piece of [head.slice(0, 20_000), head.slice(20_000, 40_000)]) {
      origin.peers[0]!.send(piece);
      world.advance(1);
    }
    origin.peers[0]!.send(head.slice(40_000) + body);
    if (framing.includes('close')) origin.peers[0]!.end();
    world.advance(1);
    assert.deepEqual(bodiesOf(client), [body]);
    client.abort();
    world.assertQuiet();
  });
}

test('head limit: a body behind a large request head is whole', async () => {
  const world = await openWorld({ limits: 'head-size = "60KiB"' });
  const origin = listenOrigin(world.sim, ORIGIN, answering());
  const body = Array.from({ length: 6_000 }, (_, at) => `${at} `).join('');
  const fields = Array.from({ length: 6 }, (_, at) => `F${at}: ${'v'.repeat(7_400)}\r\n`);
  const text = request('POST', '/', `${fields.join('')}Content-Length: ${body.length}\r\n`) + body;
  const client = world.client();
  for (const piece of [text.slice(0, 20_000), text.slice(20_000, 40_000), text.slice(40_000)]) {
    client.send(piece);
    world.advance(1);
  }
  assert.deepEqual(statusesOf(client), [200]);
  assert.equal(origin.requests[0]!.body.toString(), body);
  assert.deepEqual(origin.violations, []);
  client.abort();
  world.assertQuiet();
});
