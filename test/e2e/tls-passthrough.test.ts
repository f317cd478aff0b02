/** Connections that are passed on by the name in their ClientHello, and PROXY headers both ways. */

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import tls from 'node:tls';
import { ProxyHeader, readProxyHeader } from '../../src/data/codec/proxy-protocol/proxy-header.ts';
import { freePorts, listenLoopback } from '../support/free-port.ts';
import { startOrigin } from '../support/http-origin.ts';
import type { HttpOrigin } from '../support/http-origin.ts';
import { baseToml, startProxy } from '../support/proxy.ts';
import { scratchDirectory } from '../support/subject.ts';
import type { Subject } from '../support/subject.ts';
import { TestAuthority } from '../support/test-authority.ts';
import { fetchTls } from '../support/tls-fetch.ts';
import { until } from '../support/wait.ts';

const PORTS = { web: 0, proxied: 0, dead: 0 };
let http: HttpOrigin;
let database: tls.Server;
/** Takes whatever comes, and keeps the first bytes of each connection. */
let recorder: net.Server;
const recorded: Buffer[] = [];
let authority: TestAuthority;
let proxy: Subject;
let folder: string;

test.before(async () => {
  http = await startOrigin((request, response) => response.end(JSON.stringify(request.headers)));
  authority = await TestAuthority.create();
  folder = scratchDirectory();
  const own = await authority.issue(['a.test']);
  const theirs = await authority.issue(['db.test', '*.db.test']);
  for (const [name, text] of Object.entries(own)) fs.writeFileSync(path.join(folder, name), text);
  database = tls.createServer({ ...theirs, allowHalfOpen: true }, (socket) => {
    const hash = createHash('sha256');
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => hash.update(chunk));
    socket.on('end', () => socket.end(hash.digest('hex')));
  });
  recorder = net.createServer((socket) => {
    const at = recorded.push(Buffer.alloc(0)) - 1;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => (recorded[at] = Buffer.concat([recorded[at]!, chunk])));
  });
  const databasePort = await listenLoopback(database);
  const recorderPort = await listenLoopback(recorder);
  [PORTS.web, PORTS.proxied, PORTS.dead] = (await freePorts(3)) as [number, number, number];
  const toml = `${baseToml()}
[listeners.web]
address = "127.0.0.1:${PORTS.web}"
tls = "default"
[listeners.proxied]
address = "127.0.0.1:${PORTS.proxied}"
tls = "default"
proxy-protocol = { trusted = ["127.0.0.0/8"] }
[certificates.own]
cert = "${folder}/cert"
key = "${folder}/key"
[routes.a]
host = "a.test"
service = "app"
[routes.db]
sni = ["db.test", "*.db.test"]
mode = "passthrough"
service = "db"
[routes.v1]
sni = "v1.test"
mode = "passthrough"
service = "v1"
[routes.v2]
sni = "v2.test"
mode = "passthrough"
service = "v2"
[routes.dead]
sni = "dead.test"
mode = "passthrough"
service = "dead"
[services.app]
endpoints = ["http://127.0.0.1:${http.port}"]
[services.db]
endpoints = ["tcp://127.0.0.1:${PORTS.dead}", "tcp://127.0.0.1:${databasePort}"]
[services.v1]
endpoints = ["tcp://127.0.0.1:${recorderPort}"]
proxy-protocol = "v1"
[services.v2]
endpoints = ["tcp://127.0.0.1:${recorderPort}"]
proxy-protocol = "v2"
[services.dead]
endpoints = ["tcp://127.0.0.1:${PORTS.dead}"]
`;
  const links = [PORTS.web, PORTS.proxied].map((listenPort) => ({ listenPort, originPort: 0 }));
  proxy = await startProxy(toml, links);
});

test.after(async () => {
  await proxy?.stop();
  await http?.close();
  database?.close();
  recorder?.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** Speaks TLS to the database through `port`; resolves with what it has said at its end. */
function speak(servername: string, bytes: Buffer, port = PORTS.web, header = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const raw = net.connect(port, '127.0.0.1', () => {
      if (header !== '') raw.write(header);
      const half: tls.ConnectionOptions & { allowHalfOpen: boolean } = { allowHalfOpen: true };
      const socket = tls.connect({ ...half, socket: raw, servername, ca: authority.ca });
      let text = '';
      socket.on('error', reject);
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.on('end', () => resolve(text));
      socket.end(bytes);
    });
    raw.setTimeout(8_000, () => raw.destroy(new Error('nothing more came')));
    raw.on('error', reject);
  });
}

test('passthrough: the endpoint ends TLS with its own certificate, whatever is sent', async () => {
  for (const [name, size] of [
    ['db.test', 0],
    ['db.test', 10],
    ['one.db.test', 3_000_000],
  ] as const) {
    const bytes = randomBytes(size);
    const expected = createHash('sha256').update(bytes).digest('hex');
    assert.equal(await speak(name, bytes), expected, `${size} bytes to ${name}`);
  }
});

test('passthrough: an endpoint that is dead is passed over', async () => {
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => speak('db.test', Buffer.from('x'))),
  );
  assert.equal(new Set(answers).size, 1);
});

test('passthrough: names of routes are still terminated here', async () => {
  const { names, statuses } = await fetchTls({ port: PORTS.web });
  assert.deepEqual([names, statuses], ['DNS:a.test', [200]]);
});

test('passthrough: without a live endpoint the client sees an end', async () => {
  await assert.rejects(fetchTls({ port: PORTS.web, servername: 'dead.test' }));
});

for (const version of ['v1', 'v2'] as const) {
  test(`passthrough: the endpoint gets a PROXY header ${version}, then the hello`, async () => {
    const before = recorded.length;
    const socket = tls.connect({
      host: '127.0.0.1',
      port: PORTS.web,
      servername: `${version}.test`,
    });
    socket.on('error', () => undefined);
    await until(() => (recorded[before]?.length ?? 0) > 200, 'the hello');
    const bytes = recorded[before]!;
    const header = new ProxyHeader();
    assert.equal(readProxyHeader(bytes, 0, bytes.length, header), 0);
    assert.equal(header.sourceAddress, '127.0.0.1');
    assert.equal(header.sourcePort, socket.localPort);
    assert.equal(header.destinationPort, PORTS.web);
    assert.equal(bytes[header.size], 22, 'a handshake record');
    socket.destroy();
  });
}

test('proxy protocol: a header names the client, also of what is passed on', async () => {
  const header = 'PROXY TCP4 192.0.2.9 203.0.113.1 5000 443\r\n';
  const socket = net.connect(PORTS.proxied, '127.0.0.1');
  socket.write(header);
  const secure = tls.connect({ socket, servername: 'a.test', ca: authority.ca });
  let text = '';
  secure.on('data', (chunk: Buffer) => (text += chunk.toString()));
  secure.write('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n');
  await new Promise((resolve) => secure.once('close', resolve));
  assert.match(text, /"x-forwarded-for":"192\.0\.2\.9"/);
  assert.match(text, /"x-forwarded-port":"443"/);
  assert.match(text, /"x-forwarded-proto":"https"/);
  assert.equal((await speak('db.test', Buffer.alloc(0), PORTS.proxied, header)).length, 64);
});

test('proxy protocol: who must send a header and does not is closed', async () => {
  await assert.rejects(fetchTls({ port: PORTS.proxied }));
});
