import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../src/contract/fault.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { get, isOver, statusesOf, SWITCHING, UPGRADE } from './requests.ts';
import { listenOrigin, okWith } from './scripted-origin.ts';
import type { World } from './world.ts';
import { openWorld, ORIGIN } from './world.ts';

interface Tunnel {
  readonly world: World;
  readonly client: SimPeer;
  readonly origin: SimPeer;
}

/** A tunnel whose both ends have said nothing yet, and end nothing by themselves. */
async function openTunnel(transport = ''): Promise<Tunnel> {
  const world = await openWorld({ transport });
  const { peers } = world.sim.listenOrigin(ORIGIN, () => ({}));
  const client = world.client(UPGRADE);
  const origin = peers[0]!;
  assert.match(origin.take(), /^GET \/ HTTP\/1\.1\r\n/);
  origin.send(SWITCHING);
  world.advance(0);
  assert.match(client.take(), /^HTTP\/1\.1 101 /);
  assert.equal(world.tunnels, 1);
  return { world, client, origin };
}

test('tunnel: carries bytes both ways as they are', async () => {
  const { world, client, origin } = await openTunnel();
  client.send('GET /not-a-request HTTP/1.1\r\n\r\n');
  origin.send('HTTP/1.1 500 not a response\r\n\r\n');
  world.advance(0);
  assert.equal(origin.take(), 'GET /not-a-request HTTP/1.1\r\n\r\n');
  assert.equal(client.take(), 'HTTP/1.1 500 not a response\r\n\r\n');
  client.end();
  origin.end();
  world.assertQuiet();
});

test('tunnel: a client that has ended still hears the origin', async () => {
  const { world, client, origin } = await openTunnel();
  client.send('last words');
  client.end();
  world.advance(10_000);
  assert.equal(origin.text(), 'last words');
  assert.equal(origin.hasEnded, true);
  assert.equal(client.hasEnded, false);
  origin.send('an answer');
  world.advance(0);
  assert.equal(client.text(), 'an answer');
  origin.end();
  world.advance(0);
  assert.equal(client.hasEnded, true);
  world.assertQuiet();
  assert.equal(world.gauge('faults'), 0, 'an orderly end is no fault');
});

test('tunnel: an origin that has ended still hears the client', async () => {
  const { world, client, origin } = await openTunnel();
  origin.send('last words');
  origin.end();
  world.advance(10_000);
  assert.equal(client.text(), 'last words');
  assert.equal(client.hasEnded, true);
  assert.equal(origin.hasEnded, false);
  client.send('an answer');
  client.end();
  world.advance(0);
  assert.equal(origin.text(), 'an answer');
  assert.equal(origin.hasEnded, true);
  world.assertQuiet();
  assert.equal(world.gauge('faults'), 0, 'an orderly end is no fault');
});

test('tunnel: a client that had ended before the tunnel began has ended in it', async () => {
  const world = await openWorld();
  const { peers } = world.sim.listenOrigin(ORIGIN, () => ({}));
  const client = world.client(UPGRADE);
  client.end();
  world.advance(0);
  peers[0]!.send(SWITCHING);
  world.advance(0);
  assert.equal(peers[0]!.hasEnded, true);
  peers[0]!.send('still here');
  peers[0]!.end();
  world.advance(0);
  assert.match(client.text(), /still here$/);
  assert.equal(client.hasEnded, true);
  world.assertQuiet();
});

test('tunnel: a reset of one side reaches the other as a reset', async () => {
  const first = await openTunnel();
  first.origin.reset();
  first.world.advance(0);
  assert.equal(first.client.fault, Fault.upstreamReset);
  first.world.assertQuiet();
  const second = await openTunnel();
  second.client.reset();
  second.world.advance(0);
  assert.equal(second.origin.fault, Fault.upstreamReset);
  second.world.assertQuiet();
});

test('tunnel: what came with the upgrade request reaches the origin behind the 101', async () => {
  const world = await openWorld();
  const { peers } = world.sim.listenOrigin(ORIGIN, () => ({}));
  const client = world.client(`${UPGRADE}early bytes`);
  const origin = peers[0]!;
  assert.doesNotMatch(origin.take(), /early/);
  origin.send(`${SWITCHING}and early ones back`);
  world.advance(0);
  assert.equal(origin.text(), 'early bytes');
  assert.match(client.text(), /\r\n\r\nand early ones back$/);
  client.end();
  origin.end();
  world.assertQuiet();
});

test('tunnel: one side that does not read stops the other', async () => {
  for (const isClientSlow of [true, false]) {
    const { world, client, origin } = await openTunnel();
    const baseline = world.sim.chunks.heldCount;
    const [slow, fast] = isClientSlow ? [client, origin] : [origin, client];
    slow.pause();
    fast.send('x'.repeat(2_000_000));
    world.advance(1_000);
    assert.ok(world.sim.chunks.heldCount - baseline <= 2);
    assert.equal(fast.connection.isDrained, false);
    slow.resume();
    world.advance(100);
    assert.equal(slow.receivedSize, 2_000_000);
    client.end();
    origin.end();
    world.assertQuiet();
  }
});

test('tunnel: early bytes that the origin does not take are not followed by more', async () => {
  const world = await openWorld();
  const { peers } = world.sim.listenOrigin(ORIGIN, () => ({}));
  const baseline = world.sim.chunks.heldCount;
  const client = world.client(UPGRADE + 'e'.repeat(20_000));
  const origin = peers[0]!;
  origin.send(SWITCHING);
  origin.pause();
  client.send('f'.repeat(2_000_000));
  world.advance(1_000);
  assert.ok(world.sim.chunks.heldCount - baseline <= 2);
  origin.resume();
  world.advance(100);
  assert.match(origin.take(), /\r\n\r\ne{20000}f{2000000}$/);
  client.end();
  origin.end();
  world.assertQuiet();
});

test('tunnel: only begins when the client asked and the origin granted', async () => {
  const world = await openWorld();
  const origin = listenOrigin(world.sim, ORIGIN, {
    onRequest: (_request, peer) => peer.send(okWith('no')),
  });
  const client = world.client(UPGRADE + get('/next'));
  assert.deepEqual(statusesOf(client), [200, 200], 'what stands behind is a request of its own');
  assert.equal(origin.requests[1]!.target, '/next');
  const unasked = await openWorld();
  listenOrigin(unasked.sim, ORIGIN, { onRequest: (_request, peer) => peer.send(SWITCHING) });
  assert.deepEqual(statusesOf(unasked.client(get())), [502]);
  world.assertQuiet();
  unasked.assertQuiet();
});

test('tunnel: an end of both sides closes both connections at once', async () => {
  const { world, client, origin } = await openTunnel();
  client.end();
  origin.end();
  world.advance(0);
  assert.equal(isOver(client), true);
  assert.equal(isOver(origin), true);
  assert.equal(world.data.connectionCount, 0);
  assert.equal(world.tunnels, 0);
  world.assertQuiet();
});
