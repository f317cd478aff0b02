/**
 * Hostile handshakes against the real binary: what is sent before, in and right behind a handshake
 * by clients that are broken, slow or mean. Each gets what its row says; and after all of them the
 * proxy has replaced no worker, caught no exception, and given everything back.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import type net from 'node:net';
import type tls from 'node:tls';
import {
  fragmented,
  helloBytes,
  helloMessage,
  helloWith,
  record,
  serverName,
  versions,
} from '../../src/data/tls/hello-bytes.contract.ts';
import { Child } from '../support/child.ts';
import { freePorts } from '../support/free-port.ts';
import { fetchFrom, startOrigin } from '../support/http-origin.ts';
import type { HttpOrigin } from '../support/http-origin.ts';
import { metricSum, readMetrics } from '../support/metrics.ts';
import type { TreeUsage } from '../support/process-tree.ts';
import { treeUsage } from '../support/process-tree.ts';
import { baseToml, startProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { scratchDirectory } from '../support/subject.ts';
import type { Subject } from '../support/subject.ts';
import { TestAuthority } from '../support/test-authority.ts';
import { fetchTls } from '../support/tls-fetch.ts';
import { drip, fetchThrough, inRecords, recordHello } from '../support/tls-tap.ts';
import { delay, holdsWithin, until, within } from '../support/wait.ts';

const HANDSHAKE_MS = 1_000;
/** A machine that is busy is late. */
const LATE_MS = 4_000;
const HALF_OPEN = 500;
const RSS_GROWTH_MAX = 64 * 1024 * 1024;
/** Those of a small hello; the second one is that of the certificate, which TLS 1.2 asks for. */
const GROUPS = 'X25519:P-256';
const SMALL: tls.ConnectionOptions = { servername: 'a.test', ecdhCurve: GROUPS };
/** `s_client` takes what it reads at once for one command. */
const COMMAND_MS = 100;
const HAS_OPENSSL = spawnSync('openssl', ['version']).error === undefined;

let origin: HttpOrigin;
let proxy: Subject;
let folder: string;
let ports: { readonly tls: number; readonly plain: number; readonly admin: number };
let hello: Buffer;
let idle: TreeUsage;
/** Requests that got through to the origin, by target. */
const targets: string[] = [];

test.before(async () => {
  origin = await startOrigin((request, response) => {
    targets.push(request.url ?? '');
    response.end('ok');
  });
  const [tlsPort, plainPort, adminPort] = (await freePorts(3)) as [number, number, number];
  ports = { tls: tlsPort, plain: plainPort, admin: adminPort };
  folder = scratchDirectory();
  const pair = await (await TestAuthority.create()).issue(['a.test']);
  for (const name of ['cert', 'key'] as const) {
    fs.writeFileSync(path.join(folder, `${name}.pem`), pair[name], { mode: 0o600 });
  }
  const toml = `${baseToml({ admin: `127.0.0.1:${adminPort}` })}
[tls.short]
handshake-timeout = "${HANDSHAKE_MS}ms"
[listeners.secure]
address = "127.0.0.1:${tlsPort}"
tls = "short"
[listeners.plain]
address = "127.0.0.1:${plainPort}"
[certificates.a]
cert = "${folder}/cert.pem"
key = "${folder}/key.pem"
[routes.all]
path = "/*"
service = "app"
plain-http = "serve"
[services.app]
endpoints = ["http://127.0.0.1:${origin.port}"]
`;
  proxy = await startProxy(
    toml,
    [tlsPort, plainPort].map((listenPort) => ({
      listenPort,
      originPort: origin.port,
    })),
  );
  hello = await recordHello(SMALL);
  idle = treeUsage(proxy.child.pid);
});

