import assert from 'node:assert/strict';
import { createConnection } from 'node:net';
import test from 'node:test';
import type { ConnectionOptions } from 'node:tls';

import type { ClientAuthMode } from '../../../contract/tls.ts';
import { Fault } from '../../../contract/fault.ts';
import type { BackendProbe } from '../backend-probe.contract.ts';
import type { ServerTlsOptions, TlsContext } from '../backend.ts';
import { open } from './node-harness.contract.ts';
import type { NodeServerContext } from './tls-context.ts';
import {
  SERVER_OPTIONS,
  fixture,
  fixtureText,
  pairOf,
  serverTls,
} from './tls-fixtures.contract.ts';
import { visit, withTlsListener } from './tls-harness.contract.ts';
import type { TlsListening, Visit } from './tls-harness.contract.ts';
import type { ProxyTlsSocket } from './tls-socket.ts';

const SECRET = new Uint8Array(32).fill(7);

async function serving(
  own: Partial<ServerTlsOptions>,
  check: (listening: TlsListening, until: Until) => Promise<void>,
): Promise<void> {
  const harness = open();
  await withTlsListener(harness, serverTls(harness.backend, own), (listening) =>
    check(listening, (isDone, what) => harness.until(isDone, what)),
  );
}

type Until = (isDone: () => boolean, what: string) => Promise<void>;

interface Entered {
  readonly one: Visit;
  readonly server: BackendProbe;
}

/** A visit, and our end of it. */
async function enter(
  { port, servers }: TlsListening,
  until: Until,
  options: ConnectionOptions = {},
): Promise<Entered> {
  const index = servers.length;
  const one = visit(port, options);
  await until(() => servers.length > index, 'the connection');
  return { one, server: servers[index]! };
}

/** Waits for the server to have heard the client, or for it to be turned away. */
async function settled({ one, server }: Entered, until: Until): Promise<boolean> {
  await until(() => server.receivedSize > 0 || server.closeCount === 1, 'the visit');
  const isServed = server.receivedSize > 0;
  if (!isServed) await until(() => one.isClosed, 'the client to notice');
  one.socket.destroy();
  await until(() => one.isClosed, 'the client to close');
  return isServed;
}

test('TLS server: shows the certificate of the key type that the client can verify', () =>
  serving({}, async (listening, until) => {
    for (const [sigalgs, bits] of [
      ['ecdsa_secp256r1_sha256', 256],
      ['rsa_pss_rsae_sha256', 2_048],
    ] as const) {
      const entered = await enter(listening, until, { sigalgs });
      await until(() => entered.one.isSecure, sigalgs);
      assert.equal(entered.one.socket.getPeerCertificate().bits, bits);
      assert.equal(await settled(entered, until), true);
    }
  }));

test('TLS server: speaks the versions it is told to, and never less than 1.2', () =>
  serving({ minVersion: '1.3' }, async (listening, until) => {
    const old = await enter(listening, until, { maxVersion: 'TLSv1.2' });
    assert.equal(await settled(old, until), false);
    assert.equal(old.server.fault, Fault.tlsHandshakeFailed);
    assert.match(old.one.error, /protocol version/);
    const young = await enter(listening, until);
    assert.equal(await settled(young, until), true);
  }));

/** False once OpenSSL's memory is given back. */
function isHeld(context: TlsContext): boolean {
  const { secureContext } = context as NodeServerContext;
  return (secureContext.context as { getCertificate(): unknown }).getCertificate() !== null;
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`TLS server: a closed context is given back after its last connection, ${maxVersion}`, () =>
    serving({ ticketSecret: SECRET, ocsp: new Uint8Array(8) }, async (listening, until) => {
      const { context } = listening;
      const open = await enter(listening, until, { maxVersion });
      await until(() => open.server.isOpen, 'the first one');
      const shaking = await enter(listening, until, { maxVersion, requestOCSP: true });
      context.close();
      context.close();
      await until(() => shaking.server.isOpen && shaking.one.isSecure, 'the second one');
      assert.equal(isHeld(context), true);
      assert.equal(await settled(open, until), true);
      open.server.connection.abort();
      await until(() => open.server.closeCount === 1, 'the end of the first one');
      assert.equal(isHeld(context), true, 'one of them is left');
      assert.equal(await settled(shaking, until), true);
      shaking.server.connection.abort();
      await until(() => shaking.server.closeCount === 1, 'the end of the second one');
      assert.equal(isHeld(context), false);
    }));
}

