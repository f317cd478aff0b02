import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { checkStore } from './store-check.ts';
import type { CertificateStore } from './certificate-store.ts';
import { isStoreKey, StoreError } from './certificate-store.ts';
import { openFileStore } from './file-store.ts';
import type { StoreFileSystem } from './store-file-system.ts';
import { NODE_FILE_SYSTEM } from './store-file-system.ts';

const OLD_MS = 2 * 86_400_000;

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'store-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function setTimer(delayMs: number, callback: () => void): () => void {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
}

function open(folder: string, files: StoreFileSystem = NODE_FILE_SYSTEM): CertificateStore {
  return openFileStore({
    folder,
    files,
    wallMs: () => 1_800_000_000_000,
    random: () => 0.5,
    setTimer,
  });
}

type Call = keyof StoreFileSystem;

/** The file system, but that `fault` is asked before each call that may change something. */
function faulty(fault: (call: Call, path: string) => void): StoreFileSystem {
  const changing: readonly Call[] = [
    'create',
    'claim',
    'rename',
    'syncFolder',
    'makeFolder',
    'remove',
  ];
  const wrapped: Record<string, unknown> = { ...NODE_FILE_SYSTEM };
  for (const call of changing) {
    const real = NODE_FILE_SYSTEM[call] as (...args: unknown[]) => Promise<unknown>;
    wrapped[call] = async (...args: unknown[]) => {
      fault(call, String(args[0]));
      return real(...args);
    };
  }
  return wrapped as unknown as StoreFileSystem;
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

test('file store: reads what was written, lists it, removes it', async (t) => {
  const store = open(await temporaryFolder(t));
  assert.equal(await store.read('certificates/ca/a/a.pem'), null);
  assert.equal((await store.readAll('certificates')).size, 0);
  await store.write('certificates/ca/a/a.pem', 'one');
  await store.write('certificates/ca/b/b.pem', 'two');
  await store.write('other/c.json', 'three');
  assert.equal(await store.read('certificates/ca/a/a.pem'), 'one');
  assert.deepEqual([...(await store.readAll('certificates'))].toSorted(), [
    ['certificates/ca/a/a.pem', 'one'],
    ['certificates/ca/b/b.pem', 'two'],
  ]);
  await store.remove('certificates/ca/a/a.pem');
  await store.remove('certificates/ca/a/a.pem');
  assert.equal(await store.read('certificates/ca/a/a.pem'), null);
});

test('file store: files are for their owner alone, and so are folders', async (t) => {
  const folder = join(await temporaryFolder(t), 'made', 'by', 'it');
  const store = open(folder);
  await store.write('a/b/key.pem', 'secret');
  const lease = await store.acquire('a_lock');
  const modes: string[] = [];
  for (const path of ['', 'a', 'a/b', 'a/b/key.pem', 'locks', 'locks/a_lock.1.lock']) {
    modes.push(((await stat(join(folder, path))).mode & 0o777).toString(8));
  }
  assert.deepEqual(modes, ['700', '700', '700', '600', '700', '600']);
  await lease.release();
});

test('file store: keys that lead elsewhere are refused', async (t) => {
  const store = open(await temporaryFolder(t));
  for (const key of [
    '../x',
    'a/../../x',
    '/etc/x',
    'a//b',
    'a/./b',
    '',
    '.x',
    'a\0b',
    'A',
    'a b',
  ]) {
    assert.ok(!isStoreKey(key), key);
    await assert.rejects(store.write(key, 'x'), key);
  }
});

test('file store: after a crash at any step a value is the old or the new one', async (t) => {
  const folder = await temporaryFolder(t);
  let steps = Infinity;
  for (let died = 0; died < steps; died++) {
    const calm = open(folder);
    await calm.write('certificates/ca/a/a.pem', 'old');
    let count = 0;
    // Dead: nothing that comes after takes place, no tidying up either.
    const files = faulty(() => {
      if (count++ >= died) throw systemError('EIO');
    });
    const result = await open(folder, files)
      .write('certificates/ca/a/a.pem', 'new')
      .then(
        () => 'written',
        (error: unknown) => error,
      );
    if (result === 'written') steps = died;
    else assert.ok(result instanceof StoreError);
    const found = await open(folder).read('certificates/ca/a/a.pem');
    assert.ok(found === 'old' || found === 'new', `${found} after ${died} steps`);
    if (result === 'written') assert.equal(found, 'new');
    assert.deepEqual([...(await open(folder).readAll('certificates')).values()], [found]);
  }
  assert.ok(steps >= 3 && steps < 10, String(steps));
});

for (const [code, kind] of [
  ['ENOSPC', 'full'],
  ['EDQUOT', 'full'],
  ['EROFS', 'read-only'],
  ['EACCES', 'denied'],
  ['EIO', 'unavailable'],
] as const) {
  test(`file store: ${code} is said in words, and the old value stays`, async (t) => {
    const folder = await temporaryFolder(t);
    await open(folder).write('a/key.pem', 'old');
    const files = faulty((call) => {
      if (call === 'create' || call === 'claim') throw systemError(code);
    });
    const store = open(folder, files);
    await assert.rejects(store.write('a/key.pem', 'new'), (error) => {
      return error instanceof StoreError && error.kind === kind && error.message.includes(folder);
    });
    await assert.rejects(store.acquire('a_lock'), StoreError);
    await assert.rejects(checkStore(store), StoreError);
    assert.equal(await store.read('a/key.pem'), 'old');
    assert.deepEqual(await readdir(join(folder, 'a')), ['key.pem']);
  });
}

test('file store: the check before an order finds a disk that forgets', async (t) => {
  const folder = await temporaryFolder(t);
  await checkStore(open(folder));
  assert.deepEqual(await readdir(join(folder, 'trials')), []);
  const forgetful: StoreFileSystem = { ...NODE_FILE_SYSTEM, readText: () => Promise.resolve('') };
  await assert.rejects(checkStore(open(folder, forgetful)), /does not give back/);
});

test('file store: a file that cannot be read hides no other one', async (t) => {
  const folder = await temporaryFolder(t);
  const store = open(folder);
  await store.write('certificates/ca/a/a.pem', 'one');
  await store.write('certificates/ca/b/b.pem', 'two');
  const files: StoreFileSystem = {
    ...NODE_FILE_SYSTEM,
    readTextNow: (path) => {
      if (path.endsWith('a.pem')) throw systemError('EIO');
      return NODE_FILE_SYSTEM.readTextNow(path);
    },
  };
  assert.deepEqual([...(await open(folder, files).readAll('certificates')).values()], ['two']);
  await chmod(join(folder, 'certificates/ca/a/a.pem'), 0o600);
});

test('file store: tidying up takes away what was cut short long ago only', async (t) => {
  const folder = await temporaryFolder(t);
  const store = open(folder);
  await store.write('a/key.pem', 'one');
  const seconds = (1_800_000_000_000 - OLD_MS) / 1_000;
  for (const name of ['.old.tmp', '.new.tmp']) await writeFile(join(folder, 'a', name), 'x');
  await utimes(join(folder, 'a', '.old.tmp'), seconds, seconds);
  await utimes(join(folder, 'a', '.new.tmp'), 1_800_000_000, 1_800_000_000);
  await store.tidy();
  assert.deepEqual((await readdir(join(folder, 'a'))).toSorted(), ['.new.tmp', 'key.pem']);
  assert.equal(await readFile(join(folder, 'a', 'key.pem'), 'utf8'), 'one');
});

test('file store: what is claimed is there whole, once, and leaves no draft', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'a.1.lock');
  const claims = await Promise.allSettled(
    ['one', 'two', 'three'].map((text) => NODE_FILE_SYSTEM.claim(path, text)),
  );
  const won = claims.findIndex(({ status }) => status === 'fulfilled');
  assert.equal(claims.filter(({ status }) => status === 'fulfilled').length, 1);
  assert.equal(await readFile(path, 'utf8'), ['one', 'two', 'three'][won]);
  assert.deepEqual(await readdir(folder), ['a.1.lock']);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});
