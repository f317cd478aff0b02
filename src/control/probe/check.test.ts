import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

import type { HealthCheckConfig } from '../config/config.ts';
import type { CheckTarget, RunCheck, Verdict } from './check.ts';
import { formatStatuses, verdictOf } from './check.ts';
import { httpCheck } from './http-check.ts';
import { tcpCheck } from './tcp-check.ts';

const CONFIG: HealthCheckConfig = {
  kind: 'http',
  path: '/healthz?deep=1',
  method: 'GET',
  host: null,
  port: null,
  headers: [],
  statuses: [{ from: 200, to: 399 }],
  body: null,
  intervalMs: 1_000,
  timeoutMs: 1_000,
  upCount: 1,
  downCount: 1,
  initial: 'up',
};

async function listen(server: Server, path?: string): Promise<CheckTarget> {
  if (path === undefined) server.listen(0, '127.0.0.1');
  else server.listen(path);
  await once(server, 'listening');
  if (path !== undefined)
    return { kind: 'unix', host: path, port: 0, authority: 'localhost', tls: null };
  const { port } = server.address() as AddressInfo;
  return { kind: 'tcp', host: '127.0.0.1', port, authority: `app:${port}`, tls: null };
}

function ask(
  target: CheckTarget,
  config: Partial<HealthCheckConfig> = {},
  run: RunCheck = httpCheck,
): Promise<Verdict> {
  return new Promise((resolve) => run(target, { ...CONFIG, ...config }, resolve));
}

/** The verdict about a server that answers so. */
async function judge(
  answer: RequestListener,
  config: Partial<HealthCheckConfig> = {},
): Promise<Verdict> {
  const server = createServer(answer);
  try {
    return await ask(await listen(server), config);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** The verdict about a server that answers each connection with raw bytes, then ends it. */
async function judgeRaw(bytes: string): Promise<Verdict> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(bytes, 'latin1'));
  });
  try {
    return await ask(await listen(server));
  } finally {
    server.close();
  }
}

test('http check: sends what is configured', async () => {
  const seen: unknown[] = [];
  const answer: RequestListener = ({ method, url, headers }, response) => {
    seen.push([method, url, headers.host?.replace(/\d+/, 'PORT'), headers['x-key']]);
    seen.push(headers.connection);
    response.end();
  };
  assert.equal(await judge(answer), '');
  const other = { method: 'HEAD', host: 'shop.example', headers: [['X-Key', 'k']] } as const;
  assert.equal(await judge(answer, { ...other, path: '/' }), '');
  assert.equal(await judge(answer, { headers: [['host', 'mine.example']] }), '');
  assert.deepEqual(seen, [
    ['GET', '/healthz?deep=1', 'app:PORT', undefined],
    'close',
    ['HEAD', '/', 'shop.example', 'k'],
    'close',
    ['GET', '/healthz?deep=1', 'mine.example', undefined],
    'close',
  ]);
});

const withStatus =
  (status: number): RequestListener =>
  (_request, response) =>
    void response.writeHead(status).end('x');

test('http check: judges the status', async () => {
  const statuses = [
    { from: 200, to: 204 },
    { from: 301, to: 301 },
  ];
  assert.equal(await judge(withStatus(204), { statuses }), '');
  assert.equal(await judge(withStatus(301), { statuses }), '');
  assert.equal(await judge(withStatus(205), { statuses }), 'status 205 instead of 200-204, 301');
  assert.equal(await judge(withStatus(503)), 'status 503 instead of 200-399');
});

const withBody =
  (...parts: string[]): RequestListener =>
  (_request, response) => {
    for (const part of parts) response.write(part);
    response.end();
  };

test('http check: looks for the text in the first 64 KiB', async () => {
  assert.equal(await judge(withBody('all is o', 'k here'), { body: 'ok' }), '');
  assert.equal(await judge(withBody('nothing'), { body: 'ok' }), 'the body lacks "ok"');
  const long = 'x'.repeat(65_534);
  assert.equal(await judge(withBody(long, 'ok'), { body: 'ok' }), '');
  assert.equal(await judge(withBody(long, 'xok'), { body: 'ok' }), 'the body lacks "ok"');
});

