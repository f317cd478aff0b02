import test from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, waitForPort } from './ports.ts';
import { readUsage } from './procfs.ts';
import { isRunning, logTail, ProcessKeeper } from './process-keeper.ts';
import type { KeptProcess } from './process-keeper.ts';

const SERVER = `
  require('node:child_process').spawn('sleep', ['600']);
  process.on('SIGTERM', () => {});
  require('node:net').createServer().listen(Number(process.argv[1]), '127.0.0.1');
`;

/** Starts a listener that ignores SIGTERM and has a child of its own. */
function startStubborn(keeper: ProcessKeeper, dir: string, port: number): KeptProcess {
  return keeper.start({
    name: 'stubborn',
    command: [process.execPath, '-e', SERVER, String(port)],
    core: null,
    cwd: dir,
    logPath: join(dir, 'output.log'),
  });
}

function isAlive(pid: number): boolean {
  try {
    return !/^\S+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

test('process-keeper: killAll ends a whole tree at once', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'proxy-now-keeper-'));
  const keeper = new ProcessKeeper(process.env);
  const port = await freePort();
  const kept = startStubborn(keeper, dir, port);
  await waitForPort(port, kept);
  const { pids } = readUsage(kept.pid);
  assert.equal(pids.length, 2);
  const ended = new Promise((resolve) => kept.child.once('exit', resolve));
  keeper.killAll();
  await ended;
  for (const pid of pids) {
    while (isAlive(pid)) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(isRunning(kept), false);
  rmSync(dir, { recursive: true });
});

test('process-keeper: tells how a program ended and what it wrote', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'proxy-now-keeper-'));
  const keeper = new ProcessKeeper({ ...process.env, WORD: 'kept' });
  const start = (script: string): KeptProcess =>
    keeper.start({
      name: 'program',
      command: ['sh', '-c', script],
      core: null,
      cwd: dir,
      logPath: join(dir, 'output.log'),
    });
  const good = start('echo "$WORD"; echo two >&2');
  assert.equal(await keeper.finish(good, 10_000), true);
  assert.equal(logTail(good, 1), 'two');
  assert.equal(logTail(good), 'kept\ntwo');
  assert.equal(await keeper.finish(start('exit 3'), 10_000), false);
  const port = await freePort();
  await assert.rejects(waitForPort(port, start('echo no; exit 1')), /ended at once[^]*no/);
  rmSync(dir, { recursive: true });
});
