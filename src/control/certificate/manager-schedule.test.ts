import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ORDERS_MAX } from './authority-gate.ts';
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
  START_MS,
} from './manager-stage.contract.ts';
import { latestRenewal } from './renewal-plan.ts';

const NAME = 'a.example.com';

test('manager: a certificate of 160 hours is renewed at half of its life', async () => {
  const time = new FakeTime();
  const stage = await openRunning(time, new MemoryStore(), [NAME], {
    prepare: (issuer) => {
      issuer.lifeMs = 160 * HOUR_MS;
    },
  });
  await time.advance(5_000);
  let leastLeftMs = Infinity;
  for (let hour = 0; hour < 30 * 24; hour++) {
    await time.advance(HOUR_MS, HOUR_MS);
    const { notAfterMs } = stage.row(NAME);
    leastLeftMs = Math.min(leastLeftMs, notAfterMs - time.wallMs);
  }
  assert.ok(leastLeftMs > 76 * HOUR_MS, `${leastLeftMs / HOUR_MS} h`);
  const orders = stage.issuer().orders.length;
  assert.ok(orders >= 9 && orders <= 11, `${orders} orders in 30 days`);
});

test('manager: many names of one age are renewed spread over the window', async () => {
  const time = new FakeTime();
  const names = Array.from({ length: 500 }, (_, index) => `n${index}.example.com`);
  const stage = await openRunning(time, new MemoryStore(), names);
  await time.advance(60_000, 200);
  assert.equal(stage.served.size, names.length);
  assert.equal(stage.issuer().runningMax, ORDERS_MAX);
  const rows = stage.manager.rows();
  const { startMs, endMs } = rows[0]!.renewal!;
  const tenths = Array.from({ length: 10 }, () => 0);
  for (const { nextAttemptMs } of rows) {
    tenths[Math.floor(((nextAttemptMs - startMs) / (endMs - startMs)) * 9.99)]!++;
  }
  for (const count of tenths) assert.ok(count > 25 && count < 80, String(tenths));
});

test('manager: a name that is missing comes before renewals', async () => {
  const time = new FakeTime();
  const store = new MemoryStore();
  const old = Array.from({ length: 20 }, (_, index) => `old${index}.example.com`);
  const first = await openRunning(time, store, old);
  await time.advance(5_000);
  await first.manager.close();
  time.nowMs += 89 * DAY_MS; // The machine was off.
  const stage = await openRunning(time, store, [...old, 'new.example.com']);
  await time.advance(10_000);
  assert.deepEqual(stage.issuer().orders[0]!.names, ['new.example.com']);
  assert.equal(stage.issuer().orders.length, 21);
});

test('manager: the window of the authority decides, up to a bound', async () => {
  const time = new FakeTime();
  const stage = await openRunning(time, new MemoryStore(), [NAME]);
  await time.advance(5_000);
  const { notBeforeMs, notAfterMs } = stage.row(NAME);
  const window = (startMs: number, endMs: number) => () => ({
    startMs,
    endMs,
    nextLookMs: time.wallMs + HOUR_MS,
    explanationUrl: 'https://ca.test/why',
  });
  const late = notAfterMs - 5 * DAY_MS;
  stage.issuer().window = window(late, late + DAY_MS);
  await time.advance(HOUR_MS, 60_000);
  assert.equal(stage.row(NAME).renewal!.by, 'authority');
  assert.equal(stage.row(NAME).nextAttemptMs, latestRenewal({ notBeforeMs, notAfterMs }));
  assert.equal(stage.events.filter(({ kind }) => kind === 'window-moved').length, 0);

  const soon = time.wallMs + 5 * DAY_MS;
  stage.issuer().window = window(soon, soon + DAY_MS);
  await time.advance(3 * HOUR_MS, 60_000);
  const { nextAttemptMs, renewal } = stage.row(NAME);
  assert.ok(nextAttemptMs >= soon && nextAttemptMs <= soon + DAY_MS);
  assert.equal(renewal!.explanationUrl, 'https://ca.test/why');
  assert.equal(stage.events.filter(({ kind }) => kind === 'window-moved').length, 1);
  await time.advance(6 * HOUR_MS, 60_000);
  assert.equal(stage.row(NAME).nextAttemptMs, nextAttemptMs, 'chosen once per window');

  stage.issuer().window = window(time.wallMs - 2 * DAY_MS, time.wallMs - DAY_MS); // Revoked.
  await time.advance(3 * HOUR_MS, 60_000);
  assert.ok(stage.issuer().orders.length >= 2);
});

test('manager: windows that make no sense change nothing', async () => {
  const time = new FakeTime();
  const stage = await openRunning(time, new MemoryStore(), [NAME]);
  await time.advance(5_000);
  const before = stage.row(NAME).nextAttemptMs;
  const bad = [
    [2, 1],
    [5, 5],
    [NaN, 7],
    [1, Infinity],
  ] as const;
  for (const [startMs, endMs] of bad) {
    stage.issuer().window = () => ({ startMs, endMs, nextLookMs: NaN, explanationUrl: '' });
    await time.advance(3 * HOUR_MS, 10 * 60_000);
  }
  assert.ok(stage.issuer().looks >= 4);
  assert.equal(stage.row(NAME).nextAttemptMs, before);
  assert.equal(stage.issuer().orders.length, 1);
});

