/**
 * The ACME client against an authority that has trouble: the fake authority, with real HTTP and
 * real validation.
 */

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { IssueError } from '../../src/control/certificate/issuer.ts';
import {
  AcmeClientStage,
  FastClock,
  type AcmeClientStageOptions,
} from '../support/acme-client-stage.ts';
import { MemoryStores } from '../support/acme-stores.ts';
import { ChallengeServer } from '../support/challenge-server.ts';
import { FakeCa } from '../support/fake-ca.ts';
import type { CaBookOptions } from '../support/fake-ca-book.ts';

const NAME = 'shop.example.com';

let board: ChallengeServer;
let ca: FakeCa;
let stores: MemoryStores;
let clock: FastClock;
const stages: AcmeClientStage[] = [];

before(async () => {
  board = await ChallengeServer.start();
});

/** Another authority than the usual one. */
async function replaceCa(options: Partial<CaBookOptions>): Promise<void> {
  await ca?.stop();
  ca = await FakeCa.start({ ports: { http: board.httpPort, tls: board.tlsPort }, ...options });
}

beforeEach(async () => {
  await replaceCa({});
  stores = new MemoryStores();
  clock = new FastClock();
  board.broken.clear();
  board.history.length = 0;
});

after(async () => {
  for (const stage of stages) stage.close();
  await ca.stop();
  await board.stop();
});

function stage(options: Partial<AcmeClientStageOptions> = {}): AcmeClientStage {
  const made = new AcmeClientStage({ directory: ca.directory, stores, board, clock, ...options });
  stages.push(made);
  return made;
}

