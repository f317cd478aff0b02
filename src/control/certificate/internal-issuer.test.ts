import assert from 'node:assert/strict';
import test from 'node:test';

import { StoreError } from './certificate-store.ts';
import { InternalAuthority } from './internal-authority.ts';
import { createInternalIssuer } from './internal-issuer.ts';
import { IssueError } from './issuer.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const CONTEXT = { signal: new AbortController().signal, onStep: () => {} };
const REQUEST = { names: ['localhost'], replaces: null };

function nowMs(): number {
  return NOW_MS;
}

function setUp() {
  const files = new Map<string, string>();
  const world = { problem: null as Error | null };
  const store = {
    read: (name: string) => Promise.resolve(files.get(name) ?? null),
    write: (name: string, text: string) => {
      if (world.problem !== null) return Promise.reject(world.problem);
      files.set(name, text);
      return Promise.resolve();
    },
    lock: <Result>(_name: string, work: () => Promise<Result>) => work(),
  };
  const authority = new InternalAuthority(store, nowMs);
  const options = { name: 'internal', keyType: 'ecdsa-p256', lifetimeMs: 86_400_000 } as const;
  return { files, world, issuer: createInternalIssuer({ ...options, authority, nowMs }) };
}

test('internal issuer: makes a certificate, and wants nothing of one that is good', async () => {
  const { issuer } = setUp();
  const steps: string[] = [];
  const context = { ...CONTEXT, onStep: (step: string) => void steps.push(step) };
  const { chain, key } = await issuer.issue(REQUEST, context);
  assert.match(chain, /^-----BEGIN CERTIFICATE-----/);
  assert.match(key, /^-----BEGIN PRIVATE KEY-----/);
  assert.deepEqual(steps, ['making a certificate']);
  assert.equal(await issuer.renewalWindow(chain, CONTEXT.signal), null);
  assert.equal(issuer.refusal('anything.internal'), null);
});

test('internal issuer: a certificate of a root that is gone is due now', async () => {
  const { issuer, files } = setUp();
  const { chain } = await issuer.issue(REQUEST, CONTEXT);
  files.clear();
  const window = await issuer.renewalWindow(chain, CONTEXT.signal);
  assert.ok(window !== null && window.startMs < window.endMs && window.endMs <= NOW_MS);
  assert.ok(window.nextLookMs > NOW_MS);
});

test('internal issuer: says what a person has to do', async () => {
  const { issuer, world } = setUp();
  const adviceFor = async (problem: Error): Promise<string> => {
    world.problem = problem;
    const error: unknown = await issuer.issue(REQUEST, CONTEXT).catch((reason: unknown) => reason);
    assert.ok(error instanceof IssueError);
    return error.advice;
  };
  assert.equal(await adviceFor(new StoreError('full', 'full')), 'fix');
  assert.equal(await adviceFor(new StoreError('read-only', 'read-only')), 'fix');
  assert.equal(await adviceFor(new StoreError('slow', 'unavailable')), 'retry');
  assert.equal(await adviceFor(new Error('strange')), 'retry');
});

test('internal issuer: stops when told to, and revokes nothing', async () => {
  const { issuer, files } = setUp();
  const signal = AbortSignal.abort();
  await assert.rejects(issuer.issue(REQUEST, { ...CONTEXT, signal }), (error: IssueError) => {
    return error.advice === 'aborted';
  });
  assert.equal(files.size, 0);
  await assert.rejects(issuer.revoke('', '', 0, CONTEXT.signal), IssueError);
});
