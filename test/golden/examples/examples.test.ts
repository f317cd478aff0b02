/** Every example in `examples` loads as it is, and the ones about routing route as they say. */

import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { readConfig } from '../../../src/app/config-file.ts';
import { compile } from '../../../src/control/compile/compile.ts';
import { explain } from '../../../src/control/compile/explain.ts';
import { MetricIndexes } from '../../../src/control/compile/metric-indexes.ts';

const EXAMPLES = join(import.meta.dirname, '../../../examples');

/** Requests the examples make a promise about. */
const ROUTED: readonly {
  readonly example: string;
  readonly method?: string;
  readonly url: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly client?: string;
  readonly listener?: string;
  /** Name of the route that wins; null for none. */
  readonly route: string | null;
}[] = [
  { example: 'quickstart', url: 'http://localhost/api/echo', route: 'api' },
  { example: 'quickstart', url: 'http://localhost/', route: 'site' },
  { example: 'rules', url: 'http://shop.example.com/api/cart', route: 'shop-api' },
  { example: 'rules', url: 'http://shop.example.com/apix', route: 'blog' },
  {
    example: 'rules',
    url: 'http://shop.example.com/api/cart',
    headers: [['x-beta', '1']],
    route: 'shop-beta',
  },
  { example: 'rules', url: 'http://shop.example.com/api/cart?beta=1', route: 'shop-beta' },
  { example: 'rules', url: 'http://shop.example.com/api/v2/cart', route: 'shop-v2' },
  { example: 'rules', url: 'http://shop.example.com/orders/17', route: 'orders' },
  { example: 'rules', url: 'http://shop.example.com/orders/17a', route: 'blog' },
  { example: 'rules', url: 'http://blog.example.com/', route: 'blog' },
  { example: 'rules', method: 'POST', url: 'http://blog.example.com/', route: null },
  { example: 'rules', url: 'http://a.blog.example.com/', route: null },
  { example: 'tls', url: 'https://app.localhost:8443/', route: 'app' },
  { example: 'tls', url: 'http://app.localhost:8080/healthz', route: 'probe' },
  { example: 'tls', url: 'https://vault.localhost/', route: 'vault' },
  { example: 'tls', url: 'https://db.localhost/', route: null },
  { example: 'trusted-proxies', url: 'http://a/admin/', client: '192.0.2.7', route: 'admin' },
  {
    example: 'trusted-proxies',
    url: 'http://a/admin/',
    client: '192.0.3.7',
    route: 'admin-closed',
  },
  { example: 'trusted-proxies', url: 'http://a/', client: '192.0.2.7', route: 'site' },
  { example: 'unix-socket', url: 'http://a/x', listener: 'web', route: null },
  { example: 'unix-socket', url: 'http://a/public/x', listener: 'web', route: 'public' },
  { example: 'unix-socket', url: 'http://a/x', listener: 'local', route: 'local' },
  { example: 'weights', url: 'http://a/reports/1', route: 'reports' },
];

test('examples: each folder has a configuration that names itself in its first lines', () => {
  const folders = readdirSync(EXAMPLES, { withFileTypes: true }).filter((one) => one.isDirectory());
  assert.ok(folders.length >= 9, 'the examples are gone');
  for (const { name } of folders) {
    const file = join(EXAMPLES, name, 'proxy-now.toml');
    assert.ok(existsSync(file), `examples/${name} has no proxy-now.toml`);
    const header = readFileSync(file, 'utf8').split('\n\n', 1)[0]!;
    assert.match(header, /^# /);
    assert.ok(header.includes(`examples/${name}/proxy-now.toml`), `${name} says how to run it`);
  }
});

for (const file of globSync('*/proxy-now.toml', { cwd: EXAMPLES }).toSorted()) {
  test(`examples: ${file} loads without an issue`, async () => {
    const { config, issues } = await readConfig(join(EXAMPLES, file));
    assert.deepEqual(issues, []);
    assert.notEqual(config, null);
  });
}

for (const asked of ROUTED) {
  const { example, method = 'GET', url, headers = [], client = '127.0.0.1' } = asked;
  const details = [method, url, ...headers.flat(), client, asked.listener ?? ''].join(' ').trim();
  test(`examples: ${example} sends ${details} to ${asked.route ?? 'nobody'}`, async () => {
    const { config } = await readConfig(join(EXAMPLES, example, 'proxy-now.toml'));
    const snapshot = compile(config!, 1, new MetricIndexes());
    const { problem, winner } = explain(snapshot, config!, {
      method,
      url,
      headers,
      clientAddress: client,
      listener: asked.listener ?? null,
    });
    assert.equal(problem, null);
    assert.equal(winner === null ? null : winner.route, asked.route);
  });
}
