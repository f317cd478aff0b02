import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../src/contract/fault.ts';
import {
  routeBase,
  RouteCell,
  ServiceCell,
  serviceBase,
  WorkerCell,
} from '../../src/contract/metric-layout.ts';
import { ProxyHeader, readProxyHeader } from '../../src/data/codec/proxy-protocol/proxy-header.ts';
import { helloRecord } from '../../src/data/io/sim/sim-tls.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { AccessLog } from '../../src/data/record/access-log.ts';
import { LogLine } from '../../src/data/record/log-line.ts';
import { get, isOver, statusesOf } from './requests.ts';
import { answering, listenOrigin } from './scripted-origin.ts';
import type { TlsChanges } from './tls-world.ts';
import { openTlsWorld, passthrough, tlsClient, withTls } from './tls-world.ts';
import type { AppSections, World } from './world.ts';
import { appToml, compileToml, ORIGIN } from './world.ts';

const SECOND = '10.0.0.2:80';
const TWO = `endpoints = ["http://${ORIGIN}", "http://${SECOND}"]`;
const HELLO = helloRecord('db.test', [], false);
const HELLO_TEXT = String.fromCharCode(...HELLO);
const PASSED: TlsChanges = { tls: { passthroughs: [passthrough()] } };

interface Stage {
  readonly world: World;
  readonly client: SimPeer;
  readonly origin: SimPeer;
}

/** A connection that is passed through; its origin has taken the hello. */
async function openStage(changes: TlsChanges = {}, sections: AppSections = {}): Promise<Stage> {
  const world = await openTlsWorld({ ...PASSED, ...changes }, sections);
  const { peers } = world.sim.listenOrigin(ORIGIN, () => ({}));
  const client = sendHello(world);
  return { world, client, origin: peers[0]! };
}

function sendHello(world: World): SimPeer {
  const client = world.client();
  client.send(HELLO);
  world.advance(0);
  return client;
}

function routeCell(world: World, offset: number): number {
  return world.cells[routeBase(1) + offset]!;
}

test('passthrough: the origin gets every byte from the hello on, and answers itself', async () => {
  const { world, client, origin } = await openStage();
  assert.equal(origin.take(), HELLO_TEXT);
  assert.equal(world.tunnels, 1);
  client.send('more of the client');
  origin.send('a server speaks');
  world.advance(0);
  assert.equal(origin.take(), 'more of the client');
  assert.equal(client.take(), 'a server speaks');
  client.end();
  origin.end();
  world.assertQuiet();
  assert.equal(routeCell(world, RouteCell.requests), 1, 'an exchange without a status');
  assert.equal(routeCell(world, RouteCell.receivedBytes), HELLO.length + 18);
  assert.equal(routeCell(world, RouteCell.sentBytes), 15);
  assert.equal(world.listenerCell('receivedBytes'), HELLO.length + 18);
  assert.equal(world.listenerCell('sentBytes'), 15);
  assert.equal(world.gauge('faults'), 0);
});

test('passthrough: a real handshake ends at the origin', async () => {
  const world = await openTlsWorld(PASSED);
  listenOrigin(world.sim, ORIGIN, answering('origin'), { alpn: ['http/1.1'] });
  const client = tlsClient(world, get(), { serverName: 'db.test' });
  world.advance(50);
  assert.equal(client.isOpen, true);
  assert.match(client.text(), /origin 1$/);
  assert.equal(world.listenerCell('handshakesFull'), 0, 'it was not ours');
  client.end();
  world.assertQuiet();
});

test('passthrough: other names on the address are served here', async () => {
  const world = await openTlsWorld(PASSED);
  listenOrigin(world.sim, ORIGIN, answering());
  const client = tlsClient(world, get(), { serverName: 'a.test' });
  assert.deepEqual(statusesOf(client), [200]);
  client.end();
  world.assertQuiet();
});

test('passthrough: a hello in any pieces arrives whole', async () => {
  for (let size = 1; size < HELLO.length; size += 7) {
    const world = await openTlsWorld(PASSED);
    const { peers } = world.sim.listenOrigin(ORIGIN, () => ({}));
    const client = world.client();
    for (let at = 0; at < HELLO.length; at += size) {
      client.send(HELLO.subarray(at, at + size));
      world.advance(1);
    }
    client.send('x');
    world.advance(1);
    assert.equal(peers[0]!.text(), `${HELLO_TEXT}x`);
    client.end();
    peers[0]!.end();
    world.assertQuiet();
  }
});

