import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { loadConfig } from './load-config.ts';
import type { LoadedConfig } from './load-config.ts';
import { memorySource } from './memory-source.ts';
import type { MiddlewareKinds } from './middleware-section.ts';
import { formatIssues } from './render-issue.ts';
import { formatRule } from './rule-format.ts';
import { integer } from './schema.ts';
import { object } from './schema-compound.ts';

type Files = Readonly<Record<string, string>>;

async function load(files: string | Files, env: Files = {}): Promise<LoadedConfig> {
  const all = typeof files === 'string' ? { 'm.toml': files } : files;
  return loadConfig('m.toml', memorySource(all, env));
}

/** Issues as `file:line:column code`, which is short enough to compare. */
function places(loaded: LoadedConfig): string[] {
  return loaded.issues.map(({ file, line, column, code }) => `${file}:${line}:${column} ${code}`);
}

function routeNames(loaded: LoadedConfig): string[] | undefined {
  return loaded.config?.routes.map((route) => route.name);
}

function queues(loaded: LoadedConfig): [string, number][] | undefined {
  return loaded.config?.transports.map(({ name, queueMax }) => [name, queueMax]);
}

const MAIN = `include = ["conf.d/*.toml"]
listeners.web.address = ":8080"
routes.main = { service = "main" }
services.main.endpoints = ["http://a"]
`;

test('loadConfig: takes nodes of included files, in order of patterns and names', async () => {
  const loaded = await load({
    'm.toml': MAIN,
    'conf.d/b.toml': 'routes.b = { host = "b", service = "main" }',
    'conf.d/a.toml': 'routes.a = { host = "a", service = "main" }',
  });
  assert.deepEqual(places(loaded), []);
  const orders = loaded.config?.routes.map(({ name, file }) => `${name} ${file}`);
  assert.deepEqual(orders, ['main m.toml', 'a conf.d/a.toml', 'b conf.d/b.toml']);
  assert.deepEqual(loaded.inputs, ['m.toml', 'conf.d/a.toml', 'conf.d/b.toml']);
});

test('loadConfig: leaves out a bad included file and keeps the others', async () => {
  const loaded = await load({
    'm.toml': MAIN,
    'conf.d/bad.toml': '[routes.bad]\nservice = "main"\nhost = "bad"\npriority = "high"',
    'conf.d/broken.toml': 'routes.broken = {{',
    'conf.d/good.toml': 'routes.good = { host = "good", service = "main" }',
  });
  assert.deepEqual(places(loaded), [
    'conf.d/bad.toml:4:12 PN1102',
    'conf.d/broken.toml:1:18 PN1002',
  ]);
  assert.deepEqual(routeNames(loaded), ['main', 'good']);
  assert.deepEqual(
    loaded.files.map(({ path, isGood }) => [path, isGood]),
    [
      ['m.toml', true],
      ['conf.d/bad.toml', false],
      ['conf.d/broken.toml', false],
      ['conf.d/good.toml', true],
    ],
  );
});

test('loadConfig: leaves out what depends on a left-out file, and says why', async () => {
  const loaded = await load({
    'm.toml': MAIN,
    'conf.d/1.toml': 'services.one = { endpoints = ["http://a"], balance = "x" }',
    'conf.d/2.toml': 'services.two = { extends = "one", balance = "random" }',
    'conf.d/3.toml': 'routes.three = { host = "c", service = "two" }',
    'conf.d/4.toml': 'routes.four = { host = "d", service = "main" }',
  });
  assert.deepEqual(places(loaded), [
    'conf.d/1.toml:1:54 PN1105',
    'conf.d/2.toml:1:28 PN1201',
    'conf.d/3.toml:1:40 PN1201',
  ]);
  const hint = 'it is defined in conf.d/2.toml, which has errors and is left out';
  assert.equal(loaded.issues[2]?.hint, hint);
  assert.deepEqual(routeNames(loaded), ['main', 'four']);
});

test('loadConfig: a listener on the default admin address is an issue there', async () => {
  const loaded = await load(MAIN.slice(MAIN.indexOf('\n')).replace(':8080', ':9901'));
  assert.deepEqual(places(loaded), ['m.toml:2:25 PN1203']);
});

test('loadConfig: a reference into a broken included file stays an issue', async () => {
  const loaded = await load({
    'm.toml': MAIN.replace('"main"', '"gone"'),
    'conf.d/a.toml': '[services.gone]\nendpoints = ["http://a"',
  });
  const errors = loaded.issues.filter(({ severity }) => severity === 'error');
  const codes = errors.map(({ file, code }) => `${file} ${code}`);
  assert.deepEqual(codes, ['m.toml PN1201', 'conf.d/a.toml PN1002']);
  assert.equal(loaded.config, null);
});

