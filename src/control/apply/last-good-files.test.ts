import assert from 'node:assert/strict';
import test from 'node:test';

import type { CertificateCheck } from '../config/certificate-check.ts';
import { LoadMemory } from '../config/load-memory.ts';
import { memorySource } from '../config/memory-source.ts';
import type { ConfigSource } from '../config/config-source.ts';
import { goodFilesOf, loadWithLastGood, savedFiles } from './last-good-files.ts';
import type { GoodFile, GoodLoad } from './last-good-files.ts';

const MAIN = `
include = ["conf.d/*.toml"]
[listeners.web]
address = ":8080"
`;
const service = (name: string, port: number): string =>
  `[routes.${name}]\nhost = "${name}.example"\nservice = "${name}"\n` +
  `[services.${name}]\nendpoints = ["http://10.0.0.1:${port}"]\n`;

type Files = Readonly<Record<string, string>>;

const GOOD: Files = {
  '/p/main.toml': MAIN,
  '/p/conf.d/a.toml': service('a', 1),
  '/p/conf.d/b.toml': service('b', 2),
};

async function load(
  files: Files,
  lastGood: ReadonlyMap<string, GoodFile> = new Map(),
): Promise<GoodLoad> {
  return loadWithLastGood('/p/main.toml', memorySource(files), lastGood);
}

/** Loads good files, then others over their last good versions. */
async function loadAfter(good: Files, then: Files): Promise<GoodLoad> {
  const first = await load(good);
  assert.ok(first.config !== null, first.report);
  return load(then, first.good);
}

function servicesOf({ config }: GoodLoad): string[] | null {
  if (config === null) return null;
  return config.services.map(({ name, endpoints }) => `${name} ${endpoints[0]!.port}`);
}

test('last good: good files are what is served, and kept', async () => {
  const loaded = await load(GOOD);
  assert.deepEqual(servicesOf(loaded), ['a 1', 'b 2']);
  assert.deepEqual(loaded.badFiles, []);
  assert.deepEqual([...loaded.good.keys()], Object.keys(GOOD));
  assert.deepEqual(
    savedFiles(loaded.good),
    Object.entries(GOOD).map(([path, text]) => ({ path, text })),
  );
});

test('last good: a broken included file keeps its version, the others move on', async () => {
  const loaded = await loadAfter(GOOD, {
    ...GOOD,
    '/p/conf.d/a.toml': `${service('a', 9)}this is no TOML`,
    '/p/conf.d/b.toml': service('b', 3),
  });
  assert.deepEqual(servicesOf(loaded), ['a 1', 'b 3']);
  assert.deepEqual(loaded.badFiles, [{ path: '/p/conf.d/a.toml', serves: 'last-good' }]);
  const [issue] = loaded.issues;
  assert.equal(issue?.file, '/p/conf.d/a.toml');
  assert.equal(issue?.line, 6);
  assert.match(loaded.report, /this is no TOML/);
  assert.equal(loaded.good.get('/p/conf.d/a.toml')?.text, GOOD['/p/conf.d/a.toml']);
});

test('last good: a version stays good over many broken ones', async () => {
  const first = await load(GOOD);
  let { good } = first;
  for (const text of ['[', 'x = 1', '[services.a]\nendpoints = ["ftp://x"]']) {
    const loaded = await load({ ...GOOD, '/p/conf.d/a.toml': text }, good);
    assert.deepEqual(servicesOf(loaded), ['a 1', 'b 2'], text);
    good = loaded.good;
  }
});

test('last good: a deleted file takes its nodes with it', async () => {
  const { '/p/conf.d/a.toml': _, ...rest } = GOOD;
  const loaded = await loadAfter(GOOD, rest);
  assert.deepEqual(servicesOf(loaded), ['b 2']);
  assert.deepEqual(loaded.badFiles, []);
});

test('last good: a file that is there and cannot be read is broken, not deleted', async () => {
  const first = await load(GOOD);
  const readable = memorySource(GOOD);
  const source: ConfigSource = {
    ...readable,
    readFile: (path) =>
      path === '/p/conf.d/a.toml' ? { problem: 'permission denied' } : readable.readFile(path),
  };
  const loaded = await loadWithLastGood('/p/main.toml', source, first.good);
  assert.deepEqual(servicesOf(loaded), ['a 1', 'b 2']);
  assert.match(loaded.issues[0]!.message, /cannot be read: permission denied/);
});

