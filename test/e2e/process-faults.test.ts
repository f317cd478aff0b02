/** What an operator's machine does to the processes: lost output, frozen and killed processes. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { simpleToml, startInFrontOf } from '../support/behind.ts';
import { freePorts } from '../support/free-port.ts';
import { fetchFrom, startOrigin, type HttpOrigin } from '../support/http-origin.ts';
import { processTree, treeUsage } from '../support/process-tree.ts';
import { baseToml, PROXY_BINARY } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { scratchDirectory } from '../support/subject.ts';
import { delay, holdsWithin, until } from '../support/wait.ts';

let origin: HttpOrigin;

test.before(async () => {
  origin = await startOrigin((_request, response) => response.end('ok'));
});

test.after(() => origin.close());

async function answers(port: number): Promise<boolean> {
  return fetchFrom(port, '/').then(
    ({ status }) => status === 200,
    () => false,
  );
}

test('process: serves on when whoever read its output has gone', async (t) => {
  const [port] = await freePorts(1);
  const directory = scratchDirectory();
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  const file = path.join(directory, 'proxy-now.toml');
  fs.writeFileSync(file, baseToml() + simpleToml(port!, [`http://127.0.0.1:${origin.port}`]));
  const proxy = spawn(PROXY_BINARY, ['run', '-c', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => proxy.kill('SIGKILL'));
  await until(() => answers(port!), 'the proxy to serve', 20_000);
  proxy.stdout.destroy();
  proxy.stderr.destroy();
  proxy.kill('SIGUSR1'); // Logs a line in the proxy process.
  await delay(300);
  assert.equal(await answers(port!), true);
  const [, child] = processTree(proxy.pid!);
  process.kill(child!, 'SIGKILL'); // The supervisor says so, to nobody.
  await until(() => answers(port!), 'the next proxy process', 5_000);
  assert.equal(proxy.exitCode, null);
  const ended = new Promise((resolve) => proxy.once('exit', resolve));
  proxy.kill('SIGTERM');
  assert.equal(await ended, 0);
});

test('process: a second signal ends a proxy process that is frozen', async (t) => {
  const { port, subject } = await startInFrontOf(t, origin.port);
  assert.equal(await answers(port), true);
  const child = processTree(subject.child.pid)[1]!;
  process.kill(child, 'SIGSTOP');
  subject.child.signal('SIGTERM');
  await delay(300); // Sooner it would be taken for the echo of a terminal.
  subject.child.signal('SIGTERM');
  assert.ok(await holdsWithin(() => subject.child.exit !== null, 10_000));
});

test('process: a flood of refused connections holds few descriptors', async (t) => {
  const { port, subject } = await startInFrontOf(t, origin.port, { limits: { connections: 20 } });
  const before = treeUsage(subject.child.pid).descriptorCount;
  const clients = Array.from({ length: 1_500 }, () => new RawClient(port));
  t.after(() => clients.forEach((client) => client.destroy()));
  let most = 0;
  const isOver = (): boolean => {
    most = Math.max(most, treeUsage(subject.child.pid).descriptorCount);
    return clients.filter(({ closed }) => closed === null).length <= 20;
  };
  await until(isOver, 'the refused connections to end', 15_000);
  assert.ok(most - before < 500, `${most - before} more descriptors`);
  assert.ok(
    clients.some(({ received }) => received.includes('Retry-After')),
    'some get an answer',
  );
});
