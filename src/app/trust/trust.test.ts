import assert from 'node:assert/strict';
import test from 'node:test';

import { changeNssStores } from './nss-stores.ts';
import { changeSystemStore } from './system-store.ts';
import type { TrustedRoot } from './trusted-root.ts';
import type { TrustWorld } from './trust-world.ts';

const ROOTS: readonly TrustedRoot[] = [
  { name: 'Proxy Now Local Authority 1', id: 'a1'.repeat(32), pem: 'PEM 1' },
  { name: 'Proxy Now Local Authority 2', id: 'b2'.repeat(32), pem: 'PEM 2' },
];
const DEBIAN = '/usr/local/share/ca-certificates';
const RETRY = 'sudo it';

/** A machine of folders, files and programs. Databases of certutil are files of nicknames. */
class FakeWorld implements TrustWorld {
  platform = 'linux';
  readonly home = '/home/a';
  isOwnHome = true;
  readonly folders = new Set<string>();
  readonly files = new Map<string, string>();
  readonly programs = new Set(['certutil', 'update-ca-certificates', 'update-ca-trust']);
  readonly ran: string[] = [];
  isRoot = true;
  failing = '';

  isFolder(path: string): boolean {
    return this.folders.has(path);
  }

  isWritable(): boolean {
    return this.isRoot;
  }

  list(folder: string): readonly string[] {
    const inside = [...this.files.keys()].filter((path) => path.startsWith(`${folder}/`));
    return inside.map((path) => path.slice(folder.length + 1));
  }

  find(pattern: string): readonly string[] {
    const expression = new RegExp(`^${pattern.replaceAll('.', '\\.').replace('*', '[^/]+')}$`);
    return [...this.files.keys()].filter((path) => expression.test(path));
  }

  makeFolder(path: string): void {
    this.folders.add(path);
  }

  write(path: string, text: string): void {
    this.files.set(path, text);
  }

  remove(path: string): void {
    this.files.delete(path);
  }

  withFile<Result>(_text: string, use: (path: string) => Result): Result {
    return use('/private/root.pem');
  }

  has(program: string): boolean {
    return this.programs.has(program);
  }

  run(program: string, args: readonly string[], input = '') {
    this.ran.push([program, ...args].join(' '));
    if (program === this.failing) return { code: 1, output: 'first\nno entropy' };
    return program === 'certutil' ? this.#certutil(args, input) : { code: 0, output: '' };
  }

  #certutil(args: readonly string[], input: string) {
    const file = `${args[1]!.slice('sql:'.length)}/cert9.db`;
    const name = args.at(-1)!;
    const known = new Set((this.files.get(file) ?? '').split('\n').filter((line) => line !== ''));
    if (args[2] === '-L') return { code: known.has(name) ? 0 : 255, output: '' };
    if (args[2] === '-A') assert.match(input, /^PEM \d$/);
    if (args[2] === '-A') known.add(name);
    if (args[2] === '-D') known.delete(name);
    this.files.set(file, [...known].join('\n'));
    return { code: 0, output: '' };
  }
}

function onDebian(): FakeWorld {
  const world = new FakeWorld();
  world.folders.add(DEBIAN);
  return world;
}

test('trust: the system store gets a file for each root and is told, once', () => {
  const world = onDebian();
  const first = changeSystemStore(world, ROOTS, true, RETRY);
  assert.deepEqual([first.outcome, first.path], ['installed', DEBIAN]);
  assert.deepEqual(
    [...world.files],
    [
      [`${DEBIAN}/proxy-now-${'a1'.repeat(8)}.crt`, 'PEM 1'],
      [`${DEBIAN}/proxy-now-${'b2'.repeat(8)}.crt`, 'PEM 2'],
    ],
  );
  assert.deepEqual(world.ran, ['update-ca-certificates']);
  assert.equal(changeSystemStore(world, ROOTS, true, RETRY).outcome, 'present');
  assert.equal(world.ran.length, 1);
  assert.equal(changeSystemStore(world, ROOTS, false, RETRY).outcome, 'removed');
  assert.equal(world.files.size, 0);
  assert.equal(changeSystemStore(world, ROOTS, false, RETRY).outcome, 'absent');
  assert.equal(world.ran.length, 2);
});

