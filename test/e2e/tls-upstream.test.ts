/** TLS toward origins: who is believed, what is asked for, and what a bad certificate comes to. */

import assert from 'node:assert/strict';
import fs from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import tls from 'node:tls';
import { freePort, listenLoopback } from '../support/free-port.ts';
import { fetchFrom } from '../support/http-origin.ts';
import { baseToml, startProxy } from '../support/proxy.ts';
import { scratchDirectory } from '../support/subject.ts';
import type { Subject } from '../support/subject.ts';
import { TestAuthority } from '../support/test-authority.ts';

const FIXTURES = new URL('../fixtures/tls/', import.meta.url).pathname;

interface SecureOrigin {
  readonly port: number;
  readonly server: https.Server;
  /** Names asked for, one per connection. */
  readonly asked: (string | false)[];
  readonly requestCount: () => number;
}

const origins: SecureOrigin[] = [];
let proxy: Subject;
let listenPort: number;
let folder: string;
/** Ends its handshakes and never reads a byte. */
let stuckServer: tls.Server;
/** Ends its answers by the end of the connection, in order or not. */
let cutServer: net.Server;

async function startSecure(options: tls.TlsOptions): Promise<SecureOrigin> {
  const asked: (string | false)[] = [];
  let requestCount = 0;
  const server = https.createServer(
    { ALPNProtocols: ['http/1.1'], ...options },
    (request, response) => {
      requestCount++;
      const socket = request.socket as tls.TLSSocket;
      const { subject } = socket.getPeerCertificate();
      request.resume().on('end', () => {
        response.end(
          JSON.stringify({
            host: request.headers.host,
            proto: request.headers['x-forwarded-proto'],
            client: subject?.CN ?? '',
            alpn: socket.alpnProtocol,
          }),
        );
      });
    },
  );
  server.on('secureConnection', (socket: tls.TLSSocket & { servername: string | false }) =>
    asked.push(socket.servername),
  );
  server.on('tlsClientError', () => undefined);
  const port = await listenLoopback(server);
  const origin = { port, server, asked, requestCount: () => requestCount };
  origins.push(origin);
  return origin;
}

/** Cuts some answers off without a word of TLS: that may be somebody else's cut. */
function startCut(options: tls.SecureContextOptions): Promise<number> {
  const context = tls.createSecureContext(options);
  cutServer = net.createServer((raw) => {
    const socket = new tls.TLSSocket(raw, { isServer: true, secureContext: context });
    raw.on('error', () => undefined);
    socket.on('error', () => undefined);
    socket.once('data', (head: Buffer) => {
      const isWhole = head.toString('latin1').startsWith('GET /whole');
      socket.write('HTTP/1.1 200 OK\r\n\r\nuntil the end', () => {
        if (isWhole) socket.end();
        else raw.end();
      });
    });
  });
  return listenLoopback(cutServer);
}

function startStuck(options: tls.TlsOptions): Promise<number> {
  stuckServer = tls.createServer(options, (socket) => {
    socket.on('error', () => undefined);
    socket.pause();
  });
  return listenLoopback(stuckServer);
}

test.before(async () => {
  const authority = await TestAuthority.create();
  const stranger = await TestAuthority.create('Nobody knows it');
  folder = scratchDirectory();
  const write = (name: string, text: string): string => {
    const file = path.join(folder, name);
    fs.writeFileSync(file, text);
    return file;
  };
  const ca = write('ca.pem', authority.ca);
  const good = await authority.issue(['127.0.0.1', 'origin.test', 'localhost']);
  const named = await authority.issue(['origin.test']);
  const expired = await authority.issue(['127.0.0.1'], { isExpired: true });
  const strange = await stranger.issue(['127.0.0.1']);
  const goodPort = (await startSecure(good)).port;
  const namedPort = (await startSecure(named)).port;
  const expiredPort = (await startSecure(expired)).port;
  const strangePort = (await startSecure(strange)).port;
  const mutualPort = (
    await startSecure({
      ...good,
      requestCert: true,
      rejectUnauthorized: true,
      ca: fs.readFileSync(path.join(FIXTURES, 'ca.pem')),
    })
  ).port;
  const h2Port = (await startSecure({ ...good, ALPNProtocols: ['h2'] })).port;
  const cutPort = await startCut(good);
  const stuckPort = await startStuck(good);
  const clientCertificate = `cert = "${FIXTURES}client.pem"\nkey = "${FIXTURES}client.key"`;
  const wrongPin = (await authority.issue(['x.test'])).pin;
  /** Service, origin's port, lines of its TLS table, lines of the service. */
  const services: readonly (readonly [string, number, string, string?])[] = [
    ['good', goodPort, `ca = "${ca}"`],
    ['untrusted', goodPort, ''],
    ['wrong-name', namedPort, `ca = "${ca}"`],
    ['by-name', namedPort, `ca = "${ca}"\nserver-name = "origin.test"`],
    ['expired', expiredPort, `ca = "${ca}"`],
    ['self-signed', strangePort, `ca = "${ca}"`],
    ['unverified', strangePort, 'verify = false'],
    ['pinned', goodPort, `ca = "${ca}"\npins = ["${good.pin}"]`],
    ['wrong-pin', goodPort, `ca = "${ca}"\npins = ["${wrongPin}"]`],
    ['client', mutualPort, `ca = "${ca}"\n${clientCertificate}`],
    ['no-client', mutualPort, `ca = "${ca}"`],
    ['h2-only', h2Port, `ca = "${ca}"`],
    ['whole', cutPort, `ca = "${ca}"`],
    ['cut', cutPort, `ca = "${ca}"`],
    ['stuck', stuckPort, `ca = "${ca}"`],
    ['own-host', goodPort, `ca = "${ca}"`, 'pass-host = false'],
  ];
  listenPort = await freePort();
  let toml = `${baseToml()}[listeners.web]\naddress = "127.0.0.1:${listenPort}"\n`;
  for (const [name, port, table, more = ''] of services) {
    toml += `[routes.${name}]\npath = "/${name}"\nservice = "${name}"\n`;
    toml += `[services.${name}]\nendpoints = ["https://127.0.0.1:${port}"]\n${more}\n`;
    if (table !== '') toml += `[services.${name}.tls]\n${table}\n`;
  }
  toml += `[routes.host]\npath = "/host"\nservice = "host"\n[services.host]\n`;
  toml += `endpoints = ["https://localhost:${goodPort}"]\n`;
  toml += `[services.host.tls]\nca = "${ca}"\n`;
  toml += `[routes.two]\npath = "/two"\nservice = "two"\n[services.two]\n`;
  toml += `endpoints = ["https://127.0.0.1:${expiredPort}", "https://127.0.0.1:${goodPort}"]\n`;
  toml += `[services.two.tls]\nca = "${ca}"\n`;
  proxy = await startProxy(toml, [{ listenPort, originPort: goodPort }]);
});

