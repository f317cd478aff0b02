/** The proxy process is killed: its listening sockets stay open, and another one serves soon. */

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { simpleToml } from '../support/behind.ts';
import { Child } from '../support/child.ts';
import { freePorts } from '../support/free-port.ts';
import { fetchFrom, startOrigin } from '../support/http-origin.ts';
import { metricSum, readMetrics } from '../support/metrics.ts';
import { processTree } from '../support/process-tree.ts';
import { baseToml, PROXY_BINARY } from '../support/proxy.ts';
import { scratchDirectory } from '../support/subject.ts';
import { until } from '../support/wait.ts';

async function start(t: test.TestContext, originPort: number) {
  const [port, adminPort] = (await freePorts(2)) as [number, number];
  const directory = scratchDirectory();
  const file = path.join(directory, 'proxy-now.toml');
  const head = baseToml({ admin: `127.0.0.1:${adminPort}` }).replace('workers = 1', 'workers = 2');
  fs.writeFileSync(file, head + simpleToml(port, [`http://127.0.0.1:${originPort}`]));
  const proxy = new Child(PROXY_BINARY, ['run', '-c', file]);
  t.after(async () => {
    await proxy.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  await until(() => proxy.output.includes('ready'), 'the proxy to serve', 20_000);
  return { port, adminPort, proxy, file };
}

test('process: killed, its successor serves; no connection was refused meanwhile', async (t) => {
  const origin = await startOrigin((_request, response) => response.end('ok'));
  t.after(() => origin.close());
  const { port, adminPort, proxy, file } = await start(t, origin.port);
  // What the file says by now does not matter: the last good configuration does.
  fs.writeFileSync(file, 'this is no configuration');
  for (let kill = 1; kill <= 3; kill++) {
    const [, child] = processTree(proxy.pid);
    process.kill(child!, 'SIGKILL');
    // Sent to sockets nobody accepts from at the moment: they wait, and are answered.
    const answers = Array.from({ length: 20 }, () => fetchFrom(port, '/'));
    for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
    const restarts = await until(async () => {
      const text = await readMetrics(adminPort).catch(() => '');
      return metricSum(text, 'proxy_now_process_restarts_total') === kill;
    }, 'the count of restarts').then(() => kill);
    assert.equal(restarts, kill);
  }
  assert.match(proxy.output, /the proxy process ended \(SIGKILL\) after [\d.]+ s; start 1 of/);
  assert.match(proxy.output, /start 3 of another one (now|in \d+ ms)/);
});

test('process: a supervisor that is killed leaves nothing behind', async (t) => {
  const origin = await startOrigin((_request, response) => response.end('ok'));
  t.after(() => origin.close());
  const { port, proxy } = await start(t, origin.port);
  const tree = processTree(proxy.pid);
  assert.equal((await fetchFrom(port, '/')).status, 200);
  process.kill(proxy.pid, 'SIGKILL');
  await until(() => tree.every((pid) => !fs.existsSync(`/proc/${pid}`)), 'both to end', 10_000);
  await assert.rejects(fetchFrom(port, '/'), { code: 'ECONNREFUSED' });
});

test('process: an address that is in use ends it with the listener and the reason', async (t) => {
  const origin = await startOrigin((_request, response) => response.end('ok'));
  t.after(() => origin.close());
  const directory = scratchDirectory();
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  const file = path.join(directory, 'proxy-now.toml');
  fs.writeFileSync(file, baseToml() + simpleToml(origin.port, ['http://127.0.0.1:1']));
  const proxy = new Child(PROXY_BINARY, ['run', '-c', file]);
  t.after(() => proxy.stop());
  const { code } = await proxy.exited;
  assert.equal(code, 1);
  assert.match(
    proxy.output,
    new RegExp(`listener web: 127\\.0\\.0\\.1:${origin.port}: address already in use`),
  );
});
