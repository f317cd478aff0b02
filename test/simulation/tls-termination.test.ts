import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../src/contract/fault.ts';
import { WorkerCell } from '../../src/contract/metric-layout.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { helloRecord } from '../../src/data/io/sim/sim-tls.ts';
import { AccessLog } from '../../src/data/record/access-log.ts';
import { LogLine } from '../../src/data/record/log-line.ts';
import { fieldValues } from '../support/strict-head.ts';
import { bodiesOf, get, isOver, responsesOf, statusesOf } from './requests.ts';
import { answering, listenOrigin } from './scripted-origin.ts';
import {
  beginTls,
  certificate,
  openTlsWorld,
  policy,
  tlsClient,
  TLS_STATE,
  withTls,
} from './tls-world.ts';
import { appToml, compileToml, ORIGIN, STILL, World } from './world.ts';

test('termination: an origin learns that the client spoke TLS', async () => {
  const world = await openTlsWorld({}, { more: '[observe]\nforwarded-header = true' });
  const { requests } = listenOrigin(world.sim, ORIGIN, answering());
  const spoofed = 'X-Forwarded-Proto: http\r\nX-Forwarded-Tls-Client-Cert: x\r\nClient-Cert: x\r\n';
  const client = tlsClient(world, get('/', spoofed));
  assert.deepEqual(bodiesOf(client), ['ok 1']);
  const { fields } = requests[0]!;
  const value = (name: string): string | undefined => fieldValues(fields, name)[0];
  assert.equal(value('x-forwarded-proto'), 'https');
  assert.equal(value('x-forwarded-port'), '8080');
  assert.match(value('forwarded') ?? '', /;proto=https$/);
  assert.equal(value('x-forwarded-tls-client-cert'), undefined);
  assert.equal(value('client-cert'), undefined);
  assert.equal(world.listenerCell('handshakesFull'), 1);
  client.end();
  world.assertQuiet();
});

test('termination: requests share a connection, none is read before its handshake', async () => {
  const world = await openTlsWorld();
  const { requests } = listenOrigin(world.sim, ORIGIN, answering());
  const client = beginTls(world);
  client.send(get('/1') + get('/2'));
  world.advance(world.sim.handshakeMs - 1);
  assert.equal(requests.length, 0);
  world.advance(1);
  assert.deepEqual(bodiesOf(client), ['ok 1', 'ok 2']);
  client.end();
  world.assertQuiet();
});

test('termination: a client that says nothing is closed in time', async () => {
  const tls = { policies: [policy('default', { handshakeTimeoutMs: 3_000 })] };
  const world = await openTlsWorld({ tls });
  const silent = world.client();
  world.advance(2_999);
  assert.equal(isOver(silent), false);
  world.advance(1);
  assert.equal(isOver(silent), true);
  world.assertQuiet();
});

test('termination: plain HTTP is told so, a name without certificate refused', async () => {
  const world = await openTlsWorld();
  const plain = world.client(get());
  assert.deepEqual(statusesOf(plain), [400]);
  const unknown = beginTls(world, { serverName: 'unknown.test' });
  world.advance(10);
  assert.equal(isOver(unknown), true);
  assert.equal(unknown.isOpen, false);
  assert.equal(world.faultCount(Fault.tlsHelloInvalid), 1);
  assert.equal(world.faultCount(Fault.tlsNameRefused), 1);
  assert.equal(world.listenerCell('handshakesFailed'), 2);
  world.assertQuiet();
});

test('termination: a client may go away at any moment, and nothing is left of it', async () => {
  for (const mode of ['abort', 'reset', 'end'] as const) {
    for (let steps = 0; steps < 40; steps++) {
      const world = await openTlsWorld();
      listenOrigin(world.sim, ORIGIN, answering());
      const client = beginTls(world);
      client.send(get());
      for (let step = 0; step < steps; step++) world.sim.world.step();
      client[mode]();
      world.assertQuiet();
      assert.equal(world.cells[WorkerCell.handshakesInProgress], 0, `${mode} after ${steps}`);
    }
  }
});

