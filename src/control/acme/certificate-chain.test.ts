import assert from 'node:assert/strict';
import { test } from 'node:test';

import { buildCaCertificate, buildLeafCertificate } from '../x509/certificate-builder.ts';
import { generateKey, keyToPem } from '../x509/keys.ts';
import { writePem } from '../x509/pem.ts';
import { checkChain, hasRoot } from './certificate-chain.ts';

const NOW = Date.parse('2026-11-20T20:00:00Z');
const DAY_MS = 86_400_000;
const NAMES = ['*.a.test', 'a.test', '2001:db8::1'];

const life = { notBeforeMs: NOW - DAY_MS, notAfterMs: NOW + DAY_MS };
const [rootKey, middleKey, key] = await Promise.all([
  generateKey('ecdsa-p256'),
  generateKey('ecdsa-p256'),
  generateKey('ecdsa-p256'),
]);
const own = { ...life, organization: '', pathLength: 1 };
const root = buildCaCertificate({ ...own, commonName: 'Root X', key: rootKey, signer: null });
const rootSigner = { certificate: root, key: rootKey };
const middle = buildCaCertificate({
  ...own,
  pathLength: 0,
  commonName: 'Middle',
  key: middleKey,
  signer: rootSigner,
});
const signer = { certificate: middle, key: middleKey };
const leaf = buildLeafCertificate({ ...life, names: NAMES, key, signer });
const pem = (...all: Uint8Array[]): string =>
  all.map((one) => writePem('CERTIFICATE', one)).join('');
const KEY = keyToPem(key);

test('chain: what was asked for is fit', () => {
  assert.equal(checkChain(pem(leaf, middle), KEY, NAMES), null);
  assert.equal(checkChain(pem(leaf), KEY, ['a.test']), null);
});

test('chain: says what is wrong with any other', () => {
  const cases: [chain: string, key: string, names: string[], wrong: RegExp][] = [
    ['', KEY, NAMES, /no certificate/],
    ['<html>', KEY, NAMES, /no certificate/],
    [pem(leaf.subarray(0, 50)), KEY, NAMES, /malformed/],
    [pem(...Array<Uint8Array>(21).fill(leaf)), KEY, NAMES, /too long/],
    [pem(leaf, middle), keyToPem(middleKey), NAMES, /its key is not ours/],
    [pem(leaf, middle), 'no key', NAMES, /its key is not ours/],
    [pem(middle, leaf), KEY, NAMES, /its key is not ours/],
    [pem(leaf, middle), KEY, [...NAMES, 'b.test'], /not for b\.test/],
  ];
  for (const [chain, ownKey, names, wrong] of cases) {
    assert.match(checkChain(chain, ownKey, names) ?? 'nothing', wrong);
  }
});

test('chain: the root is named by the last certificate, or is it', () => {
  assert.equal(hasRoot(pem(leaf, middle), 'Root X'), true);
  assert.equal(hasRoot(pem(leaf, middle, root), 'Root X'), true);
  assert.equal(hasRoot(pem(leaf, middle), 'Root'), false);
  assert.equal(hasRoot(pem(leaf), 'Root X'), false);
  assert.equal(hasRoot('', 'Root X'), false);
});
