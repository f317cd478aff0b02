import assert from 'node:assert/strict';
import test from 'node:test';

import type { CertificateCheck } from '../config/certificate-check.ts';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load-config.ts';
import { memorySource } from '../config/memory-source.ts';
import {
  changedRoutes,
  diffConfigs,
  formatChange,
  needsRestart,
  summarizeChanges,
} from './config-diff.ts';

const BASE = `
[listeners.web]
address = ":8080"
[routes.shop]
host = "shop.example"
service = "shop"
[routes.blog]
host = "blog.example"
service = "blog"
[services.shop]
endpoints = ["http://10.0.0.1:3000", "http://10.0.0.2:3000"]
[services.blog]
endpoints = ["http://10.0.0.9:80"]
transport = "slow"
[transports.slow]
connect-timeout = "10s"
`;

async function load(text: string): Promise<Config> {
  const { config, issues } = await loadConfig('a.toml', memorySource({ 'a.toml': text }));
  assert.ok(config !== null, JSON.stringify(issues));
  return config;
}

async function diff(from: string, to: string): Promise<string[]> {
  return diffConfigs(await load(BASE), await load(BASE.replace(from, to))).map(formatChange);
}

test('config diff: equal texts differ in nothing, whatever their layout', async () => {
  const before = await load(BASE);
  const after = await load(`# a comment\n${BASE}\n`);
  assert.deepEqual(diffConfigs(before, after), []);
  assert.deepEqual(diffConfigs(before, before), []);
  assert.deepEqual(changedRoutes(before, after), []);
  assert.deepEqual(needsRestart(before, after), []);
});

