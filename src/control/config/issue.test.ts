import test from 'node:test';
import assert from 'node:assert/strict';
import { ISSUE_CODES } from './issue.ts';
import { describeCases, isTlsCode } from './issue-cases.contract.ts';
import type { Case } from './issue-cases.contract.ts';
import { loadConfig } from './load-config.ts';
import { memorySource } from './memory-source.ts';
import type { MiddlewareKinds } from './middleware-section.ts';
import { integer } from './schema.ts';
import { object } from './schema-compound.ts';

const KINDS: MiddlewareKinds = new Map([
  ['delay', object('Waits.', { ms: integer({ doc: 'How long.', min: 0, max: 10 }) })],
  ['noop', object('Nothing.', {})],
]);

function long(size: number): string {
  return 'a'.repeat(size);
}

const CASES: readonly Case[] = [
  { code: 'PN1001', text: 'include = ["no.toml"]', at: [1, 12, 21], path: 'include[0]' },
  { code: 'PN1002', text: 'io = "auto" "node"', at: [1, 13, 14] },
  { code: 'PN1002', text: '[limits]\nhead-size = \n', at: [2, 13, 14] },
  { code: 'PN1002', text: '[services.s]', at: [1, 2, 3] },
  { code: 'PN1002', text: '[routes.x', at: [1, 10, 11] },
  { code: 'PN1003', text: 'include = ["conf.d/*.toml"]', at: [1, 12, 27] },
  { code: 'PN1004', text: 'include = ["inc-limits.toml"]', at: [1, 1, 7] },
  { code: 'PN1005', text: 'include = ["inc-twice.toml"]', at: [1, 11, 12], path: 'services.s' },
  { code: 'PN1006', text: 'observe.access-log.path = "a${env:NO}"', at: [1, 29, 38] },
  { code: 'PN1007', text: 'observe.access-log.path = "${file:no}"', at: [1, 28, 38] },
  { code: 'PN1008', text: 'observe.access-log.path = "${no}"', at: [1, 28, 33] },
  { code: 'PN1008', text: 'observe.access-log.path = "${env:A"', at: [1, 28, 35] },
  { code: 'PN1101', text: 'worker = 1', at: [1, 1, 7], hint: /`workers`/ },
  { code: 'PN1101', text: 'services.s.balanced = 1', at: [1, 12, 20], hint: /`balance`/ },
  { code: 'PN1101', text: 'limits = { heads-size = 1 }', at: [1, 12, 22], hint: /`head-size`/ },
  { code: 'PN1105', text: 'workers = "2"', at: [1, 11, 14] },
  { code: 'PN1102', text: 'workers = 2.5', at: [1, 11, 14] },
  { code: 'PN1102', text: 'workers = 2026-01-01', at: [1, 11, 21] },
  { code: 'PN1102', text: 'services.s.pass-host = 1', at: [1, 24, 25] },
  { code: 'PN1102', text: 'services.s.sticky = [\n  "a"\n]', at: [1, 21, 22] },
  { code: 'PN1102', text: 'drain-timeout = 30', at: [1, 17, 19] },
  { code: 'PN1102', text: 'services.t = 1', at: [1, 14, 15] },
  { code: 'PN1102', text: 'transports = 1', at: [1, 14, 15] },
  { code: 'PN1103', text: 'workers = 257', at: [1, 11, 14] },
  { code: 'PN1103', text: 'limits.head-size = "61KiB"', at: [1, 20, 27] },
  { code: 'PN1103', text: 'drain-timeout = "2d"', at: [1, 17, 21] },
  { code: 'PN1104', text: '[listeners.b]', at: [1, 12, 13], path: 'listeners.b' },
  { code: 'PN1104', text: 'services.s.sticky = {}', at: [1, 12, 18] },
  { code: 'PN1105', text: 'services.s.balance = "rr"', at: [1, 22, 26] },
  { code: 'PN1106', text: 'drain-timeout = "30sec"', at: [1, 17, 24] },
  { code: 'PN1106', text: 'observe.access-log.path = ""', at: [1, 27, 29] },
  { code: 'PN1107', text: 'services.s.transport = "a b"\n[transports."a b"]', at: [2, 13, 18] },
  { code: 'PN1107', text: 'routes.7 = { service = "s", path = "/" }', at: [1, 8, 9] },
  { code: 'PN1108', text: 'routes.q = { service = "s", host = [] }', at: [1, 36, 38] },
  { code: 'PN1201', text: 'routes.r.listeners = ["wbe"]', at: [1, 23, 28], hint: /`web`/ },
  { code: 'PN1201', text: 'routes.r.middlewares = ["m"]', at: [1, 25, 28] },
  { code: 'PN1201', text: 'services.s.transport = "defualt"', at: [1, 24, 33], hint: /`default`/ },
  { code: 'PN1201', text: 'services.s.extends = "x"', at: [1, 22, 25] },
  {
    code: 'PN1202',
    text: 'transports.a.extends = "b"\ntransports.b.extends = "a"',
    at: [1, 24, 27],
  },
  { code: 'PN1203', text: 'listeners.b.address = "127.0.0.1:8080"', at: [1, 23, 39] },
  { code: 'PN1203', text: 'admin.address = "[::1]:8080"', at: [1, 17, 29] },
  {
    code: 'PN1204',
    text:
      'routes.q = { service = "t", path = "/" }\n' +
      'services.t.endpoints = ["http://b", "http://b:80/"]',
    at: [2, 37, 51],
  },
  { code: 'PN1205', text: 'services.t.endpoints = ["http://b"]', at: [1, 10, 11] },
  { code: 'PN1205', text: 'middlewares.m.noop = {}', at: [1, 13, 14] },
  { code: 'PN1207', text: 'admin.address = ":9901"', at: [1, 17, 24] },
  {
    code: 'PN1208',
    text: 'services.s.sticky = { cookie = "a", same-site = "none" }',
    at: [1, 49, 55],
  },
  { code: 'PN1208', text: 'observe.access-log = { format = "template" }', at: [1, 9, 19] },
  {
    code: 'PN1209',
    text: 'routes.r.middlewares = ["m"]\n[middlewares.m.dely]',
    at: [2, 16, 20],
    hint: /`delay`/,
  },
  {
    code: 'PN1209',
    text: 'routes.r.middlewares = ["m"]\n[middlewares.m]\nnoop = {}\ndelay.ms = 1',
    at: [2, 14, 15],
  },
  { code: 'PN1301', text: "routes.r.rule = 'Host(`a`'", at: [1, 26, 27] },
  { code: 'PN1301', text: "routes.r.rule = 'Host(`a`) Host(`b`)'", at: [1, 28, 32] },
  { code: 'PN1301', text: 'routes.r.rule = "Host(\\"a\\") & x"', at: [1, 30, 31] },
  {
    code: 'PN1302',
    text: "routes.r.rule = 'PathPrefx(`/`)'",
    at: [1, 18, 27],
    hint: /`PathPrefix`/,
  },
  { code: 'PN1302', text: "routes.r.rule = 'Headers(`a`, `b`)'", at: [1, 18, 25], hint: /v2/ },
  {
    code: 'PN1303',
    text: "routes.r.rule = 'Host(`a`, `b`)'",
    at: [1, 18, 32],
    hint: /^Host\(`a`\) \|\| Host\(`b`\)$/,
  },
  { code: 'PN1304', text: "routes.r.rule = 'HostRegexp(`a[z-a]`)'", at: [1, 32, 35] },
  { code: 'PN1304', text: 'routes.r.rule = "PathRegexp(`(a)\\\\1`)"', at: [1, 33, 36] },
  { code: 'PN1305', text: `routes.r.rule = 'PathRegexp(\`${long(1_001)}\`)'`, at: [1, 29, 1_032] },
  { code: 'PN1306', text: 'routes.r.host = "a:80"', at: [1, 17, 23] },
  {
    code: 'PN1306',
    text: 'routes.r.host = ["a", "*b.c"]',
    at: [1, 24, 25],
    path: 'routes.r.host[1]',
  },
  { code: 'PN1307', text: 'routes.r.path = "api"', at: [1, 17, 22] },
  { code: 'PN1307', text: 'routes.r.path = "/a*"', at: [1, 20, 21] },
  { code: 'PN1307', text: 'routes.r.path = "/a/../b"', at: [1, 17, 26] },
  { code: 'PN1308', text: 'routes.r.method = "G T"', at: [1, 19, 24] },
  { code: 'PN1309', text: 'routes.r.method = "DELTE"', at: [1, 19, 26], hint: /`DELETE`/ },
  { code: 'PN1310', text: 'routes.r.client-ip = "10.0.0.0/33"', at: [1, 22, 35] },
  { code: 'PN1310', text: 'listeners.web.trusted-proxies = ["10.0.0.256"]', at: [1, 34, 46] },
  { code: 'PN1311', text: 'routes.r.header = { "x a" = "1" }', at: [1, 21, 26] },
  {
    code: 'PN1312',
    text: 'services.s.extends = "t"\nservices.t.endpoints = ["h2c://b"]',
    at: [2, 26, 32],
  },
  {
    code: 'PN1313',
    text: 'services.s.extends = "t"\nservices.t.endpoints = ["b:80"]',
    at: [2, 25, 31],
  },
  { code: 'PN1314', text: 'listeners.b.address = "localhost:80"', at: [1, 24, 33] },
  { code: 'PN1314', text: 'admin.address = "unix:/run/admin.sock"', at: [1, 17, 39] },
  { code: 'PN1315', text: 'services.s.sticky.cookie = "a;b"', at: [1, 28, 33] },
  { code: 'PN1316', text: 'services.s.outlier.statuses = ["500-400"]', at: [1, 32, 41] },
  { code: 'PN1317', text: 'services.s.health-check.path = "healthz"', at: [1, 32, 41] },
  { code: 'PN1318', text: 'services.s.retry.methods = ["POST"]', at: [1, 29, 35] },
  { code: 'PN1401', text: 'routes.q = { service = "s" }', at: [1, 8, 9] },
  {
    code: 'PN1402',
    text:
      'routes.a = { service = "s", host = ["a.b", "c.d"] }\n' +
      'routes.b = { service = "s", host = "c.d" }',
    at: [2, 8, 9],
  },
  {
    code: 'PN1403',
    text: 'routes.q = { service = "s", host = "a.b", rule = \'Host(`c.d`)\' }',
    at: [1, 8, 9],
  },
];

