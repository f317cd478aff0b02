import assert from 'node:assert/strict';
import { X509Certificate, createHash } from 'node:crypto';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import test from 'node:test';
import { TLSSocket, createSecureContext } from 'node:tls';
import type { TlsOptions } from 'node:tls';

import { Fault } from '../../../contract/fault.ts';
import { isOver } from '../backend-pair.contract.ts';
import type { BackendProbe } from '../backend-probe.contract.ts';
import type { ClientTls, ClientTlsOptions } from '../backend.ts';
import { open } from './node-harness.contract.ts';
import type { NodeHarness } from './node-harness.contract.ts';
import { SESSIONS_MAX } from './tls-context.ts';
import type { NodeClientContext } from './tls-context.ts';
import { clientTls, fixture, fixtureText } from './tls-fixtures.contract.ts';
import { connectTls, originServer } from './tls-harness.contract.ts';
import type { Origin } from './tls-harness.contract.ts';

async function withOrigin(
  own: TlsOptions,
  check: (harness: NodeHarness, origin: Origin) => Promise<void>,
): Promise<void> {
  const harness = open();
  const origin = await originServer(harness, own);
  try {
    await check(harness, origin);
    assert.deepEqual(harness.slab.leaks(), []);
  } finally {
    origin.close();
    await harness.close();
  }
}

/** Connects; says what came of it, and closes. */
async function outcome(
  harness: NodeHarness,
  port: number,
  options: Partial<ClientTlsOptions>,
  own: Partial<ClientTls> = {},
): Promise<Fault> {
  const probe = connectTls(harness, port, clientTls(harness.backend, options), own);
  await harness.until(() => probe.isOpen || isOver(probe), 'the handshake');
  const fault = probe.isOpen ? Fault.none : probe.fault;
  probe.connection.abort();
  await harness.until(() => isOver(probe), 'the end');
  return fault === -1 ? Fault.none : fault;
}

function pinOf(name: string): string {
  const { publicKey } = new X509Certificate(fixture(`${name}.pem`));
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('base64');
}

const TRUSTED = { cas: [fixtureText('ca.pem')] };
const UNTRUSTED = { cas: [fixtureText('stranger.pem')] };

test('TLS client: verifies the chain, and the name or address', () =>
  withOrigin({}, async (harness, { port }) => {
    const invalid = Fault.upstreamCertificateInvalid;
    const cases: readonly (readonly [Partial<ClientTlsOptions>, string, Fault])[] = [
      [TRUSTED, 'localhost', Fault.none],
      [TRUSTED, 'any.example.test', Fault.none],
      [TRUSTED, '127.0.0.1', Fault.none],
      [TRUSTED, '::1', Fault.none],
      [TRUSTED, 'two.any.example.test', invalid],
      [TRUSTED, 'other.example', invalid],
      [TRUSTED, '127.0.0.2', invalid],
      [TRUSTED, '', invalid],
      [UNTRUSTED, 'localhost', invalid],
      [{ cas: [] }, 'localhost', invalid],
      [{ ...UNTRUSTED, verify: false }, 'other.example', Fault.none],
      [{ cas: [], verify: false }, '127.0.0.2', Fault.none],
    ];
    for (const [options, serverName, expected] of cases) {
      const fault = await outcome(harness, port, options, { serverName });
      assert.equal(fault, expected, `${JSON.stringify(options)} ${serverName}`);
    }
  }));

test('TLS client: with a context that is gone no connection is made, and nothing breaks', () =>
  withOrigin({}, async (harness, { port }) => {
    const context = clientTls(harness.backend, TRUSTED);
    context.close();
    const probe = connectTls(harness, port, context);
    await harness.until(() => probe.closeCount === 1, 'the end');
    assert.equal(probe.fault, Fault.upstreamTlsFailed);
  }));

test('TLS client: a self-signed certificate is trusted when it is named', () => {
  const own = { cert: fixtureText('stranger.pem'), key: fixtureText('stranger.key') };
  return withOrigin(own, async (harness, { port }) => {
    assert.equal(await outcome(harness, port, UNTRUSTED), Fault.none);
    assert.equal(await outcome(harness, port, TRUSTED), Fault.upstreamCertificateInvalid);
  });
});