test.after(async () => {
  await proxy?.stop();
  stuckServer?.close();
  cutServer?.close();
  for (const { server } of origins) {
    server.closeAllConnections();
    server.close();
  }
  fs.rmSync(folder, { recursive: true, force: true });
});

async function ask(name: string, body?: string): Promise<{ status: number; text: string }> {
  const options = body === undefined ? {} : { method: 'POST', body };
  const fetched = await fetchFrom(listenPort, `/${name}`, options);
  return { status: fetched.status, text: fetched.body.toString() };
}

for (const name of ['good', 'by-name', 'unverified', 'pinned', 'client'] as const) {
  test(`upstream tls: ${name} is served`, async () => {
    const { status, text } = await ask(name);
    assert.equal(status, 200, text);
    assert.match(text, /"proto":"http"/, 'the client came without');
    assert.match(text, /"alpn":"http\/1.1"/);
    if (name === 'client') assert.match(text, /"client":"client one"/);
  });
}

for (const name of ['untrusted', 'wrong-name', 'expired', 'self-signed', 'wrong-pin'] as const) {
  test(`upstream tls: ${name} is a 502 that says so, and no request goes out`, async () => {
    const before = origins.reduce((sum, { requestCount }) => sum + requestCount(), 0);
    const { status, text } = await ask(name);
    assert.equal(status, 502);
    assert.match(text, /certificate of the endpoint is not trusted/);
    assert.equal(
      origins.reduce((sum, { requestCount }) => sum + requestCount(), 0),
      before,
    );
  });
}

for (const name of ['no-client', 'h2-only'] as const) {
  test(`upstream tls: ${name} is a 502`, async () => {
    const { status } = await ask(name);
    assert.equal(status, 502);
  });
}

test('upstream tls: the name is asked for, an address is not', async () => {
  await ask('by-name');
  assert.equal(origins[1]!.asked.at(-1), 'origin.test');
  assert.equal((await ask('host')).status, 200, 'whatever address it has');
  assert.equal(origins[0]!.asked.at(-1), 'localhost');
  await ask('good');
  const names = origins[0]!.asked.map((name) => name || '');
  assert.deepEqual(
    new Set(names),
    new Set(['', 'localhost']),
    'SNI has no addresses (RFC 6066 §3)',
  );
});

test('upstream tls: the Host field follows the rules it has without TLS', async () => {
  assert.match((await ask('good')).text, new RegExp(`"host":"127.0.0.1:${listenPort}"`));
  assert.match((await ask('own-host')).text, new RegExp(`"host":"127.0.0.1:${origins[0]!.port}"`));
});

test('upstream tls: another endpoint is asked when one cannot be trusted, a POST too', async () => {
  for (let i = 0; i < 6; i++) assert.equal((await ask('two', `body ${i}`)).status, 200);
});

test('upstream tls: connections are kept, and bodies of a megabyte go through', async () => {
  const before = origins[0]!.asked.length;
  for (let i = 0; i < 4; i++)
    assert.equal((await ask('pinned', 'x'.repeat(1_000_000))).status, 200);
  assert.ok(origins[0]!.asked.length - before <= 1, 'one connection at most');
});

test('upstream tls: the end of an answer counts only when TLS says it', async () => {
  assert.equal((await ask('whole')).text, 'until the end');
  await assert.rejects(ask('cut'));
});

test('upstream tls: an origin that stops reading a body has the time of a plain one', async () => {
  const { status, text } = await ask('stuck', 'x'.repeat(20_000_000));
  assert.equal(status, 504);
  assert.match(text, /stopped reading/);
});
