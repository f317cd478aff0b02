/** Connections of both sides: reuse, pipelining, old clients, half-close, unix sockets. */

import assert from 'node:assert/strict';
import http from 'node:http';
import path from 'node:path';
import test from 'node:test';
import { FILE, startBehind, startInFrontOf, simpleToml, type Behind } from '../support/behind.ts';
import { fetchFrom, startOrigin, type HttpOrigin } from '../support/http-origin.ts';
import { converse, RawClient } from '../support/raw-client.ts';
import { readResponses } from '../support/response-reader.ts';
import { scratchDirectory } from '../support/subject.ts';
import { until } from '../support/wait.ts';
import fs from 'node:fs';

let origin: HttpOrigin;
let proxy: Behind;

function handle(request: http.IncomingMessage, response: http.ServerResponse): void {
  request.resume();
  request.on('end', () => response.end(`${request.method} ${request.url}`));
}

test.before(async () => {
  origin = await startOrigin(handle);
  proxy = await startInFrontOf(FILE, origin.port);
});

test.after(() => origin.close());

async function talk(text: string, count: number, end = false): Promise<string[]> {
  const { received, closed } = await converse(proxy.port, {
    steps: end ? [{ send: Buffer.from(text) }, { end: 'fin' }] : [{ send: Buffer.from(text) }],
    isEnough: (bytes) => readResponses(bytes, false).responses.length >= count,
    quietMs: 10,
    timeoutMs: 5_000,
  });
  const { responses } = readResponses(received, closed === 'fin');
  assert.ok(
    responses.every((response) => response.isComplete),
    received.toString('latin1'),
  );
  return responses.map((response) => response.body.toString());
}

function get(target: string, version = '1.1', fields = 'Host: a.test\r\n'): string {
  return `GET ${target} HTTP/${version}\r\n${fields}\r\n`;
}

test('connections: pipelined requests are answered in order', async () => {
  const targets = Array.from({ length: 20 }, (_, i) => `/p${i}`);
  const bodies = await talk(targets.map((target) => get(target)).join(''), 20);
  assert.deepEqual(
    bodies,
    targets.map((target) => `GET ${target}`),
  );
});

function post(i: number): string {
  const head = `POST /${i} HTTP/1.1\r\nHost: a\r\n`;
  if (i % 2 === 0) return `${head}Content-Length: 3\r\n\r\nabc`;
  return `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`;
}

test('connections: pipelined requests with bodies are answered in order', async () => {
  const bodies = await talk([0, 1, 2, 3, 4, 5].map(post).join(''), 6);
  assert.deepEqual(bodies, ['POST /0', 'POST /1', 'POST /2', 'POST /3', 'POST /4', 'POST /5']);
});

test('connections: one client and one origin connection serve many requests', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const before = origin.connectionCount();
  for (let i = 0; i < 20; i++) await fetchFrom(proxy.port, `/k${i}`, { agent });
  agent.destroy();
  const opened = origin.connectionCount() - before;
  assert.ok(opened <= 1, `${opened} origin connections were opened for 20 requests`);
});

test('connections: clients that come after each other share origin connections', async () => {
  await fetchFrom(proxy.port, '/first');
  const before = origin.connectionCount();
  for (let i = 0; i < 10; i++) await fetchFrom(proxy.port, `/c${i}`);
  assert.equal(origin.connectionCount(), before);
});

test('connections: an HTTP/1.0 client is served and its connection closed', async () => {
  const { received, closed } = await converse(proxy.port, {
    steps: [{ send: Buffer.from(get('/old', '1.0')) }],
    isEnough: () => false,
    quietMs: 0,
    timeoutMs: 5_000,
  });
  assert.equal(closed, 'fin');
  const { responses } = readResponses(received, true);
  assert.equal(responses[0]?.body.toString(), 'GET /old');
  assert.notEqual(responses[0]?.framing, 'chunked', 'RFC 9112 §6.1: no chunks to an 1.0 client');
});

test('connections: a client that half-closes after its request still gets the answer', async () => {
  assert.deepEqual(await talk(get('/half'), 1, true), ['GET /half']);
});

test('connections: a FIN after the response ends an idle connection', async () => {
  const client = new RawClient(proxy.port);
  client.send(get('/one'));
  await until(() => client.received.includes('GET /one'), 'the response');
  client.socket.end();
  await until(() => client.closed !== null, 'the other side to close', 1_000);
});

test('connections: an unknown origin port is a 502 with a request id', async (t) => {
  const closed = await startOrigin(handle);
  await closed.close();
  const other = await startInFrontOf(t, closed.port);
  const { status } = await fetchFrom(other.port, '/x');
  assert.equal(status, 502);
});

test('connections: a unix socket is an endpoint like any other', async (t) => {
  const directory = scratchDirectory();
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  const file = path.join(directory, 'origin.sock');
  const unix = await startOrigin(handle, file);
  t.after(() => unix.close());
  const other = await startBehind(t, ([port]) => simpleToml(port!, [`unix:${file}`]));
  for (let i = 0; i < 3; i++) {
    const { status, body } = await fetchFrom(other.port, `/u${i}`);
    assert.equal(status, 200);
    assert.equal(body.toString(), `GET /u${i}`);
  }
  assert.equal(unix.connectionCount(), 1);
});