test('TLS client: a pinned key has to be of the leaf or of one who signed it', async () => {
  const invalid = Fault.upstreamCertificateInvalid;
  const chain = fixtureText('ecdsa.pem') + fixtureText('ca.pem');
  await withOrigin({ cert: chain }, async (harness, { port }) => {
    for (const verify of [true, false]) {
      const options = { ...TRUSTED, verify };
      for (const [pins, expected] of [
        [[pinOf('ecdsa')], Fault.none],
        [[pinOf('ca')], Fault.none],
        [[pinOf('rsa'), pinOf('ca')], Fault.none],
        [[pinOf('rsa')], invalid],
      ] as const) {
        assert.equal(await outcome(harness, port, { ...options, pins }), expected);
      }
    }
  });
  // Anybody can send a certificate along; that proves nothing.
  const forged = fixtureText('stranger.pem') + fixtureText('ca.pem') + fixtureText('ecdsa.pem');
  const own = { cert: forged, key: fixtureText('stranger.key') };
  await withOrigin(own, async (harness, { port }) => {
    const options = { ...UNTRUSTED, verify: false };
    assert.equal(
      await outcome(harness, port, { ...options, pins: [pinOf('stranger')] }),
      Fault.none,
    );
    assert.equal(await outcome(harness, port, { ...options, pins: [pinOf('ca')] }), invalid);
    assert.equal(await outcome(harness, port, { ...options, pins: [pinOf('ecdsa')] }), invalid);
  });
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`TLS client: resumes under the same rules, name and address only (${version})`, () =>
    withOrigin({ maxVersion: version }, async (harness, { port }) => {
      const context = clientTls(harness.backend);
      const isResumed = async (own: Partial<ClientTls> = {}, other = context): Promise<boolean> => {
        const probe = connectTls(harness, port, other, own);
        await harness.until(() => probe.isOpen, 'the handshake');
        probe.write(1, 10);
        await harness.until(() => probe.receivedSize === 10, 'the echo');
        const answer = probe.connection.tls!.isResumed;
        probe.connection.abort();
        await harness.until(() => isOver(probe), 'the end');
        return answer;
      };
      assert.equal(await isResumed(), false);
      assert.equal(await isResumed(), true);
      assert.equal(await isResumed(), true);
      assert.equal(await isResumed({ serverName: 'a.example.test' }), false);
      assert.equal(await isResumed({ serverName: 'a.example.test' }), true);
      assert.equal(await isResumed({}, clientTls(harness.backend)), false);
      const strict = clientTls(harness.backend, UNTRUSTED);
      const refused = connectTls(harness, port, strict);
      await harness.until(() => isOver(refused), 'the refusal');
      assert.equal((strict as NodeClientContext).sessionCount, 0, 'nothing is kept unverified');
    }));
}

test('TLS client: keeps a bounded number of sessions, the last ones', () => {
  const harness = open();
  const context = clientTls(harness.backend) as NodeClientContext;
  for (let i = 0; i < SESSIONS_MAX + 10; i++) context.keepSession(`key ${i}`, Uint8Array.of(1));
  assert.equal(context.sessionCount, SESSIONS_MAX);
  assert.equal(context.session('key 9'), null);
  assert.notEqual(context.session('key 10'), null);
  context.dropSession('key 10');
  assert.equal(context.session('key 10'), null);
  return harness.close();
});

test('TLS client: shows its certificate to an origin that asks', () =>
  withOrigin(
    { requestCert: true, rejectUnauthorized: true, ca: fixture('ca.pem') },
    async (harness, origin) => {
      const options = { cert: fixtureText('client.pem'), key: fixtureText('client.key') };
      const probe = connectTls(harness, origin.port, clientTls(harness.backend, options));
      await harness.until(() => origin.sockets.length === 1 && probe.isOpen, 'the handshake');
      const { subject } = origin.sockets[0]!.getPeerCertificate();
      assert.equal(subject.CN, 'client one');
      assert.equal(probe.connection.tls?.peerCertificate?.subject, 'CN=localhost');
      probe.connection.abort();
      const nobody = connectTls(harness, origin.port, clientTls(harness.backend));
      await harness.until(() => isOver(nobody) && isOver(probe), 'the refusal');
      assert.notEqual(nobody.fault, Fault.none, 'TLS 1.3 tells it after the handshake');
    },
  ));