test('loadConfig: names both places of a node defined twice', async () => {
  const loaded = await load({ 'm.toml': MAIN, 'conf.d/a.toml': '\n[services.main]\n' });
  const issue = loaded.issues.find(({ code }) => code === 'PN1005');
  assert.deepEqual([issue?.file, issue?.line, issue?.column], ['conf.d/a.toml', 2, 11]);
  const related = { text: 'first defined at', file: 'm.toml', line: 4, column: 10 };
  assert.deepEqual(issue?.related, related);
  assert.notEqual(loaded.config, null);
});

test('loadConfig: reports the rest of a file after a syntax error', async () => {
  const loaded = await load(
    [
      '[listeners.web]',
      'address = ":8080',
      '[routes.a]',
      'service = "s"',
      'hots = "a"',
      '[services.s',
      'endpoints = []',
      '[limits]',
      'via-hops = 5 5',
      'via-hop = 5',
      'drain = [',
      '  1,',
      '[observe]',
      'log-level = "loud"',
    ].join('\n'),
  );
  assert.deepEqual(places(loaded), [
    'm.toml:2:11 PN1002',
    'm.toml:5:1 PN1101',
    'm.toml:6:12 PN1002',
    'm.toml:9:14 PN1002',
    'm.toml:10:1 PN1101',
    'm.toml:11:9 PN1002',
    'm.toml:14:13 PN1105',
  ]);
});

test('loadConfig: extends merges tables and replaces arrays, rules as a whole', async () => {
  const { config, issues } = await load(`
[listeners.web]
address = ":8080"
[routes.base]
host = "a.com"
header = { x-a = "1", x-b = "1" }
service = "s"
listeners = ["web"]
priority = 3
[routes.heir]
extends = "base"
header = { x-b = "2" }
[routes.ruled]
extends = "heir"
rule = "Host(\`b.com\`)"
[services.s]
extends = "t"
endpoints = ["http://c"]
[services.t]
endpoints = ["http://a", "http://b"]
balance = "random"
`);
  assert.deepEqual(issues, []);
  assert.deepEqual(
    config?.routes.map((route) => [formatRule(route.rule), route.priority, route.listeners]),
    [
      ['Host(`a.com`) && Header(`x-a`, `1`) && Header(`x-b`, `1`)', 3, ['web']],
      ['Host(`a.com`) && Header(`x-a`, `1`) && Header(`x-b`, `2`)', 3, ['web']],
      ['Host(`b.com`)', 3, ['web']],
    ],
  );
  const [service] = config?.services ?? [];
  assert.deepEqual([service?.endpoints.length, service?.balance], [1, 'random']);
});

test('loadConfig: an inherited mistake is reported once, where it is written', async () => {
  const loaded = await load(
    `${MAIN.slice(MAIN.indexOf('\n'))}
[transports.a]
connect-timeout = "0s"
[transports.b]
extends = "a"
[services.main]
`.replace('[services.main]\n', '') + '[transports.c]\nextends = "b"\n',
  );
  const codes = loaded.issues.filter(({ severity }) => severity === 'error');
  assert.deepEqual(
    codes.map(({ code, line }) => [code, line]),
    [['PN1103', 7]],
  );
});

test('loadConfig: interpolates variables and files, once, in any scalar', async () => {
  const files = {
    'm.toml': `
workers = "\${env:WORKERS}"
listeners.web.address = "\${env:HOST:-127.0.0.1}:\${env:PORT}"
routes.r = { service = "s", header = { x = "\${file:secret}", y = "$\${env:Z}" } }
services.s = { endpoints = ["http://a"], pass-host = "\${env:PASS}" }
`,
    secret: '${env:PORT}\n',
  };
  const loaded = await load(files, { WORKERS: '4', PORT: '81', PASS: 'false', HOST: '' });
  assert.deepEqual(places(loaded), []);
  const { config } = loaded;
  assert.equal(config?.workers, 4);
  assert.deepEqual([config.listeners[0]?.host, config.listeners[0]?.port], ['127.0.0.1', 81]);
  const rule = 'Header(`x`, `${env:PORT}`) && Header(`y`, `${env:Z}`)';
  assert.equal(formatRule(config.routes[0]!.rule), rule);
  assert.equal(config.services[0]?.passHost, false);
  assert.deepEqual(loaded.inputs, ['m.toml', 'secret']);
});

