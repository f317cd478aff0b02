import assert from 'node:assert/strict';
import { test } from 'node:test';

import { IssueError } from './issuer.ts';
import {
  ACME,
  configWith,
  DAY_MS,
  FakeTime,
  HOUR_MS,
  INTERNAL,
  makePair,
  MemoryStore,
  nodesFor,
  openRunning,
  openStage,
  settle,
  START_MS,
} from './manager-stage.contract.ts';
import { certificateTextOf } from './stored-certificate.ts';

const NAME = 'a.example.com';

test('manager: gets what is wanted, and a restart orders nothing', async () => {
  const time = new FakeTime();
  const store = new MemoryStore();
  const names = ['a.example.com', 'b.example.com', 'nas.internal'];
  const first = await openRunning(time, store, names);
  assert.equal(first.row(NAME).state, 'obtaining');
  await time.advance(5_000);
  assert.deepEqual([...first.served.values()].flatMap((entry) => entry.names).toSorted(), names);
  assert.equal(first.row(NAME).state, 'valid');
  assert.equal(first.row(NAME).issuer, 'ca');
  assert.equal(first.row('nas.internal').issuer, 'internal');
  const ranks = [...first.served.values()].map(({ names: own, rank }) => [own[0], rank]);
  assert.deepEqual(Object.fromEntries(ranks), { [names[0]!]: 1, [names[1]!]: 1, [names[2]!]: 2 });
  assert.equal(first.issuer().settled, 2);
  assert.deepEqual(
    first.events.map(({ kind }) => kind),
    ['obtained', 'obtained', 'obtained'],
  );
  await first.manager.close();

  const second = await openRunning(time, store, names);
  assert.equal(second.served.size, 3); // Before any timer.
  await time.advance(60_000);
  assert.equal(second.issuer().orders.length, 0);
  assert.deepEqual(
    second.row(NAME).renewal,
    first.row(NAME).renewal,
    'the instant that was chosen outlives a restart',
  );
});

test('manager: renews within the window, and drops the old one', async () => {
  const time = new FakeTime();
  const stage = await openRunning(time, new MemoryStore(), [NAME]);
  await time.advance(5_000);
  const before = stage.row(NAME);
  const dueMs = before.nextAttemptMs;
  assert.ok(dueMs >= before.renewal!.startMs && dueMs <= before.renewal!.endMs);
  await time.advance(dueMs - time.wallMs - HOUR_MS, HOUR_MS);
  assert.equal(stage.issuer().orders.length, 1);
  await time.advance(2 * HOUR_MS, 60_000);
  assert.equal(stage.issuer().orders.length, 2);
  assert.ok(stage.issuer().orders[1]!.replaces?.includes('BEGIN CERTIFICATE'));
  assert.notEqual(stage.row(NAME).id, before.id);
  assert.deepEqual([...stage.served.keys()], [stage.row(NAME).id]);
  assert.equal(stage.events.at(-1)!.kind, 'renewed');
});

test('manager: a reload ends no order that is still wanted', async () => {
  const time = new FakeTime();
  const stage = openStage(time, new MemoryStore());
  stage.manager.configure(configWith(nodesFor(['a.example.com', 'b.example.com'])));
  await stage.manager.start();
  const held = Promise.withResolvers<void>();
  const issuer = stage.issuer();
  issuer.hold = held.promise;
  await time.advance(1_000);
  assert.equal(issuer.running, 2);
  stage.manager.configure(configWith(nodesFor(['a.example.com', 'c.example.com'])));
  stage.manager.configure(
    configWith(nodesFor(['a.example.com', 'c.example.com']), [
      { ...ACME, email: 'new@example.com' },
      INTERNAL,
    ]),
  );
  held.resolve();
  await time.advance(5_000);
  const served = [...stage.served.values()].flatMap(({ names }) => names).toSorted();
  assert.deepEqual(served, ['a.example.com', 'c.example.com']);
  assert.equal(issuer.orders.filter(({ names }) => names[0] === 'a.example.com').length, 1);
});

test('manager: a route that comes back finds its certificate', async () => {
  const time = new FakeTime();
  const stage = await openRunning(time, new MemoryStore(), [NAME]);
  await time.advance(5_000);
  stage.manager.configure(configWith([]));
  assert.equal(stage.served.size, 0);
  stage.manager.configure(configWith(nodesFor([NAME])));
  assert.equal(stage.served.size, 1);
  await time.advance(60_000);
  assert.equal(stage.issuer().orders.length, 1);
});