test('TLS server: a context that nobody uses is given back at once', () => {
  const harness = open();
  const context = serverTls(harness.backend, {});
  assert.equal(isHeld(context), true);
  context.close();
  assert.equal(isHeld(context), false);
  return harness.close();
});

test('TLS server: with a context that is gone nothing is made, and nothing breaks', () =>
  serving({}, async (listening, until) => {
    listening.context.close();
    const late = await enter(listening, until, {});
    await until(() => late.server.closeCount === 1 && late.one.isClosed, 'the end');
    assert.equal(late.server.fault, Fault.tlsHandshakeFailed);
  }));

interface Client {
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

function clientOf(name: string): Client {
  return { cert: fixture(`${name}.pem`), key: fixture(`${name}.key`) };
}

const CLIENTS: Readonly<Record<string, Client>> = {
  nobody: {},
  known: clientOf('client'),
  stranger: clientOf('stranger'),
  revoked: clientOf('revoked'),
};

/** Which clients each mode serves. */
const MODES: readonly (readonly [ClientAuthMode, readonly string[]])[] = [
  ['none', ['nobody', 'known', 'stranger', 'revoked']],
  ['request', ['nobody', 'known', 'stranger', 'revoked']],
  ['require', ['known', 'stranger', 'revoked']],
  ['verify-if-given', ['nobody', 'known']],
  ['verify', ['known']],
];

for (const version of ['1.2', '1.3'] as const) {
  for (const [clientAuth, served] of MODES) {
    test(`TLS ${version} server: client certificates, mode ${clientAuth}`, () => {
      const verifies = clientAuth.startsWith('verify');
      const own: Partial<ServerTlsOptions> = {
        clientAuth,
        minVersion: version,
        maxVersion: version,
        clientCas: verifies ? [fixtureText('ca.pem')] : [],
        clientCrls: verifies ? [fixtureText('clients.crl')] : [],
      };
      return serving(own, async (listening, until) => {
        for (const [name, client] of Object.entries(CLIENTS)) {
          const entered = await enter(listening, until, client);
          const isServed = await settled(entered, until);
          assert.equal(isServed, served.includes(name), name);
          if (isServed) continue;
          assert.equal(entered.server.isOpen, false, name);
          assert.equal(entered.server.fault, Fault.tlsClientRefused, name);
        }
      });
    });
  }

  test(`TLS ${version} server: a resumed session proves the client as the first one did`, () => {
    const own: Partial<ServerTlsOptions> = {
      clientAuth: 'verify',
      clientCas: [fixtureText('ca.pem')],
      maxVersion: version,
    };
    return serving(own, async (listening, until) => {
      const first = visit(listening.port, CLIENTS['known']!);
      await until(() => first.session !== null && listening.servers[0]!.receivedSize > 0, 'visit');
      const shown = listening.servers[0]!.connection.tls!.peerCertificate!;
      assert.equal(shown.subject, 'CN=client one,O=Clients\\, Inc.,C=XX');
      assert.equal(shown.issuer, 'CN=Test CA,O=Proxy Now tests');
      assert.deepEqual(shown.names, ['client.example.test', 'one@example.test']);
      assert.match(shown.serial, /^[0-9a-f]+$/);
      assert.match(shown.fingerprint, /^[0-9a-f]{64}$/);
      first.socket.destroy();
      const second = visit(listening.port, { session: first.session! });
      await until(() => second.isSecure && (listening.servers[1]?.receivedSize ?? 0) > 0, 'second');
      const { tls } = listening.servers[1]!.connection;
      assert.equal(tls?.isResumed, true);
      assert.deepEqual(tls.peerCertificate, shown);
      second.socket.destroy();
    });
  });

  test(`TLS ${version} server: tickets name their key, and fit their scope alone`, () => {
    const harness = open();
    const { backend } = harness;
    const own: Partial<ServerTlsOptions> = { ticketSecret: SECRET, maxVersion: version };
    const until: Until = (isDone, what) => harness.until(isDone, what);
    return withTlsListener(harness, serverTls(backend, own), async (listening) => {
      const first = visit(listening.port);
      await until(() => first.session !== null && first.isSecure, 'the session');
      const name = Buffer.from(backend.ticketName(SECRET, 'test'));
      assert.equal(name.length, 16);
      const ticket = first.session!;
      assert.ok(ticket.includes(name), 'the ticket begins with it');
      assert.notDeepEqual(Buffer.from(backend.ticketName(SECRET, 'other')), name);
      assert.notDeepEqual(Buffer.from(backend.ticketName(new Uint8Array(32), 'test')), name);
      const resumes = async (): Promise<boolean> => {
        const next = await enter(listening, until, { session: ticket });
        await until(() => next.one.isSecure, 'the handshake');
        const isResumed = next.one.socket.isSessionReused();
        assert.equal(await settled(next, until), true);
        return isResumed;
      };
      assert.equal(await resumes(), true);
      listening.context = serverTls(backend, own); // As another worker would build it.
      assert.equal(await resumes(), true);
      listening.context = serverTls(backend, { ...own, ticketScope: 'other' });
      assert.equal(await resumes(), false);
      listening.context = serverTls(backend, { ...own, ticketSecret: new Uint8Array(32).fill(8) });
      assert.equal(await resumes(), false);
      listening.context = serverTls(backend, { ...own, ticketSecret: null });
      assert.equal(await resumes(), false);
      first.socket.destroy();
    });
  });
}

test('TLS server: staples its OCSP response for those who ask', () => {
  const ocsp = Uint8Array.from([0x30, 0x03, 0x0a, 0x01, 0x00]);
  return serving({ ocsp }, async (listening, until) => {
    const entered = await enter(listening, until, { requestOCSP: true });
    const { one } = entered;
    const responses: Buffer[] = [];
    one.socket.on('OCSPResponse', (response: Buffer) => responses.push(response));
    await until(() => one.isSecure, 'the handshake');
    assert.deepEqual(responses, [Buffer.from(ocsp)]);
    assert.equal(await settled(entered, until), true);
    assert.equal(await settled(await enter(listening, until), until), true);
  });
});

test('TLS server: what is wrong with settings is a sentence without secrets', () => {
  const harness = open();
  const { backend } = harness;
  const key = fixture('rsa.key');
  const cases: Partial<ServerTlsOptions>[] = [
    { certificates: [{ chain: fixture('ecdsa.pem'), key }] },
    { certificates: [{ chain: Buffer.from('no PEM'), key }] },
    { ciphers: ['NO-SUCH-CIPHER'] },
    { groups: ['no-such-group'] },
    { clientCrls: ['no PEM'] },
  ];
  for (const own of cases) {
    const context = backend.serverTls({ ...SERVER_OPTIONS, ...own });
    assert.ok(typeof context === 'string' && context !== '', JSON.stringify(Object.keys(own)));
    assert.ok(!context.includes(key.toString('latin1').slice(40, 80)));
  }
  const shared = new Uint8Array(new SharedArrayBuffer(4_096));
  shared.set(fixture('ecdsa.key'));
  const chain = new Uint8Array(new SharedArrayBuffer(fixture('ecdsa.pem').length));
  chain.set(fixture('ecdsa.pem'));
  const fromShared = { chain, key: shared.subarray(0, fixture('ecdsa.key').length) };
  const made = backend.serverTls({ ...SERVER_OPTIONS, certificates: [fromShared] });
  assert.equal(typeof made, 'object');
  assert.equal(
    typeof backend.serverTls({ ...SERVER_OPTIONS, certificates: [pairOf('rsa')] }),
    'object',
  );
  return harness.close();
});

test('TLS server: bytes that break TLS after the handshake close it, and nothing is thrown', () =>
  serving({}, async (listening, until) => {
    const raw = createConnection(listening.port, '127.0.0.1');
    raw.on('error', () => {});
    const one = visit(0, { socket: raw, host: undefined } as never);
    await until(() => (listening.servers[0]?.receivedSize ?? 0) > 0, 'the visit');
    const server = listening.servers[0]!;
    raw.write(Buffer.from([23, 3, 3, 0, 40, ...new Uint8Array(40)]));
    await until(() => server.closeCount === 1, 'the end');
    assert.equal(server.fault, Fault.upstreamReset);
    one.socket.destroy();
    raw.destroy();
  }));

test('TLS server: a client of TLS 1.2 that renegotiates is refused (CVE-2011-1473)', () =>
  serving({ maxVersion: '1.2' }, async (listening, until) => {
    const { one, server } = await enter(listening, until);
    await until(() => server.receivedSize > 0, 'the visit');
    one.socket.renegotiate({}, () => {});
    await until(() => one.error !== '' || one.isClosed, 'the refusal');
    assert.match(one.error, /no renegotiation/);
    await until(() => server.closeCount === 1, 'the end');
    one.socket.destroy();
  }));

test('TLS server: who lets encrypted bytes pile up is closed, and nobody else', () => {
  const harness = open();
  const { backend } = harness;
  return withTlsListener(harness, serverTls(backend), async (listening) => {
    const [lazy, other] = [visit(listening.port, {}, 'h'), visit(listening.port, {}, 'h')];
    const { servers } = listening;
    await harness.until(() => servers.length === 2 && servers.every((one) => one.isOpen), 'both');
    const server = servers.find(({ connection }) => connection.peerPort === lazy.socket.localPort)!;
    lazy.socket.pause();
    const { socket } = server.connection as unknown as { socket: ProxyTlsSocket };
    backend.sweep();
    assert.equal(server.closeCount, 0);
    socket.encrypt(Buffer.alloc(12_000_000), () => {}); // As if OpenSSL had answered a flood.
    await harness.settle();
    backend.sweep();
    await harness.until(() => server.closeCount === 1, 'the end');
    assert.equal(server.fault, Fault.memoryLimit);
    assert.equal(servers.filter((one) => one.closeCount === 1).length, 1);
    for (const { socket: own } of [lazy, other]) own.destroy();
  });
});

test('TLS server: a paused connection holds a bounded amount, and loses none', () => {
  const harness = open();
  return withTlsListener(harness, serverTls(harness.backend), async (listening) => {
    const total = 8_000_000;
    const one = visit(listening.port, {}, 'h');
    await harness.until(() => (listening.servers[0]?.receivedSize ?? 0) > 0, 'the visit');
    const server = listening.servers[0]!;
    server.onBytes = () => server.pause();
    const before = harness.slab.usedSize;
    one.socket.end(Buffer.alloc(total, 0x61));
    await harness.until(() => server.isPaused, 'the first bytes');
    await harness.settle();
    const held = harness.slab.usedSize - before;
    assert.ok(held <= 131_072, `${held} bytes are held`);
    server.onBytes = null;
    server.resume();
    await harness.until(() => server.hasEnded, 'the end');
    assert.equal(server.receivedSize, total + 1);
    one.socket.destroy();
  });
});