test('termination: a storm of handshakes is served, within the limit of connections', async () => {
  const limits = 'connections = 200\nconnections-per-address = 200';
  const world = await openTlsWorld({}, { limits });
  listenOrigin(world.sim, ORIGIN, answering('x'));
  const clients = Array.from({ length: 260 }, () => beginTls(world));
  for (const client of clients) client.send(get('/', 'Connection: close\r\n'));
  world.advance(0);
  assert.equal(world.data.connectionCount, 200);
  assert.equal(world.cells[WorkerCell.handshakesInProgress], 200, 'they count from accept');
  world.advance(1_000);
  const served = clients.filter((client) => client.isOpen && statusesOf(client)[0] === 200);
  assert.equal(served.length, 200);
  assert.equal(world.faultCount(Fault.connectionLimit), 60);
  assert.equal(world.listenerCell('refused'), 60);
  const refused = clients.filter((client) => !client.isOpen);
  assert.equal(refused.length, 60, 'an alert is no handshake');
  world.assertQuiet();
});

test('termination: silent clients make room for those who speak', async () => {
  const limits = 'connections = 32\nconnections-per-address = 32';
  const world = await openTlsWorld({}, { limits });
  listenOrigin(world.sim, ORIGIN, answering());
  const silent = Array.from({ length: 32 }, () => world.client());
  world.advance(3_000);
  const client = tlsClient(world, get());
  assert.deepEqual(statusesOf(client), [200]);
  assert.equal(silent.filter(isOver).length, 1);
  client.end();
  world.assertQuiet();
});

test('termination: a drain waits for handshakes, and answers what comes of them', async () => {
  const world = await openTlsWorld();
  listenOrigin(world.sim, ORIGIN, answering());
  const client = beginTls(world);
  const silent = world.client();
  world.advance(1);
  const state = world.drain();
  assert.equal(state.isDone, false);
  client.send(get());
  world.advance(5);
  const [response] = responsesOf(client);
  assert.equal(response!.status, 200);
  assert.equal(client.hasEnded, true, 'the answer was the last one');
  client.end();
  world.advance(1_000);
  assert.equal(isOver(silent), true, 'who says nothing is not waited for');
  world.advance(5_000);
  assert.equal(state.isDone, true);
  world.assertQuiet();
});

test('termination: a handshake that a drain cannot wait for is aborted with it', async () => {
  const world = await openTlsWorld();
  world.sim.handshakeMs = 100_000;
  const client = beginTls(world);
  world.advance(1);
  const state = world.drain();
  world.advance(9_998);
  assert.equal(state.isDone, false);
  world.advance(60_000);
  assert.equal(state.isDone, true);
  assert.equal(client.isOpen, false);
  assert.equal(world.cells[WorkerCell.handshakesInProgress], 0);
  world.assertSound();
});

test('termination: a reload during a handshake routes what follows', async () => {
  const world = await openTlsWorld();
  const first = listenOrigin(world.sim, ORIGIN, answering('first'));
  const second = listenOrigin(world.sim, '10.0.0.2:80', answering('second'));
  const before = tlsClient(world, get());
  const during = beginTls(world);
  world.advance(1);
  const toml = appToml({ service: 'endpoints = ["http://10.0.0.2:80"]' });
  const tls = { policies: [policy('default', { ciphers: ['TLS_AES_256_GCM_SHA384'] })] };
  world.publish(withTls(await compileToml(toml, 2), { tls }), ['all']);
  during.send(get());
  before.send(get());
  world.advance(5);
  assert.deepEqual(bodiesOf(before), ['first 1', 'second 1'].toSorted());
  assert.equal(bodiesOf(during).length, 1);
  assert.equal(first.requests.length, 1);
  assert.equal(second.requests.length, 2);
  assert.equal(isOver(before) || isOver(during), false);
  before.end();
  during.end();
  world.assertQuiet();
});

test('termination: an address that changes to TLS and back keeps who is there', async () => {
  const plain = await compileToml(appToml());
  const world = new World(plain, { ...STILL, tls: TLS_STATE });
  listenOrigin(world.sim, ORIGIN, answering());
  const old = world.client(get());
  world.publish(withTls(await compileToml(appToml(), 2)));
  const secure = tlsClient(world, get());
  old.send(get());
  world.advance(0);
  assert.deepEqual(statusesOf(old), [200, 200]);
  assert.deepEqual(statusesOf(secure), [200]);
  assert.deepEqual(statusesOf(world.client(get())), [400], 'no plain HTTP any more');
  world.publish(await compileToml(appToml(), 3));
  secure.send(get());
  const fresh = world.client(get());
  world.advance(0);
  assert.deepEqual(statusesOf(secure), [200, 200]);
  assert.deepEqual(statusesOf(fresh), [200]);
  for (const client of [old, secure, fresh]) client.end();
  world.assertQuiet();
});

