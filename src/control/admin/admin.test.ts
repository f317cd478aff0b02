import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { TestContext } from 'node:test';

import { CONTROL_CELLS, createMetricBuffer } from '../../contract/metric-layout.ts';
import type { LogLevel } from '../../contract/snapshot.ts';
import { EMPTY_DESK } from '../certificate/certificate-desk.ts';
import type { AdminHost, Readiness } from './admin-api.ts';
import { ADMIN_BODY_SIZE_MAX, createAdmin } from './admin.ts';
import { EMPTY_BLOCKS } from './metric-source.ts';

class FakeHost implements AdminHost {
  readonly certificates = EMPTY_DESK;
  level: LogLevel = 'info';
  ready: Readiness = 'starting';
  isBroken = false;
  readonly calls: string[] = [];

  metrics() {
    if (this.isBroken) throw new Error('broken');
    const workers = [{ id: '0', cells: new Float64Array(createMetricBuffer()) }];
    const control = new Float64Array(CONTROL_CELLS);
    const certificates = { certificates: [], certificateAttempts: [] };
    return { version: '1.0.0', workers, blocks: EMPTY_BLOCKS, control, ...certificates };
  }

  status() {
    return {
      version: '1.0.0',
      generation: 3,
      readiness: this.ready,
      uptimeSeconds: 12,
      io: 'node',
      overloadLevel: 0,
      workers: [{ id: '0', state: 'serving', generation: 3 }],
      listeners: [{ name: 'web', address: '127.0.0.1:8080' }],
      routes: 2,
      services: 1,
      endpoints: { total: 1, up: 1, down: 0, draining: 0 },
      certificates: {},
      config: { path: '/p/main.toml', isGood: true, appliedAtMs: null },
      logLevel: this.level,
    };
  }

  config(): never {
    throw new Error('not asked');
  }

  endpoints() {
    return [];
  }

  reload(): Promise<never> {
    this.calls.push('reload');
    return Promise.reject(new Error('not asked'));
  }

  previewReload(): Promise<never> {
    return this.reload();
  }

  setDraining() {
    this.calls.push('setDraining');
    return 0;
  }

  upgrade(): Promise<never> {
    return this.reload();
  }

  readiness() {
    return this.ready;
  }

  logLevel() {
    return this.level;
  }

  setLogLevel(level: LogLevel) {
    this.level = level;
  }
}

interface Answer {
  status: number;
  fields: Record<string, string | string[] | undefined>;
  body: string;
}

interface Ask {
  method?: string;
  fields?: Record<string, string>;
  body?: string;
}

const TOKEN = 'a-token';
const BEARER = { authorization: `Bearer ${TOKEN}` };

interface Setup {
  /** Serve a unix socket instead. */
  readonly socketPath?: string;
  readonly token?: string | null;
}

async function open(context: TestContext, { socketPath, token = TOKEN }: Setup = {}) {
  const host = new FakeHost();
  const errors: unknown[] = [];
  const admin = createAdmin({
    address:
      socketPath === undefined
        ? { kind: 'tcp', host: '127.0.0.1', port: 0 }
        : { kind: 'unix', path: socketPath },
    tls: null,
    token: () => token,
    socketPath: () => '/run/proxy-now/main.sock',
    host,
    onError: (error) => errors.push(error),
  });
  const port = await admin.listen();
  context.after(() => admin.close());
  const to = socketPath === undefined ? { port, host: '127.0.0.1' } : { socketPath };
  const ask = (path: string, { method = 'GET', fields = {}, body = '' }: Ask = {}) =>
    new Promise<Answer>((resolve, reject) => {
      const options = { ...to, path, method, headers: fields, agent: false };
      const request = httpRequest(options, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, fields: response.headers, body: text });
        });
      });
      request.on('error', reject);
      request.end(body);
    });
  return { host, admin, ask, errors, port };
}

test('admin: health is about being alive, readiness about taking traffic', async (context) => {
  const { host, ask } = await open(context);
  assert.equal((await ask('/healthz')).status, 200);
  for (const [readiness, status] of [
    ['starting', 503],
    ['ready', 200],
    ['draining', 503],
  ] as const) {
    host.ready = readiness;
    const answer = await ask('/readyz');
    assert.equal(answer.status, status);
    assert.equal(answer.body, `${readiness}\n`);
    assert.equal((await ask('/healthz')).status, 200);
  }
});

