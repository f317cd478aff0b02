/** What must not wait: events, chunks, interim and early responses, aborts. */

import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { readResponses } from '../support/response-reader.ts';
import { fetchFrom, startOrigin, type HttpOrigin } from '../support/http-origin.ts';
import { FILE, startInFrontOf, type Behind } from '../support/behind.ts';
import { until } from '../support/wait.ts';

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

let origin: HttpOrigin;
let proxy: Behind;
const handlers = new Map<string, Handler>();

test.before(async () => {
  origin = await startOrigin((request, response) => {
    const handler = handlers.get(request.url ?? '');
    if (handler === undefined) response.writeHead(404).end();
    else handler(request, response);
  });
  proxy = await startInFrontOf(FILE, origin.port);
});

test.after(() => origin.close());

function open(request: string): RawClient {
  const client = new RawClient(proxy.port);
  client.send(request);
  return client;
}

function get(target: string): string {
  return `GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`;
}

test('streaming: every server-sent event arrives before the next one is sent', async () => {
  let stream: http.ServerResponse | undefined;
  handlers.set('/sse', (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    stream = response;
  });
  const client = open(get('/sse'));
  await until(() => client.received.includes('text/event-stream'), 'the head before any event');
  for (let i = 0; i < 5; i++) {
    stream?.write(`data: ${i}\n\n`);
    await until(() => client.received.includes(`data: ${i}\n\n`), `event ${i}`);
    assert.equal(client.received.includes(`data: ${i + 1}`), false);
  }
  stream?.end();
  await until(() => client.received.includes('\r\n0\r\n\r\n'), 'the last chunk');
  client.destroy();
});

test('streaming: a chunked upload reaches the origin chunk by chunk', async () => {
  const got: string[] = [];
  handlers.set('/upload', (request, response) => {
    request.on('data', (chunk: Buffer) => got.push(chunk.toString()));
    request.on('end', () => response.end('ok'));
  });
  const client = open('POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
  for (const part of ['one', 'two', 'three']) {
    client.send(`${part.length.toString(16)}\r\n${part}\r\n`);
    await until(() => got.join('').endsWith(part), part);
  }
  client.send('0\r\n\r\n');
  await until(() => client.received.includes('ok'), 'the response');
  client.destroy();
});

test('streaming: both directions flow at once', async () => {
  handlers.set('/echo', (request, response) => {
    response.writeHead(200);
    request.pipe(response);
  });
  const client = open('POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
  for (const part of ['ping', 'pong', 'pang']) {
    client.send(`4\r\n${part}\r\n`);
    await until(() => client.received.includes(part), `the echo of ${part}`);
  }
  client.send('0\r\n\r\n');
  await until(() => client.received.includes('0\r\n\r\n'), 'the end');
  client.destroy();
});

test('streaming: 100 Continue comes before the body, and the origin gets no Expect', async () => {
  let expectation: string | undefined = 'unseen';
  handlers.set('/expect', (request, response) => {
    expectation = request.headers.expect;
    request.resume();
    request.on('end', () => response.end('thanks'));
  });
  const head =
    'POST /expect HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n';
  const client = open(head);
  await until(() => client.received.includes('HTTP/1.1 100'), '100 Continue');
  client.send('body');
  await until(() => client.received.includes('thanks'), 'the response');
  assert.equal(expectation, undefined);
  client.destroy();
});

test('streaming: an early response to an upload reaches the client at once', async () => {
  handlers.set('/early', (request, response) => {
    response.writeHead(413, { connection: 'close' }).end('too large');
    request.on('error', () => undefined);
  });
  const client = open('POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\nstart');
  await until(() => client.received.includes('too large'), 'the early response');
  assert.equal(readResponses(client.received, false).responses[0]?.status, 413);
  client.destroy();
});

test('streaming: a client that leaves aborts the origin request within a second', async () => {
  let isAborted = false;
  handlers.set('/long', (_request, response) => {
    response.writeHead(200);
    response.write('begin');
    response.on('close', () => (isAborted = true));
  });
  const client = open(get('/long'));
  await until(() => client.received.includes('begin'), 'the first bytes');
  client.destroy();
  await until(() => isAborted, 'the abort at the origin', 1_000);
});

test('streaming: a client that leaves before any answer aborts the origin request', async () => {
  let isHere = false;
  let isAborted = false;
  handlers.set('/never', (_request, response) => {
    isHere = true;
    response.on('close', () => (isAborted = true));
  });
  const client = open(get('/never'));
  await until(() => isHere, 'the request at the origin');
  client.destroy();
  await until(() => isAborted, 'the abort at the origin', 1_000);
});

test('streaming: an origin that dies in mid-body breaks the transfer', async () => {
  handlers.set('/die', (_request, response) => {
    response.writeHead(200);
    response.write('part', () => response.destroy());
  });
  await assert.rejects(fetchFrom(proxy.port, '/die'), 'a cut response must not look complete');
});

test('streaming: response fields and status pass unchanged', async () => {
  handlers.set('/fields', (_request, response) => {
    response.writeHead(418, 'Short and stout', {
      'X-Custom': 'a, b',
      'Set-Cookie': ['a=1', 'b=2'],
      ETag: '"x"',
    });
    response.end('teapot');
  });
  const { status, headers, body } = await fetchFrom(proxy.port, '/fields');
  assert.equal(status, 418);
  assert.equal(headers['x-custom'], 'a, b');
  assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
  assert.equal(headers.etag, '"x"');
  assert.equal(body.toString(), 'teapot');
});