test('termination: a reload that takes TLS away ends in no limbo', async () => {
  const world = await openTlsWorld();
  listenOrigin(world.sim, ORIGIN, answering());
  const silent = world.client();
  world.publish(await compileToml(appToml(), 2));
  silent.send(get());
  world.advance(0);
  assert.equal(isOver(silent) || statusesOf(silent).length === 1, true);
  silent.end();
  world.assertQuiet();
});

test('termination: a name on demand waits for its certificate, and is asked for once', async () => {
  const world = await openTlsWorld({ tls: { onDemand: ['*.test'] } });
  listenOrigin(world.sim, ORIGIN, answering());
  const clients = [1, 2].map(() => beginTls(world, { serverName: 'new.test' }));
  for (const client of clients) client.send(get());
  world.advance(1_000);
  assert.deepEqual(world.wantedCertificates, ['new.test']);
  world.data.updateCertificates({ add: [certificate('new.test')], remove: [] });
  world.data.settleCertificate('new.test');
  world.advance(10);
  for (const client of clients) assert.deepEqual(statusesOf(client), [200]);
  for (const client of clients) client.end();
  const refused = beginTls(world, { serverName: 'never.test' });
  world.advance(5);
  world.data.settleCertificate('never.test');
  world.advance(5);
  assert.equal(refused.isOpen, false);
  assert.equal(world.faultCount(Fault.tlsNameRefused), 1);
  world.assertQuiet();
});

test('termination: a challenge of tls-alpn-01 is answered with its certificate', async () => {
  const challenge = { kind: 'tls-alpn-01', host: 'a.test', cert: 'c', key: 'k' } as const;
  const world = await openTlsWorld({}, {}, { tls: { ...TLS_STATE, challenges: [challenge] } });
  const { requests } = listenOrigin(world.sim, ORIGIN, answering());
  const authority = beginTls(world, { alpn: ['acme-tls/1'] });
  authority.send(get());
  world.advance(10);
  assert.equal(authority.isOpen, true);
  assert.equal(authority.hasEnded, true);
  assert.equal(requests.length, 0);
  authority.end();
  world.data.setChallenges([]);
  const late = beginTls(world, { alpn: ['acme-tls/1'] });
  world.advance(10);
  assert.equal(late.isOpen, false, 'nobody speaks that here');
  world.assertQuiet();
});

test('termination: an address that shakes hands too often is reset, others are not', async () => {
  const listener = { proxyProtocol: ['127.0.0.0/8'] };
  const world = await openTlsWorld({ listener, tls: { handshakesPerAddressMax: 3 } });
  const hello = helloRecord('a.test', ['http/1.1'], false);
  const from = (address: string): SimPeer => {
    const client = world.client(`PROXY TCP4 ${address} 127.0.0.1 1 2\r\n`);
    client.send(hello);
    world.advance(5);
    return client;
  };
  const clients = [1, 2, 3, 4].map(() => from('192.0.2.1'));
  const other = from('192.0.2.2');
  assert.deepEqual(
    clients.map(({ isClosed }) => isClosed),
    [false, false, false, true],
  );
  assert.equal(other.isClosed, false);
  assert.equal(world.faultCount(Fault.tlsHandshakeLimit), 1);
  for (const client of [...clients, other]) client.abort();
  world.assertQuiet();
});

test('termination: a denied fingerprint is turned away before its handshake', async () => {
  const lines: string[] = [];
  const open = await openTlsWorld();
  listenOrigin(open.sim, ORIGIN, answering());
  open.data.setAccessLog(logInto(open, lines));
  const client = tlsClient(open, get());
  client.end();
  open.assertQuiet();
  const [, fingerprint] = /"fingerprint":"([^"]+)"/.exec(lines.join(''))!;
  const policies = [policy('default', { denyFingerprints: [fingerprint!] })];
  const world = await openTlsWorld({ tls: { policies } });
  const denied = beginTls(world);
  world.advance(10);
  assert.equal(denied.isOpen, false);
  assert.equal(world.faultCount(Fault.tlsFingerprintDenied), 1);
  world.assertQuiet();
});

/** An access log whose lines are kept as soon as a buffer is full or flushed. */
function logInto(world: World, lines: string[]): AccessLog {
  const log = new AccessLog({
    line: new LogLine({ path: 'stdout', format: 'json', template: '' }),
    cells: world.cells,
    buffers: [new Uint8Array(8_192), new Uint8Array(8_192)],
    sink: {
      write(bytes, done) {
        lines.push(String.fromCharCode(...bytes));
        done();
      },
    },
  });
  world.sim.world.at(world.sim.nowMs() + 100, () => log.flush());
  return log;
}
