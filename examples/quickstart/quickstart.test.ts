import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import type { TestContext } from 'node:test';
import { createApiOrigin } from './api-origin.ts';
import { createSiteOrigin } from './site-origin.ts';

/** Starts `server` on a free port for the time of the test. @returns its port */
async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test('site: serves its page and nothing outside its folder', async (t) => {
  const base = `http://127.0.0.1:${await listen(t, createSiteOrigin())}`;
  const page = await fetch(base);
  assert.equal(page.status, 200);
  assert.match(await page.text(), /<title>Proxy Now: quick start<\/title>/);
  assert.match(page.headers.get('x-origin') ?? '', /^site 127\.0\.0\.1:\d+$/);
  assert.equal((await fetch(`${base}/%2e%2e/demo.ts`)).status, 404);
  assert.equal((await fetch(base, { method: 'POST', body: 'x' })).status, 405);
});

test('site: streams a download of the size it was asked for', async (t) => {
  const base = `http://127.0.0.1:${await listen(t, createSiteOrigin())}`;
  const response = await fetch(`${base}/download?mib=3`);
  assert.equal(response.headers.get('content-length'), String(3 * 1024 * 1024));
  assert.equal((await response.arrayBuffer()).byteLength, 3 * 1024 * 1024);
});

test('api: echoes what arrived', async (t) => {
  const port = await listen(t, createApiOrigin());
  const url = `http://127.0.0.1:${port}/api/echo?a=1`;
  const response = await fetch(url, { method: 'PUT', body: 'four', headers: { 'X-Mine': 'yes' } });
  const seen = (await response.json()) as { fields: [string, string][] };
  assert.deepEqual(
    { ...seen, fields: seen.fields.filter(([name]) => name === 'X-Mine'), connectionPort: 0 },
    {
      method: 'PUT',
      target: '/api/echo?a=1',
      version: '1.1',
      endpoint: `127.0.0.1:${port}`,
      connectionPort: 0,
      fields: [['X-Mine', 'yes']],
      bodySize: 4,
    },
  );
});

test('api: counts and hashes an upload', async (t) => {
  const port = await listen(t, createApiOrigin());
  const body = Buffer.alloc(300_000, 'abc');
  const response = await fetch(`http://127.0.0.1:${port}/api/upload`, { method: 'POST', body });
  const sha256 = createHash('sha256').update(body).digest('hex');
  assert.deepEqual(await response.json(), { size: 300_000, sha256 });
});

test('api: sends the first event at once', async (t) => {
  const port = await listen(t, createApiOrigin());
  const response = await fetch(`http://127.0.0.1:${port}/api/sse`);
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  const reader = response.body!.getReader();
  const { value } = await reader.read();
  assert.match(Buffer.from(value!).toString(), /^id: 1\ndata: \d{4}-.*Z\n\n$/);
  await reader.cancel();
});

for (const [name, message] of [
  ['a short text', 'hello'],
  ['a text of 16-bit length', 'x'.repeat(700)],
  ['a text of 64-bit length', 'é'.repeat(70_000)],
] as const) {
  test(`websocket: echoes ${name}`, async (t) => {
    const socket = new WebSocket(`ws://127.0.0.1:${await listen(t, createApiOrigin())}/api/ws`);
    await once(socket, 'open');
    socket.send(message);
    const [event] = (await once(socket, 'message')) as [MessageEvent];
    assert.equal(event.data, message);
    socket.close(1000);
    const [closed] = (await once(socket, 'close')) as [CloseEvent];
    assert.equal(closed.code, 1000);
    assert.equal(closed.wasClean, true);
  });
}

const HANDSHAKE =
  'GET /api/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

/** Sends the handshake and `frames` in one go. @returns the bytes after the answer's head */
async function exchangeFrames(t: TestContext, frames: readonly number[]): Promise<Buffer> {
  const socket = connect(await listen(t, createApiOrigin()), '127.0.0.1');
  socket.write(Buffer.concat([Buffer.from(HANDSHAKE), Buffer.from(frames)]));
  const received: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => received.push(bytes));
  await once(socket, 'close');
  const all = Buffer.concat(received);
  // The sample key and its answer stand in RFC 6455 §1.3.
  assert.match(all.toString('latin1'), /Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/);
  return all.subarray(all.indexOf('\r\n\r\n') + 4);
}

const MASK = [0, 0, 0, 0];

for (const [name, frames, answer] of [
  [
    'joins fragments around a ping',
    [
      0x01,
      0x82,
      ...MASK,
      0x61,
      0x62, // "ab", more to come
      0x89,
      0x81,
      ...MASK,
      0x21, // ping "!"
      0x80,
      0x81,
      ...MASK,
      0x63, // "c", the end
      0x88,
      0x82,
      ...MASK,
      0x03,
      0xe8, // close 1000
    ],
    [0x8a, 1, 0x21, 0x81, 3, 0x61, 0x62, 0x63, 0x88, 2, 0x03, 0xe8],
  ],
  ['refuses an unmasked frame', [0x81, 0x01, 0x61], [0x88, 2, 0x03, 0xea]],
  ['refuses reserved bits', [0xc1, 0x81, ...MASK, 0x61], [0x88, 2, 0x03, 0xea]],
  ['refuses a fragmented ping', [0x09, 0x80, ...MASK], [0x88, 2, 0x03, 0xea]],
  ['refuses a continuation of nothing', [0x80, 0x80, ...MASK], [0x88, 2, 0x03, 0xea]],
  ['refuses an unknown opcode', [0x83, 0x80, ...MASK], [0x88, 2, 0x03, 0xea]],
  [
    'refuses a message over its limit',
    [0x82, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0],
    [0x88, 2, 0x03, 0xf1],
  ],
] as const) {
  test(`websocket: ${name}`, async (t) => {
    assert.deepEqual([...(await exchangeFrames(t, frames))], [...answer]);
  });
}

test('websocket: answers 400 to an upgrade that is none', async (t) => {
  const socket = connect(await listen(t, createApiOrigin()), '127.0.0.1');
  socket.write('GET /api/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  assert.match(bytes.toString(), /^HTTP\/1\.1 400 /);
});
