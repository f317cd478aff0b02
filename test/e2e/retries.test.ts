/** What is sent a second time by the real proxy, and what never is; limits and circuits. */

import assert from 'node:assert/strict';
import type http from 'node:http';
import test from 'node:test';
import { FILE, startBehind, type Behind } from '../support/behind.ts';
import { fetchFrom, startOrigin, type HttpOrigin } from '../support/http-origin.ts';

/** Requests that reached an origin, as `method url body`. */
const seen = { bad: [] as string[], good: [] as string[] };
let proxy: Behind;
let origins: HttpOrigin[] = [];
/** Answers held back by the slow origin. */
const waiting: http.ServerResponse[] = [];

function bodyOf(request: http.IncomingMessage, done: (body: string) => void): void {
  let body = '';
  request.setEncoding('latin1');
  request.on('data', (text: string) => (body += text));
  request.on('end', () => done(body));
}

/** Reads the whole request, then ends the connection without a word, or says that it is busy. */
const bad: http.RequestListener = (request, response) => {
  bodyOf(request, (body) => {
    seen.bad.push(`${request.method} ${request.url} ${body}`);
    if (request.url!.startsWith('/busy')) response.writeHead(503).end('busy');
    else request.socket.resetAndDestroy();
  });
};

const good: http.RequestListener = (request, response) => {
  bodyOf(request, (body) => {
    seen.good.push(`${request.method} ${request.url} ${body}`);
    response.end(`good ${body}`);
  });
};

test.before(async () => {
  origins = [await startOrigin(bad), await startOrigin(good)];
  const slow = await startOrigin((_request, response) => void waiting.push(response));
  origins.push(slow);
  const [a, b, c] = origins.map(({ port }) => `http://127.0.0.1:${port}`);
  proxy = await startBehind(
    FILE,
    ([port]) => `
[listeners.web]
address = "127.0.0.1:${port}"

[routes.plain]
path = "/plain/*"
service = "plain"
[services.plain]
endpoints = ["${a}", "${b}"]
[services.plain.outlier]
consecutive-faults = 0
fault-percent = 0

[routes.kept]
path = "/kept/*"
service = "kept"
[services.kept]
endpoints = ["${a}", "${b}"]
[services.kept.retry]
methods = ["GET", "PUT"]
body-size = "256KiB"
[services.kept.outlier]
consecutive-faults = 0
fault-percent = 0

[routes.busy]
path = "/busy/*"
service = "busy"
[services.busy]
endpoints = ["${a}", "${b}"]
[services.busy.retry]
statuses = ["503"]
[services.busy.outlier]
consecutive-faults = 0
fault-percent = 0

[routes.single]
path = "/single/*"
service = "single"
[services.single]
endpoints = ["${a}"]
[services.single.breaker]
attempts = 3
open = "30s"

[routes.limited]
path = "/limited/*"
service = "limited"
[services.limited]
endpoints = ["${c}"]
[services.limited.concurrency]
requests = 1
queue = 1
queue-timeout = "400ms"
`,
  );
});
test.after(() => Promise.all(origins.map((origin) => origin.close())));

test.beforeEach(() => {
  seen.bad.length = 0;
  seen.good.length = 0;
});

test('retry: GET is answered by the endpoint that can, every time', async () => {
  for (let i = 0; i < 10; i++) {
    const { status, body } = await fetchFrom(proxy.port, `/plain/${i}`);
    assert.deepEqual([status, body.toString()], [200, 'good ']);
  }
  assert.equal(seen.good.length, 10);
  assert.ok(seen.bad.length > 0, 'the bad one was asked too');
});

test('retry: a POST whose connection dies after it left is 502, and was sent once', async () => {
  const statuses = [];
  for (let i = 0; i < 10; i++) {
    const options = { method: 'POST', body: `order ${i}` };
    statuses.push((await fetchFrom(proxy.port, `/plain/${i}`, options)).status);
  }
  assert.ok(statuses.includes(502) && statuses.includes(200), statuses.join());
  const all = [...seen.bad, ...seen.good];
  assert.equal(all.length, 10);
  assert.equal(new Set(all).size, 10, 'each reached one origin, once');
  assert.equal(seen.bad.length, statuses.filter((status) => status === 502).length);
});

test('retry: a kept PUT is sent again in full, a long one is not', async () => {
  const body = 'x'.repeat(200_000);
  for (let i = 0; i < 4; i++) {
    const answer = await fetchFrom(proxy.port, `/kept/${i}`, { method: 'PUT', body });
    assert.equal(answer.status, 200);
    assert.equal(answer.body.toString(), `good ${body}`);
  }
  assert.ok(seen.bad.length > 0);
  const long = 'y'.repeat(300_000);
  const statuses = [];
  for (let i = 0; i < 4; i++) {
    statuses.push((await fetchFrom(proxy.port, '/kept/l', { method: 'PUT', body: long })).status);
  }
  assert.ok(statuses.includes(502), statuses.join());
});

test('retry: a listed status is answered elsewhere for GET, and passed on for POST', async () => {
  for (let i = 0; i < 6; i++) assert.equal((await fetchFrom(proxy.port, '/busy/')).status, 200);
  const statuses = [];
  for (let i = 0; i < 4; i++) {
    statuses.push((await fetchFrom(proxy.port, '/busy/', { method: 'POST', body: 'x' })).status);
  }
  assert.deepEqual(statuses.toSorted(), [200, 200, 503, 503]);
});

test('breaker: a service that only fails is refused at once, with Retry-After', async () => {
  for (let i = 0; i < 3; i++) assert.equal((await fetchFrom(proxy.port, '/single/')).status, 502);
  const asked = seen.bad.length;
  const { status, headers } = await fetchFrom(proxy.port, '/single/');
  assert.equal(status, 503);
  const seconds = Number(headers['retry-after']);
  assert.ok(seconds >= 1 && seconds <= 30, String(seconds));
  assert.equal(seen.bad.length, asked);
});

test('concurrency: one is served, one waits and is refused in time, one is refused', async () => {
  const served = fetchFrom(proxy.port, '/limited/');
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const others = await Promise.all([
    fetchFrom(proxy.port, '/limited/'),
    fetchFrom(proxy.port, '/limited/'),
  ]);
  assert.deepEqual(
    others.map(({ status }) => status),
    [503, 503],
  );
  for (const { headers } of others) assert.ok(Number(headers['retry-after']) >= 1);
  assert.equal(waiting.length, 1, 'neither was sent');
  waiting[0]!.end('served');
  assert.equal((await served).body.toString(), 'served');
});
