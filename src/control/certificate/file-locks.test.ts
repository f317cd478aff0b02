import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { Prng } from '../../base/prng.ts';
import { FileLocks } from './file-locks.ts';
import { isOwnerAlive, readOwner, thisOwner } from './lock-owner.ts';
import type { StoreFileSystem } from './store-file-system.ts';
import { NODE_FILE_SYSTEM } from './store-file-system.ts';

/** Time runs so much faster: a look every 2 ms, a beat every 12 ms. */
const SPEED = 250;

interface Options {
  /** Null: cannot be told. */
  readonly isAlive?: boolean | null;
  readonly files?: StoreFileSystem;
  /** False: the process is stopped, its timers do not fire. */
  readonly isRunning?: () => boolean;
}

let count = 0;

function locksIn(folder: string, options: Options = {}): FileLocks {
  const { isAlive = null, files = NODE_FILE_SYSTEM, isRunning = () => true } = options;
  const random = new Prng(++count);
  return new FileLocks({
    folder: join(folder, 'locks'),
    files,
    owner: thisOwner(`owner ${count}`),
    isAlive: () => isAlive,
    wallMs: () => Date.now(),
    random: () => random.next(),
    setTimer: (delayMs, callback) => {
      const timer = setTimeout(() => isRunning() && callback(), delayMs / SPEED);
      return () => clearTimeout(timer);
    },
  });
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'locks-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('file locks: of many that want one lock, one at a time has it', async (t) => {
  const folder = await temporaryFolder(t);
  const all = Array.from({ length: 4 }, () => locksIn(folder));
  let holders = 0;
  let turns = 0;
  await Promise.all(
    all.flatMap((locks) =>
      [1, 2, 3].map(async () => {
        const lease = await locks.acquire('issue_a');
        assert.equal(++holders, 1);
        assert.ok(await lease.isHeld());
        await new Promise((resolve) => setImmediate(resolve));
        holders--;
        turns++;
        await lease.release();
      }),
    ),
  );
  assert.equal(turns, 12);
  assert.deepEqual(await readdir(join(folder, 'locks')), []);
});

test('file locks: different locks do not wait for each other', async (t) => {
  const folder = await temporaryFolder(t);
  const locks = locksIn(folder);
  const one = await locks.acquire('issue_a');
  const two = await locks.acquire('issue_a.b');
  assert.equal(await locks.tryAcquire('issue_a'), null);
  assert.equal(await locksIn(folder).tryAcquire('issue_a'), null);
  await one.release();
  const three = await locks.tryAcquire('issue_a');
  assert.ok(three !== null);
  assert.equal(await three.isHeld(), true);
  await Promise.all([two.release(), three.release()]);
});

test('file locks: the lock of a process that is gone is taken over at once', async (t) => {
  const folder = await temporaryFolder(t);
  const dead = await locksIn(folder, { isRunning: () => false }).acquire('issue_a');
  const lease = await locksIn(folder, { isAlive: false }).tryAcquire('issue_a');
  assert.ok(lease !== null);
  assert.ok(lease.token > dead.token, 'the token grows');
  assert.equal(await dead.isHeld(), false);
  assert.equal(dead.signal.aborted, true);
  await dead.release(); // Takes nothing away from the new holder.
  assert.equal(await lease.isHeld(), true);
  await lease.release();
});

test('file locks: only one that gives no sign of life is taken over', async (t) => {
  const folder = await temporaryFolder(t);
  let isRunning = true;
  const first = await locksIn(folder, { isRunning: () => isRunning }).acquire('issue_a');
  const waiting = locksIn(folder).acquire('issue_a');
  let isTaken = false;
  void waiting.then(() => (isTaken = true));
  for (let i = 0; i < 60; i++) await new Promise((resolve) => setTimeout(resolve, 3));
  assert.equal(isTaken, false, 'alive for longer than it takes to be given up');
  isRunning = false; // Stopped, as by a debugger.
  const lease = await waiting;
  assert.equal(await first.isHeld(), false);
  await lease.release();
});

test('file locks: what a dead machine held is free also for who does not wait', async (t) => {
  const folder = await temporaryFolder(t);
  await locksIn(folder, { isRunning: () => false }).acquire('storage_clean');
  const lease = await locksIn(folder).tryAcquire('storage_clean');
  assert.ok(lease !== null);
  assert.equal(await locksIn(folder).tryAcquire('storage_clean'), null, 'a living one keeps it');
  await lease.release();
});

test('file locks: a holder that wakes up finds out by itself', async (t) => {
  const folder = await temporaryFolder(t);
  const first = await locksIn(folder).acquire('issue_a');
  const lost = new Promise((resolve) => first.signal.addEventListener('abort', resolve));
  await rm(join(folder, 'locks', 'issue_a.1.lock'));
  await lost;
  await first.release();
});

test('file locks: a file that is empty or not ours is given up like any other', async (t) => {
  const folder = await temporaryFolder(t);
  const locks = locksIn(folder);
  await (await locks.acquire('other')).release();
  await writeFile(join(folder, 'locks', 'issue_a.7.lock'), '');
  const lease = await locks.acquire('issue_a');
  assert.equal(lease.token, 8);
  await lease.release();
  assert.deepEqual(await readdir(join(folder, 'locks')), []);
});

test('file locks: waiting ends with its signal, and the next in line goes on', async (t) => {
  const folder = await temporaryFolder(t);
  const locks = locksIn(folder);
  const lease = await locks.acquire('issue_a');
  const stop = new AbortController();
  const second = locks.acquire('issue_a', stop.signal);
  const third = locks.acquire('issue_a');
  stop.abort(new Error('enough'));
  await assert.rejects(second, /enough/);
  const elsewhere = locksIn(folder).acquire('issue_a', AbortSignal.abort(new Error('late')));
  await assert.rejects(elsewhere, /late/);
  await lease.release();
  await (await third).release();
});

test('file locks: closing gives all of them back', async (t) => {
  const folder = await temporaryFolder(t);
  const locks = locksIn(folder);
  await locks.acquire('issue_a');
  await locks.acquire('issue_b');
  await locks.close();
  assert.deepEqual(await readdir(join(folder, 'locks')), []);
});

test('file locks: one that cannot be written is no lock', async (t) => {
  const folder = await temporaryFolder(t);
  const files: StoreFileSystem = {
    ...NODE_FILE_SYSTEM,
    claim: () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' })),
  };
  const locks = locksIn(folder, { files });
  await assert.rejects(locks.acquire('issue_a'), /full/);
  await assert.rejects(locks.acquire('issue_a'), /full/); // Nobody holds the queue.
});

test('lock owner: this process lives, one with its number and another start does not', () => {
  const owner = thisOwner('x');
  assert.equal(isOwnerAlive(owner), true);
  assert.equal(isOwnerAlive({ ...owner, scope: 'elsewhere' }), null);
  if (owner.started !== '') assert.equal(isOwnerAlive({ ...owner, started: '1' }), false);
  assert.equal(isOwnerAlive({ ...owner, processId: 2 ** 22 + 1 }), false);
  assert.deepEqual(readOwner(JSON.stringify(owner)), owner);
  for (const text of ['', '{}', '[]', 'null', '{"id":"x"}']) assert.equal(readOwner(text), null);
});
