/** Clients that take their time, take no bytes, or take every slot (attack matrix 2.7). */

import assert from 'node:assert/strict';
import net from 'node:net';
import test from 'node:test';
import { FILE, startInFrontOf, type Behind } from '../support/behind.ts';
import { listenLoopback } from '../support/free-port.ts';
import { fetchFrom, startOrigin, type HttpOrigin } from '../support/http-origin.ts';
import { treeUsage } from '../support/process-tree.ts';
import { RawClient } from '../support/raw-client.ts';
import { readResponses } from '../support/response-reader.ts';
import { delay, until } from '../support/wait.ts';

const MEGABYTE = 1_048_576;
const HEAD_TIMEOUT_MS = 1_000;
const BODY_TIMEOUT_MS = 1_000;
const KEEP_ALIVE_MS = 700;

let origin: HttpOrigin;
let proxy: Behind;

test.before(async () => {
  origin = await startOrigin((request, response) => {
    if (request.url === '/endless') {
      const bytes = Buffer.alloc(65_536);
      const more = (): void => {
        while (!response.destroyed && response.write(bytes));
      };
      response.on('drain', more);
      more();
      return;
    }
    request.resume();
    request.on('end', () => response.end('ok'));
    request.on('error', () => undefined);
  });
  proxy = await startInFrontOf(FILE, origin.port, {
    limits: {
      'head-timeout': `${HEAD_TIMEOUT_MS}ms`,
      'body-progress-timeout': `${BODY_TIMEOUT_MS}ms`,
      'keep-alive-timeout': `${KEEP_ALIVE_MS}ms`,
    },
  });
});

test.after(() => origin.close());

/** Waits until the process tree has nothing more to do: every transfer has stalled. */
async function untilStill(pid: number): Promise<void> {
  let last = -1;
  const isStill = async (): Promise<boolean> => {
    const before = last;
    last = treeUsage(pid).cpuTicks;
    await delay(300);
    return treeUsage(pid).cpuTicks - before <= 1;
  };
  await until(isStill, 'the transfers to stall', 15_000);
}

function statusOf(client: RawClient): number | undefined {
  return readResponses(client.received, client.closed === 'fin').responses[0]?.status;
}

/** Sends `first`, then `drip` every 100 ms. @returns ms until the connection closed */
async function trickle(first: string, drip: string): Promise<{ ms: number; client: RawClient }> {
  const client = new RawClient(proxy.port);
  const started = performance.now();
  client.send(first);
  while (client.closed === null && performance.now() - started < 10_000) {
    await delay(100);
    if (client.closed === null && client.received.length === 0) client.send(drip);
  }
  return { ms: performance.now() - started, client };
}

function near(ms: number, expectedMs: number): void {
  const isNear = ms > expectedMs - 1_000 && ms < expectedMs + 1_000;
  assert.ok(isNear, `closed after ${Math.round(ms)} ms, configured ${expectedMs} ms`);
}

test('slow clients: a head that drips gets 408 at the head timeout', async () => {
  const { ms, client } = await trickle('GET /x HTTP/1.1\r\nHost: a.test\r\n', 'X: y\r\n');
  assert.equal(statusOf(client), 408);
  near(ms, HEAD_TIMEOUT_MS);
});

test('slow clients: a connection without a byte is closed at the head timeout', async () => {
  const { ms, client } = await trickle('', '');
  assert.ok([undefined, 408].includes(statusOf(client)));
  near(ms, HEAD_TIMEOUT_MS);
});

test('slow clients: a body that stops gets 408 at the progress timeout', async () => {
  const head = 'POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nhalf';
  const { ms, client } = await trickle(head, '');
  assert.equal(statusOf(client), 408);
  near(ms, BODY_TIMEOUT_MS);
});

test('slow clients: a body that makes progress lives longer than the timeout', async () => {
  const client = new RawClient(proxy.port);
  client.send('POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 20\r\n\r\n');
  const started = performance.now();
  for (let i = 0; i < 20; i++) {
    client.send('x');
    await delay(BODY_TIMEOUT_MS / 10);
  }
  assert.ok(performance.now() - started > BODY_TIMEOUT_MS);
  await until(() => statusOf(client) !== undefined, 'the response');
  assert.equal(statusOf(client), 200);
  client.destroy();
});

