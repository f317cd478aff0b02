import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { test } from 'node:test';

import type { ChallengeSpec } from '../../contract/tls.ts';
import type { Challenge } from '../acme/challenge.ts';
import { identifierOf } from '../acme/challenge.ts';
import { AcmeSolvers } from './acme-solvers.ts';
import type { DnsSteps } from './acme-solvers.ts';

const NOW = Date.parse('2026-11-20T20:00:00Z');
const { signal } = new AbortController();
const quiet = (): void => undefined;

function challenge(kind: Challenge['kind'], name: string, token = 'token'): Challenge {
  return { kind, identifier: identifierOf(name), token, keyAuthorization: `${token}.thumb` };
}

/** Solvers over a board that is a set. */
function solversWith(dns: DnsSteps | null): { solvers: AcmeSolvers; shown: Set<ChallengeSpec> } {
  const shown = new Set<ChallengeSpec>();
  const board = {
    present: (spec: ChallengeSpec) => {
      shown.add(spec);
      return Promise.resolve();
    },
    remove: (spec: ChallengeSpec) => void shown.delete(spec),
  };
  return { solvers: new AcmeSolvers({ board, dns, nowMs: () => NOW }), shown };
}

test('acme solvers: HTTP-01 as the workers answer it', async () => {
  const { solvers, shown } = solversWith(null);
  const one = challenge('http-01', 'a.test');
  await solvers.present(one, signal, quiet);
  const host = 'a.test';
  assert.deepEqual(
    [...shown],
    [{ kind: 'http-01', host, token: 'token', keyAuthorization: 'token.thumb' }],
  );
  await solvers.cleanup(one);
  await solvers.cleanup(one);
  assert.equal(shown.size, 0);
});

test('acme solvers: TLS-ALPN-01 by a certificate for the name alone (RFC 8737 §3)', async () => {
  const { solvers, shown } = solversWith(null);
  await solvers.present(challenge('tls-alpn-01', '192.0.2.1'), signal, quiet);
  const [spec] = shown;
  assert.ok(spec?.kind === 'tls-alpn-01');
  assert.equal(spec.host, '1.2.0.192.in-addr.arpa');
  const certificate = new X509Certificate(spec.cert);
  assert.equal(certificate.subjectAltName, 'IP Address:192.0.2.1');
  assert.ok(certificate.raw.includes(createHash('sha256').update('token.thumb').digest()));
  assert.ok(certificate.validFromDate.getTime() < NOW && certificate.validToDate.getTime() > NOW);
});

test('acme solvers: records go into DNS one after the other', async () => {
  const log: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const { solvers } = solversWith({
    add: async ({ value }) => {
      log.push(`add ${value.slice(0, 3)}`);
      if (log.length === 1) await promise;
      log.push(`added ${value.slice(0, 3)}`);
    },
    waitUntilSeen: ({ value }) => Promise.resolve(void log.push(`seen ${value.slice(0, 3)}`)),
    remove: ({ value }) => Promise.resolve(void log.push(`remove ${value.slice(0, 3)}`)),
  });
  const one = challenge('dns-01', 'a.test', 'one');
  const two = challenge('dns-01', '*.a.test', 'two');
  const both = Promise.all([
    solvers.present(one, signal, quiet),
    solvers.present(two, signal, quiet),
  ]);
  await new Promise(setImmediate);
  assert.equal(log.length, 1, 'the second one waits');
  resolve();
  await both;
  assert.deepEqual(
    log.filter((line) => line.startsWith('add')).map((line) => line.split(' ')[0]),
    ['add', 'added', 'add', 'added'],
  );
  await solvers.cleanup(two);
  assert.match(log.at(-1)!, /^remove/);
});

test('acme solvers: a record that failed does not hold up the next one', async () => {
  let calls = 0;
  const { solvers } = solversWith({
    add: () => (++calls === 1 ? Promise.reject(new Error('no such zone')) : Promise.resolve()),
    waitUntilSeen: () => Promise.resolve(),
    remove: () => Promise.resolve(),
  });
  const first = solvers.present(challenge('dns-01', 'a.test'), signal, quiet);
  const second = solvers.present(challenge('dns-01', 'b.test'), signal, quiet);
  await assert.rejects(first, /no such zone/);
  await second;
});

test('acme solvers: a record that waits for its turn has all the time to be removed', async (t) => {
  const made: number[] = [];
  t.mock.method(AbortSignal, 'timeout', (delayMs: number) => {
    made.push(delayMs);
    return signal;
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  const { solvers } = solversWith({
    add: () => Promise.resolve(),
    waitUntilSeen: () => Promise.resolve(),
    remove: () => promise,
  });
  const both = ['a.test', 'b.test'].map((name) => solvers.cleanup(challenge('dns-01', name)));
  await new Promise(setImmediate);
  assert.equal(made.length, 1, 'the time of the second one has not begun');
  resolve();
  await Promise.all(both);
  assert.equal(made.length, 2);
});

test('acme solvers: what cannot be shown is refused before', () => {
  const without = solversWith(null).solvers;
  assert.match(without.refusal('dns-01', identifierOf('a.test'))!, /no `dns`/);
  assert.match(without.refusal('dns-01', identifierOf('192.0.2.1'))!, /no records/);
  assert.equal(without.refusal('http-01', identifierOf('192.0.2.1')), null);
  assert.equal(without.refusal('tls-alpn-01', identifierOf('a.test')), null);
});