for (const version of ['v1', 'v2'] as const) {
  test(`passthrough: a PROXY header ${version} goes ahead of the hello`, async () => {
    const { world, client, origin } = await openStage({ service: { proxyProtocol: version } });
    const bytes = origin.bytes();
    const header = new ProxyHeader();
    assert.equal(readProxyHeader(bytes, 0, bytes.length, header), 0);
    assert.equal(header.sourceAddress, '127.0.0.1');
    assert.equal(header.sourcePort, client.connection.localPort);
    assert.equal(header.destinationAddress, '127.0.0.1');
    assert.equal(header.destinationPort, 8_080);
    assert.deepEqual(bytes.subarray(header.size), HELLO);
    assert.equal(origin.received.length, 1, 'in one write');
    client.end();
    origin.end();
    world.assertQuiet();
    assert.equal(routeCell(world, RouteCell.receivedBytes), HELLO.length, 'ours is not counted');
  });
}

test('passthrough: a client behind a PROXY header is named to the origin', async () => {
  const listener = { proxyProtocol: ['127.0.0.0/8'] };
  const world = await openTlsWorld({ ...PASSED, listener, service: { proxyProtocol: 'v1' } });
  const { peers } = world.sim.listenOrigin(ORIGIN, () => ({}));
  const client = world.client('PROXY TCP4 192.0.2.9 203.0.113.1 5000 443\r\n');
  client.send(HELLO);
  world.advance(0);
  const expected = `PROXY TCP4 192.0.2.9 203.0.113.1 5000 443\r\n${HELLO_TEXT}`;
  assert.equal(peers[0]!.text(), expected);
  client.end();
  peers[0]!.end();
  world.assertQuiet();
});

test('passthrough: one side that does not read stops the other, both ways', async () => {
  const { world, client, origin } = await openStage();
  const big = new Uint8Array(4_000_000).fill(0x61);
  origin.pause();
  client.send(big);
  world.advance(1_000);
  assert.ok(client.connection.takenSize < big.length, 'the client is not read from any more');
  assert.ok(world.sim.chunks.usedSize < 1_000_000, `${world.sim.chunks.usedSize} bytes held`);
  origin.resume();
  world.advance(1_000);
  assert.equal(origin.receivedSize, HELLO.length + big.length);
  client.pause();
  origin.send(big);
  world.advance(1_000);
  assert.ok(origin.connection.takenSize < big.length);
  assert.ok(world.sim.chunks.usedSize < 1_000_000, `${world.sim.chunks.usedSize} bytes held`);
  client.resume();
  world.advance(1_000);
  assert.equal(client.receivedSize, big.length);
  client.end();
  origin.end();
  world.assertQuiet();
});

test('passthrough: a client that takes nothing is given up', async () => {
  const { world, client, origin } = await openStage(
    {},
    { limits: 'write-progress-timeout = "5s"' },
  );
  client.pause();
  origin.send(new Uint8Array(4_000_000));
  world.advance(20_000);
  assert.equal(world.tunnels, 0);
  assert.equal(origin.fault, Fault.upstreamReset);
  client.resume();
  world.assertQuiet();
});

test('passthrough: when memory is short, who takes nothing is given up', async () => {
  const { world, client, origin } = await openStage();
  client.pause();
  origin.send(new Uint8Array(4_000_000));
  world.advance(1_900);
  world.data.setOverload(2);
  assert.equal(world.tunnels, 1);
  world.advance(200);
  world.data.setOverload(2);
  assert.equal(world.tunnels, 0);
  world.data.setOverload(0);
  client.resume();
  world.assertQuiet();
});