test('last good: a folder that cannot be listed takes nothing with it', async () => {
  const first = await load(GOOD);
  let answer: string[] | { readonly problem: string } = { problem: 'permission denied' };
  const source: ConfigSource = { ...memorySource(GOOD), glob: () => answer };
  const loaded = await loadWithLastGood('/p/main.toml', source, first.good);
  assert.equal(loaded.config, null, 'what was served is served on');
  assert.match(loaded.issues[0]!.message, /cannot be listed: permission denied/);
  assert.equal(loaded.issues[0]!.line, 2);
  assert.ok(loaded.isCurrent());
  answer = [];
  assert.ok(!loaded.isCurrent(), 'an empty one is another answer');
});

test('last good: another reason why a file cannot be read is another answer', async () => {
  let problem = 'it is a directory';
  const source: ConfigSource = { ...memorySource({}), readFile: () => ({ problem }) };
  const loaded = await loadWithLastGood('/p/main.toml', source, new Map());
  assert.ok(loaded.isCurrent());
  problem = 'there is no such file';
  assert.ok(!loaded.isCurrent(), 'the issue would go on naming the first');
});

test('last good: an error in the main file rejects, whatever it was before', async () => {
  for (const main of [`${MAIN}\nbad =`, `${MAIN}\n[routes.x]\nservice = "nothing"`]) {
    const loaded = await loadAfter(GOOD, { ...GOOD, '/p/main.toml': main });
    assert.equal(loaded.config, null);
    assert.ok(loaded.issues.length > 0);
    assert.deepEqual([...loaded.good.keys()], Object.keys(GOOD));
  }
});

test('last good: a new file with an error is left out, as at a start', async () => {
  const loaded = await loadAfter(GOOD, { ...GOOD, '/p/conf.d/c.toml': 'broken' });
  assert.deepEqual(servicesOf(loaded), ['a 1', 'b 2']);
  assert.deepEqual(loaded.badFiles, [{ path: '/p/conf.d/c.toml', serves: 'left-out' }]);
  assert.ok(!loaded.good.has('/p/conf.d/c.toml'));
});

test('last good: what the main file needs of a broken file is still there', async () => {
  const main = `${MAIN}\n[routes.extra]\nhost = "x.example"\nservice = "a"\n`;
  const good = { ...GOOD, '/p/main.toml': main };
  const loaded = await loadAfter(good, { ...good, '/p/conf.d/a.toml': 'broken' });
  assert.deepEqual(servicesOf(loaded), ['a 1', 'b 2']);
  assert.ok(loaded.config!.routes.some(({ name }) => name === 'extra'));
});

test('last good: versions that do not fit the rest reject the whole, and say so', async () => {
  // The node moved to b, and a, which had it, broke at the same time.
  const moved = await loadAfter(GOOD, {
    ...GOOD,
    '/p/conf.d/a.toml': 'broken',
    '/p/conf.d/b.toml': `${service('b', 2)}${service('a', 7)}`,
  });
  // b falls back to its last good version as well.
  assert.deepEqual(servicesOf(moved), ['a 1', 'b 2']);
  assert.deepEqual(
    moved.badFiles.map(({ path }) => path),
    ['/p/conf.d/a.toml', '/p/conf.d/b.toml'],
  );
  // What a refers to is gone from the main file.
  const needy = { ...GOOD, '/p/main.toml': `${MAIN}[transports.slow]\nconnect-timeout = "9s"\n` };
  const withSlow = {
    ...needy,
    '/p/conf.d/a.toml': `${service('a', 1)}transport = "slow"\n`,
  };
  const gone = await loadAfter(withSlow, {
    ...withSlow,
    '/p/main.toml': MAIN,
    '/p/conf.d/a.toml': 'broken',
  });
  assert.equal(gone.config, null);
  assert.match(gone.report, /slow/);
});

test('last good: a value that cannot be read is an error of the file that asks', async () => {
  const files = {
    ...GOOD,
    '/p/conf.d/a.toml': `${service('a', 1)}[services.a.sticky]\ncookie = "\${file:name}"\n`,
    '/p/conf.d/name': 'cookie1',
  };
  const first = await load(files);
  assert.equal(first.config?.services[0]?.sticky?.cookie, 'cookie1');
  const { '/p/conf.d/name': _, ...without } = files;
  const loaded = await load(without, first.good);
  assert.equal(loaded.config?.services[0]?.sticky?.cookie, 'cookie1');
  assert.deepEqual(loaded.badFiles, [{ path: '/p/conf.d/a.toml', serves: 'last-good' }]);
  // Texts are handed on without such values: then there is no version of the file left.
  const later = await load(without, goodFilesOf(savedFiles(first.good)));
  assert.equal(later.config, null);
  assert.ok(savedFiles(first.good).every(({ text }) => !text.includes('cookie1')));
});

