import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../src/contract/fault.ts';
import type { UpstreamTlsSpec } from '../../src/contract/tls.ts';
import type { ClientTls, ConnectTarget } from '../../src/data/io/backend.ts';
import { fieldValues } from '../support/strict-head.ts';
import { bodiesOf, get, post, statusesOf } from './requests.ts';
import { answering, listenOrigin } from './scripted-origin.ts';
import { withTls } from './tls-world.ts';
import type { AppSections } from './world.ts';
import { appToml, compileToml, ORIGIN, STILL, World } from './world.ts';

const VERIFYING: UpstreamTlsSpec = {
  verify: true,
  cas: [],
  serverName: '',
  cert: '',
  key: '',
  pins: [],
  minVersion: '1.2',
};
const HTTP_1 = { alpn: ['http/1.1'] };
const SECOND = '10.0.0.2:80';
const TWO = `endpoints = ["http://${ORIGIN}", "http://${SECOND}"]`;

/** A world whose endpoints speak TLS, and what was asked for in each of its handshakes. */
async function openStage(
  spec: Partial<UpstreamTlsSpec> = {},
  sections: AppSections = {},
): Promise<{ world: World; asked: ClientTls[] }> {
  const world = new World(await snapshotOf(spec, 1, sections), STILL);
  const asked: ClientTls[] = [];
  const connect = world.sim.connect.bind(world.sim);
  world.sim.connect = (target: ConnectTarget, events) => {
    if (target.tls != null) asked.push(target.tls);
    return connect(target, events);
  };
  return { world, asked };
}

async function snapshotOf(
  spec: Partial<UpstreamTlsSpec>,
  generation: number,
  sections: AppSections = {},
) {
  const snapshot = await compileToml(appToml(sections), generation);
  const tls = { ...VERIFYING, ...spec };
  return withTls(snapshot, { listener: { tls: -1 }, service: { tls }, isUpstreamTls: true });
}

test('upstream tls: requests go over verified connections, which are kept', async () => {
  const { world, asked } = await openStage();
  const origin = listenOrigin(world.sim, ORIGIN, answering(), HTTP_1);
  const client = world.client();
  for (const text of [get('/1'), post('body'), get('/3')]) {
    client.send(text);
    world.advance(20);
  }
  assert.deepEqual(bodiesOf(client), ['ok 1', 'ok 2', 'ok 3']);
  assert.deepEqual(origin.violations, []);
  assert.equal(asked.length, 1, 'one connection');
  assert.equal(asked[0]!.serverName, '10.0.0.1', 'the host of the endpoint');
  assert.deepEqual(asked[0]!.alpn, ['http/1.1']);
  assert.equal(world.gauge('connectionsOpened'), 1);
  assert.deepEqual(fieldValues(origin.requests[0]!.fields, 'x-forwarded-proto'), ['http']);
  client.end();
  world.assertQuiet();
});

test('upstream tls: asks for the name that the service says', async () => {
  const { world, asked } = await openStage({ serverName: 'origin.test' });
  listenOrigin(world.sim, ORIGIN, answering(), HTTP_1);
  const client = world.client(get());
  world.advance(20);
  assert.deepEqual(statusesOf(client), [200]);
  assert.equal(asked[0]!.serverName, 'origin.test');
  client.end();
  world.assertQuiet();
});

test('upstream tls: an untrusted certificate is a 502 of its own, and no request', async () => {
  const { world } = await openStage();
  const origin = listenOrigin(world.sim, ORIGIN, answering(), HTTP_1);
  world.sim.untrust(ORIGIN);
  const client = world.client(get());
  world.advance(50);
  assert.deepEqual(statusesOf(client), [502]);
  assert.equal(world.faultCount(Fault.upstreamCertificateInvalid), 1);
  assert.ok(world.gauge('faults') >= 1, 'the endpoint is at fault');
  assert.equal(origin.requests.length, 0);
  client.end();
  world.assertQuiet();
});

test('upstream tls: without verification any certificate will do', async () => {
  const { world } = await openStage({ verify: false });
  listenOrigin(world.sim, ORIGIN, answering(), HTTP_1);
  world.sim.untrust(ORIGIN);
  const client = world.client(get());
  world.advance(20);
  assert.deepEqual(statusesOf(client), [200]);
  client.end();
  world.assertQuiet();
});

test('upstream tls: another endpoint is tried, whatever the method', async () => {
  const { world } = await openStage({}, { service: TWO });
  const first = listenOrigin(world.sim, ORIGIN, answering('first'), HTTP_1);
  const second = listenOrigin(world.sim, SECOND, answering('second'), HTTP_1);
  world.sim.untrust(ORIGIN);
  const client = world.client();
  for (let i = 0; i < 4; i++) {
    client.send(post(`body ${i}`));
    world.advance(50);
  }
  assert.deepEqual(statusesOf(client), [200, 200, 200, 200]);
  assert.equal(first.requests.length, 0);
  assert.equal(second.requests.length, 4);
  assert.deepEqual(second.violations, []);
  client.end();
  world.assertQuiet();
});

