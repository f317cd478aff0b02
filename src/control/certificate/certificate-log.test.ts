import assert from 'node:assert/strict';
import test from 'node:test';

import { CertificateLog } from './certificate-log.ts';
import type { CertificateProblem, CertificateRow } from './certificate-row.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;

function setUp() {
  const lines: string[] = [];
  const line =
    (level: string) =>
    (message: string, fields: object = {}): void => {
      lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
    };
  const log = { info: line('info'), warn: line('warn'), error: line('error') };
  const taken = (): string[] => lines.splice(0);
  return { log: new CertificateLog(log), taken };
}

function row(id: string, lifetimeDays: number, leftDays: number): CertificateRow {
  return {
    name: `${id}.example.com`,
    names: [`${id}.example.com`],
    source: 'managed',
    issuer: 'ca',
    state: 'valid',
    id,
    notBeforeMs: NOW_MS + (leftDays - lifetimeDays) * DAY_MS,
    notAfterMs: NOW_MS + leftDays * DAY_MS,
    renewal: null,
    nextAttemptMs: 0,
    step: '',
    problem: null,
  };
}

function problem(advice: CertificateProblem['advice']): CertificateProblem {
  return { atMs: NOW_MS, type: 'dns', message: 'no address', advice, failures: 2 };
}

test('certificate log: what was got, with its end', () => {
  const { log, taken } = setUp();
  const names = Array.from({ length: 7 }, (_, index) => `${index}.example.com`);
  const event = { name: 'a', names, issuer: 'ca', notAfterMs: NOW_MS, tookMs: 12.6 };
  log.event({ kind: 'renewed', ...event });
  const [line] = taken();
  assert.match(line!, /^info certificate renewed /);
  assert.match(line!, /"not_after":"2026-01-01T00:00:00\.000Z","took_ms":13/);
  assert.match(line!, /4\.example\.com and 2 more"/);
});

test('certificate log: a failure is as loud as what has to be done about it', () => {
  const { log, taken } = setUp();
  const fail = (advice: CertificateProblem['advice']): string => {
    const event = { name: 'a', issuer: 'ca', problem: problem(advice), nextAttemptMs: NOW_MS };
    log.event({ kind: 'failed', ...event, servedUntilMs: 0 });
    return taken()[0]?.split(' ')[0] ?? 'nothing';
  };
  assert.deepEqual((['fix', 'retry', 'wait', 'aborted'] as const).map(fail), [
    'error',
    'warn',
    'warn',
    'nothing',
  ]);
});

test('certificate log: a failed renewal does not sound like a missing certificate', () => {
  const { log, taken } = setUp();
  const event = { name: 'a', issuer: 'ca', problem: problem('retry'), nextAttemptMs: 0 };
  log.event({ kind: 'failed', ...event, servedUntilMs: 0 });
  log.event({ kind: 'failed', ...event, servedUntilMs: NOW_MS });
  const [first, renewal] = taken();
  assert.match(first!, /^warn no certificate yet /);
  assert.match(renewal!, /^warn a certificate was not renewed yet .*"served_until":"2026-01-01T/);
});

test('certificate log: other events have lines too', () => {
  const { log, taken } = setUp();
  const window = { startMs: NOW_MS, endMs: NOW_MS, by: 'authority', explanationUrl: 'u' } as const;
  log.event({ kind: 'window-moved', name: 'a', issuer: 'ca', renewal: window });
  log.event({ kind: 'revoked', name: 'a', issuer: 'ca' });
  log.event({ kind: 'trouble', name: '', message: 'the store is full' });
  const lines = taken();
  assert.match(lines[0]!, /^info .*"why":"u"/);
  assert.match(lines[1]!, /^warn certificate revoked/);
  assert.equal(lines[2], 'error certificates: the store is full {}');
});

test('certificate log: an end that nears is told of twice, and when it is over', () => {
  const cases = [
    [6, 1.3, 'nothing'],
    [6, 1.1, 'warn'],
    [6, 0.5, 'error'],
    [90, 18.1, 'nothing'],
    [90, 17.9, 'warn'],
    [90, 6.9, 'error'],
    [365, 30.1, 'nothing'],
    [365, 29.9, 'warn'],
    [365, 7.1, 'warn'],
    [365, 6.9, 'error'],
    [90, 0, 'error'],
  ] as const;
  for (const [lifetime, left, expected] of cases) {
    const { log, taken } = setUp();
    log.look([row('a', lifetime, left)], NOW_MS);
    assert.equal(taken()[0]?.split(' ')[0] ?? 'nothing', expected, `${left} of ${lifetime}`);
  }
});

test('certificate log: nothing is said twice, and what was replaced is forgotten', () => {
  const { log, taken } = setUp();
  const looks = [row('a', 90, 10), row('a', 90, 9.5), row('a', 90, 5), row('a', 90, 4)];
  const counts = looks.map((each) => {
    log.look([each], NOW_MS);
    return taken().length;
  });
  assert.deepEqual(counts, [1, 0, 1, 0]);
  log.look([row('b', 90, 80)], NOW_MS);
  log.look([row('a', 90, 5)], NOW_MS);
  assert.equal(taken().length, 1);
});

test('certificate log: says what to do about an end', () => {
  const { log, taken } = setUp();
  log.look(
    [
      { ...row('a', 90, 5), source: 'file' },
      { ...row('b', 90, 5), problem: problem('fix') },
    ],
    NOW_MS,
  );
  const lines = taken();
  assert.match(lines[0]!, /replace its files/);
  assert.match(lines[1]!, /no address/);
});
