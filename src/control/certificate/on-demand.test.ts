import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { OnDemandConfig } from '../config/config.ts';
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
  openStage,
} from './manager-stage.contract.ts';
import type { Stage } from './manager-stage.contract.ts';
import { FLIGHTS_MAX, VAIN_NAMES_MAX } from './on-demand.ts';

const YES: Permission = { isAllowed: true, holdsMs: 0, problem: '' };
const NO: Permission = { isAllowed: false, holdsMs: 60_000, problem: '' };
const CLIENT = '192.0.2.1';

interface Demand {
  readonly time: FakeTime;
  readonly stage: Stage;
  readonly asked: string[];
  answer: Permission;
}

async function open(
  onDemand: Partial<OnDemandConfig> = {},
  store = new MemoryStore(),
  time = new FakeTime(),
): Promise<Demand> {
  const asked: string[] = [];
  const demand = { time, asked, answer: YES } as unknown as Demand & { stage: Stage };
  demand.stage = openStage(time, store, {
    ask: ({ name, peerAddress }) => {
      asked.push(`${name} ${peerAddress}`);
      return Promise.resolve(demand.answer);
    },
  });
  const config = {
    names: ['*.example.com'],
    ask: 'http://ask.test/',
    perHourMax: 100,
    ...onDemand,
  };
  demand.stage.manager.configure(configWith([], [{ ...ACME, onDemand: config }, INTERNAL]));
  await demand.stage.manager.start();
  return demand;
}

test('on demand: asks once, gets one, and answers all that wait', async () => {
  const { time, stage, asked } = await open();
  stage.manager.wanted('a.example.com', CLIENT);
  stage.manager.wanted('a.example.com', '192.0.2.2');
  await time.advance(1_000);
  assert.deepEqual(asked, [`a.example.com ${CLIENT}`]);
  assert.deepEqual(stage.settledNames, ['a.example.com']);
  assert.equal(stage.served.size, 1);
  assert.equal(stage.issuer().orders.length, 1);
  stage.manager.wanted('a.example.com', CLIENT);
  await time.advance(1_000);
  assert.equal(stage.settledNames.length, 2);
  assert.equal(asked.length, 1);
});

test('on demand: names outside the patterns are settled, and nobody is asked', async () => {
  const { time, stage, asked } = await open();
  const names = [
    'example.com',
    'a.b.example.com',
    'x.test',
    '*.example.com',
    'a b.example.com',
    '',
  ];
  for (const name of names) stage.manager.wanted(name, CLIENT);
  await time.advance(1_000);
  assert.deepEqual(stage.settledNames.toSorted(), names.toSorted());
  assert.deepEqual(asked, []);
  assert.deepEqual(stage.manager.rows(), []);
});

test('on demand: a no is settled and holds for as long as it says', async () => {
  const demand = await open();
  const { time, stage, asked } = demand;
  demand.answer = NO;
  stage.manager.wanted('a.example.com', CLIENT);
  await time.advance(1_000);
  stage.manager.wanted('a.example.com', CLIENT);
  await time.advance(1_000);
  assert.equal(stage.settledNames.length, 2);
  assert.equal(asked.length, 1);
  demand.answer = YES;
  await time.advance(60_000);
  stage.manager.wanted('a.example.com', CLIENT);
  await time.advance(1_000);
  assert.equal(asked.length, 2);
  assert.equal(stage.served.size, 1);
});

test('on demand: a permission that cannot be asked for is a no, and said', async () => {
  const demand = await open();
  const { time, stage } = demand;
  demand.answer = { isAllowed: false, holdsMs: 5_000, problem: 'connect ECONNREFUSED' };
  stage.manager.wanted('a.example.com', CLIENT);
  await time.advance(1_000);
  assert.equal(stage.served.size, 0);
  const event = stage.events.find(({ kind }) => kind === 'trouble');
  assert.match(event?.kind === 'trouble' ? event.message : '', /ECONNREFUSED/);
  demand.answer = YES;
  await time.advance(6_000);
  stage.manager.wanted('a.example.com', CLIENT);
  await time.advance(1_000);
  assert.equal(stage.served.size, 1);
});

test('on demand: names that are made up fill no log', async () => {
  const demand = await open();
  const { time, stage } = demand;
  demand.answer = { isAllowed: false, holdsMs: 5_000, problem: 'connect ECONNREFUSED' };
  for (let i = 0; i < 200; i++) {
    stage.manager.wanted(`n${i}.example.com`, `198.51.${i}.1`);
    await time.advance(100, 50);
  }
  assert.equal(demand.asked.length, 200);
  assert.equal(stage.events.filter(({ kind }) => kind === 'trouble').length, 3);
});

