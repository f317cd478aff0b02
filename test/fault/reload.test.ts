/** F1, F2, F17, F19: configuration changes under load lose nothing, and bad ones change nothing. */

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import test from 'node:test';
import { Child } from '../support/child.ts';
import { phaseOf } from '../support/load/processes.ts';
import { PROXY_BINARY } from '../support/proxy.ts';
import { delay, until } from '../support/wait.ts';
import { assertClean } from './clean.ts';
import { compareReload } from './compare-reload.ts';
import { proxyNow } from './contender/proxy-now.ts';
import { inForm } from './form.ts';
import { ProxyStage } from './proxy-stage.ts';

test('F1 reload: loses no request, connection or WebSocket, and mixes no generations', async () => {
  const result = await compareReload(proxyNow, {
    reloads: inForm(25, 200),
    seconds: inForm(8, 60),
    baselineSeconds: inForm(3, 20),
    rate: 200,
    sockets: 8,
  });
  const { failures, samples, missed, mixed, closedSockets, resetIdle, duplicatedPosts } = result;
  assert.deepEqual({ failures, samples }, { failures: {}, samples: [] });
  assert.deepEqual([missed, mixed, closedSockets, resetIdle, duplicatedPosts], [0, 0, 0, 0, 0]);
  assert.equal(result.closedIdle, 0, 'kept-alive connections stay open');
  const growth = result.rssAfter / result.rssBefore - 1;
  assert.ok(growth < inForm(0.3, 0.05), `memory grew by ${(growth * 100).toFixed(1)} %`);
});

async function isGood(stage: ProxyStage, expected: number): Promise<void> {
  const isThere = async (): Promise<boolean> => (await stage.metric('config_good')) === expected;
  await until(isThere, `config_good ${expected}`, 5_000);
}

test('F2 reload: a bad file is refused with its place, and the good one serves on', async (t) => {
  const stage = await ProxyStage.open(t, { rate: 150, sockets: 3, prefixes: ['/all', '/one'] });
  const good = stage.toml();
  const bad: readonly (readonly [string, () => void, RegExp])[] = [
    ['syntax', () => stage.write(`${good}\n[listeners.web2\n`), /proxy-now\.toml:\d+:\d+/],
    ['half a file', () => fs.writeFileSync(stage.file, good.slice(0, good.length / 2)), /:\d+:\d+/],
    ['unknown service', () => stage.write(good.replace('"one"', '"two"')), /:\d+:\d+/],
    ['a folder', () => replaceByFolder(stage.file), /proxy-now\.toml/],
    ['nothing', () => fs.rmSync(stage.file, { recursive: true }), /proxy-now\.toml/],
  ];
  await stage.client.answers(100);
  await stage.client.mark('bad files');
  for (const [what, change, place] of bad) {
    const before = stage.child.output.length;
    fs.rmSync(stage.file, { recursive: true, force: true });
    stage.write(good);
    stage.child.signal('SIGHUP');
    await isGood(stage, 1);
    change();
    stage.child.signal('SIGHUP');
    await isGood(stage, 0);
    assert.match(stage.child.output.slice(before), place, what);
    const check = new Child(PROXY_BINARY, ['check', '-c', stage.file]);
    assert.equal((await check.exited).code, 1, `check of ${what}`);
  }
  fs.rmSync(stage.file, { recursive: true, force: true });
  stage.write(good);
  stage.child.signal('SIGHUP');
  await isGood(stage, 1);
  const report = await stage.client.stop();
  assertClean(phaseOf(report, 'bad files'), ['new', 'kept', 'post', 'socket']);
});

function replaceByFolder(file: string): void {
  fs.rmSync(file, { force: true });
  fs.mkdirSync(file);
}

test('F17 reload: thousands of routes and huge calls stall no worker', async (t) => {
  const stage = await ProxyStage.open(t, { rate: 150, sockets: 3 });
  await stage.client.answers(150);
  await stage.client.mark('calm');
  await delay(2_000);
  const routes = Array.from(
    { length: inForm(3_000, 10_000) },
    (_, i) => `[routes.many-${i}]\nhost = "h${i % 100}.test"\npath = "/p${i}/*"\nservice = "one"\n`,
  );
  await stage.client.mark('huge');
  const before = (await stage.metric('config_generation')) ?? 0;
  stage.write(stage.toml() + routes.join('\n'));
  stage.child.signal('SIGHUP');
  const isApplied = async (): Promise<boolean> =>
    ((await stage.metric('config_generation')) ?? 0) > before;
  await until(isApplied, 'the generation with many routes', 20_000);
  await postHuge(stage.adminPort);
  await delay(500);
  const report = await stage.client.stop();
  const huge = phaseOf(report, 'huge');
  assertClean(huge, ['new', 'kept', 'post', 'socket']);
  const limitMs = Math.max(inForm(2_000, 50), phaseOf(report, 'calm').latency.p99 * 2);
  assert.ok(huge.latency.p99 <= limitMs, `p99 ${huge.latency.p99} ms, over ${limitMs} ms`);
});

/** Sends the administration 20 MB of JSON; whatever it says, it is said soon. */
function postHuge(port: number): Promise<void> {
  return new Promise((resolve) => {
    const request = http.request({ port, host: '127.0.0.1', method: 'POST', path: '/api/reload' });
    request.on('response', (response) => response.resume().on('close', () => resolve()));
    request.on('error', () => resolve());
    const line = Buffer.alloc(1_000_000, '[[[[[[[[');
    for (let i = 0; i < 20; i++) request.write(line);
    request.end();
  });
}

test('F19 reload: a file that changes a hundred times a second makes no storm', async (t) => {
  const stage = await ProxyStage.open(t, { rate: 100, sockets: 3 });
  await stage.client.answers(100);
  await stage.client.mark('flapping');
  const reloads = async (): Promise<number> => (await stage.metric('reloads_total')) ?? 0;
  const before = await reloads();
  const count = inForm(300, 3_000);
  for (let i = 0; i < count; i++) {
    const own = `[routes.own-${i}]\npath = "/own-${i}/*"\nservice = "one"\n`;
    stage.write(stage.toml() + own);
    await delay(10);
  }
  const last = `/own-${count - 1}/x?size=1`;
  const isLast = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${stage.port}${last}`).then(
      async (response) => {
        await response.arrayBuffer();
        return response.status === 200;
      },
      () => false,
    );
  await until(isLast, 'the last change', 5_000);
  const spent = (await reloads()) - before;
  assert.ok(spent >= 1 && spent <= count / 5, `${spent} reloads for ${count} changes`);
  const report = await stage.client.stop();
  assertClean(phaseOf(report, 'flapping'), ['new', 'kept', 'socket']);
});
