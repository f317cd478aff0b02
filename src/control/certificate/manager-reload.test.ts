import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Permission } from './ask-permission.ts';
import { IssueError } from './issuer.ts';
import {
  ACME,
  configWith,
  DAY_MS,
  FakeTime,
  HOUR_MS,
  INTERNAL,
  MemoryStore,
  nodesFor,
  openRunning,
  openStage,
} from './manager-stage.contract.ts';
import type { Stage } from './manager-stage.contract.ts';

const A = 'a.example.com';
const B = 'b.example.com';
const C = 'c.example.com';

function nodeOf(names: readonly string[]) {
  return configWith([{ name: 'web', pairs: [], names, issuer: null }]);
}

/** Names that clients get a certificate for. */
function servedNames(stage: Stage): string[] {
  return [...new Set([...stage.served.values()].flatMap(({ names }) => names))].toSorted();
}

function refuse(): IssueError {
  return new IssueError('the authority cannot look at it', { advice: 'fix' });
}

/** For issuers that refuse from the start. */
function prepare(issuer: { fault: unknown }): void {
  issuer.fault = refuse;
}

test('manager: one that gets another name serves until the new one is there', async () => {
  const time = new FakeTime();
  const store = new MemoryStore();
  const stage = openStage(time, store);
  stage.manager.configure(nodeOf([A, B]));
  await stage.manager.start();
  await time.advance(5_000);
  assert.deepEqual(servedNames(stage), [A, B]);

  stage.issuer().fault = refuse;
  stage.manager.configure(nodeOf([A, B, C]));
  assert.deepEqual(servedNames(stage), [A, B]);
  await time.advance(HOUR_MS, 60_000);
  assert.deepEqual(servedNames(stage), [A, B]);
  await stage.manager.close();

  const second = openStage(time, store, { prepare });
  second.manager.configure(nodeOf([A, B, C]));
  await second.manager.start();
  assert.deepEqual(servedNames(second), [A, B], 'a restart finds it too');
  second.issuer().fault = null;
  await time.advance(HOUR_MS, 60_000);
  assert.deepEqual(servedNames(second), [A, B, C]);
  assert.equal(second.served.size, 1, 'what was there before is served no more');
});

test('manager: a wildcard takes over from names below it when it is there', async () => {
  const time = new FakeTime();
  const stage = await openRunning(time, new MemoryStore(), [A, 'b.other.example']);
  await time.advance(5_000);
  stage.issuer().fault = refuse;
  stage.manager.configure(configWith(nodesFor(['*.example.com'])));
  assert.deepEqual(servedNames(stage), [A]);
  stage.issuer().fault = null;
  await time.advance(HOUR_MS, 60_000);
  assert.deepEqual(servedNames(stage), ['*.example.com']);

  stage.issuer().fault = refuse;
  stage.manager.configure(configWith(nodesFor([B])));
  assert.deepEqual(servedNames(stage), ['*.example.com'], 'and gives back the same way');
  await time.advance(100 * DAY_MS, 6 * HOUR_MS);
  assert.deepEqual(servedNames(stage), [], 'but no longer than it is valid');
});

test('manager: a name that comes and goes is not tried more often for that', async () => {
  const time = new FakeTime();
  const stage = openStage(time, new MemoryStore());
  stage.manager.configure(configWith(nodesFor([A, B])));
  await stage.manager.start();
  stage.issuer().fault = ({ names }) => (names[0] === A ? refuse() : null);
  for (let round = 0; round < 60; round++) {
    stage.manager.configure(configWith(nodesFor([B])));
    await time.advance(500);
    stage.manager.configure(configWith(nodesFor([A, B])));
    await time.advance(500);
  }
  const tried = stage.issuer().orders.filter(({ names }) => names[0] === A).length;
  assert.equal(tried, 1);
  assert.equal(stage.row(A).problem?.failures, 1);
});

test('manager: a name that a route gets while its permission is asked for stays', async () => {
  const time = new FakeTime();
  let answer: Promise<Permission> = Promise.resolve({ isAllowed: true, holdsMs: 0, problem: '' });
  const stage = openStage(time, new MemoryStore(), { ask: () => answer });
  const onDemand = { names: ['*.example.com'], ask: 'http://ask.test/', perHourMax: 100 };
  const issuers = [{ ...ACME, onDemand }, INTERNAL];
  stage.manager.configure(configWith([], issuers));
  await stage.manager.start();
  stage.manager.wanted(A, '192.0.2.1');
  await time.advance(1_000);
  assert.deepEqual(servedNames(stage), [A]);

  const asked = Promise.withResolvers<Permission>();
  answer = asked.promise;
  stage.manager.renew(A);
  await time.advance(1_000);
  stage.manager.configure(configWith(nodesFor([A]), issuers));
  asked.resolve({ isAllowed: false, holdsMs: 0, problem: '' });
  await time.advance(60_000);
  assert.deepEqual(servedNames(stage), [A]);
  assert.equal(stage.issuer().orders.length, 2, 'it is renewed as it was asked for');
});

test('manager: what another machine got is served though the own attempt failed', async () => {
  const time = new FakeTime();
  const store = new MemoryStore();
  const one = await openRunning(time, store, [A, B], { prepare });
  await time.advance(5_000);
  assert.deepEqual(servedNames(one), []);
  const two = await openRunning(time, new MemoryStore(store), [A]);
  await time.advance(5_000);
  assert.deepEqual(servedNames(two), [A]);
  await time.advance(2 * 60_000, 5_000);
  assert.deepEqual(servedNames(one), [A]);
  assert.equal(one.row(A).state, 'valid');
  assert.equal(one.issuer().orders.length, 2, 'the first attempt of each, and no other one');
});