const INCLUDED = {
  'inc-limits.toml': 'limits.head-size = "1KiB"',
  'inc-twice.toml': '[services.s]\nendpoints = ["http://b"]',
};

const OPTIONS = { middlewareKinds: KINDS };

describeCases(CASES, INCLUDED, OPTIONS);

test('issue: nothing listens when there is no listener', async () => {
  const { config, issues } = await loadConfig('m.toml', memorySource({ 'm.toml': '' }), OPTIONS);
  assert.deepEqual(
    issues.map((issue) => issue.code),
    ['PN1206'],
  );
  assert.notEqual(config, null);
});

test('issue: a missing main file is one issue', async () => {
  const { config, issues, files } = await loadConfig('no.toml', memorySource({}));
  assert.equal(config, null);
  assert.deepEqual([issues.length, issues[0]?.code, issues[0]?.line], [1, 'PN1001', 1]);
  assert.deepEqual(files, [{ path: 'no.toml', role: 'main', isGood: false, text: null }]);
});

test('issue: every code has a case here, or among those of TLS', () => {
  const covered = new Set<string>([...CASES.map(({ code }) => code), 'PN1206']);
  const missing = Object.keys(ISSUE_CODES).filter((code) => !covered.has(code));
  assert.deepEqual(
    missing.filter((code) => !isTlsCode(code)),
    [],
  );
});