test('manager: another authority means another certificate, at once', async () => {
  const time = new FakeTime();
  const store = new MemoryStore();
  const first = await openRunning(time, store, [NAME]);
  await time.advance(5_000);
  const { id } = first.row(NAME);
  first.manager.configure(configWith(nodesFor([NAME]), [{ ...ACME, name: 'other' }, INTERNAL]));
  assert.equal(first.served.size, 1, 'the old one is served until there is a new one');
  await time.advance(5_000);
  assert.equal(first.row(NAME).issuer, 'other');
  assert.notEqual(first.row(NAME).id, id);
});

test('manager: two on one store issue once', async () => {
  const time = new FakeTime();
  const store = new MemoryStore();
  const names = ['a.example.com', 'b.example.com', 'c.example.com'];
  const one = await openRunning(time, store, names, { seed: 1 });
  const two = await openRunning(time, new MemoryStore(store), names, { seed: 2 });
  await time.advance(20_000, 1_000);
  assert.equal(one.issuer().orders.length + two.issuer().orders.length, 3);
  assert.deepEqual([...one.served.keys()].toSorted(), [...two.served.keys()].toSorted());
  await time.advance(70 * DAY_MS, HOUR_MS);
  assert.equal(one.issuer().orders.length + two.issuer().orders.length, 6);
  await time.advance(2 * DAY_MS, HOUR_MS);
  assert.deepEqual([...one.served.keys()].toSorted(), [...two.served.keys()].toSorted());
});

for (const kind of ['full', 'read-only'] as const) {
  test(`manager: with a store that is ${kind} nobody is asked and nothing is lost`, async () => {
    const time = new FakeTime();
    const store = new MemoryStore();
    const stage = await openRunning(time, store, [NAME]);
    await time.advance(5_000);
    const { id, nextAttemptMs } = stage.row(NAME);
    store.fault = kind;
    store.isReadable = true;
    await time.advance(nextAttemptMs - time.wallMs + DAY_MS, HOUR_MS);
    assert.equal(stage.issuer().orders.length, 1);
    assert.equal(stage.row(NAME).id, id);
    assert.equal(stage.row(NAME).state, 'failing');
    assert.equal(stage.row(NAME).problem!.type, 'storage');
    assert.match(stage.row(NAME).problem!.message, new RegExp(kind));
    store.fault = null;
    await time.advance(DAY_MS, 10 * 60_000);
    assert.equal(stage.row(NAME).state, 'valid');
  });
}

test('manager: a store that fills up during the order loses nothing', async () => {
  const time = new FakeTime();
  const store = new MemoryStore();
  const stage = openStage(time, store);
  stage.manager.configure(configWith(nodesFor([NAME])));
  await stage.manager.start();
  stage.issuer().fault = () => {
    store.fault = 'full';
    store.isReadable = true;
    return null;
  };
  await time.advance(5_000);
  assert.equal(stage.served.size, 1);
  assert.equal(stage.issuer().settled, 0, 'the authority keeps the order until it is stored');
  assert.ok(stage.events.some((event) => event.kind === 'trouble' && event.name === NAME));
  stage.issuer().fault = null;
  store.fault = null;
  await time.advance(2 * 60_000, 10_000);
  assert.equal(stage.issuer().settled, 1);
  const next = await openRunning(time, store, [NAME]);
  assert.deepEqual([...next.served.keys()], [...stage.served.keys()]);
  assert.equal(stage.issuer().orders.length, 1);
});

test('manager: a store that cannot be read at the start is read later', async () => {
  const time = new FakeTime();
  const store = new MemoryStore();
  const before = await openRunning(time, store, [NAME]);
  await time.advance(5_000);
  await before.manager.close();
  store.fault = 'unavailable';
  const stage = await openRunning(time, store, [NAME]);
  assert.ok(stage.events.some(({ kind }) => kind === 'trouble'));
  await time.advance(30_000, 1_000);
  assert.equal(stage.issuer().orders.length, 0);
  store.fault = null;
  await time.advance(10 * 60_000, 10_000);
  assert.deepEqual([...stage.served.keys()], [before.row(NAME).id]);
  assert.equal(stage.issuer().orders.length, 0, 'it was there all the time');
});