test('passthrough: each side that ends may still hear the other', async () => {
  const first = await openStage();
  first.client.end();
  first.world.advance(10_000);
  assert.equal(first.origin.hasEnded, true);
  first.origin.send('an answer');
  first.origin.end();
  first.world.advance(0);
  assert.equal(first.client.text(), 'an answer');
  assert.equal(first.client.hasEnded, true);
  first.world.assertQuiet();

  const second = await openStage();
  second.origin.end();
  second.world.advance(10_000);
  assert.equal(second.client.hasEnded, true);
  second.client.send('last words');
  second.client.end();
  second.world.advance(0);
  assert.equal(second.origin.text(), `${HELLO_TEXT}last words`);
  second.world.assertQuiet();
});

test('passthrough: what an origin said last reaches a slow client after both ended', async () => {
  const { world, client, origin } = await openStage();
  const big = new Uint8Array(1_000_000).fill(0x62);
  client.end();
  client.pause();
  origin.send(big);
  origin.end();
  world.advance(8_000);
  client.resume();
  world.advance(1_000);
  assert.equal(client.receivedSize, big.length);
  assert.equal(client.hasEnded, true);
  world.assertQuiet();
});

test('passthrough: a reset of one side is a reset of the other', async () => {
  const first = await openStage();
  first.client.reset();
  first.world.advance(0);
  assert.equal(first.origin.fault, Fault.upstreamReset);
  first.world.assertQuiet();
  const second = await openStage();
  second.origin.reset();
  second.world.advance(0);
  assert.equal(second.client.fault, Fault.upstreamReset);
  second.world.assertQuiet();
});

test('passthrough: an idle one ends after the time for tunnels', async () => {
  const { world, client, origin } = await openStage(
    {},
    { transport: 'tunnel-idle-timeout = "60s"' },
  );
  world.advance(40_000);
  client.send('x');
  world.advance(59_999);
  assert.equal(isOver(client), false);
  world.advance(1);
  assert.equal(isOver(client) && isOver(origin), true);
  assert.equal(world.faultCount(Fault.tunnelIdleTimeout), 1);
  world.assertQuiet();
});

test('passthrough: without an endpoint the client sees the end, and no word of ours', async () => {
  const world = await openTlsWorld(PASSED);
  const client = sendHello(world);
  world.advance(1_000);
  assert.equal(client.hasEnded, true);
  assert.equal(client.receivedSize, 0);
  assert.equal(world.faultCount(Fault.connectRefused), 1);
  assert.ok(world.gauge('faults') >= 1);
  client.end();
  world.assertQuiet();
  assert.equal(routeCell(world, RouteCell.requests), 1);
});

test('passthrough: another endpoint is tried before a byte was sent, and none after', async () => {
  const world = await openTlsWorld(PASSED, { service: TWO });
  const { peers } = world.sim.listenOrigin(SECOND, () => ({}));
  const clients = [1, 2, 3].map(() => sendHello(world));
  world.advance(100);
  assert.equal(peers.length, 3, 'whichever endpoint was tried first');
  for (const peer of peers) assert.equal(peer.take(), HELLO_TEXT);
  peers[0]!.reset();
  world.advance(100);
  assert.equal(clients[0]!.fault, Fault.upstreamReset);
  assert.equal(peers.length, 3);
  for (const client of clients.slice(1)) client.end();
  for (const peer of peers.slice(1)) peer.end();
  world.assertQuiet();
});

test('passthrough: a black hole costs the connect timeout, and no memory', async () => {
  const sections = { transport: 'connect-timeout = "2s"', service: 'retry.attempts = 1' };
  const world = await openTlsWorld(PASSED, sections);
  world.sim.blackhole(ORIGIN);
  const client = sendHello(world);
  client.send(new Uint8Array(4_000_000));
  world.advance(1_999);
  assert.equal(isOver(client), false);
  assert.ok(world.sim.chunks.usedSize < 200_000, `${world.sim.chunks.usedSize} bytes held`);
  world.advance(1);
  assert.equal(isOver(client), true);
  assert.equal(world.faultCount(Fault.connectTimeout), 1);
  world.runOut();
  world.assertSound();
});

test('passthrough: a client may go away at any step', async () => {
  for (const mode of ['abort', 'reset', 'end'] as const) {
    for (let steps = 0; steps < 24; steps++) {
      const world = await openTlsWorld({ ...PASSED, service: { proxyProtocol: 'v2' } });
      world.sim.listenOrigin(ORIGIN, () => ({ onEnd: (peer) => peer.end() }));
      const client = world.client();
      client.send(HELLO);
      for (let step = 0; step < steps; step++) world.sim.world.step();
      client[mode]();
      world.assertQuiet();
    }
  }
});

