import test from 'node:test';
import assert from 'node:assert/strict';
import type { CertificateCheck } from './certificate-check.ts';
import { loadConfig } from './load-config.ts';
import { LoadMemory } from './load-memory.ts';
import { memorySource } from './memory-source.ts';

const MAIN = `
include = ["conf.d/*.toml"]
[listeners.secure]
address = ":443"
tls = "default"
[certificates.main]
cert = "tls/a.pem"
key = "/keys/a.key"
[certificates.inline]
cert = "\${env:CERT}"
key = "\${file:/keys/inline.key}"
`;
const INCLUDED = `
[certificates.more]
folder = "certs"
[tls.strict.client-auth]
ca = ["ca.pem"]
[listeners.strict]
address = ":8443"
tls = "strict"
`;
const FILES = {
  '/etc/m.toml': MAIN,
  '/etc/conf.d/a.toml': INCLUDED,
  '/etc/tls/a.pem': 'a',
  '/keys/a.key': 'key of a',
  '/keys/inline.key': '-----BEGIN inline',
  '/etc/conf.d/certs/b.crt': 'b',
  '/etc/conf.d/certs/b.key': 'key of b',
  '/etc/conf.d/certs/c.pem':
    'c\n-----BEGIN EC PRIVATE KEY-----\nk\n-----END EC PRIVATE KEY-----\nrest',
  '/etc/conf.d/certs/readme.txt': 'x',
  '/etc/conf.d/ca.pem': 'authority',
};

function checker(): { checked: string[]; certificateCheck: CertificateCheck } {
  const checked: string[] = [];
  const facts = { names: [], keyType: 'ecdsa', notBeforeMs: 0, notAfterMs: 9 } as const;
  const certificateCheck: CertificateCheck = {
    pair: (chain) => {
      checked.push(chain);
      return { facts: { id: chain, ...facts }, problems: [] };
    },
    authorities: () => null,
    revocations: () => null,
    nowMs: () => 1,
  };
  return { checked, certificateCheck };
}

async function load(
  files: { [path: string]: string },
  memory: LoadMemory,
  check: CertificateCheck,
) {
  const source = memorySource(files, { CERT: '-----BEGIN env' });
  const loaded = await loadConfig('/etc/m.toml', source, { memory, certificateCheck: check });
  assert.deepEqual(loaded.issues, []);
  return loaded;
}

test('node files: paths are relative to the file that names them, and are inputs', async () => {
  const { certificateCheck } = checker();
  const { config, inputs } = await load(FILES, new LoadMemory(), certificateCheck);
  const pairs = config!.certificates.flatMap((node) => node.pairs);
  assert.deepEqual(
    pairs.map(({ chain, key, file }) => [chain, key, file]),
    [
      ['a', 'key of a', '/etc/tls/a.pem'],
      ['-----BEGIN env', '-----BEGIN inline', '/etc/m.toml'],
      ['b', 'key of b', '/etc/conf.d/certs/b.crt'],
      // A key beside its certificate is not in the chain.
      ['c\n\nrest', FILES['/etc/conf.d/certs/c.pem'], '/etc/conf.d/certs/c.pem'],
    ],
  );
  assert.deepEqual(config!.tls.find(({ name }) => name === 'strict')?.clientCas, ['authority']);
  const expected = Object.keys(FILES).filter((path) => !path.endsWith('.txt'));
  assert.deepEqual(inputs.toSorted(), expected.toSorted());
});

test('node files: a node is read anew when one of its files changed, and only then', async () => {
  const memory = new LoadMemory();
  const { checked, certificateCheck } = checker();
  const before = (await load(FILES, memory, certificateCheck)).config!;
  const same = (await load({ ...FILES }, memory, certificateCheck)).config!;
  for (const kind of ['certificates', 'tls'] as const) {
    for (const [index, node] of before[kind].entries()) {
      if (node.name !== 'default' && node.name !== 'inline') assert.equal(same[kind][index], node);
    }
  }
  checked.length = 0;
  const renewed = { ...FILES, '/etc/conf.d/certs/b.crt': 'new b' };
  const after = (await load(renewed, memory, certificateCheck)).config!;
  const named = (name: string) => after.certificates.find((node) => node.name === name)!;
  assert.equal(
    named('main'),
    before.certificates.find(({ name }) => name === 'main'),
  );
  assert.equal(named('more').pairs[0]?.chain, 'new b');
  assert.deepEqual(checked, ['new b']); // Of the folder, only what is new.
  const added = { ...renewed, '/etc/conf.d/certs/d.pem': 'd', '/etc/conf.d/certs/d.key': 'k' };
  const more = (await load(added, memory, certificateCheck)).config!;
  assert.equal(more.certificates.find(({ name }) => name === 'more')?.pairs.length, 3);
});

test('node files: certificates that are gone are forgotten', async () => {
  const memory = new LoadMemory();
  const { certificateCheck } = checker();
  await load(FILES, memory, certificateCheck);
  assert.equal(memory.pairs.size, 4);
  await load({ ...FILES, '/etc/tls/a.pem': 'next' }, memory, certificateCheck);
  assert.deepEqual([memory.pairs.has('a'), memory.pairs.has('next')], [false, true]);
});
