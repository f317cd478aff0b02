import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { TestContext } from 'node:test';
import { killAll, runFile } from './run-file.ts';
import type { FileResult } from './run-file.ts';

const GENEROUS_MS = 30_000;

/** Runs `body` as a test file. */
async function run(t: TestContext, body: string, limitMs = GENEROUS_MS): Promise<FileResult> {
  const root = mkdtempSync(join(tmpdir(), 'proxy-now-run-file-'));
  t.after(() => rmSync(root, { recursive: true }));
  writeFileSync(join(root, 'x.test.mjs'), `import test from 'node:test';\n${body}`);
  return runFile(root, 'x.test.mjs', limitMs, join(root, 'records.jsonl'));
}

test('runFile: counts what passed, failed, was skipped or is still to do', async (t) => {
  const body = `console.log('printed');
    test('a', () => {}); test('b', () => { throw new Error('broken'); });
    test.skip('c', () => {}); test.todo('d', () => { throw new Error('later'); });`;
  const { isGood, counts, failures, output } = await run(t, body);
  assert.equal(isGood, false);
  const found = ['tests', 'pass', 'fail', 'skipped', 'todo'].map((key) => counts.get(key));
  assert.deepEqual(found, [4, 1, 1, 1, 1]);
  assert.match(failures[0]!, /^x\.test\.mjs:3 b\n {4}Error: broken\n {8}at /);
  assert.match(failures[1]!, /^x\.test\.mjs:4 d \(todo\)\n/);
  assert.match(output, /printed/);
});

test('runFile: is content with a file whose tests pass', async (t) => {
  const { isGood, counts, failures } = await run(t, `test('a', () => {});`);
  assert.deepEqual([isGood, counts.get('pass'), failures], [true, 1, []]);
});

test('runFile: counts a file that cannot be loaded as a failure', async (t) => {
  const { isGood, counts, failures, output } = await run(t, `throw new Error('at load');`);
  assert.equal(isGood, false);
  assert.equal(counts.get('fail'), 1);
  assert.match(failures[0]!, /ended with code/);
  assert.match(output, /at load/);
});

test('runFile: ends a file that is over its limit', async (t) => {
  const { isGood, counts, failures } = await run(t, 'setInterval(() => {}, 1000);', 1);
  assert.deepEqual([isGood, counts.get('fail')], [false, 1]);
  assert.match(failures[0]!, /did not end within/);
});

test('killAll: ends a running file with what it started', async (t) => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const grandchild = `require('node:net').connect(${port}, '127.0.0.1')`;
  const body = `import { spawn } from 'node:child_process';
    test('a', () => { spawn(process.execPath, ['-e', ${JSON.stringify(grandchild)}]); });`;
  const running = run(t, body);
  const [socket] = (await once(server, 'connection')) as [Socket];
  socket.on('error', () => socket.destroy());
  killAll();
  await once(socket.resume(), 'close'); // The grandchild is gone: its end of this was closed.
  const { isGood, counts } = await running;
  assert.deepEqual([isGood, counts.get('fail')], [false, 1]);
});
