import test from 'node:test';
import assert from 'node:assert/strict';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load-config.ts';
import { memorySource } from '../config/memory-source.ts';
import { compile } from './compile.ts';
import { MetricIndexes } from './metric-indexes.ts';

const TEXT = `
[listeners.web]
address = ":8080"
trusted-proxies = ["10.0.0.0/8"]
[listeners.internal]
address = "127.0.0.1:8081"

[routes.site]
path = "/*"
service = "site"
[routes.api]
host = "a.test"
path = "/api/*"
service = "api"
listeners = ["internal", "web"]
priority = 3
[routes.api-v2]
host = "a.test"
path = "/api/v2/*"
service = "api"

[transports.slow]
connect-timeout = "9s"
[services.site]
endpoints = ["http://127.0.0.1:3001"]
[services.api]
endpoints = ["http://127.0.0.1:3001", { url = "http://127.0.0.1:3002", weight = 2 }]
transport = "slow"
`;

async function load(text: string): Promise<Config> {
  const { config, issues } = await loadConfig('m.toml', memorySource({ 'm.toml': text }, {}));
  assert.deepEqual(
    issues.filter((issue) => issue.severity === 'error'),
    [],
  );
  assert.ok(config !== null);
  return config;
}

test('compile: turns names into indexes and orders routes by precedence', async () => {
  const snapshot = compile(await load(TEXT), 7, new MetricIndexes());
  assert.equal(snapshot.generation, 7);
  assert.deepEqual(
    snapshot.routes.map(({ name }) => name),
    ['api-v2', 'api', 'site'],
  );
  assert.deepEqual(
    snapshot.routes.map(({ service }) => snapshot.services[service]!.name),
    ['api', 'api', 'site'],
  );
  assert.deepEqual(
    snapshot.routes.map(({ listeners }) => listeners),
    [null, [0, 1], null],
  );
  const api = snapshot.services.find(({ name }) => name === 'api')!;
  assert.equal(snapshot.transports[api.transport]!.name, 'slow');
  assert.equal(snapshot.transports[api.transport]!.connectTimeoutMs, 9_000);
  assert.equal(api.endpoints[1]!.weight, 2);
  assert.deepEqual(snapshot.listeners[0]!.trustedProxies, ['10.0.0.0/8']);
  assert.equal(snapshot.router.routeCount, 3);
});

test('compile: keeps metric indexes over generations, whatever is added or removed', async () => {
  const indexes = new MetricIndexes();
  const first = compile(await load(TEXT), 1, indexes);
  const changed = TEXT.replace('[routes.site]', '[routes.new]').replaceAll('3001', '3009');
  const second = compile(await load(changed), 2, indexes);
  const third = compile(await load(TEXT), 3, indexes);
  const indexOf = (snapshot: typeof first): Map<string, number> =>
    new Map(snapshot.routes.map(({ name, metricIndex }) => [name, metricIndex]));
  assert.equal(indexOf(second).get('api'), indexOf(first).get('api'));
  assert.notEqual(indexOf(second).get('new'), indexOf(first).get('site'));
  assert.deepEqual(third, { ...first, generation: 3 });
  const shared = first.services.map(({ endpoints }) => endpoints[0]!.metricIndex);
  assert.notEqual(shared[0], shared[1]); // One endpoint, two services, two blocks.
});

test('compile: gives data that a structured clone leaves as it is', async () => {
  const snapshot = compile(await load(TEXT), 1, new MetricIndexes());
  assert.deepEqual(structuredClone(snapshot), snapshot);
});