test.after(async () => {
  await proxy?.stop();
  await origin?.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** Sends, waits for an answer or the end, and says which: `alert 50`, `closed`, `ServerHello`. */
async function answerTo(bytes: Uint8Array, port = ports.tls): Promise<string> {
  const client = new RawClient(port);
  client.send(Buffer.from(bytes));
  await holdsWithin(
    () => client.received.length > 6 || client.closed !== null,
    HANDSHAKE_MS + LATE_MS,
  );
  await holdsWithin(() => client.closed !== null, 50);
  const { received, closed } = client;
  client.destroy();
  if (received.length === 0) return closed === null ? 'nothing' : 'closed';
  if (received[0] === 21) return `alert ${received[6]}`;
  if (received[0] === 22 && received[5] === 2) return 'ServerHello';
  return received.toString('latin1').split('\r\n')[0]!;
}

/** The recorded hello with other bytes in place of the name, as many as there were. */
function renamed(name: string): Buffer {
  assert.equal(name.length, 'a.test'.length);
  const at = hello.indexOf('a.test');
  const copy = Buffer.from(hello);
  copy.write(name, at, 'latin1');
  return copy;
}

/** The recorded hello with one byte or more changed. */
function patched(at: number, ...bytes: number[]): Buffer {
  const copy = Buffer.from(hello);
  copy.set(bytes, at);
  return copy;
}

const old = (version: number): Uint8Array =>
  helloBytes({ version, ciphers: [0xc0_13, 0xc0_09, 0x00_2f], extensions: [serverName('a.test')] });

/** What is sent, in one piece or as its bytes say, and what comes of it. */
const ROWS: readonly (readonly [what: string, bytes: () => Uint8Array, answer: string])[] = [
  ['a hello', () => hello, 'ServerHello'],
  // Framing.
  ['records of 8 bytes', () => inRecords(hello, 8), 'ServerHello'],
  ['more than 256 records', () => inRecords(hello, 1), 'alert 50'],
  ['a length that is too long', () => patched(6, 0xff, 0xff, 0xff), 'alert 50'],
  ['a length beyond the limit', () => patched(6, 0, 0x50, 0), 'alert 50'],
  ['a record that is too long', () => patched(3, 0xff, 0xff), 'alert 50'],
  ['a length that is too short', () => patched(8, hello[8]! - 1), 'alert 50'],
  ['a session id that is too long', () => patched(43, 0xff), 'alert 50'],
  ['an empty record', () => record([]), 'alert 10'],
  ['a hello behind an empty record', () => concat(record([]), hello), 'alert 10'],
  ['a record of SSL 3.0', () => patched(1, 3, 0), 'ServerHello'],
  ['a record of TLS 1.3', () => patched(1, 3, 4), 'ServerHello'],
  ['a record of version 5', () => patched(1, 5, 0), 'closed'],
  // Other things than a hello.
  [
    'a hello of SSL 2.0',
    () => Buffer.from('802e0100020015000000100100800200800300', 'hex'),
    'alert 70',
  ],
  ['a cipher change', () => Buffer.from('140303000101', 'hex'), 'alert 10'],
  ['an alert', () => Buffer.from('15030100020228', 'hex'), 'alert 10'],
  ['data', () => Buffer.from('1703030005aabbccddee', 'hex'), 'alert 10'],
  ['a heartbeat', () => Buffer.from('1803020003014000', 'hex'), 'alert 10'],
  ['a ServerHello', () => patched(5, 2), 'alert 10'],
  [
    'plain HTTP',
    () => Buffer.from('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'),
    'HTTP/1.1 400 Bad Request',
  ],
  ['HTTP/2', () => Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'HTTP/1.1 400 Bad Request'],
  ['noise', () => Buffer.concat([Buffer.of(0xfe), randomBytes(200)]), 'closed'],
  // Versions and protocols.
  ['TLS 1.1', () => old(0x0302), 'alert 70'],
  ['TLS 1.0', () => old(0x0301), 'alert 70'],
  ['TLS 1.1 by extension', () => helloBytes({ extensions: [versions(0x0302)] }), 'alert 70'],
  ['TLS 1.2 with old ciphers only', () => old(0x0303), 'alert 40'],
  // Names.
  ['a name in upper case', () => renamed('A.TEST'), 'ServerHello'],
  ['a name with NUL', () => renamed('a\0test'), 'alert 112'],
  ['a name with a dot at its end', () => renamed('a.tes.'), 'alert 112'],
  ['a name with an empty label', () => renamed('a..tes'), 'alert 112'],
  ['a name of bytes', () => renamed('a.te\xff\xfe'), 'alert 112'],
  ['an unknown name', () => renamed('b.test'), 'alert 112'],
  ['an address as name', () => renamed('fe80::'), 'ServerHello'],
  ['a name of 300 bytes', () => helloWith(serverName('a'.repeat(300))), 'alert 112'],
  [
    'two names',
    () => helloWith([0, [0, 12, 0, 0, 3, 97, 46, 98, 0, 0, 3, 97, 46, 99]]),
    'alert 50',
  ],
  ['the name twice', () => helloWith(serverName('a.test'), serverName('a.test')), 'alert 50'],
];

function concat(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts);
}

for (const [what, bytes, answer] of ROWS) {
  test(`hostile hello: ${what} gets ${answer}`, async () => {
    assert.equal(await answerTo(bytes()), answer);
  });
}

test('hostile protocol: only strange ones are an alert, none is served', async () => {
  for (const ALPNProtocols of [['ftp'], ['h2'], ['acme-tls/1'], ['http/1.0', 'x'.repeat(255)]]) {
    const strange = await recordHello({ ...SMALL, ALPNProtocols });
    assert.equal(await answerTo(strange), 'alert 120', String(ALPNProtocols));
  }
  const { statuses, alpn } = await fetchTls({ port: ports.tls, ALPNProtocols: ['x', 'http/1.1'] });
  assert.deepEqual([statuses, alpn], [[200], 'http/1.1']);
});

test('hostile hello: byte by byte is served, in both versions', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const options = { port: ports.tls, maxVersion, ecdhCurve: GROUPS };
    assert.deepEqual((await fetchThrough({ hello: drip }, options)).statuses, [200]);
    const inPieces = {
      hello: (bytes: Buffer, server: net.Socket) => drip(inRecords(bytes, 7), server),
    };
    assert.deepEqual((await fetchThrough(inPieces, options)).statuses, [200]);
  }
});

