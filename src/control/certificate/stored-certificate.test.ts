import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';

import { buildCaCertificate, buildLeafCertificate } from '../x509/certificate-builder.ts';
import { generateKey, keyToPem } from '../x509/keys.ts';
import { writePem } from '../x509/pem.ts';
import { accountStore, orderSavedAt, orderStore } from './acme-stores.ts';
import { CertificateClock, SETTLE_MS } from './certificate-clock.ts';
import { entryText, packEntries } from './entry-batch.ts';
import { cleanStore, KEEP_MS } from './housekeeping.ts';
import { Inventory } from './inventory.ts';
import { DAY_MS, FakeTime, makePair, MemoryStore, START_MS } from './manager-stage.contract.ts';
import { isStoreKey, KEY_PART_SIZE_MAX } from './certificate-store.ts';
import { accountKey, certificateKey, keyPart, metaKey, orderKey, unitPart } from './store-keys.ts';
import type { StoredCertificate } from './stored-certificate.ts';
import {
  certificateTextOf,
  loadCertificate,
  loadCertificates,
  saveCertificate,
} from './stored-certificate.ts';
import { ROTATION_INTERVAL_MS, TicketRotation } from './ticket-rotation.ts';

const ISSUER = 'ca.test-directory';

function storedFor(name: string, endMs = START_MS + 90 * DAY_MS): StoredCertificate {
  const { chain, key } = makePair([name], START_MS - DAY_MS, endMs);
  const text = certificateTextOf(chain, key, 1)!;
  const plan = { startMs: 1, endMs: 3, chosenMs: 2, by: 'authority', explanationUrl: '' } as const;
  const meta = { id: text.id, obtainedAtMs: START_MS, plan, isOnDemand: false };
  return { issuerKey: ISSUER, unit: unitPart([name]), entry: packEntries([text])[0]!, meta };
}

test('stored certificate: comes back as it was saved', async () => {
  const store = new MemoryStore();
  const stored = storedFor('a.example.com');
  await saveCertificate(store, stored);
  const [loaded] = await loadCertificates(store);
  const { entry, ...rest } = loaded!;
  const { entry: before, ...restBefore } = stored;
  assert.deepEqual(rest, restBefore);
  assert.equal(entryText(entry.chain), entryText(before.chain));
  assert.equal(entryText(entry.key), entryText(before.key));
  assert.deepEqual({ ...entry, chain: null, key: null }, { ...before, chain: null, key: null });
  const leaf = new X509Certificate(entryText(entry.chain));
  assert.equal(leaf.fingerprint256.replaceAll(':', '').toLowerCase(), entry.id);
  assert.deepEqual(await loadCertificate(store, ISSUER, stored.unit), loaded);
  assert.ok(entry.chain.buffer instanceof SharedArrayBuffer);
});

test('stored certificate: what is known of another certificate does not count', async () => {
  const store = new MemoryStore();
  await saveCertificate(store, storedFor('a.example.com'));
  const key = metaKey(ISSUER, 'a.example.com');
  const meta = JSON.parse(store.values.get(key)!) as Record<string, unknown>;
  for (const text of [JSON.stringify({ ...meta, id: 'x' }), '', 'null', '[]', '{"plan":7}']) {
    store.values.set(key, text);
    const loaded = await loadCertificate(store, ISSUER, 'a.example.com');
    assert.equal(loaded!.meta.plan, null, text);
    assert.equal(loaded!.meta.id, loaded!.entry.id);
  }
});

test('stored certificate: what is damaged is none, and hides no other', async () => {
  const store = new MemoryStore();
  await saveCertificate(store, storedFor('a.example.com'));
  await saveCertificate(store, storedFor('b.example.com'));
  const key = certificateKey(ISSUER, 'a.example.com');
  const good = store.values.get(key)!;
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const otherKey = other.export({ type: 'pkcs8', format: 'pem' }).toString();
  const chain = good.slice(good.indexOf('-----BEGIN CERTIFICATE'));
  const damaged = [
    '',
    'x',
    chain,
    good.slice(0, good.indexOf('-----BEGIN CERTIFICATE')),
    good.slice(0, good.length / 2),
    good.replace(/[A-Za-z]{20}/, '!!!!!!!!!!!!!!!!!!!!'),
    otherKey + chain,
  ];
  for (const text of damaged) {
    store.values.set(key, text);
    assert.equal(await loadCertificate(store, ISSUER, 'a.example.com'), null);
    assert.equal((await loadCertificates(store)).length, 1);
  }
  store.values.set(key, `note\n${chain}\n${good.slice(0, good.indexOf('-----BEGIN CERT'))}`);
  assert.ok((await loadCertificate(store, ISSUER, 'a.example.com')) !== null, 'in any order');
});