async function failure(promise: Promise<unknown>): Promise<IssueError> {
  const error = await promise.then(
    () => assert.fail('it must fail'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof IssueError, String(error));
  assert.equal(board.shown.size, 0, 'challenges are taken away');
  return error;
}

function requestsOf(operation: string): number {
  return ca.requests.get(operation) ?? 0;
}

test('acme: gets a certificate, keeps no order once it is taken over', async () => {
  const first = stage();
  const issued = await first.issue([NAME]);
  assert.equal(ca.book.certificates.length, 1);
  assert.equal(issued.chain, ca.book.certificates[0]!.chain);
  assert.equal(stores.keys('order').length, 1);
  await issued.settle!();
  assert.equal(stores.keys('order').length, 0);
  assert.deepEqual(
    board.history.map(({ kind }) => kind),
    ['http-01'],
  );
  assert.equal(board.shown.size, 0);
  assert.equal(requestsOf('newNonce'), 1, 'every other nonce comes with a response');
});

test('acme: an order that is not settled gives the same certificate again', async () => {
  const issued = await stage().issue([NAME]);
  const again = await stage().issue([NAME]);
  assert.equal(again.chain, issued.chain);
  assert.equal(again.key, issued.key);
  assert.equal(ca.book.certificates.length, 1);
  const renewed = await stage().issue([NAME], issued.chain);
  assert.notEqual(renewed.chain, issued.chain, 'what it gave is what is to be replaced');
  assert.notEqual(renewed.key, issued.key, 'a renewal has a key of its own');
  assert.equal(ca.book.orders[1]!.replaces, ca.book.certificates[0]!.renewalId);
});

test('acme: 503 with Retry-After is waited for when it is short', async () => {
  ca.faults = [{ on: 'newOrder', times: 2, status: 503, retryAfter: '7' }];
  await stage().issue([NAME]);
  const waits = clock.waits.slice(0, 2);
  assert.ok(waits.every((wait) => wait > 6_000 && wait <= 7_000));
  assert.equal(requestsOf('newOrder'), 3);
});

test('acme: 503 with a long Retry-After ends the attempt and says when to come back', async () => {
  ca.faults = [{ on: 'finalize', times: 1, status: 503, retryAfter: '3600' }];
  const error = await failure(stage().issue([NAME]));
  assert.equal(error.advice, 'wait');
  assert.ok(Math.abs(error.retryAtMs - clock.nowMs() - 3_600_000) < 5_000);
  // The same order is gone on with.
  await stage().issue([NAME]);
  assert.equal(ca.book.orders.length, 1);
  assert.equal(ca.book.certificates.length, 1);
});

test('acme: 5xx that last end the attempt after three tries', async () => {
  ca.faults = [{ on: 'newOrder', times: 10, status: 500 }];
  const error = await failure(stage().issue([NAME]));
  assert.equal(error.advice, 'retry');
  assert.ok(error.retryAtMs > clock.nowMs());
  assert.equal(requestsOf('newOrder'), 3);
});

test('acme: 429 is not tried again, and the time that was said is passed on', async () => {
  const type = 'rateLimited';
  ca.faults = [{ on: 'newOrder', times: 1, status: 429, type, retryAfter: '7200' }];
  const error = await failure(stage().issue([NAME]));
  assert.equal(error.advice, 'wait');
  assert.ok(Math.abs(error.retryAtMs - clock.nowMs() - 7_200_000) < 5_000);
  assert.equal(error.problem?.type, 'rateLimited');
  assert.equal(requestsOf('newOrder'), 1);
});

test('acme: a burst of refused nonces is survived, each with a new signature', async () => {
  ca.faults = [{ on: 'newOrder', times: 9, status: 400, type: 'badNonce' }];
  await stage().issue([NAME]);
  assert.equal(requestsOf('newOrder'), 10);
});

test('acme: nonces that are refused without end end the attempt', async () => {
  ca.faults = [{ on: 'newOrder', times: 1_000, status: 400, type: 'badNonce' }];
  const error = await failure(stage().issue([NAME]));
  assert.equal(error.problem?.type, 'badNonce');
  assert.equal(requestsOf('newOrder'), 30);
});

test('acme: lost answers are asked for again and nothing is made twice', async () => {
  for (const on of ['newAccount', 'authorization', 'challenge', 'finalize', 'certificate']) {
    ca.faults.push({ on, times: 1, losesAnswer: true });
  }
  await stage().issue([NAME]);
  assert.equal(ca.book.accounts.length, 1);
  assert.equal(ca.book.certificates.length, 1);
});

test('acme: documents that make no sense end the attempt', async () => {
  const bodies: [string, string][] = [
    ['newOrder', '{"status":"pending"}'],
    ['authorization', '[1,2'],
    ['authorization', '{"status":"pending","identifier":{"type":"dns"},"challenges":[]}'],
    ['order', 'null'],
    ['certificate', '<html>'],
  ];
  for (const [on, body] of bodies) {
    ca.faults = [{ on, times: 1, status: 200, body }];
    const error = await failure(stage().issue([NAME]));
    assert.equal(error.advice, 'retry', `${on} ${body}`);
    assert.equal(stores.keys('order').length, 0, `${on} ${body}`);
  }
});

test('acme: a directory that makes no sense is for a person', async () => {
  ca.faults = [{ on: 'directory', times: 1, status: 200, body: '<html>hello</html>' }];
  const error = await failure(stage().issue([NAME]));
  assert.equal(error.advice, 'fix');
  assert.match(error.message, /is not an ACME directory/);
});

test('acme: a certificate of another key is not taken', async () => {
  await stage().issue(['other.example.com']);
  const { chain } = ca.book.certificates[0]!;
  ca.faults = [{ on: 'certificate', times: 1, status: 200, body: chain }];
  const error = await failure(stage().issue([NAME]));
  assert.match(error.message, /its key is not ours/);
});

test('acme: a challenge that fails is followed by one of another kind, in a new order', async () => {
  board.broken.add('http-01');
  const first = stage();
  await first.issue([NAME]);
  assert.deepEqual(
    board.history.map(({ kind }) => kind),
    ['http-01', 'tls-alpn-01'],
  );
  assert.equal(ca.book.orders.length, 2);
  // What worked goes first from now on.
  board.history.length = 0;
  await first.issue([NAME], ca.book.certificates[0]!.chain);
  assert.deepEqual(
    board.history.map(({ kind }) => kind),
    ['tls-alpn-01'],
  );
});

test('acme: when every kind fails the last problem says what to do', async () => {
  board.broken.add('http-01').add('tls-alpn-01');
  const error = await failure(stage().issue([NAME, 'www.example.com']));
  assert.equal(error.advice, 'fix');
  assert.match(error.message, /shop\.example\.com|www\.example\.com/);
  assert.equal(ca.book.orders.length, 2);
  const left = ca.book.orders.flatMap((order) => order.authorizations);
  assert.ok(left.every(({ status }) => status !== 'pending'));
  assert.equal(stores.keys('order').length, 0);
});

test('acme: an order that fails gives up what the authority still waits for', async () => {
  const dns = {
    add: () => Promise.reject(new Error('no such zone')),
    waitUntilSeen: () => Promise.resolve(),
    remove: () => Promise.resolve(),
  };
  const error = await failure(stage({ dns }).issue(['*.example.com', NAME]));
  assert.match(error.message, /dns-01 for example\.com cannot be shown: no such zone/);
  const statuses = ca.book.orders[0]!.authorizations.map(({ status }) => status);
  assert.deepEqual(statuses, ['deactivated', 'deactivated']);
});

test('acme: a wildcard without DNS is refused before anything is ordered', async () => {
  const first = stage();
  assert.match(first.issuer.refusal('*.example.com')!, /needs dns-01/);
  assert.equal(first.issuer.refusal('example.com'), null);
  const error = await failure(first.issue(['*.example.com']));
  assert.equal(error.advice, 'fix');
  assert.match(error.message, /no way to prove \*\.example\.com/);
});

test('acme: an order that stays in processing is left, and gone on with later', async () => {
  ca.book.processingPolls = 1_000;
  const error = await failure(stage().issue([NAME]));
  assert.equal(error.advice, 'wait');
  assert.match(error.message, /takes too long/);
  ca.book.orders[0]!.processingLeft = 0;
  await stage().issue([NAME]);
  assert.equal(ca.book.certificates.length, 1);
  assert.equal(ca.book.orders.length, 1);
});

test('acme: an order that never ends is replaced by a new one in the end', async () => {
  ca.book.processingPolls = 100_000;
  for (let i = 0; i < 3; i++) await failure(stage().issue([NAME]));
  assert.equal(ca.book.orders.length, 1);
  ca.book.processingPolls = 0;
  await stage().issue([NAME]);
  assert.equal(ca.book.orders.length, 2);
});

test('acme: an account that the authority forgot is made anew, once', async () => {
  const first = stage();
  await first.issue([NAME]);
  const [before] = stores.keys('account').map((key) => stores.texts.get(key));
  ca.book.accounts.length = 0;
  await first.issue([NAME], ca.book.certificates[0]!.chain);
  assert.equal(ca.book.accounts.length, 1);
  const [now] = stores.keys('account').map((key) => stores.texts.get(key));
  assert.notEqual(now, before);
  ca.faults = [{ on: 'newOrder', times: 9, status: 400, type: 'accountDoesNotExist' }];
  const error = await failure(first.issue(['x.example.com']));
  assert.equal(error.problem?.type, 'accountDoesNotExist');
  assert.equal(ca.book.accounts.length, 2, 'not one for each failure');
});

test('acme: aborted, it takes challenges away and goes on with the order later', async () => {
  const abort = new AbortController();
  ca.intercept = (operation) => {
    if (operation === 'authorization') abort.abort(new Error('the process ends'));
  };
  const error = await failure(stage().issue([NAME], null, abort.signal));
  assert.equal(error.advice, 'aborted');
  ca.intercept = () => undefined;
  await stage().issue([NAME]);
  assert.equal(ca.book.orders.length, 1);
});

test('acme: what is replaced is left out when the authority refuses it', async () => {
  const { chain } = await stage().issue([NAME]);
  await stage().issue([NAME], chain);
  stores.texts.clear();
  await stage().issue([NAME], chain);
  assert.equal(ca.book.certificates.length, 3);
  const replaced = ca.book.orders.map(({ replaces }) => replaces !== '');
  assert.deepEqual(replaced, [false, true, false]);
});

test('acme: a wall clock that jumps while it waits does not lengthen the wait', async () => {
  ca.book.processingPolls = 3;
  let jumps = 0;
  ca.intercept = (operation, stageOf) => {
    if (operation !== 'order' || stageOf !== 'before') return;
    clock.jump(jumps++ % 2 === 0 ? -60 * 86_400_000 : 60 * 86_400_000);
  };
  await stage().issue([NAME]);
  assert.ok(clock.waits.every((wait) => wait <= 5_000));
});

test('acme: addresses get the profile `shortlived` where it is offered', async () => {
  const profiles = { classic: '90 days', shortlived: '160 hours' };
  await replaceCa({ profiles });
  await stage().issue(['127.0.0.1']);
  await stage().issue([NAME]);
  await stage({ config: { profile: 'classic' } }).issue(['127.0.0.2', NAME]);
  assert.deepEqual(
    ca.book.orders.map(({ profile }) => profile),
    ['shortlived', '', 'classic'],
  );
  const error = await failure(stage({ config: { profile: 'tlsclient' } }).issue([NAME]));
  assert.equal(error.advice, 'fix');
  assert.match(error.message, /no profile "tlsclient" \(it offers: classic, shortlived\)/);
});

test('acme: addresses need no profile where there are none', async () => {
  await stage().issue(['127.0.0.1']);
  assert.equal(ca.book.orders[0]!.profile, '');
});

test('acme: the chain under the wanted root is taken, the first one if there is none', async () => {
  const other = await stage({ config: { preferredChain: 'Other Root' } }).issue([NAME]);
  assert.equal(other.chain, ca.book.certificates[0]!.alternate);
  const none = await stage({ config: { preferredChain: 'No Root' } }).issue(['x.example.com']);
  assert.equal(none.chain, ca.book.certificates[1]!.chain);
  ca.faults = [{ on: 'certificate', after: 1, times: 9, status: 404, type: 'malformed' }];
  const lost = await stage({ config: { preferredChain: 'Other Root' } }).issue(['y.example.com']);
  assert.equal(lost.chain, ca.book.certificates[2]!.chain, 'one that cannot be read is left out');
});

test('acme: renewal windows of all kinds', async () => {
  const { issuer, issue } = pick(stage());
  const { chain } = await issue([NAME]);
  const signal = AbortSignal.timeout(10_000);
  const look = (): ReturnType<typeof issuer.renewalWindow> => issuer.renewalWindow(chain, signal);
  const answer = (start: number, end: number, retryAfter = '21600'): void => {
    const at = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString();
    const suggestedWindow = { start: at(start), end: at(end) };
    const headers = { 'retry-after': retryAfter };
    ca.book.renewalInfo = () => ({ status: 200, body: { suggestedWindow }, headers });
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
  ca.book.renewalInfo = () => ({ status: 200, body: '{"suggestedWindow":{"start":1,"end":2}}' });
  assert.equal(await look(), null);
  answer(60, 62, '1');
  const soon = (await look())!.nextLookMs - clock.nowMs();
  assert.ok(soon > 50_000 && soon <= 60_000, 'not more often than once a minute');
  ca.faults = [{ on: 'renewalInfo', times: 3, status: 503 }];
  const error = await failure(look());
  assert.equal(error.advice, 'retry');
});

function pick(made: AcmeClientStage): Pick<AcmeClientStage, 'issuer' | 'issue'> {
  return { issuer: made.issuer, issue: (...args) => made.issue(...args) };
}

test('acme: an external account that is refused is for a person, without its key', async () => {
  await replaceCa({ externalAccount: { keyId: 'kid-1', hmacKey: 'c2VjcmV0' } });
  const eab = { keyId: 'kid-1', hmacKey: 'd3Jvbmc' };
  const error = await failure(stage({ config: { eab } }).issue([NAME]));
  assert.equal(error.advice, 'fix');
  assert.match(error.message, /correct `eab`/);
  assert.equal(error.message.includes(eab.hmacKey), false);
  await stage({ config: { eab: { keyId: 'kid-1', hmacKey: 'c2VjcmV0' } } }).issue([NAME]);
});

test('acme: revokes with the key of the certificate, else with the account', async () => {
  const { issuer, issue } = pick(stage());
  const signal = AbortSignal.timeout(10_000);
  const one = await issue([NAME]);
  await issuer.revoke(one.chain, one.key, 4, signal);
  assert.equal(ca.book.certificates[0]!.isRevoked, true);
  await issuer.revoke(one.chain, one.key, 4, signal);
  const two = await issue(['x.example.com']);
  await issuer.revoke(two.chain, '', 1, signal);
  assert.equal(ca.book.certificates[1]!.isRevoked, true);
});

test('acme: a slow authority is waited for', async () => {
  ca.faults = [{ on: 'finalize', times: 1, delayMs: 300 }];
  await stage().issue([NAME]);
  assert.equal(ca.book.certificates.length, 1);
});

test('acme: no secret is in what it says about a failure', async () => {
  const first = stage();
  await first.issue([NAME]);
  const secrets = [...stores.texts.values()].join().match(/[A-Za-z0-9+/]{40,}/g)!;
  board.broken.add('http-01').add('tls-alpn-01');
  const error = await failure(first.issue(['x.example.com']));
  const told = JSON.stringify([error.message, error.problem, first.steps]);
  for (const secret of secrets) assert.equal(told.includes(secret), false);
});
