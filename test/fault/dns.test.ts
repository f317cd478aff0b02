/** F12: a DNS server that is slow, dead or lies takes nothing from who is served already. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { fetchFrom } from '../support/http-origin.ts';
import { phaseOf } from '../support/load/processes.ts';
import { delay, until } from '../support/wait.ts';
import { assertClean } from './clean.ts';
import { DnsServer, type DnsMode } from './dns-server.ts';
import { inForm } from './form.ts';
import { ProxyStage } from './proxy-stage.ts';

const PRELOAD = fileURLToPath(new URL('../support/dns-servers.mjs', import.meta.url));
const MODES: readonly DnsMode[] = [
  'silent',
  'late',
  'servfail',
  'nxdomain',
  'truncated',
  'wrong-id',
  'loop',
  'short',
  'noise',
];

test('F12 dns: a server that fails in every way takes no known address away', async (t) => {
  const dns = new DnsServer(['127.0.0.1']);
  await dns.open();
  t.after(() => dns.close());
  const stage = await ProxyStage.open(t, {
    env: { NODE_OPTIONS: `--import ${PRELOAD}`, TEST_DNS_SERVER: `127.0.0.1:${dns.port}` },
  });
  const named =
    `[routes.named]\npath = "/named/*"\nservice = "named"\n` +
    `[services.named]\ntransport = "quick"\n` +
    `endpoints = ["http://origin.fault.test:${stage.origins[0]!.port('e0')}"]\n` +
    // Without idle connections every request needs an address.
    `[transports.quick]\nresolve-interval = "100ms"\nidle-connections-max = 0\n`;
  await stage.restartWith(named);
  const isServed = (): Promise<boolean> =>
    fetchFrom(stage.port, '/named/x?size=1').then(({ status }) => status === 200);
  await until(isServed, 'the name to be known', 10_000);
  const client = await stage.load(100, ['/named', '/one']);
  await client.answers(60);
  for (const mode of MODES) {
    dns.mode = mode;
    await client.mark(mode);
    const before = dns.questions;
    await delay(inForm(800, 8_000));
    if (mode !== 'silent' && mode !== 'late') {
      await until(() => dns.questions > before, `a question while ${mode}`, 12_000);
    }
  }
  dns.mode = 'many';
  dns.addresses = ['127.0.0.1'];
  await client.mark('good');
  dns.mode = 'good';
  await client.answers(60);
  const report = await client.stop();
  for (const mode of [...MODES, 'good']) {
    const phase = phaseOf(report, mode);
    assertClean(phase, ['new']);
    assert.ok(phase.latency.p99 < inForm(2_000, 100), `${mode}: p99 ${phase.latency.p99} ms`);
  }
});
