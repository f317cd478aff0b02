import assert from 'node:assert/strict';
import test from 'node:test';

import type { CertificateDesk, RevokeOutcome } from '../certificate/certificate-desk.ts';
import type { CertificateRow } from '../certificate/certificate-row.ts';
import { errorAnswer } from './admin-answer.ts';
import type { AdminAnswer } from './admin-answer.ts';
import { answerAdmin } from './admin-api.ts';
import type { AdminHost, AdminRequest } from './admin-api.ts';

function row(name: string, source: CertificateRow['source']): CertificateRow {
  return {
    name,
    names: [name],
    source,
    issuer: 'ca',
    state: 'valid',
    id: 'ab',
    notBeforeMs: 1,
    notAfterMs: 2,
    renewal: null,
    nextAttemptMs: 0,
    step: '',
    problem: null,
  };
}

class FakeDesk implements CertificateDesk {
  readonly calls: string[] = [];
  outcome: RevokeOutcome = { status: 'revoked' };

  rows() {
    return [row('*.example.com', 'managed'), row('files.example.com', 'file')];
  }

  attempts() {
    return [];
  }

  renew(name: string) {
    const found = this.rows().find((each) => each.name === name);
    if (found === undefined) return 'unknown';
    if (found.source === 'file') return 'not-managed';
    this.calls.push(`renew ${name}`);
    return this.calls.length > 1 ? 'under-way' : 'started';
  }

  revoke(name: string, reason: number) {
    this.calls.push(`revoke ${name} ${reason}`);
    return Promise.resolve(this.outcome);
  }
}

function ask(
  certificates: CertificateDesk,
  path: string,
  more: Partial<AdminRequest> = {},
): Promise<AdminAnswer> {
  return answerAdmin({ certificates } as AdminHost, {
    method: 'GET',
    path,
    query: new URLSearchParams(),
    accept: '',
    contentType: '',
    body: '',
    refusal: null,
    ...more,
  });
}

const post = { method: 'POST' };
const WILDCARD = '/certificates/*.example.com';

test('admin certificates: all, one, and one by an escaped name', async () => {
  const desk = new FakeDesk();
  const all = JSON.parse((await ask(desk, '/certificates')).body) as { certificates: unknown[] };
  assert.equal(all.certificates.length, 2);
  for (const path of [WILDCARD, '/certificates/%2A.example.com']) {
    const { status, body } = await ask(desk, path);
    assert.equal(status, 200);
    assert.equal((JSON.parse(body) as CertificateRow).name, '*.example.com');
  }
});

test('admin certificates: one that there is not is 404 with a guess', async () => {
  const desk = new FakeDesk();
  const { status, body } = await ask(desk, '/certificates/file.example.com');
  assert.equal(status, 404);
  assert.match(body, /Did you mean files\.example\.com\?/);
  assert.equal((await ask(desk, '/certificates/%ZZ')).status, 404);
  for (const path of ['/certificates/', '/certificates/a/b', `${WILDCARD}/renew/x`]) {
    assert.match((await ask(desk, path)).body, /"Not found\."/, path);
  }
});

test('admin certificates: renewing is accepted and goes on', async () => {
  const desk = new FakeDesk();
  const answers = [];
  for (let i = 0; i < 2; i++) answers.push(await ask(desk, `${WILDCARD}/renew`, post));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [202, 202],
  );
  const outcomes = answers.map(({ body }) => (JSON.parse(body) as { outcome: string }).outcome);
  assert.deepEqual(outcomes, ['started', 'under-way']);
  assert.equal((await ask(desk, '/certificates/files.example.com/renew', post)).status, 409);
  assert.equal((await ask(desk, '/certificates/other.example.com/renew', post)).status, 404);
});

test('admin certificates: revoking takes a reason', async () => {
  const desk = new FakeDesk();
  const revoke = (body: string) => ask(desk, `${WILDCARD}/revoke`, { ...post, body });
  assert.equal((await revoke('')).status, 200);
  assert.equal((await revoke('{"reason":"key-compromise"}')).status, 200);
  assert.deepEqual(desk.calls, ['revoke *.example.com 0', 'revoke *.example.com 1']);
  for (const bad of ['x', '{}', '{"reason":"toString"}', '{"reason":1}', '"superseded"']) {
    assert.equal((await revoke(bad)).status, 400, bad);
  }
  assert.equal(desk.calls.length, 2);
});

test('admin certificates: a revocation that the authority refused says why', async () => {
  const desk = new FakeDesk();
  desk.outcome = { status: 'failed', message: 'the authority knows no such certificate' };
  const { status, body } = await ask(desk, `${WILDCARD}/revoke`, post);
  assert.equal(status, 502);
  assert.match(body, /knows no such certificate/);
  desk.outcome = { status: 'not-managed' };
  assert.equal((await ask(desk, `${WILDCARD}/revoke`, post)).status, 409);
  desk.outcome = { status: 'unknown' };
  assert.equal((await ask(desk, `${WILDCARD}/revoke`, post)).status, 404);
});

test('admin certificates: changes are for those who may, reading is for all', async () => {
  const desk = new FakeDesk();
  const refusal = errorAnswer(403, 'No.');
  for (const operation of ['renew', 'revoke']) {
    const { status } = await ask(desk, `${WILDCARD}/${operation}`, { ...post, refusal });
    assert.equal(status, 403);
    assert.equal((await ask(desk, `${WILDCARD}/${operation}`)).status, 405);
  }
  assert.deepEqual(desk.calls, []);
  assert.equal((await ask(desk, WILDCARD, { refusal })).status, 200);
});
