/**
 * What Pebble cannot show of the ACME client: profiles, chains, renewal windows, external accounts
 * and revocation, against the fake authority.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { AcmeClientStage } from '../support/acme-client-stage.ts';
import { FakeCaScene } from '../support/fake-ca-scene.ts';

const NAME = 'shop.example.com';
const scene = new FakeCaScene();

test('acme: addresses get the profile `shortlived` where it is offered', async () => {
  const profiles = { classic: '90 days', shortlived: '160 hours' };
  await scene.replaceCa({ profiles });
  await scene.stage().issue(['127.0.0.1']);
  await scene.stage().issue([NAME]);
  await scene.stage({ config: { profile: 'classic' } }).issue(['127.0.0.2', NAME]);
  assert.deepEqual(
    scene.ca.book.orders.map(({ profile }) => profile),
    ['shortlived', '', 'classic'],
  );
  const error = await scene.failure(
    scene.stage({ config: { profile: 'tlsclient' } }).issue([NAME]),
  );
  assert.equal(error.advice, 'fix');
  assert.match(error.message, /no profile "tlsclient" \(it offers: classic, shortlived\)/);
});

test('acme: addresses need no profile where there are none', async () => {
  await scene.stage().issue(['127.0.0.1']);
  assert.equal(scene.ca.book.orders[0]!.profile, '');
});

test('acme: the chain under the wanted root is taken, the first one if there is none', async () => {
  const other = await scene.stage({ config: { preferredChain: 'Other Root' } }).issue([NAME]);
  assert.equal(other.chain, scene.ca.book.certificates[0]!.alternate);
  const none = await scene
    .stage({ config: { preferredChain: 'No Root' } })
    .issue(['x.example.com']);
  assert.equal(none.chain, scene.ca.book.certificates[1]!.chain);
  scene.ca.faults = [{ on: 'certificate', after: 1, times: 9, status: 404, type: 'malformed' }];
  const lost = await scene
    .stage({ config: { preferredChain: 'Other Root' } })
    .issue(['y.example.com']);
  assert.equal(
    lost.chain,
    scene.ca.book.certificates[2]!.chain,
    'one that cannot be read is left out',
  );
});

test('acme: renewal windows of all kinds', async () => {
  const { issuer, issue } = pick(scene.stage());
  const { chain } = await issue([NAME]);
  const signal = AbortSignal.timeout(10_000);
  const look = (): ReturnType<typeof issuer.renewalWindow> => issuer.renewalWindow(chain, signal);
  const answer = (start: number, end: number, retryAfter = '21600'): void => {
    const suggestedWindow = { start: daysFromNow(start), end: daysFromNow(end) };
    const headers = { 'retry-after': retryAfter };
    scene.ca.book.renewalInfo = () => ({ status: 200, body: { suggestedWindow }, headers });
  };
  assert.equal(await look(), null, 'the authority does not know it');
  answer(60, 62);
  const first = (await look())!;
  assert.ok(first.startMs > Date.now() && first.endMs > first.startMs);
  answer(1, 2);
  assert.ok((await look())!.startMs < first.startMs, 'it moved');
  answer(-2, -1);
  assert.ok((await look())!.endMs < Date.now(), 'in the past: now');
  answer(2, 1);
  assert.equal(await look(), null);
  scene.ca.book.renewalInfo = () => ({
    status: 200,
    body: '{"suggestedWindow":{"start":1,"end":2}}',
  });
  assert.equal(await look(), null);
  answer(60, 62, '1');
  const soon = (await look())!.nextLookMs - scene.clock.nowMs();
  assert.ok(soon > 50_000 && soon <= 60_000, 'not more often than once a minute');
  scene.ca.faults = [{ on: 'renewalInfo', times: 3, status: 503 }];
  const error = await scene.failure(look());
  assert.equal(error.advice, 'retry');
});

function daysFromNow(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString();
}

function pick(made: AcmeClientStage): Pick<AcmeClientStage, 'issuer' | 'issue'> {
  return { issuer: made.issuer, issue: (...args) => made.issue(...args) };
}

test('acme: an external account that is refused is for a person, without its key', async () => {
  await scene.replaceCa({ externalAccount: { keyId: 'kid-1', hmacKey: 'c2VjcmV0' } });
  const eab = { keyId: 'kid-1', hmacKey: 'd3Jvbmc' };
  const error = await scene.failure(scene.stage({ config: { eab } }).issue([NAME]));
  assert.equal(error.advice, 'fix');
  assert.match(error.message, /correct `eab`/);
  assert.equal(error.message.includes(eab.hmacKey), false);
  await scene.stage({ config: { eab: { keyId: 'kid-1', hmacKey: 'c2VjcmV0' } } }).issue([NAME]);
});

test('acme: revokes with the key of the certificate, else with the account', async () => {
  const { issuer, issue } = pick(scene.stage());
  const signal = AbortSignal.timeout(10_000);
  const one = await issue([NAME]);
  await issuer.revoke(one.chain, one.key, 4, signal);
  assert.equal(scene.ca.book.certificates[0]!.isRevoked, true);
  await issuer.revoke(one.chain, one.key, 4, signal);
  const two = await issue(['x.example.com']);
  await issuer.revoke(two.chain, '', 1, signal);
  assert.equal(scene.ca.book.certificates[1]!.isRevoked, true);
});
