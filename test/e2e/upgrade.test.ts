/** A second proxy process takes over the listening sockets; no client notices. */

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
import { baseToml, PROXY_BINARY } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { readResponses } from '../support/response-reader.ts';
import { scratchDirectory } from '../support/subject.ts';
import { delay, until } from '../support/wait.ts';

const PRELOAD = fileURLToPath(new URL('../support/meddle-with-start.mjs', import.meta.url));
const REQUEST = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';

interface Stage {
  /** What starts the proxy. */
  readonly binary?: string;
  readonly workers?: number;
}

async function start(t: test.TestContext, stage: Stage = {}) {
  const held: (() => void)[] = [];
  const origin = await startOrigin((request, response) => {
    if (request.url !== '/slow') return void response.end('ok');
    response.writeHead(200, { 'content-length': 10 });
    response.write('first');
    held.push(() => response.end('later'));
  });
  const [port, adminPort] = (await freePorts(2)) as [number, number];
  const directory = scratchDirectory();
  const file = path.join(directory, 'proxy-now.toml');
  const meddle = path.join(directory, 'meddle');
  const options = {
    admin: `127.0.0.1:${adminPort}`,
    drainTimeout: '20s',
    transport: { 'progress-timeout': '30s' },
  };
  const write = (workers: number): void => {
    const head = baseToml(options).replace('workers = 1', `workers = ${workers}`);
    fs.writeFileSync(file, head + simpleToml(port, [`http://127.0.0.1:${origin.port}`]));
  };
  write(stage.workers ?? 2);
  const proxy = new Child(stage.binary ?? PROXY_BINARY, ['run', '-c', file], {
    NODE_OPTIONS: `--import ${PRELOAD}`,
    TEST_MEDDLE_WITH_START: meddle,
  });
  t.after(async () => {
    await proxy.stop();
    await origin.close();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  await until(() => proxy.output.includes('is ready'), 'the proxy to serve', 20_000);
  return {
    port,
    proxy,
    file,
    held,
    write,
    metric: async (name: string) => metricSum(await readMetrics(adminPort), name),
    meddle: (order: string) => fs.writeFileSync(meddle, order),
    upgraded: (count: number) =>
      until(
        async () => {
          const text = await readMetrics(adminPort).catch(() => '');
          return metricSum(text, 'proxy_now_upgrades_total') === count;
        },
        `upgrade ${count}`,
        15_000,
      ),
  };
}

/** Requests until told to stop, each on a new connection or all on one; what went wrong. */
function load(t: test.TestContext, port: number, isKept: boolean) {
  const outcomes = { answered: 0, problems: [] as string[], isOver: false };
  t.after(() => (outcomes.isOver = true));
  const run = async (): Promise<void> => {
    let client: RawClient | null = null;
    while (!outcomes.isOver) {
      try {
        if (isKept) {
          if (client === null || client.closed !== null) client = new RawClient(port);
          if (await askOnce(client)) client = null;
        } else {
          const { status } = await fetchFrom(port, '/');
          if (status !== 200) outcomes.problems.push(`status ${status}`);
        }
        outcomes.answered++;
      } catch (error) {
        outcomes.problems.push(String((error as NodeJS.ErrnoException).code ?? error));
        client = null;
      }
      await delay(Math.random() * 4);
    }
    client?.destroy();
  };
  return { outcomes, done: run() };
}

/**
 * One request on a connection that may have been closed between two, which is no loss.
 * @returns true when the answer says that it is the last one
 */
async function askOnce(client: RawClient): Promise<boolean> {
  const before = client.received.length;
  client.send(REQUEST);
  await until(
    () => client.received.length > before || client.closed !== null,
    'an answer on a kept-alive connection',
  );
  if (client.received.length === before) throw new Error(`no answer: ${client.closed}`);
  return /^connection: close/im.test(client.received.subarray(before).toString('latin1'));
}

test('upgrade: no connection is refused, no exchange is lost', async (t) => {
  const { port, proxy, held, upgraded } = await start(t);
  const slow = new RawClient(port);
  slow.send('GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await until(() => slow.received.includes('first'), 'the first half');
  const loads = [true, true, true, true, false, false].map((isKept) => load(t, port, isKept));
  for (let upgrade = 1; upgrade <= 3; upgrade++) {
    const { answered } = loads[0]!.outcomes;
    await until(() => loads[0]!.outcomes.answered > answered + 20, 'some traffic');
    proxy.signal('SIGUSR2');
    await upgraded(upgrade);
  }
  held[0]!();
  await until(() => slow.received.includes('later'), 'the second half');
  assert.equal(readResponses(slow.received, false).responses[0]?.isComplete, true);
  for (const { outcomes } of loads) outcomes.isOver = true;
  await Promise.all(loads.map(({ done }) => done));
  for (const { outcomes } of loads) {
    assert.deepEqual(outcomes.problems, []);
    assert.ok(outcomes.answered > 60);
  }
  slow.destroy();
  await until(() => processTree(proxy.pid).length === 2, 'the processes before to end', 5_000);
  proxy.signal('SIGTERM');
  assert.deepEqual(await proxy.exited, { code: 0, signal: null });
});

test('upgrade: a second one while one runs is refused, the first goes on', async (t) => {
  const { port, proxy, meddle, upgraded } = await start(t);
  meddle('wait');
  proxy.signal('SIGUSR2');
  await until(() => processTree(proxy.pid).length === 3, 'the second process');
  proxy.signal('SIGUSR2');
  await until(() => proxy.output.includes('an upgrade is running already'), 'the refusal');
  await upgraded(1);
  assert.equal((await fetchFrom(port, '/')).status, 200);
  await until(() => processTree(proxy.pid).length === 2, 'one process to be left');
});

test('upgrade: when the new process dies, the one before it serves on', async (t) => {
  const { port, proxy, meddle, upgraded } = await start(t);
  const [, before] = processTree(proxy.pid);
  meddle('exit');
  proxy.signal('SIGUSR2');
  const reason = 'the process before it serves on: the new process ended (code 9)';
  await until(() => proxy.output.includes(reason), 'the reason');
  assert.equal((await fetchFrom(port, '/')).status, 200);
  assert.deepEqual(processTree(proxy.pid), [proxy.pid, before]);
  proxy.signal('SIGUSR2');
  await upgraded(1);
  assert.notEqual(processTree(proxy.pid).at(-1), before);
});

test('upgrade: when the old process dies meanwhile, the new one takes over', async (t) => {
  const { port, proxy, meddle, upgraded } = await start(t);
  const [, before] = processTree(proxy.pid);
  meddle('wait');
  proxy.signal('SIGUSR2');
  await until(() => processTree(proxy.pid).length === 3, 'the second process');
  process.kill(before!, 'SIGKILL');
  assert.equal((await fetchFrom(port, '/')).status, 200, 'it waits for the new one');
  await upgraded(1);
  assert.equal(processTree(proxy.pid).length, 2);
});

test('upgrade: a stop while one runs ends both', async (t) => {
  const { proxy, meddle } = await start(t);
  meddle('wait');
  proxy.signal('SIGUSR2');
  await until(() => processTree(proxy.pid).length === 3, 'the second process');
  const tree = processTree(proxy.pid);
  proxy.signal('SIGTERM');
  assert.deepEqual(await proxy.exited, { code: 0, signal: null });
  await until(() => tree.every((pid) => !fs.existsSync(`/proc/${pid}`)), 'all to end');
});

test('upgrade: the command waits for it, and says how it went', async (t) => {
  const { proxy, file, meddle, metric } = await start(t);
  const upgrade = async (): Promise<Child> => {
    const command = new Child(PROXY_BINARY, ['upgrade', '-c', file]);
    await command.exited;
    return command;
  };
  const good = await upgrade();
  assert.equal(good.exit?.code, 0, good.output);
  assert.equal(await metric('proxy_now_upgrades_total'), 1);
  await until(() => processTree(proxy.pid).length === 2, 'the old process to end', 10_000);
  const [, before] = processTree(proxy.pid);
  meddle('exit');
  const bad = await upgrade();
  assert.equal(bad.exit?.code, 1);
  assert.match(bad.output, /the new process ended \(code 9\)/);
  assert.equal(processTree(proxy.pid)[1], before);
});

test('upgrade: an endpoint that is drained meanwhile stays out of traffic', async (t) => {
  const { proxy, file, meddle, upgraded } = await start(t);
  const ask = async (...args: string[]): Promise<string> => {
    const command = new Child(PROXY_BINARY, [...args, '-c', file]);
    assert.deepEqual(await command.exited, { code: 0, signal: null }, command.output);
    return command.output;
  };
  const [, url = ''] = /endpoints = \["(.*?)"\]/.exec(fs.readFileSync(file, 'utf8')) ?? [];
  meddle('wait');
  proxy.signal('SIGUSR2');
  await until(() => processTree(proxy.pid).length === 3, 'the second process');
  assert.match(await ask('drain', 'endpoint', url), /draining/);
  await upgraded(1);
  await until(() => processTree(proxy.pid).length === 2, 'the old process to end', 10_000);
  assert.match(await ask('status'), new RegExp(`draining +${url}`));
});

test('upgrade: with fewer workers, no socket is left that nobody accepts from', async (t) => {
  const { port, proxy, write, upgraded, metric } = await start(t, { workers: 3 });
  write(1);
  proxy.signal('SIGHUP');
  const isReloaded = async (): Promise<boolean> =>
    (await metric('proxy_now_config_generation')) === 2;
  await until(isReloaded, 'the reload', 10_000);
  proxy.signal('SIGUSR2');
  await upgraded(1);
  await until(() => processTree(proxy.pid).length === 2, 'the old process to end', 10_000);
  assert.equal(await metric('proxy_now_workers'), 1);
  const answers = Array.from({ length: 40 }, () => fetchFrom(port, '/'));
  for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
});

test('upgrade: another version that was installed meanwhile takes over', async (t) => {
  const folder = scratchDirectory();
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const root = path.dirname(path.dirname(fs.realpathSync(PROXY_BINARY)));
  for (const version of ['0.0.1', '0.0.2']) {
    const release = path.join(folder, version);
    fs.cpSync(path.join(root, 'src'), path.join(release, 'src'), { recursive: true });
    fs.cpSync(path.join(root, 'bin'), path.join(release, 'bin'), { recursive: true });
    fs.symlinkSync(path.join(root, 'node_modules'), path.join(release, 'node_modules'));
    const about = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as object;
    fs.writeFileSync(path.join(release, 'package.json'), JSON.stringify({ ...about, version }));
  }
  const link = path.join(folder, 'current');
  fs.symlinkSync('0.0.1', link);
  const { port, proxy, upgraded } = await start(t, { binary: path.join(link, 'bin/proxy-now') });
  assert.match(proxy.output, /proxy-now 0\.0\.1 is ready/);
  fs.symlinkSync('0.0.2', `${link}.new`);
  fs.renameSync(`${link}.new`, link);
  fs.rmSync(path.join(folder, '0.0.1'), { recursive: true });
  proxy.signal('SIGUSR2');
  await upgraded(1);
  assert.match(proxy.output, /proxy-now 0\.0\.2 is ready/);
  // From now on a process that dies is started again from the new version, too.
  process.kill(processTree(proxy.pid).at(-1)!, 'SIGKILL');
  await until(() => proxy.output.split('0.0.2 is ready').length === 3, 'the next process', 10_000);
  assert.equal((await fetchFrom(port, '/')).status, 200);
});
