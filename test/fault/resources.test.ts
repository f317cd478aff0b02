/** F11, F14, F15, F16: no descriptors, no memory, a log nobody reads, a clock that jumps. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { phaseOf } from '../support/load/processes.ts';
import { processTree } from '../support/process-tree.ts';
import { RawClient } from '../support/raw-client.ts';
import { scratchDirectory } from '../support/subject.ts';
import { delay, holdsWithin, until } from '../support/wait.ts';
import { assertClean, failuresBut } from './clean.ts';
import { inForm } from './form.ts';
import { ProxyStage } from './proxy-stage.ts';

function sumFailures(failures: Readonly<Record<string, number>>): number {
  return Object.values(failures).reduce((sum, count) => sum + count, 0);
}

test('F11 descriptors: a flood beyond the limit cuts no answer and burns no CPU', async (t) => {
  const stage = await ProxyStage.open(t, {
    rate: 40,
    prefixes: ['/one'],
    through: ['prlimit', '--nofile=256:256', '--'],
    tables: '[limits]\nconnections = 10000\nconnections-per-address = 10000\n',
  });
  await stage.client.answers(60);
  const size = 40_000;
  const downloads = Array.from({ length: 10 }, () => new RawClient(stage.port));
  for (const download of downloads) {
    download.send(`GET /one/x?size=${size}&ms=5000 HTTP/1.1\r\nHost: a\r\nX-Load-Id: d\r\n\r\n`);
  }
  await until(() => downloads.every(({ received }) => received.length > 0), 'the downloads');
  await stage.client.mark('flood');
  const clients = Array.from({ length: inForm(600, 1_000) }, () => new RawClient(stage.port));
  t.after(() => [...clients, ...downloads].forEach((client) => client.destroy()));
  await delay(1_000);
  const cpu = await stage.cpuDuring(() => delay(inForm(2_000, 10_000)));
  assert.ok(cpu < inForm(0.7, 0.15), `${(cpu * 100).toFixed(0)} % of a core`);
  assert.equal(stage.child.exit, null);
  const isDone = (): boolean => downloads.every(({ received }) => received.includes('\r\n0\r\n'));
  await until(isDone, 'the downloads that ran before the flood', 10_000);
  const lines = stage.child.output.match(/descriptor|EMFILE|open files|limit/gi)?.length ?? 0;
  assert.ok(lines <= 20, `${lines} lines about it`);
  for (const client of clients) client.destroy();
  await delay(500);
  await stage.client.mark('after');
  await stage.client.answers(60);
  const report = await stage.client.stop();
  // New connections may be refused; who has a connection and uses it notices nothing.
  const allowed = /^(new|slow) .*(status-503|before-answer|connect-failed|refused)$/;
  assert.deepEqual(failuresBut(phaseOf(report, 'flood'), allowed), {});
  assertClean(phaseOf(report, 'after'), ['new', 'kept', 'post']);
});

test('F14 log: a pipe that nobody reads blocks no request', async (t) => {
  const directory = scratchDirectory();
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  const pipe = path.join(directory, 'access.pipe');
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  const reader = fs.openSync(pipe, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  t.after(() => fs.closeSync(reader));
  const stage = await ProxyStage.open(t, {
    rate: 300,
    tables: `[observe.access-log]\npath = "${pipe}"\nformat = "json"\n`,
  });
  // A pipe holds 64 KiB, some 200 lines; buffers behind it are bounded, then records are dropped.
  await stage.client.answers(inForm(1_500, 20_000), 90_000);
  const report = await stage.client.stop();
  assertClean(report.phases.at(-1)!, ['new', 'kept', 'post']);
  assert.equal(stage.child.exit, null);
});

const [FAKETIME] = fs.globSync('/usr/lib/*/faketime/libfaketimeMT.so.1');

