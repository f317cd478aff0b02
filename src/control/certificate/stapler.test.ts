import assert from 'node:assert/strict';
import test from 'node:test';

import type { CertificateEntry, CertificateUpdate } from '../../contract/tls.ts';
import { fingerprintOf } from '../x509/certificate-reader.ts';
import { generateKey } from '../x509/keys.ts';
import {
  OCSP_NOW_MS,
  ocspAnswer,
  ocspAuthority,
  ocspCertificate,
  ocspFailure,
} from '../x509/ocsp-fixtures.contract.ts';
import type { AnswerParts } from '../x509/ocsp-fixtures.contract.ts';
import { writePem } from '../x509/pem.ts';
import { Stapler } from './stapler.ts';

const HOUR_MS = 3_600_000;
const AUTHORITY = await ocspAuthority();
const KEY = await generateKey('ecdsa-p256');
const LEAF = ocspCertificate(AUTHORITY, KEY, { ocspUrl: 'http://ocsp.example/a' });
const PLAIN = ocspCertificate(AUTHORITY, KEY, { serial: 2 });

function entryOf(leaf = LEAF, chain = [leaf.der, AUTHORITY.certificate]): CertificateEntry {
  const text = chain.map((der) => writePem('CERTIFICATE', der)).join('');
  return {
    id: fingerprintOf(leaf.der),
    names: leaf.names,
    keyType: 'ecdsa',
    notBeforeMs: leaf.notBeforeMs,
    notAfterMs: leaf.notAfterMs,
    rank: 1,
    chain: Buffer.from(text),
    key: new Uint8Array(0),
    ocsp: null,
  };
}

function answer(more: Partial<AnswerParts> = {}): Uint8Array {
  return ocspAnswer({ leaf: LEAF, issuer: AUTHORITY.facts, key: AUTHORITY.key, ...more });
}