test('manager: certificates from files come first and change with the configuration', async () => {
  const time = new FakeTime();
  const stage = openStage(time, new MemoryStore());
  const pairOf = (endMs: number) => {
    const { chain, key } = makePair([NAME], START_MS - DAY_MS, endMs);
    return { ...certificateTextOf(chain, key, 0)!, file: 'cert.pem' };
  };
  const node = (pair: ReturnType<typeof pairOf>) => [
    { name: 'own', pairs: [pair], names: [], issuer: null },
  ];
  const one = pairOf(START_MS + 10 * DAY_MS);
  stage.manager.configure(configWith(node(one)));
  assert.equal(stage.served.size, 1, 'before the store is read');
  await stage.manager.start();
  stage.manager.configure(configWith(node({ ...one })));
  assert.equal(stage.updates.length, 1, 'the same file again is no change');
  const two = pairOf(START_MS + 20 * DAY_MS);
  stage.manager.configure(configWith(node(two)));
  assert.deepEqual([...stage.served.keys()], [two.id]);
  assert.equal(stage.row('own').source, 'file');
  assert.equal(stage.manager.renew('own'), 'not-managed');
  assert.equal(stage.manager.renew(NAME), 'not-managed');
  assert.equal(stage.manager.renew('unknown.example.com'), 'unknown');
  const { chain, key } = stage.manager.state.certificates[0]!;
  assert.ok(chain.buffer instanceof SharedArrayBuffer && key.buffer === chain.buffer);
});

test('manager: an operator renews and revokes', async () => {
  const time = new FakeTime();
  const store = new MemoryStore();
  const stage = await openRunning(time, store, [NAME]);
  await time.advance(5_000);
  const first = stage.row(NAME).id;
  assert.equal(stage.manager.renew(NAME), 'started');
  await time.advance(5_000);
  const second = stage.row(NAME).id;
  assert.notEqual(second, first);
  stage.issuer().fault = () => new IssueError('down', { advice: 'retry' });
  assert.deepEqual(await stage.manager.revoke(NAME, 1), { status: 'revoked' });
  await time.advance(5_000);
  assert.deepEqual([...stage.served.keys()], [second], 'served until there is another one');
  assert.ok(![...store.values.keys()].some((key) => key.endsWith('.pem')));
  stage.issuer().fault = null;
  await time.advance(5 * 60_000, 10_000);
  const third = stage.row(NAME).id;
  assert.ok(third !== second && stage.served.has(third));
  assert.equal(stage.issuer().revoked, 1);
  const { replaces } = stage.issuer().orders.at(-1)!;
  assert.ok(replaces !== null, 'the issuer is told, so that it does not give the same one again');
  assert.deepEqual(await stage.manager.revoke('x.example.com', 1), { status: 'unknown' });
});

test('manager: closing ends what is under way, without a failure', async () => {
  const time = new FakeTime();
  const stage = openStage(time, new MemoryStore());
  stage.manager.configure(configWith(nodesFor([NAME])));
  await stage.manager.start();
  const held = Promise.withResolvers<void>();
  stage.issuer().hold = held.promise;
  await time.advance(1_000);
  assert.equal(stage.row(NAME).step, 'ordering from ca');
  const closed = stage.manager.close();
  held.resolve();
  await closed;
  await settle();
  assert.equal(stage.row(NAME).problem, null);
  assert.deepEqual(stage.events, []);
});

test('manager: a name that nobody can issue says so', async () => {
  const time = new FakeTime();
  const stage = openStage(time, new MemoryStore());
  stage.manager.configure(
    configWith(nodesFor(['*.example.com']), [{ ...ACME, challenges: ['http-01'] }, INTERNAL]),
  );
  await stage.manager.start();
  await time.advance(60_000);
  const row = stage.row('*.example.com');
  assert.equal(row.state, 'missing');
  assert.match(row.problem!.message, /no issuer is for \*\.example\.com/);
  assert.equal(stage.issuer().orders.length, 0);
});

test('manager: the wrong certificate of an authority is not served', async () => {
  const time = new FakeTime();
  const stage = openStage(time, new MemoryStore(), {
    prepare: (issuer) => {
      issuer.issue = () =>
        Promise.resolve(makePair(['other.example.com'], START_MS, START_MS + DAY_MS));
    },
  });
  stage.manager.configure(configWith(nodesFor([NAME])));
  await stage.manager.start();
  await time.advance(5_000);
  assert.equal(stage.served.size, 0);
  assert.match(stage.row(NAME).problem!.message, /not for the names/);
});

