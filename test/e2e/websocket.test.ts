/** WebSocket through the proxy, with a client and an origin that are not ours. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import test from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { startOrigin, type HttpOrigin } from '../support/http-origin.ts';
import { FILE, startInFrontOf, type Behind } from '../support/behind.ts';
import { holdsWithin, within } from '../support/wait.ts';

let origin: HttpOrigin;
let proxy: Behind;
const paths: string[] = [];
let openCount = 0;

test.before(async () => {
  origin = await startOrigin((_request, response) => response.writeHead(426).end('upgrade'));
  const server = new WebSocketServer({
    server: origin.server,
    path: '/ws',
    perMessageDeflate: true,
  });
  server.on('connection', (socket, request) => {
    openCount++;
    paths.push(request.url ?? '');
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('close', () => openCount--);
    socket.on('error', () => undefined);
  });
  proxy = await startInFrontOf(FILE, origin.port);
});

test.after(() => origin.close());

async function connect(): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/ws`);
  await within(once(socket, 'open'), 'websocket to open');
  return socket;
}

async function echo(socket: WebSocket, data: string | Buffer): Promise<Buffer> {
  const answer = once(socket, 'message');
  socket.send(data);
  const [message] = (await within(answer, 'echo')) as [Buffer];
  return message;
}

test('websocket: echoes text, binary and a message of 1 MB', async () => {
  const socket = await connect();
  assert.equal((await echo(socket, 'hello')).toString(), 'hello');
  const binary = randomBytes(5_000);
  assert.deepEqual(await echo(socket, binary), binary);
  const large = randomBytes(1_000_000);
  assert.deepEqual(await echo(socket, large), large);
  socket.close();
});

test('websocket: keeps the order of 500 small messages', async () => {
  const socket = await connect();
  const got: number[] = [];
  socket.on('message', (data: Buffer) => got.push(Number(data.toString())));
  for (let i = 0; i < 500; i++) socket.send(String(i));
  assert.ok(await holdsWithin(() => got.length === 500, 5_000), `${got.length} messages`);
  assert.deepEqual(
    got,
    Array.from({ length: 500 }, (_, i) => i),
  );
  socket.close();
});

test('websocket: answers a ping and passes the close code on', async () => {
  const socket = await connect();
  const pong = once(socket, 'pong');
  socket.ping('p');
  await within(pong, 'pong');
  const closed = once(socket, 'close');
  socket.close(4_001, 'done');
  const [code] = (await within(closed, 'close')) as [number];
  assert.equal(code, 4_001);
});

test('websocket: a client that vanishes ends the origin side within a second', async () => {
  const socket = await connect();
  await echo(socket, 'here');
  const before = openCount;
  socket.on('error', () => undefined);
  socket.terminate();
  assert.ok(await holdsWithin(() => openCount < before, 1_000), 'the origin still holds it');
});

test('websocket: an origin that refuses is answered as a plain response', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/other`);
  socket.on('error', () => undefined);
  const [, response] = (await within(once(socket, 'unexpected-response'), 'refusal')) as [
    unknown,
    { statusCode: number },
  ];
  assert.ok([400, 426].includes(response.statusCode), String(response.statusCode));
});