/** A stapler whose responder, store, clock and timer the test holds. */
function setUp(files = new Map<string, string>()) {
  const world = {
    nowMs: OCSP_NOW_MS,
    asked: [] as string[],
    respond: (): Promise<Uint8Array> => Promise.resolve(answer()),
    updates: [] as CertificateUpdate[],
    revoked: [] as string[],
    timer: null as (() => void) | null,
  };
  const stapler = new Stapler({
    store: {
      read: (key) => Promise.resolve(files.get(key) ?? null),
      write: (key, text) => Promise.resolve(void files.set(key, text)),
      remove: (key) => Promise.resolve(void files.delete(key)),
    },
    publish: (update) => world.updates.push(update),
    fetch: (url) => {
      world.asked.push(url);
      return world.respond();
    },
    onRevoked: (id) => world.revoked.push(id),
    wallMs: () => world.nowMs,
    random: () => 0,
    setTimer: (_delayMs, callback) => {
      world.timer = callback;
      return () => (world.timer = null);
    },
  });
  /** Lets time pass until the next look is over. */
  const look = async (passMs = 0): Promise<void> => {
    world.nowMs += passMs;
    const { timer } = world;
    world.timer = null;
    timer?.();
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  /** What workers would serve. */
  const served = (): Uint8Array | null | undefined => world.updates.at(-1)?.add[0]?.ocsp;
  return { stapler, world, files, look, served };
}

test('stapler: a certificate is served at once, and then with a staple', async () => {
  const { stapler, world, files, look, served } = setUp();
  const entry = entryOf();
  const response = answer();
  world.respond = () => Promise.resolve(response);
  stapler.take({ add: [entry], remove: [] });
  assert.deepEqual(world.updates, [{ add: [entry], remove: [] }]);
  await look();
  assert.deepEqual(world.asked, ['http://ocsp.example/a']);
  assert.deepEqual(world.updates[1]!.remove, [entry.id]);
  assert.deepEqual(served(), response);
  assert.deepEqual(stapler.stapled([entry])[0]!.ocsp, response);
  assert.deepEqual([...files.keys()], [`ocsp/${entry.id}.pem`]);
});

test('stapler: what names no responder, or stands alone, is left as it is', async () => {
  const { stapler, world, look } = setUp();
  stapler.take({ add: [entryOf(PLAIN), entryOf(LEAF, [LEAF.der])], remove: [] });
  await look();
  assert.deepEqual(world.asked, []);
  assert.equal(world.updates.length, 1);
  assert.equal(world.timer, null, 'nothing to look at any more');
});

test('stapler: asks again when half of the time is over, and not before', async () => {
  const { stapler, world, look } = setUp();
  stapler.take({ add: [entryOf()], remove: [] });
  await look();
  // From an hour ago until in 24 hours: half is in 11.5 hours.
  await look(11.4 * HOUR_MS);
  assert.equal(world.asked.length, 1);
  const fresh = {
    thisUpdateMs: OCSP_NOW_MS + 11 * HOUR_MS,
    nextUpdateMs: OCSP_NOW_MS + 36 * HOUR_MS,
  };
  world.respond = () => Promise.resolve(answer(fresh));
  await look(0.2 * HOUR_MS);
  assert.equal(world.asked.length, 2);
  await look(2 * HOUR_MS);
  assert.equal(world.asked.length, 2);
});

test('stapler: a responder that fails is asked less and less often', async () => {
  const { stapler, world, look, served } = setUp();
  const failures = [
    () => Promise.reject(new Error('refused')),
    () => Promise.resolve(ocspFailure(3)),
    () => Promise.resolve(answer({ status: 'unknown' })),
    () => Promise.resolve(Uint8Array.of(1, 2, 3)),
  ];
  world.respond = () => failures[(world.asked.length - 1) % failures.length]!();
  stapler.take({ add: [entryOf()], remove: [] });
  const asked: number[] = [];
  for (let minute = 0; minute <= 75; minute += 5) {
    await look(minute === 0 ? 0 : 300_000);
    asked.push(world.asked.length);
  }
  // After 0, 5, 15, 35 and 75 minutes.
  assert.deepEqual(asked, [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5]);
  assert.equal(world.updates.length, 1);
  assert.equal(served(), null);
});

test('stapler: a staple is taken away before it is out of date', async () => {
  const { stapler, world, look, served } = setUp();
  stapler.take({ add: [entryOf()], remove: [] });
  await look();
  world.respond = () => Promise.reject(new Error('gone'));
  await look(23.8 * HOUR_MS);
  assert.ok(served() instanceof Uint8Array);
  await look(0.1 * HOUR_MS);
  assert.equal(served(), null);
});

test('stapler: a start takes what the store has, and asks nobody', async () => {
  const before = setUp();
  before.stapler.take({ add: [entryOf()], remove: [] });
  await before.look();
  before.stapler.close();
  const { stapler, world, look, served } = setUp(before.files);
  stapler.take({ add: [entryOf()], remove: [] });
  await look();
  assert.deepEqual(world.asked, []);
  assert.ok(served() instanceof Uint8Array);
});

test('stapler: a stored answer that is no good is asked for again', async () => {
  const files = new Map([
    [`ocsp/${entryOf().id}.pem`, writePem('OCSP RESPONSE', Uint8Array.of(1))],
  ]);
  const { stapler, world, look, served } = setUp(files);
  stapler.take({ add: [entryOf()], remove: [] });
  await look();
  assert.equal(world.asked.length, 1);
  assert.ok(served() instanceof Uint8Array);
});

test('stapler: a revoked certificate loses its staple and is reported once', async () => {
  const { stapler, world, look, served } = setUp();
  const entry = entryOf();
  stapler.take({ add: [entry], remove: [] });
  await look();
  world.respond = () => Promise.resolve(answer({ status: 'revoked' }));
  await look(12 * HOUR_MS);
  await look(HOUR_MS);
  assert.deepEqual(world.revoked, [entry.id]);
  assert.equal(served(), null);
  assert.equal(world.asked.length, 2);
});

test('stapler: a certificate that goes while its responder is asked stays gone', async () => {
  const { stapler, world, look, files } = setUp();
  const entry = entryOf();
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  world.respond = () => promise;
  stapler.take({ add: [entry], remove: [] });
  await look();
  stapler.take({ add: [], remove: [entry.id] });
  resolve(answer());
  await look();
  assert.deepEqual(world.updates.at(-1), { add: [], remove: [entry.id] });
  assert.equal(files.size, 0);
});

test('stapler: a certificate that changes its rank keeps its staple', async () => {
  const { stapler, world, look, served } = setUp();
  const entry = entryOf();
  stapler.take({ add: [entry], remove: [] });
  await look();
  stapler.take({ add: [{ ...entry, rank: 0 }], remove: [entry.id] });
  assert.equal(world.updates.at(-1)!.add[0]!.rank, 0);
  assert.ok(served() instanceof Uint8Array);
  stapler.take({ add: [], remove: [entry.id] });
  assert.equal(stapler.stapled([entry])[0]!.ocsp, null);
});

test('stapler: asks few at a time, and everybody in the end', async () => {
  const { stapler, world, look } = setUp();
  const leaves = Array.from({ length: 12 }, (_, index) => {
    const url = `http://ocsp.example/${index}`;
    return ocspCertificate(AUTHORITY, KEY, { ocspUrl: url, serial: 20 + index });
  });
  const waiting: (() => void)[] = [];
  world.respond = () => new Promise((_, reject) => waiting.push(() => reject(new Error('late'))));
  stapler.take({ add: leaves.map((leaf) => entryOf(leaf)), remove: [] });
  await look();
  assert.equal(world.asked.length, 4);
  for (let round = 0; round < 12; round++) {
    for (const end of waiting.splice(0)) end();
    await look();
  }
  assert.equal(new Set(world.asked).size, 12);
});
