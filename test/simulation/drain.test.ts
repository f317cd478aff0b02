import assert from 'node:assert/strict';
import test from 'node:test';

import {
  bodiesOf,
  get,
  isOver,
  post,
  responsesOf,
  statusesOf,
  SWITCHING,
  UPGRADE,
} from './requests.ts';
import { responseField } from '../support/response-reader.ts';
import { answering, listenOrigin, okWith } from './scripted-origin.ts';
import { openWorld, ORIGIN } from './world.ts';

test('drain: is done at once without connections, and takes no new ones', async () => {
  const world = await openWorld();
  assert.equal(world.drain().isDone, true);
  const late = world.sim.connectClient('127.0.0.1:8080');
  world.advance(0);
  assert.equal(late.isOpen, false);
  assert.equal(late.isClosed, true);
  world.assertQuiet();
});

test('drain: an idle connection has a second for one more request, then ends', async () => {
  const world = await openWorld();
  listenOrigin(world.sim, ORIGIN, answering());
  const [fresh, used, silent] = [world.client(), world.client(get()), world.client(get())];
  const draining = world.drain();
  world.advance(900);
  for (const client of [fresh, used, silent]) assert.equal(isOver(client), false);
  fresh.send(get());
  used.send(get());
  world.advance(0);
  assert.deepEqual(statusesOf(fresh), [200]);
  assert.deepEqual(statusesOf(used), [200, 200]);
  for (const client of [fresh, used]) {
    assert.equal(responseField(responsesOf(client).at(-1)!, 'connection'), 'close');
    assert.equal(client.hasEnded, true);
  }
  assert.equal(isOver(silent), false);
  world.advance(150);
  assert.equal(silent.hasEnded, true, 'FIN, not a reset');
  world.advance(1_100);
  assert.equal(draining.isDone, true);
  world.assertQuiet();
});

test('drain: with a successor, an idle connection may wait nearly to the end', async () => {
  const world = await openWorld(); // The drain timeout is 30 s.
  listenOrigin(world.sim, ORIGIN, answering());
  const [late, silent] = [world.client(get()), world.client(get())];
  const draining = world.drain(true);
  world.advance(27_900);
  late.send(get());
  world.advance(0);
  assert.deepEqual(statusesOf(late), [200, 200]);
  assert.equal(late.hasEnded, true);
  assert.equal(isOver(silent), false);
  world.advance(200);
  assert.equal(silent.hasEnded, true);
  world.advance(1_100);
  assert.equal(draining.isDone, true, 'before the timeout, so that nothing is aborted');
  world.assertQuiet();
});

test('drain: an idle connection still obeys its keep-alive timeout', async () => {
  const world = await openWorld({ limits: 'keep-alive-timeout = "3s"' });
  listenOrigin(world.sim, ORIGIN, answering());
  const client = world.client(get());
  const draining = world.drain(true);
  world.advance(5_000);
  assert.equal(isOver(client), true);
  assert.equal(draining.isDone, true);
  world.assertQuiet();
});

test('drain: a client that was told its connection stays gets one more answer on it', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(get('/1'));
  origin.peers[0]!.send('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\non');
  world.advance(0);
  assert.doesNotMatch(client.text(), /Connection: close/);
  const draining = world.drain();
  client.send(get('/2')); // It crosses the rest of the answer.
  origin.peers[0]!.send('e');
  world.advance(0);
  assert.equal(isOver(client), false);
  origin.peers[0]!.send(okWith('two'));
  world.advance(0);
  assert.deepEqual(bodiesOf(client), ['one', 'two']);
  assert.equal(responseField(responsesOf(client)[1]!, 'connection'), 'close');
  client.end();
  world.advance(0);
  assert.equal(draining.isDone, true);
  world.assertQuiet();
});

test('drain: such a client that asks for no more is closed when the second is over', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(get('/1'));
  origin.peers[0]!.send('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\non');
  world.advance(0);
  const draining = world.drain();
  world.advance(2_000);
  origin.peers[0]!.send('e');
  world.advance(0);
  assert.deepEqual(bodiesOf(client), ['one']);
  assert.equal(client.hasEnded, true);
  client.end();
  world.advance(0);
  assert.equal(draining.isDone, true);
  world.assertQuiet();
});

test('drain: a failure that is answered here says that the connection closes', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(post('x'));
  const draining = world.drain();
  origin.peers[0]!.reset();
  world.advance(0);
  assert.deepEqual(statusesOf(client), [502]);
  assert.equal(responseField(responsesOf(client)[0]!, 'connection'), 'close');
  client.end();
  world.advance(0);
  assert.equal(draining.isDone, true);
  world.assertQuiet();
});

