import assert from 'node:assert/strict';
import test from 'node:test';
import { brokenOff } from './dns-tools.ts';
import type { TxtRecord } from './dns-provider.ts';
import { FakeDnsClient } from './fake-dns.contract.ts';
import type { FakeZone } from './fake-dns.contract.ts';
import { Propagation } from './propagation.ts';
import type { PropagationOptions } from './propagation.ts';

const NAME = '_acme-challenge.example.com';
const RECORD: TxtRecord = { name: NAME, zone: 'example.com', value: 'v1', ttlSeconds: 60 };
const never = new AbortController().signal;

const shows = (): FakeZone => ({ records: [[NAME, 'txt', 'v1']] });
const lacks = (): FakeZone => ({ records: [[NAME, 'txt', 'v0']] });

function resolverZone(): FakeZone {
  return {
    records: [
      ['example.com', 'ns', 'ns1.example.com'],
      ['example.com', 'ns', 'ns2.example.com'],
      ['ns1.example.com', 'a', '192.0.2.1'],
      ['ns1.example.com', 'aaaa', '2001:db8:0:0:0:0:0:1'],
      ['ns2.example.com', 'a', '192.0.2.2'],
    ],
  };
}

/** A world with a resolver and the two servers of the zone, on a clock that `delay` turns. */
function open(more: Partial<PropagationOptions> = {}) {
  const clock = { ms: 0 };
  const onDelay: ((ms: number) => void)[] = [];
  const client = new FakeDnsClient({ resolver: resolverZone() });
  const steps: string[] = [];
  const propagation = new Propagation({
    client,
    systemResolvers: ['resolver'],
    resolvers: [],
    timeoutMs: 60_000,
    delayMs: 0,
    isChecked: true,
    tools: {
      nowMs: () => clock.ms,
      delay: (ms, signal) => {
        clock.ms += ms;
        for (const call of onDelay) call(clock.ms);
        return signal.aborted ? Promise.reject(brokenOff()) : Promise.resolve();
      },
      environment: {},
    },
    ...more,
  });
  const wait = (record = RECORD, signal = never): Promise<void> =>
    propagation.wait(record, signal, (step) => steps.push(step));
  return { clock, onDelay, client, steps, wait };
}

test('propagation: ends when every server of the zone shows the value', async () => {
  const world = open();
  const { servers } = world.client;
  servers.set('192.0.2.1:53', shows()).set('192.0.2.2:53', lacks());
  world.onDelay.push((ms) => {
    if (ms >= 6_000) servers.set('192.0.2.2:53', shows());
  });
  await world.wait();
  assert.equal(world.clock.ms, 6_000);
  assert.equal(world.steps[0], `waiting for ns2.example.com to show the record ${NAME}`);
  const first = world.client.asked.filter((line) => line.startsWith('192.0.2.1:53'));
  assert.equal(first.length, 1, 'one that shows it is not asked again');
});

test('propagation: ends in time also when the clock is set back', async () => {
  const world = open();
  world.client.servers.set('192.0.2.1:53', lacks()).set('192.0.2.2:53', lacks());
  let looks = 0;
  world.onDelay.push(() => {
    world.clock.ms = -86_400_000;
    assert.ok(++looks < 100, 'it never ends');
  });
  await assert.rejects(world.wait(), /after 1m/);
});

test('propagation: the value may stand beside others', async () => {
  const world = open();
  const both: FakeZone = {
    records: [
      [NAME, 'txt', 'v0'],
      [NAME, 'txt', 'v1'],
    ],
  };
  world.client.servers.set('192.0.2.1:53', both).set('192.0.2.2:53', both);
  await world.wait();
  assert.equal(world.clock.ms, 0);
});

test('propagation: at the timeout the error names a server and what it lacks', async () => {
  const world = open({ timeoutMs: 10_000 });
  world.client.servers.set('192.0.2.1:53', shows()).set('192.0.2.2:53', lacks());
  await assert.rejects(world.wait(), {
    name: 'DnsProviderError',
    isTemporary: true,
    message: new RegExp(`^ns2\\.example\\.com does not show the TXT record of ${NAME} after 10s`),
  });
  assert.ok(world.clock.ms <= 10_000);
});

test('propagation: a server that never answers is passed over after three rounds', async () => {
  const world = open();
  world.client.servers.set('192.0.2.1:53', shows());
  await world.wait();
  assert.equal(world.clock.ms, 4_000);
});

test('propagation: servers that are all silent are a failure that says so', async () => {
  const world = open({ timeoutMs: 10_000 });
  await assert.rejects(world.wait(), /ns1\.example\.com does not answer after 10s/);
});

test('propagation: a second address of a server is asked when the first is silent', async () => {
  const world = open();
  const { servers } = world.client;
  servers.set('[2001:db8:0:0:0:0:0:1]:53', shows()).set('192.0.2.2:53', shows());
  await world.wait();
  assert.equal(world.clock.ms, 0);
});

test('propagation: configured resolvers are asked instead of the zone', async () => {
  const world = open({ resolvers: ['one', 'two'] });
  world.client.servers.set('one', shows()).set('two', shows());
  await world.wait();
  assert.deepEqual(world.client.asked, [`one ${NAME} 16`, `two ${NAME} 16`]);
});

test('propagation: without a zone the resolvers are asked', async () => {
  const world = open();
  world.client.servers.set('resolver', shows());
  await world.wait({ ...RECORD, zone: '' });
  assert.deepEqual(world.client.asked, [`resolver ${NAME} 16`]);
});

test('propagation: switched off, only the delay is waited for', async () => {
  const world = open({ isChecked: false, delayMs: 30_000 });
  await world.wait();
  assert.equal(world.clock.ms, 30_000);
  assert.deepEqual(world.client.asked, []);
  assert.deepEqual(world.steps, ['waiting 30s for DNS']);
});

test('propagation: broken off, it ends', async () => {
  const world = open();
  const stop = new AbortController();
  world.client.servers.set('192.0.2.1:53', lacks()).set('192.0.2.2:53', lacks());
  world.onDelay.push(() => stop.abort());
  await assert.rejects(world.wait(RECORD, stop.signal), { message: 'broken off' });
});