test('manager: killed after any write, the next process goes on', async () => {
  for (let writes = 0; writes < 12; writes++) {
    const time = new FakeTime();
    const store = new MemoryStore();
    const dying = new MemoryStore(store);
    const write = dying.write.bind(dying);
    let left = writes;
    dying.write = async (key, text) => {
      if (left-- <= 0) {
        dying.fault = 'unavailable';
        await new Promise(() => {}); // Dead: nothing comes after.
      }
      await write(key, text);
    };
    const first = await openRunning(time, dying, [NAME]);
    await time.advance(5_000);
    store.locks.clear(); // Those of a process that is gone are taken over.
    const second = await openRunning(time, store, [NAME]);
    await time.advance(5_000);
    assert.equal(second.served.size, 1, `killed after ${writes} writes`);
    assert.equal(second.row(NAME).state, 'valid');
    const orders = first.issuer().orders.length + second.issuer().orders.length;
    assert.ok(orders === 1 || orders === 2, `${orders} orders`);
    if (writes >= 3) assert.equal(second.issuer().orders.length, 0);
  }
});

test('manager: what is certain to fail is not ordered, the rest explains', async () => {
  const time = new FakeTime();
  let isCertain = true;
  const stage = openStage(time, new MemoryStore(), {
    preflight: ([name = '']) =>
      Promise.resolve([{ name, isCertain, message: `CAA of ${name} forbids it` }]),
  });
  stage.manager.configure(configWith(nodesFor([NAME])));
  await stage.manager.start();
  await time.advance(5_000);
  assert.equal(stage.issuer().orders.length, 0);
  const problem = stage.row(NAME).problem!;
  assert.deepEqual([problem.type, problem.advice], ['preflight', 'fix']);
  assert.equal(problem.message, `CAA of ${NAME} forbids it`);

  isCertain = false;
  stage.issuer().fault = () => new IssueError('caa', { advice: 'fix' });
  stage.manager.renew(NAME);
  await time.advance(5_000);
  assert.equal(stage.issuer().orders.length, 1);
  assert.match(
    stage.row(NAME).problem!.message,
    /^caa \(also: CAA of a\.example\.com forbids it\)$/,
  );
  stage.issuer().fault = null;
  stage.manager.renew(NAME);
  await time.advance(5_000);
  assert.equal(stage.row(NAME).state, 'valid');
});

test('manager: a look at DNS that takes long does not hold an order up', async () => {
  const time = new FakeTime();
  const stage = openStage(time, new MemoryStore(), { preflight: () => new Promise(() => {}) });
  stage.manager.configure(configWith(nodesFor([NAME])));
  await stage.manager.start();
  await time.advance(10_000, 500);
  assert.equal(stage.row(NAME).state, 'valid');
});

test('manager: an issuer that was put right is asked at once', async () => {
  const time = new FakeTime();
  let isBad = true;
  const stage = await openRunning(time, new MemoryStore(), [NAME], {
    prepare: (issuer) => {
      if (isBad) issuer.fault = () => new IssueError('bad', { advice: 'fix' });
    },
  });
  isBad = false;
  await time.advance(5_000);
  assert.equal(stage.row(NAME).state, 'missing');
  const same = configWith(nodesFor([NAME]));
  stage.manager.configure(same);
  await time.advance(5_000);
  assert.equal(stage.row(NAME).state, 'missing', 'the same configuration is no reason');
  stage.manager.configure(configWith(nodesFor([NAME]), [{ ...ACME, email: 'x' }, INTERNAL]));
  await time.advance(5_000);
  assert.equal(stage.row(NAME).state, 'valid');
});

test('manager: what is written late does not replace a later one', async () => {
  const time = new FakeTime();
  const store = new MemoryStore();
  const stage = openStage(time, store);
  stage.manager.configure(configWith(nodesFor([NAME])));
  await stage.manager.start();
  stage.issuer().fault = () => {
    store.fault = 'full';
    return null;
  };
  await time.advance(5_000);
  assert.equal(stage.served.size, 1);
  const shared = new MemoryStore(store);
  const other = await openRunning(time, shared, [NAME]);
  other.issuer().lifeMs = 120 * DAY_MS;
  await time.advance(5_000);
  store.fault = null;
  await time.advance(2 * 60_000, 10_000);
  assert.deepEqual([...stage.served.keys()], [other.row(NAME).id]);
  const next = await openRunning(time, store, [NAME]);
  assert.deepEqual([...next.served.keys()], [other.row(NAME).id]);
});
