/** What is long or large over TLS: bodies both ways, slow readers, pipelines, WebSockets. */

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import tls from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import { freePort } from '../support/free-port.ts';
import { startOrigin } from '../support/http-origin.ts';
import type { HttpOrigin } from '../support/http-origin.ts';
import { baseToml, startProxy } from '../support/proxy.ts';
import { scratchDirectory } from '../support/subject.ts';
import type { Subject } from '../support/subject.ts';
import { TestAuthority } from '../support/test-authority.ts';
import { delay } from '../support/wait.ts';

const BIG = randomBytes(8_000_000);
const DIGEST = digestOf(BIG);

let origin: HttpOrigin;
let sockets: WebSocketServer;
let proxy: Subject;
let authority: TestAuthority;
let folder: string;
let port: number;

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

test.before(async () => {
  origin = await startOrigin((request, response) => {
    if (request.url === '/big') {
      response.end(BIG);
      return;
    }
    const hash = createHash('sha256');
    request.on('data', (chunk: Buffer) => hash.update(chunk));
    request.on('end', () => response.end(hash.digest('hex')));
  });
  sockets = new WebSocketServer({ server: origin.server });
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  authority = await TestAuthority.create();
  folder = scratchDirectory();
  const issued = await authority.issue(['a.test', 'localhost']);
  for (const name of ['cert', 'key'] as const) {
    fs.writeFileSync(path.join(folder, name), issued[name]);
  }
  port = await freePort();
  const toml = `${baseToml({ transport: { 'progress-timeout': '10s' } })}
[listeners.web]
address = "127.0.0.1:${port}"
tls = "default"
[certificates.own]
cert = "${folder}/cert"
key = "${folder}/key"
[routes.all]
host = "a.test"
service = "app"
[services.app]
endpoints = ["http://127.0.0.1:${origin.port}"]
`;
  proxy = await startProxy(toml, [{ listenPort: port, originPort: origin.port }]);
});

test.after(async () => {
  await proxy?.stop();
  sockets?.close();
  await origin?.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

function clientOptions(): https.RequestOptions {
  const trust = { ca: authority.ca, servername: 'a.test', headers: { host: 'a.test' } };
  return { host: '127.0.0.1', port, agent: false, ...trust };
}

function fetchBytes(target: string, body?: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    const request = https.request({ ...clientOptions(), method, path: target }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks)));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

test('tls streams: large bodies arrive whole, both ways and several at once', async () => {
  const downloads = Array.from({ length: 3 }, () => fetchBytes('/big'));
  const uploads = Array.from({ length: 3 }, () => fetchBytes('/', BIG));
  for (const bytes of await Promise.all(downloads)) assert.equal(digestOf(bytes), DIGEST);
  for (const bytes of await Promise.all(uploads)) assert.equal(bytes.toString(), DIGEST);
});

test('tls streams: a slow reader gets all of it', async () => {
  const hash = createHash('sha256');
  let size = 0;
  await new Promise<void>((resolve, reject) => {
    const request = https.get({ ...clientOptions(), path: '/big' }, (response) => {
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => {
        hash.update(chunk);
        size += chunk.length;
        if (size % 5 !== 0) return;
        response.pause();
        setTimeout(() => response.resume(), 10);
      });
      response.on('end', resolve);
    });
    request.on('error', reject);
  });
  assert.equal(hash.digest('hex'), DIGEST);
});

test('tls streams: a hundred requests sent at once are answered in order', async () => {
  const socket = tls.connect({ host: '127.0.0.1', port, servername: 'a.test', ca: authority.ca });
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  const bodies = Array.from({ length: 100 }, (_, at) => `body ${at}`);
  const requests = bodies.map((body, at) => {
    const end = at === bodies.length - 1 ? 'Connection: close\r\n' : '';
    return `POST / HTTP/1.1\r\nHost: a.test\r\n${end}Content-Length: ${body.length}\r\n\r\n${body}`;
  });
  socket.write(requests.join(''));
  await new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.once('close', resolve);
    socket.setTimeout(8_000, () => reject(new Error(`nothing more came after: ${text}`)));
  });
  const digests = [...text.matchAll(/[0-9a-f]{64}/g)].map(([digest]) => digest);
  assert.deepEqual(
    digests,
    bodies.map((body) => digestOf(Buffer.from(body))),
  );
});

test('tls streams: a WebSocket echoes small and large messages', async () => {
  const trust: WebSocket.ClientOptions & tls.ConnectionOptions = {
    ca: authority.ca,
    servername: 'a.test',
    headers: { host: 'a.test' },
  };
  const socket = new WebSocket(`wss://127.0.0.1:${port}/ws`, trust);
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  for (const message of [Buffer.from('hello'), BIG.subarray(0, 3_000_000)]) {
    socket.send(message);
    const echo = await new Promise<Buffer>((resolve) => socket.once('message', resolve));
    assert.equal(digestOf(echo), digestOf(message));
  }
  socket.close();
  await new Promise((resolve) => socket.once('close', resolve));
});

test('tls streams: many clients that break off leave nothing behind', async () => {
  for (let i = 0; i < 40; i++) {
    const raw = net.connect(port, '127.0.0.1');
    const socket = tls.connect({ socket: raw, servername: 'a.test', ca: authority.ca });
    raw.on('error', () => undefined);
    socket.on('error', () => undefined);
    if (i % 4 === 0) socket.destroy();
    else socket.write('GET /big HTTP/1.1\r\nHost: a.test\r\n\r\n');
    await delay(i % 4);
    if (i % 4 === 1) raw.resetAndDestroy();
    else if (i % 4 === 2) socket.destroy();
    else socket.once('data', () => socket.destroy());
  }
  assert.equal(digestOf(await fetchBytes('/big')), DIGEST);
  assert.doesNotMatch(proxy.child.output, /internal error|uncaught/i);
});
