import test from 'node:test';
import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { createSecureContext } from 'node:tls';

import { buildCaCertificate, buildLeafCertificate } from '../x509/certificate-builder.ts';
import type { Signer } from '../x509/certificate-builder.ts';
import { keyToPem } from '../x509/keys.ts';
import { writePem } from '../x509/pem.ts';
import { certificateCheck, checkPair } from './certificate-pair.ts';

const VALID = { notBeforeMs: Date.UTC(2026, 0, 1), notAfterMs: Date.UTC(2027, 0, 1) };
const NAMES = ['www.example.com', '*.shop.example.com', '192.0.2.7', '2001:db8::1'];

const ec = (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey;
const rsa = (modulusLength: number): KeyObject =>
  generateKeyPairSync('rsa', { modulusLength }).privateKey;

const root = makeCa('root', null);
const intermediate = makeCa('intermediate', root);
const KEY = ec('P-256');
const LEAF = leafOf(KEY);

function makeCa(commonName: string, by: Signer | null): Signer {
  const key = ec('P-256');
  const request = { ...VALID, commonName, organization: 'Test', key, pathLength: 1, signer: by };
  return { key, certificate: buildCaCertificate(request) };
}

function leafOf(key: KeyObject, names: readonly string[] = NAMES): string {
  return pem(buildLeafCertificate({ ...VALID, names, key, signer: intermediate }));
}

function pem(der: Uint8Array): string {
  return writePem('CERTIFICATE', der);
}

const CHAIN = LEAF + pem(intermediate.certificate);

test('certificate pair: says what the certificate says about itself', () => {
  const { facts, problems } = checkPair(CHAIN, keyToPem(KEY));
  assert.deepEqual(problems, []);
  assert.deepEqual(facts?.names, NAMES);
  assert.equal(facts?.keyType, 'ecdsa');
  assert.deepEqual([facts?.notBeforeMs, facts?.notAfterMs], [VALID.notBeforeMs, VALID.notAfterMs]);
  const fingerprint = new X509Certificate(LEAF).fingerprint256.replaceAll(':', '').toLowerCase();
  assert.equal(facts?.id, fingerprint);
});

test('certificate pair: every kind of key in every form is one that OpenSSL serves', () => {
  const kinds: readonly (readonly [key: KeyObject, type: string, forms: readonly string[]])[] = [
    [KEY, 'ecdsa', ['pkcs8', 'sec1']],
    [ec('P-384'), 'ecdsa', ['pkcs8', 'sec1']],
    [ec('P-521'), 'ecdsa', ['pkcs8', 'sec1']],
    [rsa(2_048), 'rsa', ['pkcs8', 'pkcs1']],
    [generateKeyPairSync('ed25519').privateKey, 'ed25519', ['pkcs8']],
  ];
  for (const [key, type, forms] of kinds) {
    const chain = leafOf(key);
    for (const form of forms) {
      const text = key.export({ type: form as 'pkcs8', format: 'pem' }) as string;
      const { facts, problems } = checkPair(chain, text);
      assert.deepEqual([facts?.keyType, problems], [type, []], form);
      createSecureContext({ cert: chain, key: text });
    }
  }
});

test('certificate pair: a key of another certificate is found for every kind', () => {
  const pairs = [
    [ec('P-256'), ec('P-256')],
    [ec('P-384'), ec('P-256')],
    [rsa(2_048), rsa(2_048)],
    [rsa(2_048), ec('P-256')],
    [generateKeyPairSync('ed25519').privateKey, generateKeyPairSync('ed25519').privateKey],
  ] as const;
  for (const [one, other] of pairs) {
    const { facts, problems } = checkPair(leafOf(one), keyToPem(other));
    assert.equal(facts, null);
    assert.deepEqual(
      problems.map(({ code, part }) => [code, part]),
      [['PN1504', 'key']],
    );
  }
});

/** Code and severity of every problem. */
function codes(chain: string, key: string): string[] {
  return checkPair(chain, key).problems.map(({ code, severity }) => `${code} ${severity}`);
}

test('certificate pair: what is wrong has a code of its own', () => {
  const key = keyToPem(KEY);
  const encrypted = KEY.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'hunter2',
  }) as string;
  const legacy = KEY.export({
    type: 'sec1',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'hunter2',
  }) as string;
  const reversed = pem(intermediate.certificate) + LEAF;
  const cases: readonly (readonly [what: string, chain: string, key: string, codes: string])[] = [
    ['no certificate', key, key, 'PN1502 error'],
    ['nothing', '', '', 'PN1502 error, PN1503 error'],
    ['damaged', LEAF.replace(/\n.{8}/, '\nAAAAAAAA'), key, 'PN1502 error'],
    ['cut off', LEAF.slice(0, -40), key, 'PN1502 error'],
    ['second damaged', LEAF + LEAF.replace(/\n.{8}/, '\nAAAAAAAA'), key, 'PN1502 error'],
    ['no key', CHAIN, LEAF, 'PN1503 error'],
    ['damaged key', CHAIN, key.replace(/\n.{8}/, '\nAAAAAAAA'), 'PN1503 error'],
    ['encrypted', CHAIN, encrypted, 'PN1503 error'],
    ['encrypted in the old form', CHAIN, legacy, 'PN1503 error'],
    ['leaf last', reversed, key, 'PN1504 error'],
    ['issuer left out', LEAF + pem(root.certificate), key, 'PN1506 warning'],
    ['twice the same', LEAF + CHAIN, key, 'PN1506 warning'],
    ['with the root', CHAIN + pem(root.certificate), key, ''],
    ['no name', leafOf(KEY, []), key, 'PN1508 warning'],
  ];
  for (const [what, chain, text, expected] of cases) {
    assert.equal(codes(chain, text).join(', '), expected, what);
  }
  const weak = rsa(1_024);
  assert.deepEqual(codes(leafOf(weak), keyToPem(weak)), ['PN1507 error']);
  assert.throws(() => createSecureContext({ cert: leafOf(weak), key: keyToPem(weak) }));
  const odd = ec('secp256k1');
  assert.deepEqual(codes(leafOf(odd), keyToPem(odd)), ['PN1503 error']);
});

test('certificate pair: a key that fits another part of the chain says so', () => {
  const [problem] = checkPair(pem(intermediate.certificate) + LEAF, keyToPem(KEY)).problems;
  assert.match(problem?.hint ?? '', /certificate 2 of the file, which must stand first/);
});

test('certificate pair: no message repeats a part of the key', () => {
  const key = keyToPem(KEY);
  const body = key.split('\n')[1]!;
  for (const text of [key, key.replace('MIG', 'AAA'), key.slice(0, -60)]) {
    const { problems } = checkPair(LEAF + leafOf(rsa(2_048)), text);
    assert.ok(!JSON.stringify(problems).includes(body.slice(4, 20)));
  }
});

test('certificate check: authorities and revocations need something in them', () => {
  const check = certificateCheck(() => 7);
  assert.equal(check.nowMs(), 7);
  assert.equal(check.authorities(pem(root.certificate) + pem(intermediate.certificate)), null);
  assert.equal(check.authorities('')?.code, 'PN1502');
  assert.equal(check.authorities(keyToPem(KEY))?.code, 'PN1502');
  assert.match(check.authorities(`${LEAF}${pem(new Uint8Array(9))}`)!.message, /certificate 2/);
  assert.equal(check.revocations(LEAF)?.code, 'PN1502');
  assert.equal(check.revocations(writePem('X509 CRL', new Uint8Array(9)))?.code, 'PN1502');
});
