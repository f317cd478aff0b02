import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import type { TestContext } from 'node:test';

import { adminSocketPlaces, prepareAdminSocket } from './admin-socket.ts';
import type { SocketWorld } from './admin-socket.ts';

const CONFIG = '/etc/proxy-now/main.toml';
const OWN_ID = process.getuid!();

function scratch(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'pn-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function world(env: SocketWorld['env'], userId = OWN_ID): SocketWorld {
  return { env, userId };
}

test('admin socket: the runtime folder of a service, then that of a session', (context) => {
  const folder = scratch(context);
  const both = world({ RUNTIME_DIRECTORY: `${folder}:/elsewhere`, XDG_RUNTIME_DIR: folder });
  const { path, problem } = prepareAdminSocket('auto', CONFIG, both);
  assert.equal(problem, null);
  assert.match(path!, /^.*\/main\.toml-[0-9a-f]{8}\.sock$/);
  assert.equal(dirname(path!), folder);
  const session = prepareAdminSocket('auto', CONFIG, world({ XDG_RUNTIME_DIR: folder }));
  assert.equal(dirname(session.path!), join(folder, 'proxy-now'));
  assert.equal(statSync(join(folder, 'proxy-now')).mode & 0o777, 0o700);
  const places = adminSocketPlaces('auto', CONFIG, both);
  assert.equal(places[0], path);
  assert.equal(places[1], session.path);
});

test('admin socket: configurations of the same name have sockets of their own', (context) => {
  const here = world({ RUNTIME_DIRECTORY: scratch(context) });
  const one = prepareAdminSocket('auto', '/a/main.toml', here).path;
  const other = prepareAdminSocket('auto', '/b/main.toml', here).path;
  assert.notEqual(one, other);
  assert.equal(prepareAdminSocket('auto', '/a/x/../main.toml', here).path, one);
});

test('admin socket: a folder that others may write to is passed over', (context) => {
  const folder = scratch(context);
  const own = join(folder, 'proxy-now');
  mkdirSync(own);
  for (const mode of [0o777, 0o770, 0o702]) {
    chmodSync(own, mode);
    const { path } = prepareAdminSocket('auto', CONFIG, world({ XDG_RUNTIME_DIR: folder }));
    assert.notEqual(path === null ? '' : dirname(path), own, mode.toString(8));
  }
  chmodSync(own, 0o755);
  const { path } = prepareAdminSocket('auto', CONFIG, world({ XDG_RUNTIME_DIR: folder }));
  assert.equal(dirname(path!), own);
  // Somebody else's folder, as far as this user is concerned.
  const foreign = prepareAdminSocket('auto', CONFIG, world({ XDG_RUNTIME_DIR: folder }, 4_242));
  assert.notEqual(foreign.path === null ? '' : dirname(foreign.path), own);
});

test('admin socket: a file or a missing parent is passed over', (context) => {
  const folder = scratch(context);
  writeFileSync(join(folder, 'proxy-now'), '');
  for (const session of [folder, join(folder, 'missing')]) {
    const { path } = prepareAdminSocket('auto', CONFIG, world({ XDG_RUNTIME_DIR: session }));
    assert.ok(path === null || !path.startsWith(folder), session);
  }
});

test('admin socket: a link where anyone may make one is not followed', (context) => {
  const userId = 3_999_999_999; // Nobody: no folder of that name exists.
  const shared = join(tmpdir(), `proxy-now-${userId}`);
  const target = scratch(context);
  symlinkSync(target, shared);
  context.after(() => rmSync(shared));
  const places = adminSocketPlaces('auto', CONFIG, world({}, userId));
  assert.ok(places.every((place) => !place.startsWith(shared)));
});

test('admin socket: a path of its own is relative to the file; off is nowhere', () => {
  assert.deepEqual(adminSocketPlaces('run/a.sock', CONFIG), ['/etc/proxy-now/run/a.sock']);
  assert.equal(prepareAdminSocket('/run/a.sock', CONFIG).path, '/run/a.sock');
  assert.deepEqual(adminSocketPlaces('off', CONFIG), []);
  assert.deepEqual(prepareAdminSocket('off', CONFIG), { path: null, problem: null });
  assert.deepEqual(prepareAdminSocket('auto', ''), { path: null, problem: null });
});

test('admin socket: a path that the kernel would cut is a problem', () => {
  const longest = `/${'a'.repeat(106)}`;
  assert.equal(prepareAdminSocket(longest, CONFIG).path, longest);
  const { path, problem } = prepareAdminSocket(`${longest}a`, CONFIG);
  assert.equal(path, null);
  assert.match(problem!, /107 bytes/);
});