test('config diff: every kind of node is added, removed and changed by name', async () => {
  const cases: readonly (readonly [from: string, to: string, changes: string[]])[] = [
    ['":8080"', '"127.0.0.1:81"', ['~ listener web  address: [::]:8080 -> 127.0.0.1:81']],
    ['host = "blog.example"', 'host = "b.example"', ['~ route blog  rule']],
    ['service = "shop"', 'service = "blog"', ['~ route shop  service: shop -> blog']],
    [
      '"http://10.0.0.2:3000"]',
      '"http://10.0.0.3:3000"]',
      ['~ service shop  endpoints: +http://10.0.0.3:3000; endpoints: -http://10.0.0.2:3000'],
    ],
    [
      '["http://10.0.0.9:80"]',
      '[{ url = "http://10.0.0.9:80", weight = 3 }]',
      ['~ service blog  endpoints: http://10.0.0.9:80 weight 1 -> 3'],
    ],
    ['"10s"', '"3s"', ['~ transport slow  connect-timeout: 10s -> 3s']],
    ['[transports.slow]', '[transports.new]\n[transports.slow]', ['+ transport new']],
    [
      'transport = "slow"',
      'transport = "slow"\nbalance = "random"\n[services.blog.sticky]\ncookie = "x"',
      ['~ service blog  balance: round-robin -> random; sticky: set'],
    ],
  ];
  for (const [from, to, changes] of cases) assert.deepEqual(await diff(from, to), changes);
  const without = BASE.replace(/\[routes\.blog\](\n[^[].*)*/, '').replace(
    /\[services\.blog\](\n[^[].*)*/,
    '',
  );
  const changes = diffConfigs(await load(BASE), await load(without));
  assert.deepEqual(changes.map(formatChange), ['- route blog', '- service blog']);
  assert.equal(summarizeChanges(changes), '2 removed');
});

test('config diff: single sections are changes too, by the names of the file', async () => {
  const sections = `
drain-timeout = "5s"
workers = 2
${BASE}
[limits]
head-size = "8KiB"
[observe]
log-level = "debug"
[reload]
debounce = "1s"
[admin]
address = "off"
`;
  assert.deepEqual(diffConfigs(await load(BASE), await load(sections)).map(formatChange), [
    '~ [workers]  workers',
    '~ [drain-timeout]  drain-timeout: 30s -> 5s',
    '~ [reload]  debounce: 100ms -> 1s',
    '~ [limits]  head-size: 16KiB -> 8KiB',
    '~ [observe]  log-level: info -> debug',
    '~ [admin]  address: unset',
  ]);
  assert.deepEqual(needsRestart(await load(BASE), await load(sections)), ['workers']);
  const moved = await load(`${BASE}[storage]\npath = "/elsewhere"\n`);
  assert.deepEqual(needsRestart(await load(BASE), moved), ['storage.path']);
});

test('config diff: a secret is never shown', async () => {
  const secret = (value: string): string => `${BASE}
[services.blog.health-check]
path = "/${value}"
body = "${value}"
headers = { authorization = "${value}" }
[admin]
token = "${value}"
`;
  const changes = diffConfigs(await load(secret('hunter1')), await load(secret('hunter2')));
  const text = changes.map(formatChange).join('\n');
  assert.doesNotMatch(text, /hunter/);
  assert.match(text, /\[admin\] {2}token/);
  assert.match(text, /health-check\.headers/);
  const ruled = diffConfigs(
    await load(BASE.replace('host = "shop.example"', 'header = { x-key = "hunter1" }')),
    await load(BASE.replace('host = "shop.example"', 'header = { x-key = "hunter2" }')),
  );
  assert.deepEqual(ruled.map(formatChange), ['~ route shop  rule']);
});

test('config diff: a route before all others changes only the order of none', async () => {
  const early = BASE.replace('[routes.shop]', '[routes.early]\nservice = "shop"\n[routes.shop]');
  assert.deepEqual(diffConfigs(await load(BASE), await load(early)).map(formatChange), [
    '+ route early',
  ]);
  assert.deepEqual(changedRoutes(await load(BASE), await load(early)), []);
  const shop = '[routes.shop]\nhost = "shop.example"\nservice = "shop"\n';
  const swapped = BASE.replace(shop, '').replace('[services.shop]', `${shop}[services.shop]`);
  assert.deepEqual(diffConfigs(await load(BASE), await load(swapped)).map(formatChange), [
    '~ [routes]  order of declaration',
  ]);
});

test('config diff: lists that share their ends by identity are compared in between', async () => {
  const base = await load(BASE);
  const [shop, blog] = base.routes as [Config['routes'][0], Config['routes'][0]];
  const having = (names: string[]): Config => ({
    ...base,
    routes: names.map((name) =>
      name === 'shop' ? shop : name === 'blog' ? blog : { ...shop, name },
    ),
  });
  const lines = (before: string[], after: string[]): string[] =>
    diffConfigs(having(before), having(after)).map(formatChange);
  assert.deepEqual(lines(['shop', 'blog'], ['shop', 'x', 'blog']), ['+ route x']);
  assert.deepEqual(lines(['shop', 'x', 'blog'], ['shop', 'blog']), ['- route x']);
  assert.deepEqual(lines(['shop', 'shop2'], ['shop', 'shop2', 'blog']), ['+ route blog']);
  assert.deepEqual(lines(['shop', 'blog'], ['blog', 'shop']), ['~ [routes]  order of declaration']);
  assert.deepEqual(lines(['shop', 'blog'], []), ['- route shop', '- route blog']);
  assert.deepEqual(changedRoutes(having(['shop', 'x', 'blog']), having(['shop', 'blog'])), ['x']);
});

test('changed routes: by themselves, their service, and its transport', async () => {
  const before = await load(BASE);
  const of = async (from: string, to: string): Promise<string[]> =>
    changedRoutes(before, await load(BASE.replace(from, to)));
  assert.deepEqual(await of('host = "blog.example"', 'host = "b.example"'), ['blog']);
  assert.deepEqual(await of('[routes.blog]', '[routes.other]'), ['blog']);
  assert.deepEqual(await of('10.0.0.2', '10.0.0.3'), ['shop']);
  assert.deepEqual(await of('"10s"', '"3s"'), ['blog']);
  assert.deepEqual(await of('address = ":8080"', 'address = ":8081"'), []);
});

test('changed routes: by a middleware they pass', async () => {
  const base = await load(BASE);
  const withKind = (value: number): Config => ({
    ...base,
    middlewares: [{ name: 'm', kind: 'k', config: { value } }],
    routes: base.routes.map((route) =>
      route.name === 'shop' ? { ...route, middlewares: ['m'] } : route,
    ),
  });
  assert.deepEqual(changedRoutes(withKind(1), withKind(1)), []);
  assert.deepEqual(changedRoutes(withKind(1), withKind(2)), ['shop']);
  assert.deepEqual(diffConfigs(withKind(1), withKind(2)).map(formatChange), [
    '~ middleware m  settings',
  ]);
  assert.deepEqual(diffConfigs(base, withKind(2)).map(formatChange), [
    '~ route shop  middlewares: +m',
    '+ middleware m',
  ]);
});

test('config diff: a certificate changes with its texts, not with its path', async () => {
  const before = await load(BASE);
  const pair = {
    chain: 'chain',
    key: 'key',
    id: '00',
    names: ['shop.example'],
    keyType: 'ecdsa' as const,
    notBeforeMs: 0,
    notAfterMs: 1,
    file: 'cert.pem',
  };
  const withPair = (change: Partial<typeof pair>): Config => {
    const pairs = [{ ...pair, ...change }];
    return { ...before, certificates: [{ name: 'local', pairs, names: [], issuer: null }] };
  };
  const first = withPair({});
  assert.deepEqual(diffConfigs(first, withPair({ file: '/etc/cert.pem' })), []);
  const changed = diffConfigs(first, withPair({ chain: 'newer', id: '01' }));
  assert.deepEqual(changed.map(formatChange), ['~ certificate local  files']);
});

const SECURE = `
[listeners.web]
address = ":80"
[listeners.secure]
address = ":443"
tls = "default"
[routes.a]
host = "a.internal"
service = "a"
[routes.db]
mode = "passthrough"
sni = "db.internal"
service = "db"
[services.a]
endpoints = ["https://10.0.0.1"]
[services.a.tls]
key = "a.key"
cert = "a.pem"
[services.db]
endpoints = ["tcp://10.0.0.2:1"]
[tls.strict]
min-version = "1.2"
[listeners.strict]
address = ":8443"
tls = "strict"
[certificates.file]
cert = "a.pem"
key = "a.key"
[issuers.one]
email = "a@example.com"
[issuers.one.dns]
provider = "cloudflare"
token = "hunter2"
[issuers.two]
email = "a@example.com"
`;

const certificateCheck: CertificateCheck = {
  pair: (chain) => {
    const facts = { id: chain, names: [], notBeforeMs: 0, notAfterMs: 9 };
    return { facts: { ...facts, keyType: 'ecdsa' }, problems: [] };
  },
  authorities: () => null,
  revocations: () => null,
  nowMs: () => 1,
};

async function loadSecure(text: string, key = 'hunter3'): Promise<Config> {
  const source = memorySource({ 'a.toml': text, 'a.pem': 'chain', 'b.pem': 'other', 'a.key': key });
  const { config, issues } = await loadConfig('a.toml', source, { certificateCheck });
  assert.ok(config !== null, JSON.stringify(issues));
  return config;
}

test('config diff: names what changed about TLS, and no secret', async () => {
  const before = await loadSecure(SECURE);
  const cases: readonly (readonly [
    from: string,
    to: string,
    changes: string[],
    routes?: string[],
  ])[] = [
    ['"1.2"', '"1.3"', ['~ TLS policy strict  min-version: 1.2 -> 1.3']],
    ['tls = "default"', 'tls = "strict"', ['~ listener secure  tls: default -> strict']],
    ['"hunter2"', '"hunter4"', ['~ issuer one  dns.settings.token']],
    ['[issuers.two]\nemail = "a@example.com"', '', ['- issuer two']],
    ['[issuers.one]', '[issuers.new]\nemail = "a@b.c"\n[issuers.one]', ['+ issuer new']],
    [
      'cert = "a.pem"\nkey = "a.key"\n[issuers',
      'cert = "b.pem"\nkey = "a.key"\n[issuers',
      ['~ certificate file  files'],
    ],
    ['"db.internal"', '"x.internal"', ['~ passthrough db  sni'], ['db']],
    [
      'mode = "passthrough"\nsni = "db.internal"\nservice = "db"',
      'path = "/"\nservice = "a"',
      ['+ route db', '- passthrough db'],
      ['db'],
    ],
    [
      '"tcp://10.0.0.2:1"',
      '"tcp://10.0.0.2:2"',
      ['~ service db  endpoints: +tcp://10.0.0.2:2; endpoints: -tcp://10.0.0.2:1'],
      ['db'],
    ],
    [
      'cert = "a.pem"\n[services.db]',
      'cert = "a.pem"\nverify = false\n[services.db]',
      ['~ service a  tls.verify: true -> false'],
      ['a'],
    ],
    // What plain HTTP is answered ends no stream.
    [
      'host = "a.internal"',
      'host = "a.internal"\nplain-http = "serve"',
      ['~ route a  plain-http: redirect -> serve'],
    ],
    [
      'host = "a.internal"',
      'host = "a.internal"\ntls = "strict"',
      ['~ route a  tls: strict'],
      ['a'],
    ],
    ['[tls.strict]', '[storage]\npath = "/s"\n[tls.strict]', ['~ [storage]  path']],
  ];
  for (const [from, to, changes, routes = []] of cases) {
    assert.ok(SECURE.includes(from), from);
    const after = await loadSecure(SECURE.replace(from, to));
    const all = diffConfigs(before, after).map(formatChange);
    assert.deepEqual(
      all.filter((line) => !line.includes('https-port')),
      changes,
    );
    assert.deepEqual(changedRoutes(before, after), routes);
    assert.doesNotMatch(all.join(), /hunter/);
  }
  const renewed = diffConfigs(before, await loadSecure(SECURE, 'hunter5')).map(formatChange);
  assert.deepEqual(renewed, ['~ service a  tls.key', '~ certificate file  files']);
});