test('passthrough: takes a place at its service, and gives it back', async () => {
  const limit = { service: 'concurrency = { requests = 1, queue = 1 }' };
  const world = await openTlsWorld(PASSED, limit);
  const { peers } = world.sim.listenOrigin(ORIGIN, () => ({}));
  const first = sendHello(world);
  const second = sendHello(world);
  const third = sendHello(world);
  assert.equal(peers.length, 1);
  assert.equal(world.cells[serviceBase(0) + ServiceCell.exchangesInProgress], 1);
  assert.equal(isOver(third), true, 'the queue is full');
  first.end();
  peers[0]!.end();
  world.advance(10);
  assert.equal(peers.length, 2);
  assert.equal(peers[1]!.text(), HELLO_TEXT);
  second.end();
  peers[1]!.end();
  world.assertQuiet();
  assert.equal(world.cells[serviceBase(0) + ServiceCell.exchangesInProgress], 0);
});

test('passthrough: a drain leaves it until its time is over', async () => {
  const { world, client, origin } = await openStage();
  const state = world.drain();
  world.advance(5_000);
  client.send('still here');
  world.advance(0);
  assert.match(origin.text(), /still here$/);
  assert.equal(state.isDone, false);
  world.advance(60_000);
  assert.equal(state.isDone, true);
  assert.equal(isOver(client) && isOver(origin), true);
  assert.equal(world.faultCount(Fault.aborted), 0, 'a tunnel has no fault of its own by that');
  world.assertSound();
});

for (const [delay, isClosed] of [
  [0, true],
  [-1, false],
] as const) {
  test(`passthrough: a change of its route ${isClosed ? 'ends' : 'keeps'} it`, async () => {
    const changes = { tls: { passthroughs: [passthrough({ streamsOnChangeMs: delay })] } };
    const { world, client, origin } = await openStage(changes);
    const next = withTls(await compileToml(appToml(), 2), changes);
    world.publish(next, ['another']);
    assert.equal(isOver(client), false);
    world.publish(withTls(await compileToml(appToml(), 3), changes), ['db']);
    world.advance(10);
    assert.equal(isOver(client), isClosed);
    assert.equal(world.cells[WorkerCell.streamsClosed], isClosed ? 1 : 0);
    client.end();
    origin.end();
    world.assertQuiet();
  });
}

test('passthrough: its line in the access log has a name and no method', async () => {
  const world = await openTlsWorld(PASSED);
  const { peers } = world.sim.listenOrigin(ORIGIN, () => ({}));
  const lines: string[] = [];
  const log = new AccessLog({
    line: new LogLine({ path: 'stdout', format: 'json', template: '' }),
    cells: world.cells,
    buffers: [new Uint8Array(8_192), new Uint8Array(8_192)],
    sink: {
      write(bytes, done) {
        lines.push(...String.fromCharCode(...bytes).split('\n'));
        done();
      },
    },
  });
  world.data.setAccessLog(log);
  const client = sendHello(world);
  peers[0]!.send('12345');
  world.advance(1_500);
  client.end();
  peers[0]!.end();
  world.assertQuiet();
  log.flush();
  const record = JSON.parse(lines[0]!) as Record<string, unknown>;
  const { method, host, path, protocol, status, route, service, endpoint, attempts } = record;
  assert.deepEqual(
    { method, host, path, protocol, status, route, service, endpoint, attempts },
    {
      method: '',
      host: 'db.test',
      path: '',
      protocol: 'TLS',
      status: 0,
      route: 'db',
      service: 'app',
      endpoint: `http://${ORIGIN}`,
      attempts: 1,
    },
  );
  assert.deepEqual([record['bytes'], record['received']], [5, HELLO.length]);
  assert.deepEqual([record['server_name'], record['tls_version']], ['db.test', '']);
  assert.match(String(record['fingerprint']), /^t13d/);
  assert.equal(record['fault'], '');
  assert.equal(record['duration_ms'], 1_500);
});