test('drain: ends by itself at the timeout', async () => {
  const world = await openWorld();
  listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(get());
  const draining = world.drain();
  world.advance(29_900);
  assert.equal(draining.isDone, false);
  world.advance(200);
  assert.equal(client.isClosed, true);
  assert.equal(draining.isDone, true);
  world.assertQuiet();
});

test('drain: a request that is being served gets its whole answer', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const waiting = world.client(get('/waiting'));
  const reading = world.client(get('/reading'));
  origin.peers[1]!.send('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
  world.advance(0);
  const draining = world.drain();
  world.advance(20_000);
  assert.equal(draining.isDone, false);
  origin.peers[0]!.send(okWith('late'));
  origin.peers[1]!.send('half');
  world.advance(0);
  assert.deepEqual(bodiesOf(waiting), ['late']);
  assert.match(waiting.text(), /\r\nConnection: close\r\n/);
  assert.deepEqual(bodiesOf(reading), ['halfhalf']);
  assert.equal(draining.isDone, true);
  world.assertQuiet();
});

test('drain: a request whose body is still coming is served to its end', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, answering());
  const text = post('0123456789');
  const client = world.client(text.slice(0, -5));
  const draining = world.drain();
  world.advance(1_000);
  client.send(text.slice(-5));
  world.advance(0);
  assert.deepEqual(statusesOf(client), [200]);
  assert.equal(origin.requests[0]!.isComplete, true);
  assert.equal(draining.isDone, true);
  world.assertQuiet();
});

test('drain: a head that is half here is served, then its connection closes', async () => {
  for (const target of ['/', '/%zz']) {
    const world = await openWorld();
    listenOrigin(world.sim, ORIGIN, answering());
    const client = world.client(`GET ${target} HTTP/1.1\r\n`);
    const draining = world.drain();
    client.send('Host: a.test\r\n\r\n');
    world.advance(0);
    assert.equal(statusesOf(client).length, 1, target);
    assert.equal(client.hasEnded, true, target);
    client.end();
    world.advance(0);
    assert.equal(draining.isDone, true, target);
    world.assertQuiet();
  }
});

test('drain: an answer of our own to a head that was half here closes its connection', async () => {
  const world = await openWorld();
  const client = world.client('OPTIONS * HTTP/1.1\r\nMax-Forwards: 0\r\n');
  const draining = world.drain();
  client.send('Host: a.test\r\n\r\n');
  world.advance(0);
  assert.deepEqual(statusesOf(client), [200]);
  assert.equal(client.hasEnded, true);
  client.end();
  world.advance(0);
  assert.equal(draining.isDone, true);
  world.assertQuiet();
});

test('drain: pipelined requests behind the current one are not begun', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {});
  const client = world.client(get('/1') + get('/2'));
  const draining = world.drain();
  origin.peers[0]!.send(okWith('one'));
  world.advance(0);
  assert.deepEqual(bodiesOf(client), ['one']);
  assert.equal(origin.requests.length, 1);
  assert.equal(isOver(client), true);
  client.end();
  world.advance(0);
  assert.equal(draining.isDone, true);
  world.assertQuiet();
});

test('drain: a slow reader gets what was queued for it', async () => {
  const world = await openWorld();
  const body = 'z'.repeat(100_000);
  listenOrigin(world.sim, ORIGIN, { onRequest: (_request, peer) => peer.send(okWith(body)) });
  const client = world.client();
  client.pause();
  client.send(get());
  world.advance(0);
  const draining = world.drain();
  world.advance(20_000);
  assert.equal(draining.isDone, false);
  client.resume();
  world.advance(10);
  assert.equal(responsesOf(client)[0]!.isComplete, true);
  world.runOut();
  assert.equal(draining.isDone, true);
  world.assertQuiet();
});

test('drain: abort ends what is still open, visibly', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {
    onRequest: ({ target }, peer) => {
      if (target === '/half') peer.send('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
      if (target === '/') peer.send(SWITCHING);
    },
  });
  const clients = [world.client(get('/never')), world.client(get('/half')), world.client(UPGRADE)];
  const draining = world.drain();
  assert.equal(draining.isDone, false);
  world.data.abort();
  world.advance(0);
  assert.equal(draining.isDone, true);
  for (const client of clients) assert.equal(client.isClosed, true);
  for (const peer of origin.peers) assert.equal(peer.isClosed, true);
  world.assertQuiet();
});
