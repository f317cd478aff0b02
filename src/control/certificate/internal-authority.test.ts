import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import test from 'node:test';

import { readCertificate } from '../x509/certificate-reader.ts';
import { certificatesOf, readPem, writePem } from '../x509/pem.ts';
import type { AuthorityStore } from './authority-store.ts';
import {
  AuthorityError,
  INTERMEDIATE_LIFETIME_MS,
  InternalAuthority,
  ROOT_FILE,
  ROOT_LIFETIME_MS,
} from './internal-authority.ts';

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 0, 1);
const INTERMEDIATE = 'pki/local/intermediate.pem';

class Memory implements AuthorityStore {
  readonly files = new Map<string, string>();
  readonly reads: string[] = [];
  problem: Error | null = null;
  #last: Promise<unknown> = Promise.resolve();

  read(name: string): Promise<string | null> {
    this.reads.push(name);
    return Promise.resolve(this.files.get(name) ?? null);
  }

  write(name: string, text: string): Promise<void> {
    if (this.problem !== null) return Promise.reject(this.problem);
    this.files.set(name, text);
    return Promise.resolve();
  }

  lock<Result>(_name: string, work: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

function setUp() {
  const store = new Memory();
  const clock = { nowMs: START_MS };
  const authority = new InternalAuthority(store, () => clock.nowMs);
  const issue = (names = ['localhost', '127.0.0.1']) =>
    authority.issue({ names, keyType: 'ecdsa-p256', lifetimeMs: 7 * DAY_MS });
  return { store, clock, authority, issue };
}

function isSigned(by: X509Certificate, at: X509Certificate): boolean {
  return at.checkIssued(by) && at.verify(by.publicKey);
}

/** Whether signatures lead from the leaf to one of `roots`. */
function leadsTo(chain: string, roots: readonly Uint8Array[]): boolean {
  const [leaf, ...above] = certificatesOf(chain).map((der) => new X509Certificate(der));
  const trusted = roots.map((der) => new X509Certificate(der));
  const climb = (at: X509Certificate, rest: readonly X509Certificate[]): boolean =>
    trusted.some((root) => isSigned(root, at)) ||
    rest.some(
      (by) =>
        isSigned(by, at) &&
        climb(
          by,
          rest.filter((other) => other !== by),
        ),
    );
  return climb(leaf!, above);
}

test('internal authority: a chain that leads to the root, with its key', async () => {
  const { authority, issue, store } = setUp();
  const { chain, key } = await issue();
  const [leaf, intermediate] = certificatesOf(chain);
  const roots = await authority.roots();
  assert.ok(leadsTo(chain, [roots[0]!.der]));
  assert.equal(certificatesOf(chain).length, 2);
  const facts = readCertificate(leaf!)!;
  assert.deepEqual(facts.names, ['localhost', '127.0.0.1']);
  assert.equal(facts.notAfterMs, START_MS + 7 * DAY_MS);
  assert.ok(facts.notBeforeMs < START_MS && facts.notBeforeMs > START_MS - DAY_MS);
  assert.equal(facts.isCa, false);
  assert.equal(readCertificate(intermediate!)!.pathLength, 0);
  assert.equal(roots[0]!.notAfterMs, START_MS + ROOT_LIFETIME_MS);
  assert.ok(new X509Certificate(leaf!).checkPrivateKey(createPrivateKey(key)));
  assert.equal(readPem(store.files.get(ROOT_FILE)!)[0]!.label, 'CERTIFICATE');
});

function isRootKey(name: string): boolean {
  return /root-.*\.key$/.test(name);
}

test('internal authority: the key of the root is read once, for the intermediate', async () => {
  const { issue, store } = setUp();
  await issue();
  assert.equal(store.reads.filter(isRootKey).length, 1);
  await issue();
  await issue();
  assert.equal(store.reads.filter(isRootKey).length, 1);
});

function issueBy(authority: InternalAuthority) {
  return authority.issue({ names: ['a.internal'], keyType: 'ecdsa-p256', lifetimeMs: DAY_MS });
}

test('internal authority: two at once on one store are one authority', async () => {
  const { store, clock } = setUp();
  const make = () => new InternalAuthority(store, () => clock.nowMs);
  const chains = await Promise.all([issueBy(make()), issueBy(make()), issueBy(make())]);
  const intermediates = chains.map(({ chain }) =>
    writePem('CERTIFICATE', certificatesOf(chain)[1]!),
  );
  assert.equal(new Set(intermediates).size, 1);
  assert.equal((await make().roots()).length, 1);
});

function intermediateOf({ chain }: { readonly chain: string }): Uint8Array {
  return certificatesOf(chain)[1]!;
}

test('internal authority: the intermediate is followed when a fifth of it is left', async () => {
  const { clock, issue } = setUp();
  const first = intermediateOf(await issue());
  clock.nowMs = START_MS + INTERMEDIATE_LIFETIME_MS * 0.8;
  assert.deepEqual(intermediateOf(await issue()), first);
  clock.nowMs += 1_000;
  assert.notDeepEqual(intermediateOf(await issue()), first);
});

test('internal authority: a leaf never outlives the intermediate', async () => {
  const { clock, authority, issue } = setUp();
  await issue();
  clock.nowMs = START_MS + INTERMEDIATE_LIFETIME_MS * 0.5;
  const order = { names: ['a'], keyType: 'ecdsa-p256', lifetimeMs: 300 * DAY_MS } as const;
  const [leaf] = certificatesOf((await authority.issue(order)).chain);
  assert.equal(readCertificate(leaf!)!.notAfterMs, START_MS + INTERMEDIATE_LIFETIME_MS);
});

test('internal authority: a new root is trusted by those who trust the old one', async () => {
  const { clock, authority, issue } = setUp();
  await issue();
  const [old] = await authority.roots();
  clock.nowMs = START_MS + ROOT_LIFETIME_MS * 0.81;
  const { chain } = await issue();
  const roots = await authority.roots();
  assert.deepEqual(
    roots.map(({ notAfterMs }) => notAfterMs > clock.nowMs),
    [true, true],
  );
  assert.notDeepEqual(roots[0]!.der, old!.der);
  assert.deepEqual(roots[1]!.der, old!.der);
  assert.ok(leadsTo(chain, [roots[0]!.der]), 'by the new root alone');
  assert.ok(leadsTo(chain, [old!.der]), 'by the old root alone');
  clock.nowMs = START_MS + ROOT_LIFETIME_MS + DAY_MS;
  assert.equal(certificatesOf((await issue()).chain).length, 2, 'the old root is over');
});

test('internal authority: a root that cannot be read is left alone', async () => {
  const { store, authority, issue } = setUp();
  await issue();
  store.files.set(ROOT_FILE, 'rubbish');
  const before = new Map(store.files);
  await assert.rejects(issue(), AuthorityError);
  await assert.rejects(authority.roots(), AuthorityError);
  assert.deepEqual(store.files, before);
});

test('internal authority: without the key of its root it goes on while it can', async () => {
  const { store, clock, issue } = setUp();
  await issue();
  for (const name of store.files.keys()) if (name.endsWith('.key')) store.files.delete(name);
  await issue();
  clock.nowMs += INTERMEDIATE_LIFETIME_MS;
  await assert.rejects(issue(), (error: Error) => {
    return error instanceof AuthorityError && /root-.*\.key/.test(error.message);
  });
});

test('internal authority: a damaged intermediate is made anew, and its key with it', async () => {
  const { store, issue } = setUp();
  await issue();
  const text = store.files.get(INTERMEDIATE)!;
  for (const damage of ['', 'rubbish', text.replace(/-----BEGIN PRIVATE KEY[^]*?KEY-----\n/, '')]) {
    store.files.set(INTERMEDIATE, damage);
    await issue();
    assert.notEqual(store.files.get(INTERMEDIATE), damage);
  }
});

test('internal authority: a clock that was ahead leaves nothing of the future', async () => {
  const { clock, authority, issue } = setUp();
  clock.nowMs = START_MS + 60 * DAY_MS;
  await issue();
  clock.nowMs = START_MS;
  const { chain } = await issue();
  for (const der of [...certificatesOf(chain), (await authority.roots())[0]!.der]) {
    assert.ok(readCertificate(der)!.notBeforeMs <= START_MS);
  }
});

test('internal authority: a store that is full stops what needs it, and nothing else', async () => {
  const { store, authority, issue } = setUp();
  store.problem = new Error('full');
  await assert.rejects(issue(), /full/);
  assert.equal(await authority.existingRoots(), null);
  store.problem = null;
  await issue();
  store.problem = new Error('full');
  await issue();
});

test('internal authority: knows chains of a root that was deleted', async () => {
  const { store, authority, issue } = setUp();
  const { chain } = await issue();
  assert.equal(await authority.isOurs(chain), true);
  store.files.clear();
  assert.equal(await authority.isOurs(chain), false);
  await authority.roots();
  assert.equal(await authority.isOurs(chain), false);
  assert.equal(await authority.isOurs((await issue()).chain), true);
});
