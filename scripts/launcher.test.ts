import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { TestContext } from 'node:test';

const LAUNCHER = join(import.meta.dirname, '../bin/proxy-now');

/** A folder with a copy of the launcher and the given files; removed after the test. */
function folderWith(t: TestContext, files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'proxy-now-launcher-'));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'bin'));
  copyFileSync(LAUNCHER, join(root, 'bin/proxy-now'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
    chmodSync(join(root, path), 0o755);
  }
  return root;
}

/** A stand-in for node: answers `--version` and prints its other arguments. */
function fakeNode(version: string): string {
  return `#!/bin/sh\nif [ "$1" = --version ]; then echo ${version}; else echo ran "$@"; fi\n`;
}

test('launcher: runs the sources with the pinned node, through links, when in a checkout', (t) => {
  const root = folderWith(t, {
    'src/app/main.ts': '',
    'node_modules/node/bin/node': fakeNode('v26.0.0'),
  });
  symlinkSync('bin/proxy-now', join(root, 'first'));
  mkdirSync(join(root, 'deep'));
  symlinkSync(join(root, 'first'), join(root, 'deep/second'));
  const out = execFileSync(join(root, 'deep/second'), ['run', 'a b'], { encoding: 'utf8' });
  assert.match(out, /^ran .*\/src\/app\/main\.ts run a b\n$/);
});

test('launcher: names the cure when the pinned node is missing', (t) => {
  const root = folderWith(t, { 'src/app/main.ts': '' });
  const result = spawnSync(join(root, 'bin/proxy-now'), { encoding: 'utf8' });
  assert.equal(result.status, 1);
  assert.match(result.stderr, /run 'npm ci'/);
});

for (const [version, isAccepted] of [
  ['v24.0.0', true],
  ['v100.1.0', true],
  ['v23.11.0', false],
  ['v9.0.0', false],
  ['nonsense', false],
] as const) {
  test(`launcher: ${isAccepted ? 'accepts' : 'refuses'} node ${version} in a package`, (t) => {
    const root = folderWith(t, { 'dist/app/main.js': '', 'path/node': fakeNode(version) });
    const env = { ...process.env, PATH: `${join(root, 'path')}:/usr/bin:/bin` };
    const result = spawnSync(join(root, 'bin/proxy-now'), ['check'], { encoding: 'utf8', env });
    assert.equal(result.status, isAccepted ? 0 : 1);
    if (isAccepted) assert.match(result.stdout, /^ran .*\/dist\/app\/main\.js check\n$/);
    else assert.match(result.stderr, /needs Node 24 or newer, found/);
  });
}

test('launcher: becomes the proxy, so that a signal reaches it', async (t) => {
  const node = `#!/bin/sh\nexec "${process.execPath}" "$@"\n`;
  const main = `process.on('SIGTERM', () => process.exit(7)); setInterval(() => {}, 1000);
    console.log('ready');`;
  const root = folderWith(t, { 'src/app/main.ts': main, 'node_modules/node/bin/node': node });
  const child = spawn(join(root, 'bin/proxy-now'), { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.once('data', () => child.kill('SIGTERM'));
  const code = await new Promise((resolve) => child.once('exit', resolve));
  assert.equal(code, 7);
});