test(
  'F15 clock: jumps of the wall clock change nothing',
  { skip: FAKETIME === undefined ? 'libfaketime is not installed' : false },
  async (t) => {
    const directory = scratchDirectory();
    t.after(() => fs.rmSync(directory, { recursive: true, force: true }));
    const clock = path.join(directory, 'clock');
    fs.writeFileSync(clock, '+0\n');
    const stage = await ProxyStage.open(t, {
      rate: 100,
      sockets: 3,
      env: {
        LD_PRELOAD: FAKETIME!,
        FAKETIME_TIMESTAMP_FILE: clock,
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      },
    });
    await stage.client.answers(60);
    for (const jump of ['+1h', '-1h', '+60d', '-60d', '+0']) {
      await stage.client.mark(jump);
      fs.writeFileSync(clock, `${jump}\n`);
      await delay(inForm(700, 5_000));
    }
    const report = await stage.client.stop();
    for (const phase of report.phases) assert.deepEqual(phase.failures, {}, phase.name);
    assert.equal(report.phases.at(-1)!.idleClosed, 0, 'no idle connection timed out by a jump');
  },
);

const MEMORY_ROOT = '/sys/fs/cgroup/memory';

/** A memory cgroup of our own below version 1, or null where there is none to be had. */
function memoryGroup(t: TestContext): string | null {
  const group = path.join(MEMORY_ROOT, `proxy-now-test-${process.pid}`);
  try {
    fs.mkdirSync(group);
    fs.accessSync(path.join(group, 'memory.limit_in_bytes'), fs.constants.W_OK);
  } catch {
    return null;
  }
  t.after(() => {
    for (let i = 0; i < 50; i++) {
      try {
        fs.rmdirSync(group);
        return;
      } catch {
        spawnSync('sleep', ['0.1']); // Its last process is still going.
      }
    }
  });
  return group;
}

test('F16 memory: readers that never read are shed before the kernel ends the proxy', async (t) => {
  const group = memoryGroup(t);
  if (group === null)
    t.diagnostic('no cgroup to limit memory with: only the buffer limit is judged');
  const stage = await ProxyStage.open(t, {
    rate: 30,
    prefixes: ['/one'],
    tables: '[limits]\nbuffer-size = "16MiB"\nwrite-progress-timeout = "4s"\n',
    ...(group === null
      ? {}
      : { through: ['sh', '-c', `echo $$ > ${group}/cgroup.procs && exec "$0" "$@"`] }),
  });
  await stage.client.answers(60);
  const steady = stage.usage().rssSize;
  if (group !== null) {
    // Both processes and page cache count; 1.2 of what is resident, and no less than 60 MB more.
    const limit = Math.max(Math.round(steady * 1.2), steady + 60_000_000);
    fs.writeFileSync(path.join(group, 'memory.limit_in_bytes'), String(limit));
  }
  const tree = processTree(stage.child.pid);
  await stage.client.mark('slow readers');
  const readers = Array.from({ length: inForm(400, 2_000) }, () => new RawClient(stage.port));
  t.after(() => readers.forEach((reader) => reader.destroy()));
  for (const reader of readers) {
    reader.socket.pause();
    reader.send('GET /one/x?size=2000000 HTTP/1.1\r\nHost: a\r\n\r\n');
  }
  await delay(inForm(4_000, 15_000));
  const peak = stage.usage().rssSize;
  for (const reader of readers) reader.destroy();
  assert.deepEqual(processTree(stage.child.pid), tree, 'nobody was killed');
  assert.ok(peak - steady < 150_000_000, `${Math.round((peak - steady) / 1e6)} MB more`);
  await stage.client.mark('after');
  const isServed = await holdsWithin(() => (stage.client.current?.done['new'] ?? 0) > 5, 15_000);
  assert.ok(isServed, 'it serves on');
  const report = await stage.client.stop();
  const during = phaseOf(report, 'slow readers');
  assert.deepEqual(failuresBut(during, /status-503$|before-answer$|idle-lost$|timeout$/), {});
  assert.ok(sumFailures(phaseOf(report, 'after').failures) < 30);
});