test('admin: metrics in the form that Accept asks for', async (context) => {
  const { ask } = await open(context);
  const text = await ask('/metrics?x=1');
  assert.equal(text.fields['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.match(text.body, /^proxy_now_rules 0$/m);
  const accept = 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5';
  const openMetrics = await ask('/metrics', { fields: { accept } });
  assert.match(
    String(openMetrics.fields['content-type']),
    /^application\/openmetrics-text; version=1/,
  );
  assert.ok(openMetrics.body.endsWith('# EOF\n'));
});

test('admin: status is JSON and not cached', async (context) => {
  const { ask } = await open(context);
  const answer = await ask('/status');
  assert.equal(answer.fields['cache-control'], 'no-store');
  assert.equal(answer.fields['x-content-type-options'], 'nosniff');
  assert.equal((JSON.parse(answer.body) as { generation: number }).generation, 3);
});

test('admin: the log level is read and changed, as text or JSON', async (context) => {
  const { host, ask } = await open(context);
  assert.deepEqual(JSON.parse((await ask('/log-level')).body), { level: 'info' });
  for (const body of ['debug', ' warn\n', '"error"', '{"level":"debug"}']) {
    const answer = await ask('/log-level', { method: 'PUT', body, fields: BEARER });
    assert.equal(answer.status, 200, body);
    assert.deepEqual(JSON.parse(answer.body), { level: host.level });
  }
  assert.equal(host.level, 'debug');
  for (const body of ['', 'loud', '{"level":1}', '{', 'null', '[]', '{"level":"__proto__"}']) {
    assert.equal(
      (await ask('/log-level', { method: 'PUT', body, fields: BEARER })).status,
      400,
      body,
    );
  }
  assert.equal(host.level, 'debug');
});

test('admin: a body at the limit is read, one above it is refused', async (context) => {
  const { host, ask } = await open(context);
  const padded = 'warn'.padEnd(ADMIN_BODY_SIZE_MAX);
  assert.equal(
    (await ask('/log-level', { method: 'PUT', body: padded, fields: BEARER })).status,
    200,
  );
  host.level = 'info';
  assert.equal(
    (await ask('/log-level', { method: 'PUT', body: `${padded} `, fields: BEARER })).status,
    413,
  );
  assert.equal(host.level, 'info');
});

test('admin: unknown paths are 404 and wrong methods 405, as JSON', async (context) => {
  const { ask } = await open(context);
  for (const path of ['/', '/metric', '/metrics/', '//metrics', '/__proto__', '/constructor']) {
    const answer = await ask(path);
    assert.equal(answer.status, 404, path);
    assert.equal((JSON.parse(answer.body) as { error: string }).error, 'Not found.');
  }
  const post = await ask('/metrics', { method: 'POST', body: 'x' });
  assert.equal(post.status, 405);
  assert.equal(post.fields['allow'], 'GET, HEAD');
  const deletion = await ask('/log-level', { method: 'DELETE' });
  assert.equal(deletion.fields['allow'], 'GET, HEAD, PUT');
});

test('admin: HEAD has the fields of GET and no body', async (context) => {
  const { ask } = await open(context);
  const answer = await ask('/healthz', { method: 'HEAD' });
  assert.equal(answer.status, 200);
  assert.equal(answer.fields['content-length'], '3');
  assert.equal(answer.body, '');
});

test('admin: foreign hosts and origins change and read nothing', async (context) => {
  const { host, ask, port } = await open(context);
  const foreign: Record<string, string>[] = [
    { host: 'evil.example' },
    { host: `evil.example:${port}` },
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
  ];
  for (const fields of foreign) {
    const change = await ask('/log-level', {
      method: 'PUT',
      body: 'debug',
      fields: { ...BEARER, ...fields },
    });
    assert.equal(change.status, 403, JSON.stringify(fields));
    assert.equal((await ask('/metrics', { fields })).status, 403);
  }
  assert.equal(host.level, 'info');
  const own = { ...BEARER, host: `localhost:${port}`, origin: `http://localhost:${port}` };
  assert.equal(
    (await ask('/log-level', { method: 'PUT', body: 'debug', fields: own })).status,
    200,
  );
});

test('admin: a change over TCP needs the token', async (context) => {
  const { host, ask } = await open(context);
  const change = (fields: Record<string, string>) =>
    ask('/log-level', { method: 'PUT', body: 'debug', fields });
  const wrong: Record<string, string>[] = [
    {},
    { authorization: '' },
    { authorization: TOKEN },
    { authorization: `Basic ${TOKEN}` },
    { authorization: 'Bearer' },
    { authorization: `Bearer ${TOKEN}x` },
    { authorization: `Bearer ${TOKEN.slice(1)}` },
    { authorization: `Bearer ${TOKEN} ${TOKEN}` },
  ];
  for (const fields of wrong) {
    const answer = await change(fields);
    assert.equal(answer.status, 401, JSON.stringify(fields));
    assert.match(String(answer.fields['www-authenticate']), /^Bearer /);
  }
  for (const path of ['/reload', '/endpoints/drain', '/endpoints/undrain', '/upgrade']) {
    assert.equal((await ask(path, { method: 'POST', body: '{}' })).status, 401, path);
  }
  assert.equal(host.level, 'info');
  assert.deepEqual(host.calls, []);
  assert.equal((await change({ authorization: `bearer  ${TOKEN}` })).status, 200);
  assert.equal(host.level, 'debug');
});

test('admin: without a token nothing changes over TCP', async (context) => {
  for (const token of [null, '']) {
    const { host, ask } = await open(context, { token });
    for (const fields of [{}, { authorization: 'Bearer ' }, { authorization: 'Bearer x' }]) {
      const answer = await ask('/log-level', { method: 'PUT', body: 'debug', fields });
      assert.equal(answer.status, 403);
      assert.match(answer.body, /\/run\/proxy-now\/main\.sock/);
    }
    assert.equal(host.level, 'info');
    assert.equal((await ask('/log-level')).status, 200);
    assert.equal((await ask('/upgrade')).status, 405);
  }
});

test('admin: over the unix socket its permissions are the guard', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'proxy-now-admin-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const socketPath = join(folder, 'a.sock');
  const { host, ask } = await open(context, { socketPath, token: null });
  assert.equal(statSync(socketPath).mode & 0o777, 0o600);
  const fields = { host: 'whatever.example' };
  assert.equal((await ask('/log-level', { method: 'PUT', body: 'debug', fields })).status, 200);
  assert.equal(host.level, 'debug');
});

test('admin: our own failure is 500, reported, and not fatal', async (context) => {
  const { host, ask, errors } = await open(context);
  host.isBroken = true;
  const answer = await ask('/metrics');
  assert.equal(answer.status, 500);
  assert.doesNotMatch(answer.body, /broken/);
  assert.equal(errors.length, 1);
  host.isBroken = false;
  assert.equal((await ask('/metrics')).status, 200);
});

test('admin: an HTTP/1.0 probe is answered without Host; nonsense is not', async (context) => {
  const { port } = await open(context);
  const raw = (bytes: string) =>
    new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
      socket.setEncoding('latin1');
      socket.on('data', (chunk: string) => (text += chunk));
      socket.on('close', () => resolve(text.split('\r\n', 1)[0]!));
      socket.on('error', reject);
    });
  assert.equal(await raw('GET /healthz HTTP/1.0\r\n\r\n'), 'HTTP/1.1 200 OK');
  assert.match(await raw('PUT /log-level HTTP/1.0\r\ncontent-length: 5\r\n\r\ndebug'), / 403 /);
  assert.match(await raw('GET\r\n\r\n'), / 400 /);
  const large = `GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ${'a'.repeat(9_000)}\r\n\r\n`;
  assert.match(await raw(large), / 431 /);
});

test('admin: listen rejects when the port is taken; close ends connections', async (context) => {
  const { admin, port, host } = await open(context);
  const second = createAdmin({
    address: { kind: 'tcp', host: '127.0.0.1', port },
    tls: null,
    token: () => null,
    socketPath: () => null,
    host,
    onError: () => {},
  });
  await assert.rejects(second.listen(), { code: 'EADDRINUSE' });
  const socket = connect(port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const ended = new Promise((resolve) => socket.once('close', resolve));
  socket.resume();
  await admin.close();
  await ended;
});
