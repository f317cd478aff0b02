import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ChallengeKind, IssuerConfig } from '../config/config.ts';
import { AcmeHttpError } from '../acme/acme-http.ts';
import { AcmeIssuer, issuerKeyOf } from './acme-issuer.ts';
import type { AcmeIssuerOptions } from './acme-issuer.ts';
import { IssueError } from './issuer.ts';

function missing(): never {
  return assert.fail('it is not needed');
}

function issuer(
  challenges: readonly ChallengeKind[],
  more: Partial<AcmeIssuerOptions> = {},
): AcmeIssuer {
  const config = { ...CONFIG, challenges };
  return new AcmeIssuer({
    config,
    http: { send: missing },
    clock: { nowMs: () => 0, wait: () => Promise.resolve() },
    accounts: { load: missing, save: missing, remove: missing, withLock: missing },
    orders: { load: missing, save: missing, remove: missing },
    board: { present: missing, remove: missing },
    dns: null,
    ...more,
  });
}

const CONFIG: IssuerConfig = {
  name: 'letsencrypt',
  kind: 'acme',
  directory: 'https://acme-v02.api.letsencrypt.org/directory',
  email: '',
  eab: null,
  cas: [],
  profile: '',
  keyType: 'ecdsa-p256',
  challenges: [],
  dns: null,
  preferredChain: '',
  names: null,
  onDemand: null,
  lifetimeMs: 0,
};

const DNS = {
  add: () => Promise.resolve(),
  waitUntilSeen: () => Promise.resolve(),
  remove: () => Promise.resolve(),
};

test('acme issuer: its key is host and path of the directory', () => {
  const { key, name, kind } = issuer(['http-01']);
  assert.deepEqual(
    { key, name, kind },
    { key: 'acme-v02.api.letsencrypt.org-directory', name: 'letsencrypt', kind: 'acme' },
  );
  assert.equal(issuerKeyOf('https://ca.test:8443/acme/one/'), 'ca.test-8443-acme-one');
});

test('acme issuer: refuses what no challenge of it can prove', () => {
  const all = issuer(['http-01', 'tls-alpn-01', 'dns-01']);
  assert.equal(all.refusal('a.test'), null);
  assert.equal(all.refusal('192.0.2.1'), null);
  assert.match(all.refusal('*.a.test')!, /needs dns-01, so set its `dns`/);
  const withDns = issuer(['dns-01'], { dns: DNS });
  assert.equal(withDns.refusal('*.a.test'), null);
  assert.equal(withDns.refusal('192.0.2.1'), 'issuer letsencrypt cannot prove 192.0.2.1 by dns-01');
  assert.notEqual(issuer(['http-01'], { dns: DNS }).refusal('*.a.test'), null);
});

test('acme issuer: throws IssueError, whatever happened', async () => {
  const cases: [thrown: Error, advice: string, message: RegExp][] = [
    [new AcmeHttpError('ca is not trusted', false), 'fix', /ca is not trusted/],
    [new AcmeHttpError('ca cannot be reached', true), 'retry', /ca cannot be reached/],
    [new Error('disk is full'), 'retry', /letsencrypt could not go on: disk is full/],
  ];
  const { signal } = new AbortController();
  const context = { signal, onStep: () => undefined };
  const request = { names: ['a.test'], replaces: null };
  for (const [thrown, advice, message] of cases) {
    const http = { send: () => Promise.reject(thrown) };
    await assert.rejects(issuer(['http-01'], { http }).issue(request, context), (error) => {
      assert.ok(error instanceof IssueError);
      assert.equal(error.advice, advice);
      assert.match(error.message, message);
      return true;
    });
  }
  const aborted = { signal: AbortSignal.abort(new Error('the end')), onStep: () => undefined };
  await assert.rejects(issuer(['http-01']).issue(request, aborted), (error) => {
    return error instanceof IssueError && error.advice === 'aborted';
  });
});