test('slow clients: an idle connection is closed without a word', async () => {
  const client = new RawClient(proxy.port);
  client.send('GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await until(() => statusOf(client) === 200, 'the response');
  const size = client.received.length;
  const started = performance.now();
  await until(() => client.closed !== null, 'the close');
  near(performance.now() - started, KEEP_ALIVE_MS);
  assert.equal(client.received.length, size, 'no bytes may follow the response');
});

test('slow clients: 300 dripping heads do not keep others waiting and all get 408', async () => {
  const clients = Array.from({ length: 300 }, () => new RawClient(proxy.port));
  for (const client of clients) client.send('GET /x HTTP/1.1\r\nHost: a.te');
  const { status } = await fetchFrom(proxy.port, '/x');
  assert.equal(status, 200);
  await until(() => clients.every((client) => client.closed !== null), 'all to be closed', 8_000);
  assert.equal(clients.filter((client) => statusOf(client) === 408).length, 300);
});

test('slow clients: readers that read nothing cost bounded memory', async () => {
  const { pid } = proxy.subject.child;
  const before = treeUsage(pid).rssSize;
  const clients = Array.from({ length: 60 }, () => {
    const client = new RawClient(proxy.port);
    client.socket.pause();
    client.send('GET /endless HTTP/1.1\r\nHost: a.test\r\n\r\n');
    return client;
  });
  await untilStill(pid);
  const growth = treeUsage(pid).rssSize - before;
  const { status } = await fetchFrom(proxy.port, '/x');
  for (const client of clients) client.destroy();
  assert.equal(status, 200, 'others are served meanwhile');
  const text = `60 stalled readers grew it by ${Math.round(growth / MEGABYTE)} MB`;
  assert.ok(growth < 48 * MEGABYTE, text);
});

test('slow clients: uploads to an origin that never reads cost bounded memory', async (t) => {
  const deaf = net.createServer((socket) => socket.pause().on('error', () => undefined));
  const deafPort = await listenLoopback(deaf);
  t.after(() => deaf.close());
  const other = await startInFrontOf(t, deafPort, {
    limits: { 'body-progress-timeout': '30s' },
    transport: { 'response-head-timeout': '30s', 'progress-timeout': '30s' },
  });
  const { pid } = other.subject.child;
  const before = treeUsage(pid).rssSize;
  const block = Buffer.alloc(MEGABYTE);
  let sent = 0;
  const clients = Array.from({ length: 60 }, () => {
    const client = new RawClient(other.port);
    client.send(`POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${200 * MEGABYTE}\r\n\r\n`);
    const more = (): void => {
      sent++;
      if (!client.socket.destroyed && client.socket.write(block)) more();
    };
    client.socket.on('drain', more);
    more();
    return client;
  });
  await untilStill(pid);
  const growth = treeUsage(pid).rssSize - before;
  for (const client of clients) client.destroy();
  assert.ok(sent < 60 * 100, `${sent} MB were taken although nobody reads`);
  assert.ok(growth < 48 * MEGABYTE, `60 uploads grew it by ${Math.round(growth / MEGABYTE)} MB`);
});

test('slow clients: one address cannot take every slot', async (t) => {
  const small = await startInFrontOf(t, origin.port, {
    limits: { connections: 40, 'connections-per-address': 8 },
  });
  const clients = Array.from({ length: 20 }, () => new RawClient(small.port));
  for (const client of clients) client.send('GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n');
  const isDone = (client: RawClient): boolean =>
    client.closed !== null || statusOf(client) !== undefined;
  await until(() => clients.every(isDone), 'every client to be answered or refused');
  const statuses = clients.map(statusOf);
  assert.equal(statuses.filter((status) => status === 200).length, 8);
  assert.ok(
    statuses.every((status) => [200, 429, 503, undefined].includes(status)),
    statuses.join(' '),
  );
  for (const client of clients) client.destroy();
  await until(
    async () => (await fetchFrom(small.port, '/x').catch(() => ({ status: 0 }))).status === 200,
    'slots to come back',
  );
});
