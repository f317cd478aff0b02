/**
 * The ACME client against an authority that has trouble: the fake authority, with real HTTP and
 * real validation.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { IssueError } from '../../src/control/certificate/issuer.ts';
import { FakeCaScene } from '../support/fake-ca-scene.ts';

const NAME = 'shop.example.com';
const scene = new FakeCaScene();

test('acme: gets a certificate, keeps no order once it is taken over', async () => {
  const first = scene.stage();
  const issued = await first.issue([NAME]);
  assert.equal(scene.ca.book.certificates.length, 1);
  assert.equal(issued.chain, scene.ca.book.certificates[0]!.chain);
  assert.equal(scene.stores.keys('order').length, 1);
  await issued.settle!();
  assert.equal(scene.stores.keys('order').length, 0);
  assert.deepEqual(
    scene.board.history.map(({ kind }) => kind),
    ['http-01'],
  );
  assert.equal(scene.board.shown.size, 0);
  assert.equal(scene.requests('newNonce'), 1, 'every other nonce comes with a response');
});

test('acme: an order that is not settled gives the same certificate again', async () => {
  const issued = await scene.stage().issue([NAME]);
  const again = await scene.stage().issue([NAME]);
  assert.equal(again.chain, issued.chain);
  assert.equal(again.key, issued.key);
  assert.equal(scene.ca.book.certificates.length, 1);
  const renewed = await scene.stage().issue([NAME], issued.chain);
  assert.notEqual(renewed.chain, issued.chain, 'what it gave is what is to be replaced');
  assert.notEqual(renewed.key, issued.key, 'a renewal has a key of its own');
  assert.equal(scene.ca.book.orders[1]!.replaces, scene.ca.book.certificates[0]!.renewalId);
});

test('acme: 503 with Retry-After is waited for when it is short', async () => {
  scene.ca.faults = [{ on: 'newOrder', times: 2, status: 503, retryAfter: '7' }];
  await scene.stage().issue([NAME]);
  const waits = scene.clock.waits.slice(0, 2);
  assert.ok(waits.every((wait) => wait > 6_000 && wait <= 7_000));
  assert.equal(scene.requests('newOrder'), 3);
});

test('acme: 503 with a long Retry-After ends the attempt and says when to come back', async () => {
  scene.ca.faults = [{ on: 'finalize', times: 1, status: 503, retryAfter: '3600' }];
  const error = await scene.failure(scene.stage().issue([NAME]));
  assert.equal(error.advice, 'wait');
  assert.ok(Math.abs(error.retryAtMs - scene.clock.nowMs() - 3_600_000) < 5_000);
  // The same order is gone on with.
  await scene.stage().issue([NAME]);
  assert.equal(scene.ca.book.orders.length, 1);
  assert.equal(scene.ca.book.certificates.length, 1);
});

test('acme: trouble while a challenge is shown takes it away until the order goes on', async () => {
  scene.ca.faults = [{ on: 'challenge', times: 1, status: 503, retryAfter: '3600' }];
  await scene.failure(scene.stage().issue([NAME]));
  assert.equal(scene.board.history.length, 1);
  await scene.stage().issue([NAME]);
  assert.equal(scene.board.history.length, 2);
  assert.equal(scene.ca.book.orders.length, 1);
});

test('acme: an order of an account that is gone is made anew by the new one', async () => {
  scene.ca.faults = [{ on: 'challenge', times: 1, status: 503, retryAfter: '3600' }];
  await scene.failure(scene.stage().issue([NAME]));
  scene.ca.book.accounts.length = 0;
  await scene.stage().issue([NAME]);
  assert.equal(scene.ca.book.accounts.length, 1);
  assert.equal(scene.ca.book.orders.length, 2);
});

test('acme: 5xx that last end the attempt after three tries', async () => {
  scene.ca.faults = [{ on: 'newOrder', times: 10, status: 500 }];
  const error = await scene.failure(scene.stage().issue([NAME]));
  assert.equal(error.advice, 'retry');
  assert.ok(error.retryAtMs > scene.clock.nowMs());
  assert.equal(scene.requests('newOrder'), 3);
});

test('acme: 429 is not tried again, and the time that was said is passed on', async () => {
  const type = 'rateLimited';
  scene.ca.faults = [{ on: 'newOrder', times: 1, status: 429, type, retryAfter: '7200' }];
  const error = await scene.failure(scene.stage().issue([NAME]));
  assert.equal(error.advice, 'wait');
  assert.ok(Math.abs(error.retryAtMs - scene.clock.nowMs() - 7_200_000) < 5_000);
  assert.equal(error.problem?.type, 'rateLimited');
  assert.equal(scene.requests('newOrder'), 1);
});

test('acme: a burst of refused nonces is survived, each with a new signature', async () => {
  scene.ca.faults = [{ on: 'newOrder', times: 9, status: 400, type: 'badNonce' }];
  await scene.stage().issue([NAME]);
  assert.equal(scene.requests('newOrder'), 10);
});

test('acme: nonces that are refused without end end the attempt', async () => {
  scene.ca.faults = [{ on: 'newOrder', times: 1_000, status: 400, type: 'badNonce' }];
  const error = await scene.failure(scene.stage().issue([NAME]));
  assert.equal(error.problem?.type, 'badNonce');
  assert.equal(scene.requests('newOrder'), 30);
});

test('acme: lost answers are asked for again and nothing is made twice', async () => {
  for (const on of ['newAccount', 'authorization', 'challenge', 'finalize', 'certificate']) {
    scene.ca.faults.push({ on, times: 1, losesAnswer: true });
  }
  await scene.stage().issue([NAME]);
  assert.equal(scene.ca.book.accounts.length, 1);
  assert.equal(scene.ca.book.certificates.length, 1);
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
    scene.ca.faults = [{ on, times: 1, status: 200, body }];
    const error = await scene.failure(scene.stage().issue([NAME]));
    assert.equal(error.advice, 'retry', `${on} ${body}`);
    assert.equal(scene.stores.keys('order').length, 0, `${on} ${body}`);
  }
});

test('acme: a directory that makes no sense is for a person', async () => {
  scene.ca.faults = [{ on: 'directory', times: 1, status: 200, body: '<html>hello</html>' }];
  const error = await scene.failure(scene.stage().issue([NAME]));
  assert.equal(error.advice, 'fix');
  assert.match(error.message, /is not an ACME directory/);
});

test('acme: a certificate of another key is not taken', async () => {
  await scene.stage().issue(['other.example.com']);
  const { chain } = scene.ca.book.certificates[0]!;
  scene.ca.faults = [{ on: 'certificate', times: 1, status: 200, body: chain }];
  const error = await scene.failure(scene.stage().issue([NAME]));
  assert.match(error.message, /its key is not ours/);
});

test('acme: a challenge that fails is followed by another kind, in a new order', async () => {
  scene.board.broken.add('http-01');
  const first = scene.stage();
  await first.issue([NAME]);
  assert.deepEqual(
    scene.board.history.map(({ kind }) => kind),
    ['http-01', 'tls-alpn-01'],
  );
  assert.equal(scene.ca.book.orders.length, 2);
  // What worked goes first from now on.
  scene.board.history.length = 0;
  await first.issue([NAME], scene.ca.book.certificates[0]!.chain);
  assert.deepEqual(
    scene.board.history.map(({ kind }) => kind),
    ['tls-alpn-01'],
  );
});

test('acme: when every kind fails the last problem says what to do', async () => {
  scene.board.broken.add('http-01').add('tls-alpn-01');
  const error = await scene.failure(scene.stage().issue([NAME, 'www.example.com']));
  assert.equal(error.advice, 'fix');
  assert.match(error.message, /shop\.example\.com|www\.example\.com/);
  assert.equal(scene.ca.book.orders.length, 2);
  const left = scene.ca.book.orders.flatMap((order) => order.authorizations);
  assert.ok(left.every(({ status }) => status !== 'pending'));
  assert.equal(scene.stores.keys('order').length, 0);
});

test('acme: an order that fails gives up what the authority still waits for', async () => {
  const dns = {
    add: () => Promise.reject(new Error('no such zone')),
    waitUntilSeen: () => Promise.resolve(),
    remove: () => Promise.resolve(),
  };
  const error = await scene.failure(scene.stage({ dns }).issue(['*.example.com', NAME]));
  assert.match(error.message, /dns-01 for example\.com cannot be shown: no such zone/);
  const statuses = scene.ca.book.orders[0]!.authorizations.map(({ status }) => status);
  assert.deepEqual(statuses, ['deactivated', 'deactivated']);
});

test('acme: a wildcard without DNS is refused before anything is ordered', async () => {
  const first = scene.stage();
  assert.match(first.issuer.refusal('*.example.com')!, /needs dns-01/);
  assert.equal(first.issuer.refusal('example.com'), null);
  const error = await scene.failure(first.issue(['*.example.com']));
  assert.equal(error.advice, 'fix');
  assert.match(error.message, /no way to prove \*\.example\.com/);
});

test('acme: an order that stays in processing is left, and gone on with later', async () => {
  scene.ca.book.processingPolls = 1_000;
  const error = await scene.failure(scene.stage().issue([NAME]));
  assert.equal(error.advice, 'wait');
  assert.match(error.message, /takes too long/);
  scene.ca.book.orders[0]!.processingLeft = 0;
  await scene.stage().issue([NAME]);
  assert.equal(scene.ca.book.certificates.length, 1);
  assert.equal(scene.ca.book.orders.length, 1);
});

test('acme: an order that never ends is replaced by a new one in the end', async () => {
  scene.ca.book.processingPolls = 100_000;
  for (let i = 0; i < 3; i++) await scene.failure(scene.stage().issue([NAME]));
  assert.equal(scene.ca.book.orders.length, 1);
  scene.ca.book.processingPolls = 0;
  await scene.stage().issue([NAME]);
  assert.equal(scene.ca.book.orders.length, 2);
});

test('acme: an account that the authority forgot is made anew, once', async () => {
  const first = scene.stage();
  await first.issue([NAME]);
  const [before] = scene.stores.keys('account').map((key) => scene.stores.texts.get(key));
  scene.ca.book.accounts.length = 0;
  await first.issue([NAME], scene.ca.book.certificates[0]!.chain);
  assert.equal(scene.ca.book.accounts.length, 1);
  const [now] = scene.stores.keys('account').map((key) => scene.stores.texts.get(key));
  assert.notEqual(now, before);
  scene.ca.faults = [{ on: 'newOrder', times: 9, status: 400, type: 'accountDoesNotExist' }];
  const error = await scene.failure(first.issue(['x.example.com']));
  assert.equal(error.problem?.type, 'accountDoesNotExist');
  assert.equal(scene.ca.book.accounts.length, 2, 'not one for each failure');
});

test('acme: a key that another process has changed is read again', async () => {
  const first = scene.stage();
  await first.issue([NAME]);
  await scene.stage().issuer.changeAccountKey(AbortSignal.timeout(10_000));
  await first.issue(['x.example.com']);
  assert.equal(scene.ca.book.accounts.length, 1);
  assert.equal(scene.ca.book.certificates.length, 2);
});

test('acme: aborted, it is not held up by a record that cannot be taken away', async () => {
  const abort = new AbortController();
  const dns = {
    add: () => Promise.resolve(),
    waitUntilSeen: () => {
      abort.abort(new Error('the process ends'));
      return Promise.resolve();
    },
    remove: () => new Promise<void>(() => undefined),
  };
  const begun = scene.stage({ dns }).issue(['*.example.com'], null, abort.signal);
  const error = await begun.catch((thrown: unknown) => thrown);
  assert.ok(error instanceof IssueError && error.advice === 'aborted');
  // The process after it takes the record away.
  const removed: string[] = [];
  const later = {
    ...dns,
    remove: ({ name }: { name: string }) => Promise.resolve(void removed.push(name)),
  };
  await scene
    .stage({ dns: { ...later, waitUntilSeen: () => Promise.resolve() } })
    .issue(['*.example.com']);
  assert.deepEqual(removed, ['example.com']);
});

test('acme: aborted, it takes challenges away and goes on with the order later', async () => {
  const abort = new AbortController();
  scene.ca.intercept = (operation) => {
    if (operation === 'authorization') abort.abort(new Error('the process ends'));
  };
  const error = await scene.failure(scene.stage().issue([NAME], null, abort.signal));
  assert.equal(error.advice, 'aborted');
  scene.ca.intercept = () => undefined;
  await scene.stage().issue([NAME]);
  assert.equal(scene.ca.book.orders.length, 1);
});

test('acme: what is replaced is left out when the authority refuses it', async () => {
  const { chain } = await scene.stage().issue([NAME]);
  await scene.stage().issue([NAME], chain);
  scene.stores.texts.clear();
  await scene.stage().issue([NAME], chain);
  assert.equal(scene.ca.book.certificates.length, 3);
  const replaced = scene.ca.book.orders.map(({ replaces }) => replaces !== '');
  assert.deepEqual(replaced, [false, true, false]);
});

test('acme: a wall clock that jumps while it waits does not lengthen the wait', async () => {
  scene.ca.book.processingPolls = 3;
  let jumps = 0;
  scene.ca.intercept = (operation, stageOf) => {
    if (operation !== 'order' || stageOf !== 'before') return;
    scene.clock.jump(jumps++ % 2 === 0 ? -60 * 86_400_000 : 60 * 86_400_000);
  };
  await scene.stage().issue([NAME]);
  assert.ok(scene.clock.waits.every((wait) => wait <= 10_000));
});

test('acme: a slow authority is waited for', async () => {
  scene.ca.faults = [{ on: 'finalize', times: 1, delayMs: 300 }];
  await scene.stage().issue([NAME]);
  assert.equal(scene.ca.book.certificates.length, 1);
});

test('acme: no secret is in what it says about a failure', async () => {
  const first = scene.stage();
  await first.issue([NAME]);
  const secrets = [...scene.stores.texts.values()].join().match(/[A-Za-z0-9+/]{40,}/g)!;
  scene.board.broken.add('http-01').add('tls-alpn-01');
  const error = await scene.failure(first.issue(['x.example.com']));
  const told = JSON.stringify([error.message, error.problem, first.steps]);
  for (const secret of secrets) assert.equal(told.includes(secret), false);
});