test('stored certificate: keys of every kind are told from others of their kind', async () => {
  for (const type of ['ecdsa-p256', 'ecdsa-p384', 'rsa-2048', 'ed25519'] as const) {
    const [key, other] = await Promise.all([generateKey(type), generateKey(type)]);
    const validity = { notBeforeMs: START_MS, notAfterMs: START_MS + DAY_MS };
    const request = { commonName: 'r', organization: 'o', key, pathLength: 0, signer: null };
    const root = buildCaCertificate({ ...request, ...validity });
    const signer = { certificate: root, key };
    const leaf = buildLeafCertificate({ names: ['a.test'], key, signer, ...validity });
    const chain = writePem('CERTIFICATE', leaf);
    const text = certificateTextOf(chain, keyToPem(key), 1);
    assert.equal(text?.keyType, type.split('-')[0], type);
    assert.equal(certificateTextOf(chain, keyToPem(other), 1), null, type);
  }
});

test('store keys: every name has a safe one, and no two share one', () => {
  const names = [
    'a.example.com',
    '*.example.com',
    'wildcard.example.com',
    '2001:db8::1',
    'a..b',
    'ab',
    '../../etc/passwd',
    '..',
    '.',
    '',
    '-x',
    'a/b',
    'a\\b',
    'me+tag@example.com',
    'ä',
    'ö',
    'x'.repeat(300),
    `${'x'.repeat(299)}y`,
  ];
  const parts = names.map(keyPart);
  assert.equal(new Set(parts).size, names.length, String(parts));
  for (const part of parts) {
    assert.ok(isStoreKey(part), part);
    assert.ok(part.length <= KEY_PART_SIZE_MAX);
    assert.equal(keyPart(part), part, 'what is safe stays');
  }
  const long = `${'a'.repeat(60)}.`.repeat(4);
  const units = [['a.test'], ['a.test', 'b.test'], ['a.test', 'c.test'], [`${long}test`, 'x.test']];
  assert.equal(new Set(units.map(unitPart)).size, units.length);
  for (const unit of units.map(unitPart)) assert.ok(isStoreKey(certificateKey(ISSUER, unit)));
  assert.ok(isStoreKey(accountKey(ISSUER, '')) && isStoreKey(accountKey(ISSUER, 'a@b.test')));
  assert.ok(isStoreKey(orderKey(ISSUER, 'abc')));
});

test('acme stores: accounts and orders come back; what is damaged is none', async () => {
  const store = new MemoryStore();
  const accounts = accountStore(store);
  const account = { key: 'K', url: 'U', nextKey: '', contact: ['mailto:a@b.test'] };
  await accounts.save(ISSUER, 'a@b.test', account);
  assert.deepEqual(await accounts.load(ISSUER, 'a@b.test'), account);
  assert.equal(await accounts.load(ISSUER, ''), null);
  assert.equal(await accounts.load('other', 'a@b.test'), null);
  await accounts.remove(ISSUER, 'a@b.test');
  assert.equal(await accounts.load(ISSUER, 'a@b.test'), null);
  store.values.set(accountKey(ISSUER, ''), '{"url":7}');
  assert.equal(await accounts.load(ISSUER, ''), null);

  const orders = orderStore(store, () => START_MS);
  const state = { version: 1, names: ['a.test'] } as unknown as Parameters<typeof orders.save>[2];
  await orders.save(ISSUER, 'abc', state);
  assert.deepEqual(await orders.load(ISSUER, 'abc'), state);
  assert.equal(orderSavedAt(store.values.get(orderKey(ISSUER, 'abc'))!), START_MS);
  for (const text of ['', '{}', '{"state":{}}', '{"state":{"version":99,"names":[]}}']) {
    store.values.set(orderKey(ISSUER, 'abc'), text);
    assert.equal(await orders.load(ISSUER, 'abc'), null);
  }
});

function daysAgo(days: number): number {
  return START_MS - days * DAY_MS;
}

function isWanted(unit: string): boolean {
  return unit === 'wanted.test';
}