test('on demand: a failed order is settled and not repeated at once', async () => {
  const { time, stage } = await open();
  const issuer = stage.issuer();
  issuer.fault = () => new IssueError('no', { advice: 'fix' });
  stage.manager.wanted('a.example.com', CLIENT);
  await time.advance(1_000);
  assert.equal(stage.settledNames.length, 1);
  assert.deepEqual(stage.manager.rows(), []);
  for (let i = 0; i < 5; i++) {
    stage.manager.wanted('a.example.com', CLIENT);
    await time.advance(1_000);
  }
  assert.equal(stage.settledNames.length, 6);
  assert.equal(issuer.orders.length, 1);
  issuer.fault = null;
  await time.advance(15 * 60_000, 60_000);
  stage.manager.wanted('a.example.com', CLIENT);
  await time.advance(1_000);
  assert.equal(stage.served.size, 1);
});

test('on demand: a client whose names come to nothing is not listened to any more', async () => {
  const demand = await open();
  const { time, stage, asked } = demand;
  demand.answer = NO;
  for (let i = 0; i < VAIN_NAMES_MAX + 10; i++) {
    stage.manager.wanted(`n${i}.example.com`, CLIENT);
    await time.advance(100, 50);
  }
  assert.equal(asked.length, VAIN_NAMES_MAX);
  assert.equal(stage.settledNames.length, VAIN_NAMES_MAX + 10);
  demand.answer = YES;
  stage.manager.wanted('other.example.com', '2001:db8::1');
  await time.advance(1_000);
  assert.equal(stage.served.size, 1, 'others are');
});

test('on demand: no more new names an hour than configured', async () => {
  const { time, stage } = await open({ perHourMax: 3 });
  for (let i = 0; i < 6; i++) {
    stage.manager.wanted(`n${i}.example.com`, CLIENT);
    await time.advance(1_000);
  }
  assert.equal(stage.issuer().orders.length, 3);
  assert.equal(stage.settledNames.length, 6);
  assert.ok(stage.events.some(({ kind }) => kind === 'trouble'));
  await time.advance(HOUR_MS, 60_000);
  stage.manager.wanted('later.example.com', CLIENT);
  await time.advance(1_000);
  assert.equal(stage.issuer().orders.length, 4);
});

test('on demand: flights are bounded, and every one is settled', async () => {
  const { time, stage } = await open();
  const held = Promise.withResolvers<void>();
  stage.issuer().hold = held.promise;
  for (let i = 0; i < FLIGHTS_MAX + 5; i++) stage.manager.wanted(`n${i}.example.com`, CLIENT);
  await time.advance(1_000);
  assert.equal(stage.settledNames.length, 5);
  held.resolve();
  await time.advance(20_000, 100);
  assert.equal(stage.settledNames.length, FLIGHTS_MAX + 5);
  assert.equal(stage.served.size, FLIGHTS_MAX);
});

test('on demand: a client that waits comes before names of the configuration', async () => {
  const { time, stage } = await open();
  const names = Array.from({ length: 50 }, (_, index) => `n${index}.example.org`);
  const onDemand = { names: ['*.example.com'], ask: '', perHourMax: 100 };
  const issuers = [{ ...ACME, onDemand }, INTERNAL];
  stage.manager.configure(configWith(nodesFor(names), issuers));
  stage.manager.wanted('a.example.com', CLIENT);
  await time.advance(20_000, 100);
  const order = stage.issuer().orders.findIndex((one) => one.names[0] === 'a.example.com');
  assert.ok(order >= 0 && order < 8, String(order));
});

test('on demand: after a restart they are served from the store, without a question', async () => {
  const store = new MemoryStore();
  const time = new FakeTime();
  const first = await open({}, store, time);
  first.stage.manager.wanted('a.example.com', CLIENT);
  await time.advance(1_000);
  await first.stage.manager.close();
  const second = await open({}, store, time);
  assert.equal(second.stage.served.size, 1);
  const narrower = await open({ names: ['*.example.org'] }, store, time);
  assert.equal(narrower.stage.served.size, 0, 'the patterns do not allow it any more');
});

test('on demand: renewal asks again; a no ends it, silence does not', async () => {
  const demand = await open();
  const { time, stage, asked } = demand;
  stage.manager.wanted('a.example.com', CLIENT);
  await time.advance(1_000);
  demand.answer = { isAllowed: false, holdsMs: 5_000, problem: 'silence' };
  await time.advance(62 * DAY_MS, HOUR_MS);
  assert.equal(asked.at(-1), 'a.example.com ');
  assert.equal(stage.issuer().orders.length, 2, 'renewed all the same');
  demand.answer = NO;
  await time.advance(62 * DAY_MS, HOUR_MS);
  assert.equal(stage.served.size, 0);
  assert.equal(stage.issuer().orders.length, 2);
});

test('on demand: after the end everything is settled at once', async () => {
  const { time, stage } = await open();
  const held = Promise.withResolvers<void>();
  stage.issuer().hold = held.promise;
  stage.manager.wanted('a.example.com', CLIENT);
  await time.advance(1_000);
  const closed = stage.manager.close();
  held.resolve();
  await closed;
  stage.manager.wanted('b.example.com', CLIENT);
  await time.advance(10);
  assert.deepEqual(stage.settledNames.toSorted(), ['a.example.com', 'b.example.com']);
});