test('loadConfig: never shows what a variable or file contains', async () => {
  const text = `listeners.web.address = "\${env:A}"
routes.r = { service = "\${env:A}", rule = "\${env:A}", host = "\${file:a}" }
observe.log-level = "\${env:A}"
limits.head-size = "\${env:A}"
services.s = { endpoints = ["http://\${env:A}", "\${file:a}"] }
middlewares.m = { extends = "\${env:A}" }
`;
  const files = { 'm.toml': text, a: 'pass word/' };
  const loaded = await load(files, { A: 'pass word/' });
  assert.ok(loaded.issues.length >= 8);
  assert.ok(!JSON.stringify(loaded.issues).includes('pass word'));
});

test('loadConfig: a transport named default replaces the built-in one', async () => {
  const text = MAIN.slice(MAIN.indexOf('\n'));
  const plain = await load(text);
  assert.deepEqual(queues(plain), [['default', 1_024]]);
  const changed = await load(`${text}transports.default.queue-max = 1`);
  assert.deepEqual(queues(changed), [['default', 1]]);
});

test('loadConfig: decodes middlewares with the schema of their kind', async () => {
  const middlewareKinds: MiddlewareKinds = new Map([
    [
      'delay',
      object('Waits.', { forMs: integer({ doc: 'How long.', default: 5, min: 0, max: 9 }) }),
    ],
  ]);
  const text = `${MAIN.slice(MAIN.indexOf('\n'))}
routes.main.middlewares = ["slow", "slower"]
[middlewares.slow.delay]
[middlewares.slower]
extends = "slow"
delay = { for = 9 }
`.replace('routes.main = { service = "main" }', 'routes.main.service = "main"');
  const loaded = await loadConfig('m.toml', memorySource({ 'm.toml': text }), { middlewareKinds });
  assert.deepEqual(places(loaded), []);
  assert.deepEqual(loaded.config?.middlewares, [
    { name: 'slow', kind: 'delay', config: { forMs: 5 } },
    { name: 'slower', kind: 'delay', config: { forMs: 9 } },
  ]);
});

test('loadConfig: route and header names of objects are only names', async () => {
  const { config, issues } = await load(`
listeners.web.address = ":8080"
[routes.constructor]
service = "__proto__"
header = { __proto__ = "1", toString = "2" }
[services.__proto__]
endpoints = ["http://a"]
`);
  assert.deepEqual(issues, []);
  assert.equal(config?.services[0]?.name, '__proto__');
  const rule = 'Header(`__proto__`, `1`) && Header(`tostring`, `2`)';
  assert.equal(formatRule(config.routes[0]!.rule), rule);
});

const SEEDS: readonly string[] = [
  MAIN,
  '[routes."a.b"]\nrule = """\\\n  Host(`x`) && !(PathRegexp("^/\\\\d+"))\n"""\nextends = "a"',
  '[services.s]\nendpoints = [{ url = "unix:/a", weight = 3 }, "${env:A:-http://b}"]\n[[x]]\n',
  'limits = { head-size = "1.5KiB", via-hops = 0x10 }\r\nobserve.access-log.format = \'json\'\r\n',
  '[transports]\na.extends = "b"\nb.extends = "a"\n[middlewares.m.kind]\nx = 1979-05-27T07:32:00Z',
];

const PIECES = ['[', ']', '{', '}', '"', "'", '"""', '\n', '=', '.', ',', '\\', '${', '}', '`'];
const MORE_PIECES = ['(', ')', '&&', '||', '!', '#', '\u0000', '\ud800', '1e999', 'nan', '-', ' '];

test('loadConfig: never throws, and every issue has a place in its file', async () => {
  const piece = fc.oneof(
    fc.constantFrom(...PIECES, ...MORE_PIECES, ...SEEDS),
    fc.string({ maxLength: 5 }),
  );
  const edit = fc.record({ at: fc.nat(400), remove: fc.nat(20), insert: piece });
  const property = fc.asyncProperty(
    fc.constantFrom(...SEEDS, SEEDS.join('\n')),
    fc.array(edit, { maxLength: 6 }),
    async (seed, edits) => {
      let text = seed;
      for (const { at, remove, insert } of edits) {
        const start = Math.min(at, text.length);
        text = text.slice(0, start) + insert + text.slice(start + remove);
      }
      const loaded = await load({ 'm.toml': text, 'conf.d/a.toml': text });
      const lines = text.split('\n');
      for (const { line, column, endColumn } of loaded.issues) {
        assert.ok(line >= 1 && line <= lines.length);
        assert.ok(column >= 1 && column <= lines[line - 1]!.length + 1, `${line}:${column}`);
        assert.ok(endColumn > column);
      }
      assert.ok(loaded.config !== null || loaded.issues.some((one) => one.severity === 'error'));
      formatIssues(loaded.issues, () => text);
    },
  );
  await fc.assert(property, { numRuns: 400 });
});