test('trust: each kind of system has its folder and program', () => {
  const world = new FakeWorld();
  world.folders.add('/etc/pki/ca-trust/source/anchors');
  changeSystemStore(world, ROOTS.slice(0, 1), true, RETRY);
  assert.deepEqual(world.ran, ['update-ca-trust extract']);
  assert.match([...world.files.keys()][0]!, /anchors\/proxy-now-[0-9a-f]{16}\.pem$/);
});

test('trust: says why not, and what to do', () => {
  const user = onDebian();
  user.isRoot = false;
  const denied = changeSystemStore(user, ROOTS, true, RETRY);
  assert.equal(denied.outcome, 'skipped');
  assert.match(denied.message, /needs root: sudo it$/);
  const bare = new FakeWorld();
  assert.match(changeSystemStore(bare, ROOTS, true, RETRY).message, /ca-certificates/);
  const broken = onDebian();
  broken.failing = 'update-ca-certificates';
  const failed = changeSystemStore(broken, ROOTS, true, RETRY);
  assert.deepEqual(
    [failed.outcome, failed.message],
    ['failed', 'update-ca-certificates failed: no entropy'],
  );
});

test('trust: the keychain of macOS gets them through its program', () => {
  const world = new FakeWorld();
  world.platform = 'darwin';
  world.failing = 'security';
  assert.equal(changeSystemStore(world, ROOTS, true, RETRY).outcome, 'failed');
  const keychain = '/Library/Keychains/System.keychain';
  const add = `security add-trusted-cert -d -r trustRoot -k ${keychain} /private/root.pem`;
  assert.ok(world.ran.includes(add));
  assert.deepEqual(changeNssStores(world, ROOTS, true), [], 'Chromium asks the system there');
});

test('trust: browsers get them into every database, and Chromium gets one', () => {
  const world = new FakeWorld();
  world.files.set('/home/a/.mozilla/firefox/x.default/cert9.db', '');
  world.files.set('/home/a/.mozilla/firefox/y/cert9.db', 'Proxy Now Local Authority 1');
  const shown = changeNssStores(world, ROOTS, true).map(({ store, path, outcome }) => {
    return [store, path, outcome];
  });
  assert.deepEqual(shown, [
    ['Chromium', '/home/a/.pki/nssdb', 'installed'],
    ['Firefox', '/home/a/.mozilla/firefox/x.default', 'installed'],
    ['Firefox', '/home/a/.mozilla/firefox/y', 'installed'],
  ]);
  for (const text of world.files.values()) assert.equal(text.split('\n').length, 2);
  const again = changeNssStores(world, ROOTS, true);
  assert.ok(again.every(({ outcome }) => outcome === 'present'));
  assert.equal(world.ran.filter((line) => line.includes(' -N ')).length, 1);
  assert.equal(world.ran.filter((line) => line.includes(' -A ')).length, 5);
  const removed = changeNssStores(world, ROOTS, false);
  assert.ok(removed.every(({ outcome }) => outcome === 'removed'));
});

test('trust: root changes nothing in the home of somebody else', () => {
  const world = new FakeWorld();
  world.isOwnHome = false;
  const [result] = changeNssStores(world, ROOTS, true);
  assert.equal(result!.outcome, 'skipped');
  assert.match(result!.message, /\/home\/a is not root's/);
  assert.deepEqual(world.ran, []);
  assert.equal(world.files.size + world.folders.size, 0);
});

test('trust: no database is made to take something out of it', () => {
  const world = new FakeWorld();
  assert.deepEqual(
    changeNssStores(world, ROOTS, false).map(({ outcome }) => outcome),
    ['absent'],
  );
  assert.equal(world.files.size, 0);
  assert.deepEqual(world.ran, []);
});

test('trust: without certutil it says which package has it', () => {
  const world = new FakeWorld();
  world.programs.delete('certutil');
  const [result] = changeNssStores(world, ROOTS, true);
  assert.equal(result!.outcome, 'skipped');
  assert.match(result!.message, /libnss3-tools/);
});
