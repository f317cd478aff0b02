import test from 'node:test';
import assert from 'node:assert/strict';
import { applySnapshotUpdate } from '../../contract/snapshot-update.ts';
import type { CertificateCheck } from '../config/certificate-check.ts';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load-config.ts';
import { LoadMemory } from '../config/load-memory.ts';
import { memorySource } from '../config/memory-source.ts';
import { compile } from './compile.ts';
import { Compiler } from './compiler.ts';
import { MetricIndexes } from './metric-indexes.ts';

const TEXT = `
[listeners.web]
address = ":80"
[listeners.secure]
address = ":443"
tls = "default"
proxy-protocol = { trusted = ["10.0.0.0/8"] }
[listeners.strict]
address = ":8443"
tls = "strict"

[tls.strict]
min-version = "1.3"
default-certificate = "file"

[routes.a]
host = ["a.internal", "*.a.internal"]
service = "http"
tls = "strict"
listeners = ["secure", "web"]
hsts = true
[routes.plain]
host = "plain.internal"
service = "http"
[routes.plain-too]
host = "plain.internal"
path = "/too"
service = "http"
[routes.db]
mode = "passthrough"
sni = ["db.internal", "*.internal"]
service = "tcp"
streams-on-change = "5s"

[services.http]
endpoints = ["https://b.internal:8443"]
[services.tcp]
endpoints = ["tcp://c.internal:1"]
proxy-protocol = "v1"

[certificates.file]
cert = "c.pem"
key = "c.key"
[issuers.demand]
on-demand = { names = ["*.shop.internal"] }
[limits]
handshakes-per-address = 7
`;

const certificateCheck: CertificateCheck = {
  pair: (chain) => {
    const facts = { id: `id of ${chain}`, names: [], notBeforeMs: 0, notAfterMs: 9 };
    return { facts: { ...facts, keyType: 'rsa' }, problems: [] };
  },
  authorities: () => null,
  revocations: () => null,
  nowMs: () => 1,
};

async function load(text: string, memory = new LoadMemory(), cert = 'c'): Promise<Config> {
  const source = memorySource({ 'm.toml': text, 'c.pem': cert, 'c.key': 'k' });
  const { config, issues } = await loadConfig('m.toml', source, { certificateCheck, memory });
  assert.ok(config !== null, JSON.stringify(issues));
  return config;
}

test('tls spec: policies, hosts and passthroughs are plain data with indexes', async () => {
  const { tls, listeners, routes, services, limits } = compile(
    await load(TEXT),
    1,
    new MetricIndexes(),
  );
  assert.deepEqual(
    tls.policies.map(({ name, minVersion, defaultCertificate, unknownName, noName }) => {
      return [name, minVersion, defaultCertificate, unknownName, noName];
    }),
    [
      ['default', '1.2', '', 'refuse', 'default'],
      ['strict', '1.3', 'id of c', 'refuse', 'default'],
    ],
  );
  assert.deepEqual(tls.hosts, [
    // So that the passthrough of `*.internal` leaves it alone.
    { host: 'plain.internal', listeners: null, policy: -1 },
    { host: 'plain.internal', listeners: null, policy: -1 },
    { host: 'a.internal', listeners: [0, 1], policy: 1 },
    { host: '*.a.internal', listeners: [0, 1], policy: 1 },
  ]);
  assert.deepEqual(tls.passthroughs, [
    {
      name: 'db',
      hosts: ['db.internal', '*.internal'],
      listeners: null,
      service: 1,
      streamsOnChangeMs: 5_000,
      metricIndex: 3,
    },
  ]);
  assert.deepEqual([tls.handshakesPerAddressMax, tls.onDemand], [7, ['*.shop.internal']]);
  assert.ok(!('handshakesPerAddressMax' in limits));
  assert.deepEqual(
    listeners.map((one) => [one.tls, one.proxyProtocol]),
    [
      [-1, null],
      [0, ['10.0.0.0/8']],
      [1, null],
    ],
  );
  const route = routes.find(({ name }) => name === 'a');
  assert.deepEqual(
    [routes.length, route?.plainHttp, route?.httpsPort, route?.hsts, route?.tls],
    [3, 'redirect', 443, 'max-age=31536000', 1],
  );
  assert.equal(routes.find(({ name }) => name === 'plain')?.tls, -1);
  assert.deepEqual(
    services.map((one) => [one.endpoints[0]?.isTls, one.tls?.verify, one.proxyProtocol]),
    [
      [true, true, null],
      [false, undefined, 'v1'],
    ],
  );
});