const endless: RequestListener = (_request, response) => {
  response.on('error', () => {});
  const more = (): void => {
    while (!response.destroyed && response.write('x'.repeat(65_536))) continue;
  };
  response.on('drain', more);
  more();
};

test('http check: an endless body is read no further than needed', async () => {
  assert.equal(await judge(endless), '');
});

test('http check: an answer that breaks off is not one', async () => {
  const broken = 'the connection was closed before the answer was complete';
  assert.equal(await judgeRaw('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'), broken);
  assert.equal(await judgeRaw(''), broken);
  assert.equal(await judgeRaw('SSH-2.0-OpenSSH\r\n'), 'the answer is not HTTP');
  assert.equal(
    await judgeRaw('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
    'status 101 instead of 200-399',
  );
});

test('checks: say in words why there is no connection', async () => {
  const server = createTcpServer();
  const target = await listen(server);
  server.close();
  await once(server, 'close');
  const missing: CheckTarget = { ...target, kind: 'unix', host: '/nowhere/at.sock' };
  for (const run of [httpCheck, tcpCheck]) {
    assert.equal(await ask(target, {}, run), 'connection refused');
    assert.equal(await ask(missing, {}, run), 'there is no such socket');
  }
});

test('checks: reach unix sockets, and another port of the same host', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'check-'));
  const server = createServer((_request, response) => void response.end());
  const other = createServer((_request, response) => void response.end());
  try {
    const unix = await listen(server, join(folder, 'app.sock'));
    const tcp = await listen(other);
    for (const run of [httpCheck, tcpCheck]) {
      assert.equal(await ask(unix, {}, run), '');
      assert.equal(await ask({ ...tcp, port: 1 }, { port: tcp.port }, run), '');
    }
  } finally {
    server.close();
    other.close();
    rmSync(folder, { recursive: true });
  }
});

test('http check: a field value that cannot be sent is a verdict, not an exception', async () => {
  const target: CheckTarget = {
    kind: 'tcp',
    host: '127.0.0.1',
    port: 9,
    authority: 'a',
    tls: null,
  };
  const verdict = await ask(target, { host: 'two\nlines' });
  assert.equal(verdict, 'the request cannot be written: see `host` and `headers`');
});

test('checks: a stopped one says nothing and leaves no connection', async () => {
  const server = createTcpServer();
  const target = await listen(server);
  for (const run of [httpCheck, tcpCheck]) {
    const accepted = once(server, 'connection');
    const stop = run(target, CONFIG, () => assert.fail('it was stopped'));
    // The connection of the tcp check is open before it is accepted: it may be over already.
    if (run === httpCheck) {
      const [socket] = await accepted;
      stop();
      await once(socket.resume(), 'close');
    } else {
      stop();
    }
  }
  server.close();
  await once(server, 'close');
});

const withCode = (code: string): Error => Object.assign(new Error('x'), { code });

test('verdicts: what is our own fault is not held against the endpoint', () => {
  assert.equal(verdictOf(withCode('EMFILE')), null);
  assert.equal(verdictOf(withCode('EADDRNOTAVAIL')), null);
  assert.equal(verdictOf(withCode('EHOSTUNREACH')), 'the host is unreachable');
  assert.equal(verdictOf(withCode('EWHATEVER')), 'connecting failed: EWHATEVER');
  const several = new AggregateError([withCode('ENETUNREACH'), withCode('ECONNREFUSED')]);
  assert.equal(verdictOf(several), 'connection refused');
});

test('formatStatuses: as they are configured', () => {
  const ranges = [
    { from: 200, to: 399 },
    { from: 404, to: 404 },
  ];
  assert.equal(formatStatuses(ranges), '200-399, 404');
});
