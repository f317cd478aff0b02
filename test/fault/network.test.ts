/** F9, F10: the network resets, drips, cuts, corrupts and goes silent between the parties. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { FaultProxy, type FaultPlan } from '../support/fault-proxy.ts';
import { LoadClient, phaseOf } from '../support/load/processes.ts';
import { RawClient } from '../support/raw-client.ts';
import { delay, until } from '../support/wait.ts';
import { assertClean, failuresBut } from './clean.ts';
import { inForm } from './form.ts';
import { ProxyStage } from './proxy-stage.ts';
import { ratesFor } from './stage.ts';

/** What clients may see when origins break: no wrong or cut success. 400: the origin said so. */
const HONEST = /status-(400|502|504)$|truncated$|reset-mid-answer$/;

test('F9 network: faults toward origins never make a wrong, short or double answer', async (t) => {
  const stage = await ProxyStage.open(t, {
    rate: 120,
    tables: '[transports.default]\nresponse-head-timeout = "2s"\nprogress-timeout = "2s"\n',
  });
  const plans: readonly (readonly [string, FaultPlan])[] = [
    ['reset each 5th', { resetEach: 5 }],
    ['reset mid-answer', { backward: { resetAfter: 5_000 } }],
    ['cut mid-answer', { backward: { truncateAfter: 3_500 } }],
    ['drip', { backward: { dripSize: 400 } }],
    ['late', { forward: { delayMs: 30 }, backward: { delayMs: 30 } }],
    ['requests cut', { forward: { truncateAfter: 2_000 } }],
  ];
  await stage.client.answers(60);
  for (const [name, plan] of plans) {
    await stage.client.mark(name);
    for (const proxy of stage.proxies) {
      proxy.faults = plan;
      proxy.resetAll(); // New connections meet the fault from their first byte on.
    }
    await delay(inForm(1_000, 6_000));
  }
  for (const proxy of stage.proxies) {
    proxy.faults = {};
    proxy.resetAll();
  }
  await delay(inForm(3_500, 10_000));
  await stage.client.mark('after');
  await stage.client.answers(100);
  const report = await stage.client.stop();
  for (const [name] of plans) {
    const phase = phaseOf(report, name);
    assert.deepEqual(failuresBut(phase, HONEST), {}, `${name}: ${phase.samples.join('\n')}`);
    assert.ok(phase.ok > 0, `${name}: some requests get through`);
  }
  assertClean(phaseOf(report, 'after'), ['new', 'kept', 'post']);
  assert.deepEqual(stage.executed().duplicated, []);
  assert.equal(await stage.metric('internal_errors_total'), 0);
});

test('F9 network: faults toward clients hurt only the connections they hit', async (t) => {
  const stage = await ProxyStage.open(t, { rate: 100 });
  const between = new FaultProxy(stage.port);
  await between.open();
  t.after(() => between.close());
  const hit = await LoadClient.start({
    port: between.port,
    rates: ratesFor(100),
    prefixes: ['/all'],
    sockets: 2,
    socketPrefix: '/one',
    idPrefix: 'hit',
    timeoutMs: 4_000,
  });
  t.after(() => hit.kill());
  await hit.answers(60);
  await stage.client.mark('beside');
  const plans: readonly FaultPlan[] = [
    { resetEach: 3 },
    { forward: { resetAfter: 1_500 } },
    { backward: { resetAfter: 6_000 } },
    { forward: { truncateAfter: 700 } },
    { forward: { corruptAt: 20 } },
  ];
  for (const plan of plans) {
    between.faults = plan;
    between.resetAll();
    await delay(inForm(1_000, 4_000));
  }
  between.faults = {};
  between.resetAll();
  await hit.mark('after');
  await hit.answers(60);
  assert.equal(phaseOf(await hit.stop(), 'after').failures['new status-502'] ?? 0, 0);
  const report = await stage.client.stop();
  assertClean(phaseOf(report, 'beside'), ['new', 'kept', 'post']);
  assert.deepEqual(stage.executed().duplicated, []);
  assert.equal(await stage.metric('internal_errors_total'), 0);
});

test('F10 half-open: silent clients and origins are given up, and nothing leaks', async (t) => {
  const stage = await ProxyStage.open(t, {
    rate: 60,
    prefixes: ['/one'],
    tables:
      '[limits]\nkeep-alive-timeout = "2s"\nhead-timeout = "2s"\nwrite-progress-timeout = "2s"\n' +
      '[transports.default]\nresponse-head-timeout = "2s"\nprogress-timeout = "2s"\n' +
      'idle-timeout = "3s"\n',
  });
  await stage.client.answers(60);
  await delay(1_000);
  const before = stage.usage().descriptorCount;
  const between = new FaultProxy(stage.port);
  await between.open();
  t.after(() => between.close());
  const count = inForm(100, 500);
  const clients = Array.from({ length: count }, () => new RawClient(between.port));
  t.after(() => clients.forEach((client) => client.destroy()));
  clients.forEach((client, i) => {
    // Some idle, some within a head, some within an answer.
    const target = i % 3 === 2 ? '/one/x?size=400000&ms=3000' : '/all/x?size=10';
    client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n${i % 3 === 1 ? '' : '\r\n'}`);
  });
  await delay(500);
  between.faults = { forward: { blackhole: true }, backward: { blackhole: true } };
  stage.proxies[0]!.faults = { forward: { blackhole: true }, backward: { blackhole: true } };
  await stage.client.mark('silent');
  const most = stage.usage().descriptorCount;
  assert.ok(most > before + count / 2, `${most} descriptors while they are there`);
  const isFreed = (): boolean => stage.usage().descriptorCount <= before + 12;
  await until(isFreed, 'descriptors to come back', inForm(25_000, 120_000));
  stage.proxies[0]!.faults = {};
  const report = await stage.client.stop();
  assertClean(phaseOf(report, 'silent'), ['new', 'kept', 'post']);
});