test('last good: a load knows what it depended on and whether that has changed', async () => {
  const files: Record<string, string> = { ...GOOD, '/p/secret': 's' };
  files['/p/main.toml'] = `${MAIN}[admin]\ntoken = "\${file:secret}"\n`;
  const source = memorySource(files);
  const loaded = await loadWithLastGood('/p/main.toml', source, new Map());
  assert.deepEqual(loaded.inputs.files, [
    '/p/main.toml',
    '/p/secret',
    '/p/conf.d/a.toml',
    '/p/conf.d/b.toml',
  ]);
  assert.deepEqual(loaded.inputs.globs, [{ pattern: 'conf.d/*.toml', folder: '/p' }]);
  assert.ok(loaded.isCurrent());
  const changes: readonly (readonly [string, string | null])[] = [
    ['/p/secret', 't'],
    ['/p/conf.d/a.toml', '# a'],
    ['/p/conf.d/a.toml', null],
    ['/p/conf.d/c.toml', ''],
  ];
  for (const [path, text] of changes) {
    const before = files[path];
    if (text === null) delete files[path];
    else files[path] = text;
    assert.ok(!loaded.isCurrent(), path);
    if (before === undefined) delete files[path];
    else files[path] = before;
    assert.ok(loaded.isCurrent());
  }
});

/** Takes a text for a pair, unless it is damaged. */
const certificateCheck: CertificateCheck = {
  pair: (chain, key) => {
    const facts = { id: chain, names: [chain], notBeforeMs: 0, notAfterMs: 9 };
    const problem = { code: 'PN1504', severity: 'error', part: 'key', message: 'damaged' } as const;
    const isDamaged = key !== `key of ${chain}`;
    if (isDamaged) return { facts: null, problems: [problem] };
    return { facts: { ...facts, keyType: 'ecdsa' }, problems: [] };
  },
  authorities: () => null,
  revocations: () => null,
  nowMs: () => 1,
};

function chains({ config }: GoodLoad): string[] | undefined {
  return config?.certificates[0]?.pairs.map(({ chain }) => chain);
}

test('last good: a certificate that broke keeps its files, and keys stay here', async () => {
  const files = {
    ...GOOD,
    '/p/main.toml': `${MAIN}tls = "default"\n[issuers.letsencrypt]\n`,
    '/p/conf.d/tls.toml': '[certificates.c]\nfolder = "certs"\n',
    '/p/conf.d/certs/a.crt': 'a',
    '/p/conf.d/certs/a.key': 'key of a',
  };
  const options = { certificateCheck, memory: new LoadMemory() };
  const loadAll = (now: Files, good: ReadonlyMap<string, GoodFile> = new Map()) =>
    loadWithLastGood('/p/main.toml', memorySource(now), good, options);
  const first = await loadAll(files);
  assert.equal(first.report, '');
  assert.ok(!JSON.stringify(savedFiles(first.good)).includes('key of a'));

  // Half of a renewal, and a change elsewhere.
  const half = { ...files, '/p/conf.d/certs/a.crt': 'b', '/p/conf.d/a.toml': service('a', 7) };
  const second = await loadAll(half, first.good);
  assert.deepEqual(chains(second), ['a']);
  assert.deepEqual(servicesOf(second), ['a 7', 'b 2']);
  assert.match(second.report, /PN1504.*certs\/a\.key: damaged/);
  assert.deepEqual(second.badFiles, [{ path: '/p/conf.d/tls.toml', serves: 'last-good' }]);
  assert.ok(second.inputs.files.includes('/p/conf.d/certs/a.key'));

  const whole = { ...half, '/p/conf.d/certs/a.key': 'key of b' };
  const third = await loadAll(whole, second.good);
  assert.deepEqual([chains(third), third.report], [['b'], '']);
  assert.notEqual(third.fingerprint, second.fingerprint);
  const again = await loadAll(whole, third.good);
  assert.equal(again.fingerprint, third.fingerprint);
  assert.equal(again.config!.certificates[0], third.config!.certificates[0]);

  // A certificate of the main file rejects as the rest of it does.
  const pair = '[certificates.m]\ncert = "m.pem"\nkey = "m.key"\n';
  const main = `${MAIN}tls = "default"\n[issuers.x]\n${pair}`;
  const broken = { ...whole, '/p/main.toml': main, '/p/m.pem': 'm', '/p/m.key': 'key of x' };
  assert.equal((await loadAll(broken, third.good)).config, null);
});
