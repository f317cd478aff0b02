/**
 * A worker thread that dies or throws is replaced alone: the address stays open, the others go on,
 * and what a worker that threw was serving is finished.
 */

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
import { RawClient } from '../support/raw-client.ts';
import { readResponses } from '../support/response-reader.ts';
import { scratchDirectory } from '../support/subject.ts';
import { until } from '../support/wait.ts';

/** Enough that the kernel gives both sockets some: 2 to the power of -39 that it does not. */
const CONNECTIONS = 40;
const PRELOAD = fileURLToPath(new URL('../support/kill-one-worker.mjs', import.meta.url));

interface World {
  readonly port: number;
  readonly proxy: Child;
  /** What one of the workers does next: `exit`, `throw`. */
  readonly order: (text: string) => void;
  readonly replaced: (count: number) => Promise<void>;
  readonly metric: (name: string) => Promise<number | null>;
}

/** A proxy with two workers, one of which does what `order` says. */
async function start(t: test.TestContext, originPort: number): Promise<World> {
  const [port, adminPort] = (await freePorts(2)) as [number, number];
  const directory = scratchDirectory();
  const file = path.join(directory, 'proxy-now.toml');
  const orderFile = path.join(directory, 'order');
  const head = `io = "node"\nworkers = 2\n[admin]\naddress = "127.0.0.1:${adminPort}"\n`;
  fs.writeFileSync(file, head + simpleToml(port, [`http://127.0.0.1:${originPort}`]));
  const proxy = new Child(PROXY_BINARY, ['run', '-c', file], {
    NODE_OPTIONS: `--import ${PRELOAD}`,
    TEST_KILL_ONE_WORKER: orderFile,
  });
  t.after(() => {
    proxy.killTree();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  await until(() => proxy.output.includes('ready'), 'the proxy to serve', 20_000);
  const metric = async (name: string): Promise<number | null> => {
    return metricSum(await readMetrics(adminPort).catch(() => ''), name);
  };
  return {
    port,
    proxy,
    metric,
    order: (text) => {
      fs.writeFileSync(`${orderFile}.new`, text);
      fs.renameSync(`${orderFile}.new`, orderFile);
    },
    replaced: (count) =>
      until(
        async () => {
          const restarts = await metric('proxy_now_worker_restarts_total');
          return restarts === count && (await metric('proxy_now_workers')) === 2;
        },
        `replacement ${count}`,
        10_000,
      ),
  };
}

function isAnsweredTwice({ received }: RawClient): boolean {
  return received.toString('latin1').split('200 OK').length === 3;
}

/** Connections to a socket that nobody accepts from would hang here. */
async function expectAllAnswered(port: number): Promise<void> {
  const answers = Array.from({ length: CONNECTIONS }, () => fetchFrom(port, '/'));
  for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
}

test('worker: one that dies is replaced alone, and no address loses its listener', async (t) => {
  const origin = await startOrigin((_request, response) => response.end('ok'));
  t.after(() => origin.close());
  const { port, proxy, order, replaced } = await start(t, origin.port);
  const [, before] = processTree(proxy.pid);
  for (let death = 1; death <= 3; death++) {
    order('exit');
    await replaced(death);
    await expectAllAnswered(port);
  }
  assert.equal(processTree(proxy.pid)[1], before, 'the process around the workers stays');
});

test('worker: one that throws is replaced; nothing that any worker serves is lost', async (t) => {
  const finish: (() => void)[] = [];
  const origin = await startOrigin((request, response) => {
    if (request.url !== '/slow') return void response.end('ok');
    response.writeHead(200, { 'content-length': 10 });
    response.write('first');
    finish.push(() => response.end('later'));
  });
  t.after(() => origin.close());
  const { port, proxy, order, replaced, metric } = await start(t, origin.port);
  const [, before] = processTree(proxy.pid);
  const slow = Array.from({ length: CONNECTIONS }, () => new RawClient(port));
  for (const client of slow) client.send('GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await until(() => slow.every(({ received }) => received.includes('first')), 'first halves');
  const idle = Array.from({ length: CONNECTIONS }, () => new RawClient(port));
  for (const client of idle) client.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await until(() => idle.every(({ received }) => received.includes('ok')), 'idle connections');
  const counted = await metric('proxy_now_requests_total');
  order('throw');
  await replaced(1);
  await expectAllAnswered(port);
  for (const end of finish) end();
  await until(() => slow.every(({ received }) => received.includes('later')), 'second halves');
  for (const { received } of slow) {
    assert.equal(readResponses(received, false).responses[0]?.isComplete, true);
  }
  // A kept-alive connection is answered once more, whichever worker has it.
  for (const client of idle) client.send('GET /again HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await until(() => idle.every(isAnsweredTwice), 'answers on kept-alive connections');
  assert.equal(processTree(proxy.pid)[1], before, 'the process around the workers stays');
  assert.equal(await metric('proxy_now_internal_errors_total'), 1);
  const isCounted = async (): Promise<boolean> => {
    const all = await metric('proxy_now_requests_total');
    return all === counted! + 3 * CONNECTIONS;
  };
  await until(isCounted, 'counters that go on over the replacement');
  for (const client of [...slow, ...idle]) client.destroy();
});
