/** A worker thread that dies is replaced alone: the address stays open, the others go on. */

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { simpleToml } from '../support/behind.ts';
import { Child } from '../support/child.ts';
import { freePorts } from '../support/free-port.ts';
import { fetchFrom, startOrigin } from '../support/http-origin.ts';
import { metricSum, readMetrics } from '../support/metrics.ts';
import { processTree } from '../support/process-tree.ts';
import { PROXY_BINARY } from '../support/proxy.ts';
import { scratchDirectory } from '../support/subject.ts';
import { until } from '../support/wait.ts';

/** Enough that the kernel gives both sockets some: 2 to the power of -39 that it does not. */
const CONNECTIONS = 40;
const PRELOAD = fileURLToPath(new URL('../support/kill-one-worker.mjs', import.meta.url));

test('worker: one that dies is replaced alone, and no address loses its listener', async (t) => {
  const origin = await startOrigin((_request, response) => response.end('ok'));
  const [port, adminPort] = (await freePorts(2)) as [number, number];
  const directory = scratchDirectory();
  const file = path.join(directory, 'proxy-now.toml');
  const order = path.join(directory, 'kill');
  const head = `io = "node"\nworkers = 2\n[admin]\naddress = "127.0.0.1:${adminPort}"\n`;
  fs.writeFileSync(file, head + simpleToml(port, [`http://127.0.0.1:${origin.port}`]));
  const proxy = new Child(PROXY_BINARY, ['run', '-c', file], {
    NODE_OPTIONS: `--import ${PRELOAD}`,
    TEST_KILL_ONE_WORKER: order,
  });
  t.after(async () => {
    proxy.signal('SIGKILL');
    await origin.close();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  await until(() => proxy.output.includes('ready'), 'the proxy to serve', 20_000);
  const [, before] = processTree(proxy.pid);
  for (let death = 1; death <= 3; death++) {
    fs.writeFileSync(order, '');
    const isReplaced = async (): Promise<boolean> => {
      const metrics = await readMetrics(adminPort).catch(() => '');
      const restarts = metricSum(metrics, 'proxy_now_worker_restarts_total');
      return restarts === death && metricSum(metrics, 'proxy_now_workers') === 2;
    };
    await until(isReplaced, `the replacement after death ${death}`, 10_000);
    // Connections to a socket that nobody accepts from would hang here.
    const answers = Array.from({ length: CONNECTIONS }, () => fetchFrom(port, '/'));
    for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
  }
  assert.equal(processTree(proxy.pid)[1], before, 'the process around the workers stays');
});