test('manager: a window that is always in the past makes no storm', async () => {
  const time = new FakeTime();
  const stage = await openRunning(time, new MemoryStore(), [NAME]);
  await time.advance(5_000);
  stage.issuer().window = () => ({
    startMs: START_MS - 2 * DAY_MS,
    endMs: START_MS - DAY_MS,
    nextLookMs: time.wallMs + 60_000,
    explanationUrl: '',
  });
  await time.advance(24 * HOUR_MS, 60_000);
  const orders = stage.issuer().orders.length;
  assert.ok(orders > 2 && orders <= 25, `${orders} orders in a day`);
});

for (const days of [60, -60]) {
  test(`manager: a clock that jumps by ${days} days makes no storm and no long wait`, async () => {
    const time = new FakeTime();
    const names = Array.from({ length: 50 }, (_, index) => `n${index}.example.com`);
    const stage = await openRunning(time, new MemoryStore(), names);
    await time.advance(HOUR_MS, 60_000);
    const issuer = stage.issuer();
    assert.equal(issuer.orders.length, 50);
    issuer.fault = () => new IssueError('down', { advice: 'retry' });
    const next = nodesFor([...names, 'new.example.com']);
    stage.manager.configure(configWith(next));
    await time.advance(10_000);
    assert.equal(stage.row('new.example.com').state, 'missing');
    const before = issuer.orders.length;

    time.wallOffsetMs += days * DAY_MS;
    issuer.fault = null;
    await time.advance(60_000, 10_000);
    assert.ok(stage.events.some(({ kind }) => kind === 'trouble'));
    assert.ok(issuer.orders.length <= before + 1, 'renewals wait until the clock has settled');
    await time.advance(HOUR_MS, 60_000);
    assert.equal(stage.row('new.example.com').state, 'valid', 'a retry does not wait for days');
    assert.equal(stage.served.size, 51);

    await time.advance(3 * DAY_MS, 10 * 60_000);
    const orders = issuer.orders.length - before;
    assert.ok(orders <= 52, `${orders} orders: each name once at most, and the new one`);

    time.wallOffsetMs -= days * DAY_MS; // Somebody set it right.
    await time.advance(3 * DAY_MS, 10 * 60_000);
    assert.ok(issuer.orders.length - before <= 103);
    for (const row of stage.manager.rows()) assert.equal(row.state, 'valid');
  });
}

test('manager: a clock that was set back puts no renewal off beyond the end', async () => {
  const time = new FakeTime();
  const stage = await openRunning(time, new MemoryStore(), [NAME]);
  await time.advance(5_000);
  time.wallOffsetMs -= 60 * DAY_MS;
  await time.advance(80 * DAY_MS, 3 * HOUR_MS);
  assert.ok(stage.issuer().orders.length >= 2, 'renewed before 80 days of true time');
});

test('manager: failures keep what is served and obey the authority', async () => {
  const time = new FakeTime();
  const stage = await openRunning(time, new MemoryStore(), [NAME]);
  await time.advance(5_000);
  const { id, nextAttemptMs } = stage.row(NAME);
  stage.issuer().fault = () =>
    new IssueError('connection refused; open port 80', {
      advice: 'fix',
      problem: { type: 'connection', status: 400, detail: '', identifier: '', subproblems: [] },
    });
  await time.advance(nextAttemptMs - time.wallMs + HOUR_MS, 10 * 60_000);
  const row = stage.row(NAME);
  assert.equal(row.id, id);
  assert.equal(stage.served.size, 1);
  assert.equal(row.state, 'failing');
  assert.equal(row.problem!.type, 'connection');
  assert.equal(row.problem!.message, 'connection refused; open port 80');
  const inAnHour = stage.issuer().orders.length - 1;
  assert.ok(inAnHour >= 3 && inAnHour <= 5, `${inAnHour} in an hour; five names fail an hour`);

  const before = stage.issuer().orders.length;
  const retryAtMs = time.wallMs + 7 * HOUR_MS;
  stage.issuer().fault = () => new IssueError('slow down', { advice: 'wait', retryAtMs });
  await time.advance(2 * HOUR_MS, 60_000);
  assert.equal(stage.issuer().orders.length, before + 1);
  assert.ok(stage.row(NAME).nextAttemptMs >= retryAtMs);
  stage.issuer().fault = null;
  await time.advance(6 * HOUR_MS, 60_000);
  assert.equal(stage.row(NAME).state, 'valid');
  assert.equal(stage.row(NAME).problem, null);
  const counts = stage.manager.attempts().map(({ operation, result, count }) => {
    return `${operation} ${result} ${count}`;
  });
  assert.ok(counts.includes('renew success 1') && counts.includes('obtain success 1'));
});