test('TLS client: settings that make no sense are a sentence', () => {
  const harness = open();
  for (const own of [
    { cert: fixtureText('client.pem'), key: fixtureText('rsa.key') },
    { cert: 'no PEM', key: 'no PEM' },
    { cas: ['no PEM'] },
  ]) {
    const options = { verify: true, cas: [], cert: '', key: '', pins: [], ...own };
    assert.equal(typeof harness.backend.clientTls({ ...options, minVersion: '1.2' }), 'string');
  }
  return harness.close();
});

/** An origin below TLS: what it does with the socket under its TLS is the test's. */
async function rawOrigin(
  harness: NodeHarness,
  serve: (socket: TLSSocket, raw: Socket) => void,
): Promise<{ readonly port: number; close(): void }> {
  const raws: Socket[] = [];
  const secureContext = createSecureContext({
    cert: fixture('ecdsa.pem'),
    key: fixture('ecdsa.key'),
  });
  const server = createServer({ allowHalfOpen: true }, (raw) => {
    raws.push(raw);
    raw.on('error', () => {});
    const socket = new TLSSocket(raw, { isServer: true, secureContext });
    socket.on('error', () => {});
    socket.on('secure', () => serve(socket, raw));
  });
  server.listen(0, '127.0.0.1');
  await harness.until(() => server.address() !== null, 'the origin');
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      for (const raw of raws) raw.destroy();
      server.close();
    },
  };
}

test('TLS client: close_notify is the end, FIN or not', () =>
  withOrigin({}, async (harness, origin) => {
    const relayed: Socket[] = [];
    const relay = createServer({ allowHalfOpen: true }, (front) => {
      const back = connect({ port: origin.port, host: '127.0.0.1', allowHalfOpen: true });
      relayed.push(front, back);
      for (const socket of [front, back]) socket.on('error', () => {});
      front.on('data', (bytes: Buffer) => back.write(bytes));
      back.on('data', (bytes: Buffer) => front.write(bytes)); // And no FIN.
    });
    relay.listen(0, '127.0.0.1');
    await harness.until(() => relay.address() !== null, 'the relay');
    const { port } = relay.address() as AddressInfo;
    const probe = connectTls(harness, port, clientTls(harness.backend));
    await harness.until(() => probe.isOpen && origin.sockets.length === 1, 'the handshake');
    probe.write(1, 1_000);
    await harness.until(() => probe.receivedSize === 1_000, 'the echo');
    probe.onBytes = () => probe.pause();
    origin.sockets[0]!.end('last');
    await harness.until(() => probe.receivedSize === 1_004, 'the last bytes');
    await harness.settle();
    assert.equal(probe.hasEnded, false, 'it is paused');
    probe.resume();
    await harness.until(() => probe.hasEnded, 'the end');
    probe.connection.abort();
    await harness.until(() => isOver(probe), 'the end');
    for (const socket of relayed) socket.destroy();
    relay.close();
  }));

test('TLS client: an answer cut short by FIN never looks complete', async () => {
  const harness = open();
  const context = clientTls(harness.backend);
  const endings: readonly (readonly [string, (socket: TLSSocket, raw: Socket) => void, boolean])[] =
    [
      ['close_notify and FIN', (socket) => socket.end(), true],
      ['FIN alone', (_socket, raw) => raw.end(), false],
      ['RST', (_socket, raw) => raw.resetAndDestroy(), false],
    ];
  for (const [how, finish, isComplete] of endings) {
    const origin = await rawOrigin(harness, (socket, raw) => {
      socket.write(Buffer.alloc(1_000, 0x61), () => finish(socket, raw));
    });
    const probe: BackendProbe = connectTls(harness, origin.port, context);
    await harness.until(() => probe.hasEnded || isOver(probe), how);
    assert.equal(probe.hasEnded, isComplete, how);
    if (how !== 'RST') assert.equal(probe.receivedSize, 1_000, how);
    if (!isComplete) assert.equal(probe.fault, Fault.upstreamReset, how);
    probe.connection.abort();
    await harness.until(() => isOver(probe), 'the end');
    origin.close();
  }
  await harness.close();
});