function dripFast(bytes: Buffer, server: net.Socket): Promise<void> {
  return drip(bytes, server, 50);
}

test('hostile hello: large ones with key shares of many groups are served', async () => {
  const ecdhCurve = 'X25519MLKEM768:X25519:P-256:P-384';
  const { statuses } = await fetchThrough({ hello: dripFast }, { port: ports.tls, ecdhCurve });
  assert.deepEqual(statuses, [200]);
  const message = helloMessage({
    extensions: [
      serverName('a.test'),
      versions(0x0304),
      [21, Array.from({ length: 15_900 }, () => 0)],
    ],
  });
  // It has no key share and no groups, so OpenSSL refuses it; but it was read as a whole.
  assert.match(await answerTo(fragmented(message, 16_000)), /^alert (?:109|40)$/);
});

test('silence: nothing, half a hello and half a handshake end at the timeout', async () => {
  const clients = [Buffer.of(), Buffer.of(22), hello.subarray(0, 5), hello.subarray(0, -1), hello];
  await Promise.all(
    clients.map(async (bytes) => {
      const client = new RawClient(ports.tls);
      client.send(bytes);
      const startMs = performance.now();
      await until(() => client.closed !== null, 'the end', HANDSHAKE_MS + LATE_MS);
      assert.ok(performance.now() - startMs > HANDSHAKE_MS - 100, `${bytes.length} bytes`);
      client.destroy();
    }),
  );
});

test('silence: one byte now and then does not keep a hello alive', async () => {
  const client = new RawClient(ports.tls);
  const startMs = performance.now();
  let at = 0;
  const timer = setInterval(() => client.send(hello.subarray(at, ++at)), 100);
  await until(() => client.closed !== null, 'the end', HANDSHAKE_MS + LATE_MS);
  clearInterval(timer);
  client.destroy();
  assert.ok(at < 60 && performance.now() - startMs < HANDSHAKE_MS + LATE_MS, `${at} bytes`);
});

test('half-open: hundreds of handshakes that stop keep nobody else from being served', async () => {
  const clients = Array.from({ length: HALF_OPEN }, () => {
    const client = new RawClient(ports.tls);
    client.send(hello);
    return client;
  });
  try {
    await until(() => clients.every(({ received }) => received.length > 0), 'answers', 10_000);
    for (let i = 0; i < 10; i++) {
      assert.deepEqual((await fetchTls({ port: ports.tls })).statuses, [200]);
    }
    const isOver = (): boolean => clients.every(({ closed }) => closed !== null);
    await until(isOver, 'the ends', HANDSHAKE_MS + LATE_MS);
  } finally {
    for (const client of clients) client.destroy();
  }
});

test('gone: a reset or an end right behind the hello costs nobody anything', async () => {
  for (const end of ['reset', 'fin'] as const) {
    const clients = Array.from({ length: 20 }, () => new RawClient(ports.tls));
    for (const client of clients) {
      client.send(hello);
      if (end === 'reset') client.socket.resetAndDestroy();
      else client.socket.end();
    }
    await until(() => clients.every(({ closed }) => closed !== null), 'the ends');
  }
  assert.deepEqual((await fetchTls({ port: ports.tls })).statuses, [200]);
});

/** What is injected after the server's first flight, before the client's second one. */
const INJECTED: readonly (readonly [what: string, bytes: () => Buffer])[] = [
  ['an alert', () => Buffer.from('15030300020228', 'hex')],
  ['a hundred warnings', () => Buffer.from('15030300020164'.repeat(100), 'hex')],
  ['noise', () => randomBytes(500)],
  ['data in clear text', () => Buffer.from('1703030005aabbccddee', 'hex')],
  ['a second hello', () => hello],
  ['plain HTTP', () => Buffer.from('GET /injected HTTP/1.1\r\nHost: a.test\r\n\r\n')],
  ['a record of 65,535 bytes', () => concat(Buffer.of(22, 3, 3, 255, 255), Buffer.alloc(65_535))],
  ['empty records', () => Buffer.from('1603030000'.repeat(200), 'hex')],
];

