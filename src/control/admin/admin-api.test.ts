import assert from 'node:assert/strict';
import test from 'node:test';

import type { ReloadOutcome } from '../apply/reload-outcome.ts';
import type { HealthRow } from '../probe/health-board.ts';
import { EMPTY_DESK } from '../certificate/certificate-desk.ts';
import { errorAnswer } from './admin-answer.ts';
import type { AdminAnswer } from './admin-answer.ts';
import { ADMIN_PATHS, answerAdmin } from './admin-api.ts';
import type { AdminHost, AdminRequest, UpgradeOutcome } from './admin-api.ts';

const REJECTED: ReloadOutcome = {
  status: 'rejected',
  cause: 'file',
  generation: 3,
  changes: [],
  needsRestart: [],
  issues: [
    {
      severity: 'error',
      code: 'PN1102',
      message: 'port has the wrong type',
      file: '/p/main.toml',
      line: 4,
      column: 8,
      endColumn: 17,
      path: 'x.port',
      found: '"hunter2"',
      expected: 'an integer',
    },
  ],
  badFiles: [],
  message: 'the configuration has 1 error',
  report: 'port = "hunter2"',
  tookMs: 1.5,
  atMs: 1_000,
};

function rowOf(service: string, endpoint: string): HealthRow {
  const figures = { sinceMs: 0, ejections: 0, latencyMs: -1 };
  return { service, endpoint, state: 'up', reason: '', ...figures };
}

class FakeHost implements AdminHost {
  certificates = EMPTY_DESK;
  readonly calls: string[] = [];
  outcome: ReloadOutcome = REJECTED;
  upgradeOutcome: UpgradeOutcome = { status: 'upgraded' };
  rows: HealthRow[] = [
    rowOf('shop', 'http://10.0.0.1:3000'),
    rowOf('shop', 'http://10.0.0.2:3000'),
    rowOf('blog', 'http://10.0.0.1:3000'),
  ];

  metrics(): never {
    throw new Error('not asked');
  }

  status(): never {
    throw new Error('not asked');
  }

  readiness(): 'ready' {
    return 'ready';
  }

  logLevel(): 'info' {
    return 'info';
  }

  setLogLevel(): void {
    this.calls.push('setLogLevel');
  }

  config() {
    const counts = { applied: 0, unchanged: 0, rejected: 1, rollbacks: 0 };
    return {
      path: '/p/main.toml',
      generation: 3,
      isGood: false,
      files: ['/p/main.toml'],
      lastOutcome: this.outcome,
      lastApplied: null,
      counts,
    };
  }

  endpoints() {
    return this.rows;
  }

  reload() {
    this.calls.push('reload');
    return Promise.resolve(this.outcome);
  }

  previewReload() {
    this.calls.push('preview');
    return Promise.resolve(this.outcome);
  }

  setDraining(endpoint: string, service: string | null, isDraining: boolean) {
    const isMeant = (row: HealthRow): boolean =>
      row.endpoint === endpoint && (service === null || row.service === service);
    const count = this.rows.filter(isMeant).length;
    this.rows = this.rows.map((row) =>
      isMeant(row) ? { ...row, state: isDraining ? 'draining' : 'up' } : row,
    );
    return count;
  }

  upgrade() {
    this.calls.push('upgrade');
    return Promise.resolve(this.upgradeOutcome);
  }
}

/** Answers as the server would, to somebody who may change things. */
function ask(
  host: AdminHost,
  url: string,
  rest: Partial<Omit<AdminRequest, 'path' | 'query'>> = {},
): Promise<AdminAnswer> {
  const [path = '', query = ''] = url.split('?');
  return answerAdmin(host, {
    method: 'GET',
    path,
    query: new URLSearchParams(query),
    accept: '',
    contentType: '',
    body: '',
    refusal: null,
    ...rest,
  });
}

test('admin API: reload answers with the outcome', async () => {
  const host = new FakeHost();
  const reload = (path: string) => ask(host, path, { method: 'POST' });
  const rejected = await reload('/reload');
  assert.equal(rejected.status, 422);
  assert.deepEqual(JSON.parse(rejected.body), REJECTED);
  for (const status of ['applied', 'unchanged'] as const) {
    host.outcome = { ...REJECTED, status };
    assert.equal((await reload('/reload')).status, 200);
  }
  assert.deepEqual(host.calls, ['reload', 'reload', 'reload']);
  assert.equal((await reload('/reload?dry-run=true')).status, 200);
  assert.equal((await reload('/reload?dry-run=false')).status, 200);
  assert.deepEqual(host.calls.slice(3), ['preview', 'reload']);
  for (const query of ['dry-run', 'dry-run=1', 'dry-run=true&dry-run=true', 'dryrun=true', 'x=1']) {
    assert.equal((await reload(`/reload?${query}`)).status, 400, query);
  }
  assert.match((await reload('/reload?dryrun=true')).body, /Did you mean dry-run\?/);
  assert.equal(host.calls.length, 5);
});