test('manager: tries from 1 minute to 6 hours apart, for days, at one authority', async () => {
  const time = new FakeTime();
  const at: number[] = [];
  const prepare = (issuer: { fault: unknown }): void => {
    issuer.fault = () => {
      at.push(time.nowMs);
      return new IssueError('down', { advice: 'retry' });
    };
  };
  const stage = await openRunning(time, new MemoryStore(), [NAME], { prepare });
  await time.advance(3 * DAY_MS, 30_000);
  const gaps = at.slice(1).map((one, index) => (one - at[index]!) / 60_000);
  assert.ok(gaps[0]! >= 0.8 && gaps[0]! <= 2, String(gaps[0]));
  assert.ok(Math.max(...gaps) < 420);
  assert.ok(gaps.at(-1)! > 300 && gaps.length < 40, String(gaps.length));
  assert.equal(stage.issuers.size, 2);
});

test('manager: a missing name goes to the next issuer at once, a renewal not', async () => {
  const time = new FakeTime();
  const backup = { ...ACME, name: 'backup' };
  const config = configWith(nodesFor([NAME]), [ACME, backup, INTERNAL]);
  const stage = openStage(time, new MemoryStore());
  stage.manager.configure(config);
  await stage.manager.start();
  stage.issuer('ca').fault = () => new IssueError('down', { advice: 'retry' });
  await time.advance(5_000);
  assert.equal(stage.row(NAME).issuer, 'backup');
  const failed = stage.events.find(({ kind }) => kind === 'failed');
  assert.equal(failed?.kind === 'failed' && failed.issuer, 'ca');

  const dueMs = stage.row(NAME).nextAttemptMs;
  await time.advance(dueMs - time.wallMs, HOUR_MS);
  await time.advance(30_000, 1_000);
  assert.equal(stage.issuer('backup').orders.length, 1, 'the first issuer is asked first again');
  assert.equal(stage.row(NAME).state, 'failing');
  await time.advance(HOUR_MS, 60_000);
  assert.equal(stage.issuer('backup').orders.length, 2);
  assert.equal(stage.issuer('ca').orders.filter(({ replaces }) => replaces !== null).length, 0);
  assert.ok(stage.issuer('backup').orders[1]!.replaces !== null);
});

test('manager: an authority that fails is left alone, tried with one order', async () => {
  const time = new FakeTime();
  const names = Array.from({ length: 100 }, (_, index) => `n${index}.example.com`);
  const unavailable = () =>
    new IssueError('service unavailable', {
      advice: 'wait',
      retryAtMs: time.wallMs + HOUR_MS,
      problem: { type: 'rateLimited', status: 503, detail: '', identifier: '', subproblems: [] },
    });
  const prepare = (issuer: { fault: unknown }): void => void (issuer.fault = unavailable);
  const stage = await openRunning(time, new MemoryStore(), names, { prepare });
  await time.advance(50 * 60_000, 30_000);
  const { orders } = stage.issuer();
  assert.ok(orders.length <= ORDERS_MAX, `${orders.length} orders though it said: in an hour`);
  const row = stage.row('n99.example.com');
  assert.match(row.step + (row.problem?.message ?? ''), /left alone|unavailable/);
  const before = orders.length;
  await time.advance(15 * 60_000, 30_000);
  assert.equal(stage.issuer().orders.length, before + 1, 'one order finds out');
  stage.issuer().fault = null;
  await time.advance(3 * HOUR_MS, 30_000);
  assert.equal(stage.served.size, 100);
});

for (const isGranted of [false, true]) {
  const what = isGranted ? 'more if it allows more' : 'one that finds out';
  test(`manager: orders up to the limits of Let's Encrypt, and then ${what}`, async () => {
    const time = new FakeTime();
    const names = Array.from({ length: 60 }, (_, index) => `n${index}.example.com`);
    const authority = 'acme-v02.api.letsencrypt.org-directory';
    let given = 0;
    const limited = ({ names: [name] }: { readonly names: readonly string[] }) => {
      if (isGranted || !name!.endsWith('.example.com') || given++ < 50) return null;
      const retryAtMs = time.wallMs + 30 * HOUR_MS;
      return new IssueError('too many certificates', { advice: 'wait', retryAtMs });
    };
    const stage = await openRunning(time, new MemoryStore(), [...names, 'a.example.net'], {
      authority,
      prepare: (issuer) => {
        issuer.fault = limited;
      },
    });
    await time.advance(5 * 60_000, 5_000);
    assert.equal(stage.issuer().orders.length, 51);
    const waiting = stage.manager.rows().filter(({ id }) => id === '');
    assert.equal(waiting.length, 10);
    for (const row of waiting) assert.match(row.step, /limits/);
    await time.advance(25 * HOUR_MS, 60_000);
    assert.equal(stage.issuer().orders.length, isGranted ? 61 : 52);
    given = 0;
    await time.advance(3 * DAY_MS, 10 * 60_000);
    assert.equal(stage.served.size, 61);
  });
}