test('compiler: the TLS part is the same object until something changes in it', async () => {
  const compiler = new Compiler({ generation: 0, resolveLimits: (limits) => limits });
  const memory = new LoadMemory();
  const first = compiler.compile(await load(TEXT, memory)).snapshot;
  const second = compiler.compile(await load(`${TEXT}# a comment\n`, memory));
  assert.equal(second.snapshot.tls, first.tls);
  assert.ok(second.update.kind === 'delta' && second.update.tls === null);

  const renewed = compiler.compile(await load(TEXT, memory, 'next'));
  assert.equal(renewed.snapshot.tls.policies[1]?.defaultCertificate, 'id of next');
  assert.equal(renewed.snapshot.tls.policies[0], first.tls.policies[0]);
  assert.equal(renewed.snapshot.listeners, first.listeners);
  assert.deepEqual(applySnapshotUpdate(second.snapshot, renewed.update), renewed.snapshot);

  // A policy in another place moves listeners, hosts and routes with it.
  const other = TEXT.replace('[tls.strict]', '[tls.new]\n[tls.strict]').replace(
    'service = "http"\ntls = "strict"',
    'service = "http"\ntls = "new"',
  );
  const { snapshot, update } = compiler.compile(await load(other, memory, 'next'));
  const policyOf = (index: number): string => snapshot.tls.policies[index]!.name;
  assert.equal(policyOf(snapshot.tls.hosts.at(-1)!.policy), 'new');
  assert.deepEqual(
    snapshot.listeners.map(({ tls }) => (tls < 0 ? '' : policyOf(tls))),
    ['', 'default', 'strict'],
  );
  assert.deepEqual(applySnapshotUpdate(renewed.snapshot, update), snapshot);
  const without = other.replace('[tls.new]\n', '').replace('tls = "new"', 'tls = "strict"');
  const fewer = compiler.compile(await load(without, memory, 'next')).snapshot;
  assert.deepEqual(
    fewer.listeners.map(({ tls }) => (tls < 0 ? '' : fewer.tls.policies[tls]!.name)),
    ['', 'default', 'strict'],
  );
  // The last one of the list takes the place of one that is gone.
  const both = TEXT.replace('[tls.strict]', '[tls.first]\n[tls.strict]');
  const moving = new Compiler({ generation: 0, resolveLimits: (limits) => limits });
  const before = moving.compile(await load(both)).snapshot;
  const after = moving.compile(await load(TEXT)).snapshot;
  for (const { routes, tls } of [before, after]) {
    const route = routes.find(({ name }) => name === 'a');
    assert.equal(tls.policies[route!.tls]?.name, 'strict');
  }
});

test('compiler: a passthrough has the counters of its name, also as a route and back', async () => {
  const compiler = new Compiler({ generation: 0, resolveLimits: (limits) => limits });
  const before = compiler.compile(await load(TEXT)).snapshot;
  const index = before.tls.passthroughs[0]!.metricIndex;
  const routed = TEXT.replace(
    'mode = "passthrough"\nsni = ["db.internal", "*.internal"]\nservice = "tcp"',
    'path = "/db"\nservice = "http"',
  );
  const { snapshot } = compiler.compile(await load(routed));
  assert.equal(snapshot.routes.find(({ name }) => name === 'db')?.metricIndex, index);
  const back = compiler.compile(await load(TEXT)).snapshot;
  assert.equal(back.tls.passthroughs[0]?.metricIndex, index);
  const gone = TEXT.replace(
    /\[routes\.db\][^]*?(?=\[services)/,
    '[routes.x]\npath = "/x"\nservice = "http"\n',
  );
  const fresh = compiler.compile(await load(gone)).snapshot;
  assert.notEqual(fresh.routes.find(({ name }) => name === 'x')?.metricIndex, index);
  assert.equal(compiler.compile(await load(TEXT)).snapshot.tls.passthroughs[0]?.metricIndex, index);
});
