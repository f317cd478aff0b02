import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { AccountStore, StoredAccount } from './account-store.ts';
import { Account } from './account.ts';
import type { ExternalAccount } from './account.ts';
import { AcmeError } from './acme-error.ts';
import { AcmeSession } from './acme-session.ts';
import { generateAccountKey, readAccountKey, thumbprintOf } from './jws.ts';

const ORIGIN = 'https://ca.example';
const { signal } = new AbortController();
const CONTACT = ['mailto:ops@example.com'];

interface Sent {
  readonly url: string;
  readonly payload: Record<string, unknown>;
  /** Account URL; empty: signed by a key alone. */
  readonly kid: string;
}

/** An authority that keeps accounts by the thumbprints of their keys. */
class Authority {
  /** URL by thumbprint. */
  readonly accounts = new Map<string, string>();
  readonly sent: Sent[] = [];
  /** Called before a POST is answered; what it throws is what the client gets. */
  onPost: (sent: Sent) => void = () => undefined;
  wantsBinding = false;
  readonly session = new AcmeSession({
    directory: `${ORIGIN}/dir`,
    clock: { nowMs: () => 0, wait: () => Promise.resolve() },
    http: {
      send: ({ url, body, method }) => {
        const headers = new Map([['replay-nonce', `n${this.sent.length}`]]);
        if (method !== 'POST') return Promise.resolve(answer(200, this.#directory(), headers));
        const sent = open(url, body!);
        this.sent.push(sent);
        this.onPost(sent);
        return Promise.resolve(this.#answer(sent, headers));
      },
    },
  });

  #directory(): object {
    return {
      newNonce: `${ORIGIN}/nonce`,
      newAccount: `${ORIGIN}/new`,
      newOrder: `${ORIGIN}/order`,
      keyChange: `${ORIGIN}/key`,
      meta: { externalAccountRequired: this.wantsBinding },
    };
  }

  #answer(sent: Sent & { jwk?: Record<string, string> }, headers: Map<string, string>): Answer {
    const { url, payload, kid, jwk } = sent;
    if (url === `${ORIGIN}/new`) {
      const thumbprint = thumbprintOf(jwk!);
      const known = this.accounts.get(thumbprint);
      if (known === undefined && payload['onlyReturnExisting'] === true) return refusal(headers);
      const location = known ?? `${ORIGIN}/account/${this.accounts.size + 1}`;
      this.accounts.set(thumbprint, location);
      return answer(known === undefined ? 201 : 200, {}, headers.set('location', location));
    }
    if (![...this.accounts.values()].includes(kid)) return refusal(headers);
    if (url === `${ORIGIN}/key`) {
      const inner = decode(String(payload['protected'])) as { jwk: Record<string, string> };
      const [before] = [...this.accounts].find(([, account]) => account === kid)!;
      this.accounts.delete(before);
      this.accounts.set(thumbprintOf(inner.jwk), kid);
    }
    return answer(200, {}, headers);
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Map<string, string>;
  readonly body: Uint8Array;
}

function answer(status: number, document: object, headers: Map<string, string>): Answer {
  return { status, headers, body: new TextEncoder().encode(JSON.stringify(document)) };
}

function refusal(headers: Map<string, string>): Answer {
  const type = 'urn:ietf:params:acme:error:accountDoesNotExist';
  return answer(400, { type, detail: 'unknown' }, headers);
}

function decode(part: string): unknown {
  return JSON.parse(Buffer.from(part, 'base64url').toString());
}

function open(url: string, body: Uint8Array): Sent & { jwk?: Record<string, string> } {
  const jws = JSON.parse(new TextDecoder().decode(body)) as { protected: string; payload: string };
  const header = decode(jws.protected) as { kid?: string; jwk?: Record<string, string> };
  const payload = decode(jws.payload) as Record<string, unknown>;
  const kid = header.kid ?? '';
  return header.jwk === undefined ? { url, payload, kid } : { url, payload, kid, jwk: header.jwk };
}

/** Keeps one account; every save is written down. */
class Store implements AccountStore {
  stored: StoredAccount | null = null;
  readonly saves: StoredAccount[] = [];
  isLocked = false;

  load(): Promise<StoredAccount | null> {
    return Promise.resolve(this.stored);
  }

  save(_issuerKey: string, _email: string, account: StoredAccount): Promise<void> {
    assert.ok(this.isLocked, 'A2: under its lock');
    this.stored = account;
    this.saves.push(account);
    return Promise.resolve();
  }

  remove(): Promise<void> {
    this.stored = null;
    return Promise.resolve();
  }

  async withLock<Result>(
    _issuerKey: string,
    _email: string,
    _signal: AbortSignal,
    run: () => Promise<Result>,
  ): Promise<Result> {
    this.isLocked = true;
    try {
      return await run();
    } finally {
      this.isLocked = false;
    }
  }
}

function accountWith(
  authority: Authority,
  store: Store,
  email = 'ops@example.com',
  externalAccount: ExternalAccount | null = null,
): Account {
  const { session } = authority;
  return new Account({ session, store, issuerKey: 'ca', email, externalAccount });
}

test('account: registered once; its key is saved before the authority hears of it', async () => {
  const authority = new Authority();
  const store = new Store();
  authority.onPost = () => {
    const thumbprint = readAccountKey(store.stored!.key)!.thumbprint;
    assert.equal(authority.accounts.has(thumbprint), false);
    assert.equal(store.stored!.url, '');
  };
  const signer = await accountWith(authority, store).signer(signal);
  assert.equal(signer.url, `${ORIGIN}/account/1`);
  assert.deepEqual(authority.sent[0]!.payload, {
    termsOfServiceAgreed: true,
    contact: ['mailto:ops@example.com'],
  });
  authority.onPost = () => assert.fail('nothing is asked again');
  const again = await accountWith(authority, store).signer(signal);
  assert.equal(again.url, signer.url);
});

test('account: cut off while it registers, it finds the same account again', async () => {
  const authority = new Authority();
  const store = new Store();
  await accountWith(authority, store).signer(signal);
  store.stored = { ...store.saves[0]! }; // The answer was never saved.
  assert.equal(store.stored.url, '');
  const signer = await accountWith(authority, store).signer(signal);
  assert.equal(signer.url, `${ORIGIN}/account/1`);
  assert.equal(authority.accounts.size, 1);
});

test('account: an address that changed is told', async () => {
  const authority = new Authority();
  const store = new Store();
  await accountWith(authority, store, 'a@example.com').signer(signal);
  await accountWith(authority, store, 'b@example.com').signer(signal);
  assert.deepEqual(authority.sent[1]!.payload, { contact: ['mailto:b@example.com'] });
  assert.deepEqual(store.stored!.contact, ['mailto:b@example.com']);
});

test('account: one that was forgotten gets a new key, unless somebody was first', async () => {
  const authority = new Authority();
  const store = new Store();
  const account = accountWith(authority, store);
  const lost = await account.signer(signal);
  authority.accounts.clear();
  authority.accounts.set('somebody', `${ORIGIN}/account/0`);
  const signer = await account.replace(lost.url, signal);
  assert.notEqual(signer.key.thumbprint, lost.key.thumbprint);
  const sent = authority.sent.length;
  const late = await accountWith(authority, store).replace(lost.url, signal);
  assert.equal(late.url, signer.url);
  assert.equal(authority.sent.length, sent);
});

test('account: changes its key, and completes a change that was cut off', async () => {
  const authority = new Authority();
  const store = new Store();
  const account = accountWith(authority, store);
  const first = await account.signer(signal);
  const second = await account.rollOver(signal);
  assert.equal(second.url, first.url);
  assert.notEqual(second.key.thumbprint, first.key.thumbprint);
  assert.deepEqual([...authority.accounts.keys()], [second.key.thumbprint]);
  // Cut off after the authority has changed it, and before.
  const { key } = store.stored!;
  const nextKey = generateAccountKey();
  const next = readAccountKey(nextKey)!.thumbprint;
  for (const known of [next, second.key.thumbprint]) {
    store.stored = { key, url: first.url, nextKey, contact: CONTACT };
    authority.accounts.clear();
    authority.accounts.set(known, first.url);
    const signer = await accountWith(authority, store).signer(signal);
    assert.equal(signer.key.thumbprint, next);
    assert.equal(authority.accounts.get(next), first.url);
    assert.equal(store.stored!.nextKey, '');
  }
});

test('account: takes over one that was made elsewhere, and makes none', async () => {
  const authority = new Authority();
  const store = new Store();
  const key = generateAccountKey();
  await assert.rejects(accountWith(authority, store).importKey(key, signal), /knows no account/);
  assert.equal(store.stored, null);
  authority.accounts.set(readAccountKey(key)!.thumbprint, `${ORIGIN}/account/7`);
  const signer = await accountWith(authority, store).importKey(key, signal);
  assert.equal(signer.url, `${ORIGIN}/account/7`);
  assert.equal(store.stored!.key, key);
});

test('account: given up, its key is gone', async () => {
  const authority = new Authority();
  const store = new Store();
  const account = accountWith(authority, store);
  await account.signer(signal);
  await account.deactivate(signal);
  assert.deepEqual(authority.sent.at(-1)!.payload, { status: 'deactivated' });
  assert.equal(store.stored, null);
});

test('account: an external one is asked for before anything is made', async () => {
  const authority = new Authority();
  authority.wantsBinding = true;
  const store = new Store();
  await assert.rejects(accountWith(authority, store).signer(signal), (error) => {
    assert.ok(error instanceof AcmeError);
    assert.equal(error.advice, 'fix');
    assert.match(error.message, /set `eab`/);
    return true;
  });
  assert.equal(authority.sent.length, 0);
  const external = { keyId: 'kid', hmacKey: 'c2VjcmV0' };
  await accountWith(authority, store, '', external).signer(signal);
  const { payload } = authority.sent[0]!;
  assert.ok('externalAccountBinding' in payload);
  assert.equal('contact' in payload, false);
});

test('account: a stored key that is none is for a person', async () => {
  const store = new Store();
  store.stored = { key: 'damaged', url: `${ORIGIN}/account/1`, nextKey: '', contact: CONTACT };
  await assert.rejects(accountWith(new Authority(), store).signer(signal), (error) => {
    assert.ok(error instanceof AcmeError);
    assert.equal(error.message.includes('damaged'), false);
    return true;
  });
});
