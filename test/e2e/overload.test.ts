/** Few descriptors, too many clients, and processes that were stopped for a while. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { simpleToml, startInFrontOf } from '../support/behind.ts';
import { Child } from '../support/child.ts';
import { freePorts } from '../support/free-port.ts';
import { fetchFrom, startOrigin, type HttpOrigin } from '../support/http-origin.ts';
import { processTree, treeUsage } from '../support/process-tree.ts';
import { baseToml, PROXY_BINARY, type ProxyOptions } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { scratchDirectory } from '../support/subject.ts';
import { delay, until } from '../support/wait.ts';

const FILES_MAX = 256;

let origin: HttpOrigin;

test.before(async () => {
  origin = await startOrigin((request, response) => {
    const answer = (): void => void request.resume().on('end', () => response.end('ok'));
    if (request.url === '/later') setTimeout(answer, 1_000);
    else answer();
  });
});

test.after(() => origin.close());

function get(target = '/'): string {
  return `GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`;
}

function answersOf(client: RawClient): number {
  return client.received.toString('latin1').split('HTTP/1.1 200 ').length - 1;
}

/** The proxy with a limit of open files; `prlimit` becomes the proxy. */
async function startWithFiles(t: TestContext, filesMax: number, options: ProxyOptions = {}) {
  const [port] = await freePorts(1);
  const directory = scratchDirectory();
  const file = path.join(directory, 'proxy-now.toml');
  const toml = baseToml(options) + simpleToml(port!, [`http://127.0.0.1:${origin.port}`]);
  fs.writeFileSync(file, toml);
  const child = new Child('prlimit', [`--nofile=${filesMax}`, PROXY_BINARY, 'run', '-c', file]);
  t.after(async () => {
    await child.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  await child.ready(/\bready\b/i, 20_000);
  return { port: port!, child };
}

const hasPrlimit = spawnSync('prlimit', ['--version']).status === 0;
const NEEDS_PRLIMIT = { skip: hasPrlimit ? false : 'prlimit (util-linux) is not installed' };

test(
  'descriptors: many clients share few places, and one that is busy keeps its own',
  NEEDS_PRLIMIT,
  async (t) => {
    const limits = { 'connections-per-address': 100_000 }; // All come from one here.
    const { port, child } = await startWithFiles(t, FILES_MAX, { limits });
    const busy = new RawClient(port);
    const clients = [busy];
    t.after(() => clients.forEach((client) => client.destroy()));
    busy.send(get('/later'));
    let most = 0;
    for (let round = 0; round < 7; round++) {
      const some = Array.from({ length: 20 }, () => new RawClient(port));
      clients.push(...some);
      for (const client of some) client.send(get());
      const isAnswered = (client: RawClient): boolean => answersOf(client) === 1;
      await until(() => some.every(isAnswered), `the answers of round ${round}`, 10_000);
      await delay(2_100); // So long a place is kept for who was there.
      most = Math.max(most, treeUsage(processTree(child.pid)[1]!).descriptorCount);
    }
    assert.ok(most < FILES_MAX - 16, `${most} descriptors`);
    await until(() => answersOf(busy) === 1, 'the answer of the busy one');
    assert.equal(child.exit, null);
    assert.ok(clients.filter(({ closed }) => closed !== null).length > 30, 'idle ones made room');
  },
);

test(
  'descriptors: clients that hold all places are not disturbed, others learn it at once',
  NEEDS_PRLIMIT,
  async (t) => {
    const limits = {
      'head-timeout': '60s',
      connections: 100_000,
      'connections-per-address': 100_000,
    };
    const { port, child } = await startWithFiles(t, FILES_MAX, { limits });
    const kept = new RawClient(port);
    kept.send(get());
    await until(() => answersOf(kept) === 1, 'the first answer');
    kept.send('GET /a HTTP/1.1\r\n'); // Not idle any more.
    await delay(100);
    const holders = Array.from({ length: 1_000 }, () => new RawClient(port));
    t.after(() => [kept, ...holders].forEach((client) => client.destroy()));
    const open = (): number => holders.filter(({ closed }) => closed === null).length;
    await until(() => open() < 200, 'the ones too many to be closed', 15_000);
    assert.ok(open() > 50, `${open()} places`);
    const before = treeUsage(child.pid).cpuTicks;
    await delay(1_000);
    assert.ok(treeUsage(child.pid).cpuTicks - before < 30, 'no loop is busy with what cannot be');
    kept.send('Host: a.test\r\n\r\n');
    await until(() => answersOf(kept) === 2, 'the answer of the one that was there before');
    assert.match(child.output, /limits.connections is \d+ instead of 100000/);
    assert.match(child.output, /limit is reached/);
    const lines = child.output.split('\n').filter((line) => /limit|descriptor/.test(line));
    assert.ok(lines.length <= 5, lines.join('\n'));
    for (const holder of holders) holder.destroy();
    await until(
      () =>
        fetchFrom(port, '/').then(
          () => true,
          () => false,
        ),
      'service as before',
    );
  },
);

test('stopped processes: nothing times out that arrived while they stood still', async (t) => {
  const { port, subject } = await startInFrontOf(t, origin.port);
  const names = ['head', 'body', 'answer', 'idle', 'silent'] as const;
  const clients = Object.fromEntries(names.map((name) => [name, new RawClient(port)]));
  t.after(() => Object.values(clients).forEach((client) => client.destroy()));
  const { head, body, answer, idle, silent } = clients as Record<(typeof names)[number], RawClient>;
  idle.send(get());
  await until(() => answersOf(idle) === 1, 'the first answer');
  head.send('GET /late-head HTTP/1.1\r\nHost:');
  body.send('POST /late-body HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nab');
  answer.send(get('/later'));
  await delay(300);
  const tree = processTree(subject.child.pid);
  for (const pid of tree) process.kill(pid, 'SIGSTOP');
  await delay(3_000); // Twice the timeouts; the origin answers, clients go on.
  head.send(' a.test\r\n\r\n');
  body.send('cd');
  silent.send(get()); // Connected before, its first byte comes now.
  const fresh = new RawClient(port);
  t.after(() => fresh.destroy());
  fresh.send(get());
  await delay(100);
  for (const pid of tree) process.kill(pid, 'SIGCONT');
  const waiting = { head, body, answer, silent, fresh };
  for (const [name, client] of Object.entries(waiting)) {
    await until(() => client.received.length > 0 || client.closed !== null, name);
    assert.equal(answersOf(client), 1, `${name}: ${client.received.toString('latin1', 0, 40)}`);
  }
  idle.send(get());
  await until(() => answersOf(idle) === 2, 'the next answer of the idle one');
});