test('housekeeping: takes away what is long over and not wanted, once a day, by one', async () => {
  const store = new MemoryStore();
  await saveCertificate(store, storedFor('fresh.test'));
  await saveCertificate(store, storedFor('over.test', daysAgo(13)));
  await saveCertificate(store, storedFor('gone.test', daysAgo(15)));
  await saveCertificate(store, storedFor('wanted.test', daysAgo(15)));
  const state = { version: 1, names: ['a.test'] } as unknown as never;
  await orderStore(store, () => START_MS - KEEP_MS - 1).save(ISSUER, 'old', state);
  await orderStore(store, () => START_MS - KEEP_MS + 1).save(ISSUER, 'new', state);
  store.values.set('trials/x', 'x');
  const cleaned = await cleanStore(store, START_MS, isWanted);
  assert.deepEqual(cleaned, { certificates: 1, orders: 1 });
  const left = (await loadCertificates(store)).map(({ unit }) => unit).toSorted();
  assert.deepEqual(left, ['fresh.test', 'over.test', 'wanted.test']);
  assert.ok(!store.values.has('trials/x') && !store.values.has(metaKey(ISSUER, 'gone.test')));
  assert.equal(await cleanStore(store, START_MS + DAY_MS - 1, isWanted), null);
  store.locks.set('storage_clean', Promise.resolve());
  assert.equal(await cleanStore(store, START_MS + DAY_MS, isWanted), null, 'another one does it');
  store.locks.clear();
  assert.ok((await cleanStore(store, START_MS + DAY_MS, isWanted)) !== null);
  assert.ok((await cleanStore(store, START_MS - DAY_MS, isWanted)) !== null, 'a clock set back');
});

test('inventory: tells each change once, and one certificate of two owners stays for both', () => {
  const updates: string[] = [];
  const inventory = new Inventory(({ add, remove }) => {
    updates.push(`-${remove.length} +${add.map(({ rank }) => rank).join()}`);
  });
  const { entry } = storedFor('a.test');
  inventory.set(new Map([['x', [entry]]]));
  inventory.set(new Map([['x', [entry]]]));
  inventory.set(new Map([['y', [{ ...entry, rank: 0 }]]]));
  inventory.set(new Map([['y', []]]));
  assert.equal(inventory.entries.length, 1);
  inventory.set(new Map([['x', []]]));
  assert.deepEqual(updates, ['-0 +1', '-1 +0', '-1 +1', '-1 +']);
  assert.equal(inventory.entries.length, 0);
});

test('certificate clock: never before what was signed, and jumps are found', () => {
  const time = new FakeTime();
  const clock = new CertificateClock({ nowMs: () => time.nowMs, wallMs: () => time.wallMs });
  clock.learn(START_MS - DAY_MS);
  assert.equal(clock.timeMs(), time.wallMs);
  assert.equal(clock.look(), 0);
  time.wallOffsetMs -= 60 * DAY_MS;
  assert.equal(clock.look(), -60 * DAY_MS);
  assert.equal(clock.isSettled, false);
  assert.equal(clock.timeMs(), START_MS - DAY_MS);
  time.nowMs += SETTLE_MS;
  assert.equal(clock.isSettled, true);
  assert.equal(clock.timeMs(), START_MS - DAY_MS + SETTLE_MS);
  assert.equal(clock.behindMs, 59 * DAY_MS);
  assert.equal(clock.look(), 0);
});

test('ticket rotation: every 12 hours, with the one before, across processes', async () => {
  const time = new FakeTime();
  const published: unknown[] = [];
  const tickets = new TicketRotation(null, time.setTimer, (secrets) => published.push(secrets));
  const first = tickets.secrets;
  assert.equal(first.current.length, 32);
  assert.equal(first.previous, null);
  tickets.start();
  await time.advance(ROTATION_INTERVAL_MS, HOUR_MS);
  assert.deepEqual(tickets.secrets.previous, first.current);
  assert.deepEqual(published, [tickets.secrets]);
  const next = new TicketRotation(tickets.secrets, time.setTimer, () => {});
  assert.deepEqual(next.secrets.previous, tickets.secrets.current);
  assert.notDeepEqual(next.secrets.current, tickets.secrets.current);
  tickets.close();
  await time.advance(2 * ROTATION_INTERVAL_MS, HOUR_MS);
  assert.equal(published.length, 1);
});

const HOUR_MS = 3_600_000;