test('upstream tls: an origin without TLS, or of other protocols, is a fault', async () => {
  for (const tls of [null, { alpn: ['h2'] }]) {
    const { world } = await openStage();
    const { peers } = world.sim.listenOrigin(
      ORIGIN,
      () => ({ onBytes: (peer) => peer.send('HTTP/1.1 400 Bad Request\r\n\r\n') }),
      tls,
    );
    const client = world.client(get());
    world.advance(50);
    assert.deepEqual(statusesOf(client), [502]);
    assert.equal(world.faultCount(Fault.upstreamTlsFailed), 1);
    for (const peer of peers) assert.doesNotMatch(peer.text(), /GET/);
    client.end();
    world.assertQuiet();
  }
});

test('upstream tls: the connect timeout covers the handshake', async () => {
  const sections = { transport: 'connect-timeout = "2s"', service: 'retry.attempts = 1' };
  const { world } = await openStage({}, sections);
  listenOrigin(world.sim, ORIGIN, answering(), { alpn: ['http/1.1'], isSilent: true });
  const client = world.client(get());
  world.advance(1_999);
  assert.deepEqual(statusesOf(client), []);
  world.advance(1);
  assert.deepEqual(statusesOf(client), [504]);
  assert.equal(world.faultCount(Fault.connectTimeout), 1);
  client.end();
  world.assertQuiet();
});

test('upstream tls: a client that leaves during the handshake leaves no leak', async () => {
  const { world } = await openStage();
  const origin = listenOrigin(world.sim, ORIGIN, answering(), HTTP_1);
  const client = world.client(get());
  client.reset();
  world.advance(50);
  assert.equal(origin.requests.length, 0);
  world.assertQuiet();
});

test('upstream tls: a connection made with other settings serves no further request', async () => {
  const { world, asked } = await openStage();
  const origin = listenOrigin(world.sim, ORIGIN, answering(), HTTP_1);
  const client = world.client(get('/1'));
  world.advance(20);
  assert.equal(world.gauge('idleConnections'), 1);
  world.publish(await snapshotOf({}, 2), []);
  assert.equal(world.gauge('idleConnections'), 1, 'nothing has changed');
  world.publish(await snapshotOf({ cas: ['another'] }, 3), ['all']);
  assert.equal(world.gauge('idleConnections'), 0);
  client.send(get('/2'));
  world.advance(20);
  assert.equal(asked.length, 2);
  assert.equal(origin.peers.length, 2);
  assert.deepEqual(statusesOf(client), [200, 200]);
  client.end();
  world.assertQuiet();
});

test('upstream tls: an exchange in progress ends on its connection, its last', async () => {
  const { world } = await openStage();
  const { peers, requests } = listenOrigin(world.sim, ORIGIN, {}, HTTP_1);
  const client = world.client(get('/1'));
  world.advance(20);
  world.publish(await snapshotOf({ pins: ['p'] }, 2), ['all']);
  peers[0]!.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx');
  world.advance(1);
  assert.deepEqual(statusesOf(client), [200]);
  client.send(get('/2'));
  world.advance(20);
  assert.equal(peers.length, 2, 'another connection');
  assert.equal(requests.length, 2);
  peers[1]!.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny');
  world.advance(1);
  assert.deepEqual(bodiesOf(client), ['x', 'y']);
  client.end();
  world.assertQuiet();
});

test('upstream tls: settings that cannot work fail requests and are reported once', async () => {
  const { world } = await openStage();
  listenOrigin(world.sim, ORIGIN, answering(), HTTP_1);
  const build = world.sim.clientTls.bind(world.sim);
  world.sim.clientTls = (options) =>
    options.key === 'broken' ? 'the key is broken' : build(options);
  world.publish(await snapshotOf({ key: 'broken' }, 2), ['all']);
  const client = world.client();
  for (let i = 0; i < 3; i++) {
    client.send(get());
    world.advance(20);
  }
  assert.deepEqual(statusesOf(client), [502, 502, 502]);
  assert.equal(world.faultCount(Fault.upstreamTlsFailed), 3);
  assert.deepEqual(world.problems, ['TLS of service app cannot be set up: the key is broken']);
  world.publish(await snapshotOf({}, 3), ['all']);
  client.send(get());
  world.advance(20);
  assert.deepEqual(statusesOf(client), [502, 502, 502, 200]);
  client.end();
  world.assertQuiet();
});

test('upstream tls: who waits for a connection when settings break gets the fault', async () => {
  const { world } = await openStage({}, { transport: 'connections-max = 1' });
  const { peers } = listenOrigin(world.sim, ORIGIN, {}, HTTP_1);
  const first = world.client(get('/1'));
  world.advance(20);
  const second = world.client(get('/2'));
  world.sim.clientTls = () => 'broken';
  world.publish(await snapshotOf({ cas: ['x'] }, 2, { transport: 'connections-max = 1' }), ['all']);
  peers[0]!.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx');
  world.advance(20);
  assert.deepEqual(statusesOf(first), [200]);
  assert.deepEqual(statusesOf(second), [502]);
  first.end();
  second.end();
  world.assertQuiet();
});
