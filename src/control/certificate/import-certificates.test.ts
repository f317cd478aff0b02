import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

import { accountStore } from './acme-stores.ts';
import { readCaddyFolder } from './import-caddy.ts';
import type { FoundState } from './import-certificates.ts';
import { importState } from './import-certificates.ts';
import { readTraefikFile } from './import-traefik.ts';
import {
  ACME,
  configWith,
  DAY_MS,
  FakeTime,
  INTERNAL,
  makePair,
  MemoryStore,
  nodesFor,
  openStage,
  START_MS,
} from './manager-stage.contract.ts';

const AUTHORITY = 'acme-v02.api.letsencrypt.org-directory';
const ACCOUNT_URL = 'https://acme-v02.api.letsencrypt.org/acme/acct/7';

function pairFor(...names: string[]): { chain: string; key: string } {
  return makePair(names, START_MS - 10 * DAY_MS, START_MS + 80 * DAY_MS);
}

async function caddyFolder(t: { after: (done: () => Promise<void>) => void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'caddy-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  };
  const certificate = async (
    issuer: string,
    name: string,
    pair: { chain: string; key: string },
  ) => {
    const base = `certificates/${issuer}/${name}/${name}`;
    await put(`${base}.crt`, pair.chain);
    await put(`${base}.key`, pair.key);
    await put(`${base}.json`, JSON.stringify({ sans: [name], issuer_data: { url: 'x' } }));
  };
  await certificate(AUTHORITY, 'a.example.com', pairFor('a.example.com'));
  await certificate(AUTHORITY, 'wildcard_.example.net', pairFor('*.example.net'));
  await certificate(AUTHORITY, 'old.example.com', makePair(['old.example.com'], 0, START_MS - 1));
  await certificate('local', 'nas.internal', pairFor('nas.internal'));
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const key = other.export({ type: 'sec1', format: 'pem' }).toString();
  await certificate(AUTHORITY, 'bad.example.com', { ...pairFor('bad.example.com'), key });
  await put(`certificates/${AUTHORITY}/half.example.com/half.example.com.crt`, 'x');
  const users = `acme/${AUTHORITY}/users`;
  const account = { status: 'valid', contact: ['mailto:me@example.com'], location: ACCOUNT_URL };
  await put(`${users}/me@example.com/me.json`, JSON.stringify(account));
  await put(`${users}/me@example.com/me.key`, key);
  await put(`${users}/default/default.json`, 'not JSON');
  await put(`${users}/default/default.key`, key);
  return folder;
}

function outcomes(lines: Awaited<ReturnType<typeof importState>>): Record<string, string> {
  return Object.fromEntries(lines.map(({ name, outcome }) => [name, outcome]));
}

test('import: takes over what Caddy has, and again changes nothing', async (t) => {
  const folder = await caddyFolder(t);
  const found = readCaddyFolder(folder)!;
  const store = new MemoryStore();
  const lines = await importState(store, found, START_MS);
  assert.deepEqual(outcomes(lines), {
    'half.example.com': 'skipped',
    default: 'skipped',
    'me@example.com': 'imported',
    'a.example.com': 'imported',
    '*.example.net': 'imported',
    'old.example.com': 'skipped',
    'nas.internal': 'skipped',
    [`certificates/${AUTHORITY}/bad.example.com`]: 'skipped',
  });
  const account = await accountStore(store).load(AUTHORITY, 'me@example.com');
  assert.equal(account!.url, ACCOUNT_URL);
  assert.deepEqual(account!.contact, ['mailto:me@example.com']);
  assert.match(account!.key, /^-----BEGIN PRIVATE KEY-----/);

  const before = new Map(store.values);
  const again = await importState(store, readCaddyFolder(folder)!, START_MS);
  assert.deepEqual(store.values, before);
  assert.equal(again.filter(({ outcome }) => outcome === 'present').length, 3);
  for (const { message } of lines) assert.ok(!message.includes('PRIVATE'));
});

test('import: what was imported is served, and nothing is ordered', async (t) => {
  const store = new MemoryStore();
  await importState(store, readCaddyFolder(await caddyFolder(t))!, START_MS);
  const time = new FakeTime();
  const stage = openStage(time, store, { authority: AUTHORITY });
  const dns = { ...ACME, dns: {} as unknown as NonNullable<typeof ACME.dns> };
  const names = ['a.example.com', '*.example.net'];
  stage.manager.configure(configWith(nodesFor(names), [dns, INTERNAL]));
  await stage.manager.start();
  assert.equal(stage.served.size, 2);
  await time.advance(DAY_MS, 60_000);
  assert.equal(stage.issuer().orders.length, 0);
  assert.equal(stage.row('a.example.com').issuer, 'ca');
});

test('import: one that the store has already and that ends later stays', async () => {
  const store = new MemoryStore();
  const names = ['a.example.com'];
  const foundWith = (endMs: number): FoundState => ({
    certificates: [{ issuerKey: AUTHORITY, ...makePair(names, START_MS, endMs), from: 'x' }],
    accounts: [],
    unusable: [],
  });
  const first = await importState(store, foundWith(START_MS + 9 * DAY_MS), START_MS);
  assert.equal(first[0]!.outcome, 'imported');
  const worse = await importState(store, foundWith(START_MS + 8 * DAY_MS), START_MS);
  assert.equal(worse[0]!.outcome, 'kept');
  const better = await importState(store, foundWith(START_MS + 10 * DAY_MS), START_MS);
  assert.equal(better[0]!.outcome, 'imported');
});

test('import: a store that is full is said for each, and nothing throws', async () => {
  const store = new MemoryStore();
  store.fault = 'full';
  const found: FoundState = {
    certificates: [{ issuerKey: AUTHORITY, ...pairFor('a.example.com'), from: 'x' }],
    accounts: [
      {
        issuerKey: AUTHORITY,
        email: '',
        account: { key: 'k', url: 'u', nextKey: '', contact: [] },
        from: 'y',
      },
    ],
    unusable: [],
  };
  const lines = await importState(store, found, START_MS);
  assert.deepEqual(
    lines.map(({ outcome }) => outcome),
    ['failed', 'failed'],
  );
});

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function traefikFile(uri: string): string {
  const { chain, key } = pairFor('shop.example.com', 'www.example.com');
  const certificate = {
    domain: { main: 'shop.example.com', sans: ['www.example.com'] },
    certificate: base64(chain),
    key: base64(key),
    Store: 'default',
  };
  return JSON.stringify({
    le: {
      Account: {
        Email: 'me@example.com',
        Registration: { body: { status: 'valid', contact: ['mailto:me@example.com'] }, uri },
        PrivateKey: rsa.export({ type: 'pkcs1', format: 'der' }).toString('base64'),
        KeyType: '4096',
      },
      Certificates: [certificate, { domain: { main: 'broken.example.com' }, certificate: 'AA' }],
    },
    empty: { Account: null, Certificates: null },
  });
}

test('import: takes over acme.json; one of two names stands for each of them', async () => {
  const store = new MemoryStore();
  const found = readTraefikFile(traefikFile(ACCOUNT_URL), '')!;
  const lines = await importState(store, found, START_MS);
  assert.deepEqual(outcomes(lines), {
    'me@example.com': 'imported',
    'shop.example.com': 'imported',
    'www.example.com': 'imported',
    'shop.example.com, www.example.com': 'imported',
    'le broken.example.com': 'skipped',
  });
  const { key } = (await accountStore(store).load(AUTHORITY, 'me@example.com'))!;
  assert.deepEqual(createPrivateKey(key).export({ format: 'jwk' }), rsa.export({ format: 'jwk' }));
  const time = new FakeTime();
  const stage = openStage(time, store, { authority: AUTHORITY });
  stage.manager.configure(configWith(nodesFor(['shop.example.com', 'www.example.com'])));
  await stage.manager.start();
  await time.advance(DAY_MS, HOUR_STEP_MS);
  assert.equal(stage.issuer().orders.length, 0);
  assert.equal(stage.served.size, 1, 'one certificate, served once');
  assert.equal(stage.manager.rows().length, 2);
});

const HOUR_STEP_MS = 3_600_000;

test('import: an authority that acme.json does not tell is asked for', async () => {
  assert.equal(readTraefikFile(traefikFile('https://constructor/acct/7'), '')!.accounts.length, 0);
  const text = traefikFile('https://ca.internal.test/acct/7');
  const unknown = await importState(new MemoryStore(), readTraefikFile(text, '')!, START_MS);
  assert.ok(unknown.every(({ outcome }) => outcome === 'skipped'));
  assert.match(unknown[0]!.message, /--directory/);
  const store = new MemoryStore();
  const told = readTraefikFile(text, 'https://ca.internal.test/directory')!;
  await importState(store, told, START_MS);
  const keys = [...store.values.keys()];
  assert.ok(keys.some((key) => key.startsWith('certificates/ca.internal.test-directory/')));
});

test('import: files that are something else are refused', () => {
  for (const text of ['', 'x', '[]', '{}', '{"a":1}', '{"a":{"b":1}}', 'null']) {
    assert.equal(readTraefikFile(text, ''), null, text);
  }
  assert.equal(readCaddyFolder('/nowhere/at/all'), null);
});