for (const [what, bytes] of INJECTED) {
  test(`hostile handshake: ${what} in the middle ends it`, async () => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const tap = { onAnswer: (server: net.Socket) => void server.write(bytes()) };
      const path = `/in-the-middle-${targets.length}`;
      const options = { port: ports.tls, maxVersion, path, ecdhCurve: GROUPS };
      const fetched = await fetchThrough(tap, options).catch(() => null);
      // With TLS 1.3 a client is through before the server has seen its end of the handshake.
      assert.deepEqual(fetched?.statuses ?? [], [], maxVersion);
      assert.ok(!targets.includes(path), 'a request got through');
    }
  });
}

test('hostile handshake: bytes behind it that are no records end the connection', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const count = targets.length;
    const tap = {
      onFinished: (server: net.Socket) =>
        void server.write('GET /behind HTTP/1.1\r\nHost: a.test\r\n\r\n'),
    };
    await fetchThrough(tap, { port: ports.tls, maxVersion, path: '/before' }).catch(() => null);
    assert.ok(!targets.slice(count).includes('/behind'));
  }
});

test('wrong port: TLS on the plain port is told so, and closed', async () => {
  assert.match(await answerTo(hello, ports.plain), /^HTTP\/1\.1 400 |^closed$/);
});

/** Runs `openssl s_client`, sends `lines`, and answers with what it said. */
async function sClient(lines: readonly string[], ...args: readonly string[]): Promise<string> {
  const client = new Child(
    'openssl',
    ['s_client', '-connect', `127.0.0.1:${ports.tls}`, '-servername', 'a.test', ...args],
    {},
    { hasInput: true },
  );
  await client.ready(/Verify return code/);
  for (const line of lines) {
    client.write(line);
    if (line.length === 1) await delay(COMMAND_MS);
  }
  await within(client.exited, `openssl ${args.join(' ')}`, 8_000);
  return client.output;
}

const skip = HAS_OPENSSL ? false : 'openssl is not installed';

test('renegotiation: a client that asks for it is refused', { skip }, async () => {
  const output = await sClient(['R', 'GET / HTTP/1.1'], '-tls1_2');
  assert.match(output, /RENEGOTIATING/);
  assert.match(output, /no renegotiation|alert|unexpected|closed|EOF/i);
  assert.doesNotMatch(output, /200 OK/);
});

test('early data: none is taken, and a request in it has no effect', { skip }, async () => {
  const session = path.join(folder, 'session');
  const early = path.join(folder, 'early');
  fs.writeFileSync(early, 'POST /early HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n');
  const request = ['GET /late HTTP/1.1', 'Host: a.test', 'Connection: close', ''];
  await sClient(request, '-tls1_3', '-crlf', '-ign_eof', '-sess_out', session);
  assert.ok(fs.readFileSync(session, 'latin1').includes('SESSION'));
  const output = await sClient(
    request,
    '-tls1_3',
    '-crlf',
    '-ign_eof',
    '-sess_in',
    session,
    '-early_data',
    early,
  );
  assert.match(output, /Reused, TLSv1\.3/);
  assert.match(output, /Early data was (?:not sent|rejected)/);
  assert.match(output, /200 OK/);
  assert.ok(targets.includes('/late') && !targets.includes('/early'));
});

test('key updates: a few are done, and the connection goes on', { skip }, async () => {
  const request = ['GET /updated HTTP/1.1', 'Host: a.test', 'Connection: close', ''];
  const output = await sClient(['K', 'k', 'K', ...request], '-tls1_3', '-crlf');
  assert.match(output, /KEYUPDATE/);
  assert.ok(targets.includes('/updated'), output.slice(-500));
});

// The last one, over all that was done before.
test('hostile handshakes: nothing is left of them', async () => {
  for (let round = 0; round < 3; round++) {
    await Promise.all(ROWS.slice(0, 8).map(([, bytes]) => answerTo(bytes())));
  }
  const read = async (name: string): Promise<number> =>
    metricSum(await readMetrics(ports.admin), name) ?? -1;
  await until(
    async () => (await read('proxy_now_tls_handshakes_in_progress')) === 0,
    'no handshake in progress',
  );
  await until(async () => (await read('proxy_now_worker_connections')) === 0, 'no connection');
  assert.equal(await read('proxy_now_internal_errors_total'), 0);
  assert.equal(await read('proxy_now_worker_restarts_total'), 0);
  assert.equal(await read('proxy_now_process_restarts_total'), 0);
  const after = treeUsage(proxy.child.pid);
  assert.ok(after.descriptorCount <= idle.descriptorCount + 4, JSON.stringify({ idle, after }));
  assert.ok(after.rssSize < idle.rssSize + RSS_GROWTH_MAX, JSON.stringify({ idle, after }));
  assert.deepEqual((await fetchTls({ port: ports.tls })).statuses, [200]);
  assert.equal((await fetchFrom(ports.plain, '/')).status, 200);
  assert.doesNotMatch(proxy.child.output, /error|TypeError|uncaught/i);
});