test('admin API: the state of the configuration shows no part of a file', async () => {
  const host = new FakeHost();
  const { body } = await ask(host, '/config');
  assert.doesNotMatch(body, /hunter2/);
  const config = JSON.parse(body) as { lastOutcome: ReloadOutcome; isGood: boolean };
  assert.equal(config.isGood, false);
  assert.equal(config.lastOutcome.issues[0]!.line, 4);
  assert.equal(config.lastOutcome.issues[0]!.expected, 'an integer');
});

test('admin API: endpoints are drained and taken back, in one service or in all', async () => {
  const host = new FakeHost();
  const post = (path: string, body: string, contentType = '') =>
    ask(host, path, { method: 'POST', body, contentType });
  const states = () => host.rows.map(({ state }) => state);
  const both = '{"endpoint":"http://10.0.0.1:3000/"}';
  const drained = await post('/endpoints/drain', both, 'application/json');
  assert.equal(drained.status, 200);
  assert.equal((JSON.parse(drained.body) as { endpoints: unknown[] }).endpoints.length, 2);
  assert.deepEqual(states(), ['draining', 'up', 'draining']);
  const one = '{"endpoint":"http://10.0.0.1:3000","service":"blog"}';
  assert.equal((await post('/endpoints/undrain', one)).status, 200);
  assert.deepEqual(states(), ['draining', 'up', 'up']);
  const listed = JSON.parse((await ask(host, '/health')).body) as { endpoints: HealthRow[] };
  assert.deepEqual(listed.endpoints, host.rows);
});

test('admin API: what names no endpoint is answered precisely', async () => {
  const host = new FakeHost();
  const cases: readonly (readonly [body: string, status: number, text: RegExp])[] = [
    ['', 400, /not JSON/],
    ['{', 400, /not JSON/],
    ['[]', 400, /not a JSON object/],
    ['null', 400, /not a JSON object/],
    ['{}', 400, /Expected texts/],
    ['{"endpoint":1}', 400, /Expected texts/],
    ['{"endpoint":"http://10.0.0.1:3000","service":1}', 400, /Expected texts/],
    ['{"endpont":"http://10.0.0.1:3000"}', 400, /Did you mean endpoint\?/],
    ['{"__proto__":1}', 400, /Unknown key/],
    ['{"endpoint":"10.0.0.1:3000"}', 400, /Not an endpoint/],
    ['{"endpoint":"http://10.0.0.3:3000"}', 404, /Did you mean http:\/\/10\.0\.0\.1:3000\?/],
    ['{"endpoint":"http://elsewhere.example"}', 404, /no endpoint/],
    ['{"endpoint":"http://10.0.0.1:3000","service":"shp"}', 404, /Did you mean shop\?/],
    ['{"endpoint":"http://10.0.0.2:3000","service":"blog"}', 404, /in the service blog/],
  ];
  for (const [body, status, text] of cases) {
    const answer = await ask(host, '/endpoints/drain', { method: 'POST', body });
    assert.equal(answer.status, status, body);
    assert.match(answer.body, text);
  }
  const contentType = 'application/x-www-form-urlencoded';
  const media = await ask(host, '/endpoints/drain', { method: 'POST', body: 'x', contentType });
  assert.equal(media.status, 415);
  assert.ok(host.rows.every(({ state }) => state === 'up'));
});

test('admin API: an upgrade is done, under way, or failed', async () => {
  const host = new FakeHost();
  const upgrade = () => ask(host, '/upgrade', { method: 'POST' });
  assert.equal((await upgrade()).status, 200);
  host.upgradeOutcome = { status: 'busy' };
  assert.equal((await upgrade()).status, 409);
  host.upgradeOutcome = { status: 'failed', problem: 'not ready in 30 s' };
  const failed = await upgrade();
  assert.equal(failed.status, 500);
  assert.match(failed.body, /not ready in 30 s/);
});

test('admin API: whoever may not change things changes nothing, and may read', async () => {
  const host = new FakeHost();
  const refusal = errorAnswer(403, 'No.');
  for (const path of ADMIN_PATHS) {
    for (const method of ['PUT', 'POST']) {
      const { status } = await ask(host, path, { method, refusal, body: 'debug' });
      assert.ok(status === 403 || status === 405, `${method} ${path}: ${status}`);
    }
  }
  assert.deepEqual(host.calls, []);
  assert.ok(host.rows.every(({ state }) => state === 'up'));
  assert.equal((await ask(host, '/health', { refusal })).status, 200);
});
