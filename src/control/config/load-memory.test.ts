import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { FilePositions } from './file-positions.ts';
import type { KeyPath } from './issue.ts';
import { loadConfig } from './load-config.ts';
import { LoadMemory } from './load-memory.ts';
import type { Located } from './located.ts';
import { locate } from './located.ts';
import { memorySource } from './memory-source.ts';
import { integer } from './schema.ts';
import { object } from './schema-compound.ts';
import { parseToml } from './toml-document.ts';
import { TomlPositions } from './toml-positions.ts';

const WEB = '[listeners.web]\naddress = ":8080"\n';

/** Parts of files: good ones, ones that cannot stand alone or together, and broken ones. */
const PARTS = [
  'drain-timeout = "5s"\n',
  'include = ["conf.d/*.toml"]\n',
  'limits.head-size = "8KiB"\n',
  'routes.inline = { service = "s" }\n',
  WEB,
  '[routes.a]\nhost = "a.test" # A comment.\nservice = "s"\n',
  '[routes.a]\r\nhost = "a.test"\r\nservice = "t"\r\n',
  '[routes.a.header]\nx-a = "1"\n',
  '[routes.b]\nextends = "a"\npath = "/b"\n',
  '[routes.c]\nextends = "b"\nmethod = "GET"\n',
  '[routes."d"]\nservice = "s"\nrule = "PathRegexp(`^/d`)"\n',
  '[ routes . e ]\nservice = "${env:SERVICE}"\npriority = 1_001\n',
  '  [routes.f]\nservice = "s"\n',
  '[routes]\ng = { service = "s" }\n',
  '[routes.h]\nservice = """\n[routes.i]\n"""\n',
  '[routes.j]\nservice = "s"\nlisteners = [\n"web",\n["x"]\n]\n',
  '[routes.k]\nservice = "s"\nlisteners = [\n[routes.l]\n]\n',
  '[[routes.m]]\nservice = "s"\n',
  '[services.s]\nendpoints = ["http://10.0.0.1"]\n',
  '[services.s]\nendpoints = ["http://10.0.0.1", "http://10.0.0.1"]\n',
  '[services.t]\nextends = "s"\n[services.t.sticky]\ncookie = "c"\n',
  '[[services.u.endpoints]]\nurl = "http://10.0.0.2"\n[[services.u.endpoints]]\nurl = "http://a"\n',
  '[limits]\nhead-size = "16KiB"\n',
  '[observe]\nlog-level = "debug"\n[observe.access-log]\nformat = "common"\n',
  '[observe.access-log]\nformat = "json"\n',
  '[middlewares.w.tag]\nvalue = 3\n',
  '[unknown.x]\nkey = 1\n',
  '[routes.z]\nservice = = "s"\n',
  '[routes.y\nservice = "s"\n',
  '# Nothing.\n\n',
];
const anyText = fc
  .array(fc.constantFrom(...PARTS), { maxLength: 8 })
  .map((parts) => parts.join(''));

test('load-memory: reads a text as if it had been parsed whole, whatever it read before', () => {
  let sharedCount = 0;
  fc.assert(
    fc.property(fc.array(anyText, { minLength: 1, maxLength: 5 }), (texts) => {
      const memory = new LoadMemory();
      let before: Located | undefined;
      for (const text of texts) {
        const document = parseToml(text);
        const read = memory.read('m.toml', text);
        assert.deepEqual(read.tree, locate(document.root, 'm.toml', []));
        assert.deepEqual([read.text, read.problems], [document.text, document.problems]);
        const web = read.tree.entries.get('listeners');
        const own = web?.kind === 'table' ? web.entries.get('web') : undefined;
        if (own !== undefined && own === before) sharedCount++;
        before = own;
      }
    }),
    // Chance alone makes a table come twice in half of the runs only.
    { numRuns: 1_000, examples: [[[WEB + PARTS[5]!, WEB + PARTS[6]!]]] },
  );
  assert.ok(sharedCount > 0, 'nothing was ever taken over');
});

/** Every path of a tree. */
function pathsOf(value: Located): KeyPath[] {
  const inner =
    value.kind === 'table'
      ? [...value.entries.values()]
      : value.kind === 'array'
        ? value.items
        : [];
  return [value.spot.path, [...value.spot.path, 'missing'], ...inner.flatMap(pathsOf)];
}

test('file-positions: finds what a look at the whole file finds', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const { root, text: parsed } = parseToml(text);
      const whole = new TomlPositions(parsed);
      const parts = new FilePositions(parsed, (part) => new TomlPositions(part));
      for (const path of pathsOf(locate(root, 'm.toml', []))) {
        for (const part of ['key', 'value'] as const) {
          const expected = whole.find(path, part, undefined);
          assert.deepEqual(parts.find(path, part), expected, JSON.stringify(path));
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('loadConfig: says the same with a memory as without, over any series of files', async () => {
  const kinds = new Map([
    ['tag', object('Does nothing.', { value: integer({ doc: 'Any.', min: 0, max: 9 }) })],
  ]);
  const files = fc.record({ main: anyText, a: anyText, b: anyText, service: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(files, { minLength: 2, maxLength: 5 }), async (versions) => {
      const memory = new LoadMemory();
      for (const { main, a, b, service } of versions) {
        const texts = {
          'm.toml': `include = ["conf.d/*.toml"]\n${main}`,
          'conf.d/a.toml': a,
          ...(b === '' ? {} : { 'conf.d/b.toml': b }),
        };
        const source = memorySource(texts, service ? { SERVICE: 's' } : {});
        const options = { middlewareKinds: kinds };
        const loaded = await loadConfig('m.toml', source, { ...options, memory });
        assert.deepEqual(loaded, await loadConfig('m.toml', source, options));
      }
    }),
    { numRuns: 100 },
  );
});

const FILES = {
  'm.toml': `include = ["a.toml"]
[listeners.web]
address = ":8080"
[routes.a]
host = "a.test"
service = "s"
[routes.b]
extends = "a"
host = "b.test"
[services.s]
endpoints = ["http://10.0.0.1"]
`,
  'a.toml': '[routes.c]\nhost = "c.test"\nservice = "s"\n',
};

test('loadConfig: nodes that did not change are the same objects', async () => {
  const memory = new LoadMemory();
  const load = async (files: Readonly<Record<string, string>>) => {
    const loaded = await loadConfig('m.toml', memorySource(files), { memory });
    assert.deepEqual(loaded.issues, []);
    return loaded.config!;
  };
  const first = await load(FILES);
  const changed = FILES['m.toml'].replace('"b.test"', '"d.test"');
  const second = await load({ ...FILES, 'm.toml': changed });
  const isSame = second.routes.map((route, index) => route === first.routes[index]);
  assert.deepEqual(isSame, [true, false, true]);
  assert.equal(second.services[0], first.services[0]);
  assert.equal(second.listeners[0], first.listeners[0]);
  const base = FILES['m.toml'].replace('service = "s"\n[', 'service = "s"\npriority = 1\n[');
  const third = await load({ ...FILES, 'm.toml': base });
  assert.notEqual(third.routes[0], first.routes[0]);
  assert.equal(third.routes[1]!.priority, 1); // Inherited from what changed.
  assert.equal(third.routes[2], first.routes[2]);
  assert.equal(third.listeners[0], first.listeners[0]); // Before the line that was added,
  assert.equal(third.services[0], first.services[0]); // and behind it.
});
