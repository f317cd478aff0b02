import test from 'node:test';
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import { Prng } from '../../base/prng.ts';
import { readPem, writePem } from '../x509/pem.ts';
import { readPrivateKey } from './private-key.ts';
import type { PrivateKey } from './private-key.ts';

function read(text: string): PrivateKey | null {
  return readPrivateKey(readPem(text)[0]!, text);
}

const ec = (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey;
const rsa = (modulusLength: number): KeyObject =>
  generateKeyPairSync('rsa', { modulusLength }).privateKey;

test('private key: DER says what OpenSSL says, for every form', () => {
  const keys: readonly (readonly [key: KeyObject, form: string, isRead: boolean])[] = [
    [ec('P-256'), 'sec1', true],
    [ec('P-384'), 'sec1', true],
    [ec('P-521'), 'sec1', true],
    [ec('secp256k1'), 'sec1', false],
    [rsa(1_024), 'pkcs1', true],
    [rsa(2_047), 'pkcs1', true],
    [rsa(2_048), 'pkcs1', true],
    [generateKeyPairSync('ed25519').privateKey, 'pkcs8', false],
    [generateKeyPairSync('rsa-pss', { modulusLength: 2_048 }).privateKey, 'pkcs8', false],
  ];
  for (const [key, form, isRead] of keys) {
    for (const type of ['pkcs8', form]) {
      const found = read(key.export({ type: type as 'pkcs8', format: 'pem' }) as string)!;
      assert.equal(found.publicPart !== null, isRead, type);
      const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails!;
      assert.deepEqual(
        [found.kind, found.curve, found.bits],
        [key.asymmetricKeyType, namedCurve, modulusLength],
      );
      assert.ok(found.object()!.equals(key));
    }
  }
});

test('private key: one without its public part is left to OpenSSL', () => {
  const key = ec('P-256');
  const { d } = key.export({ format: 'jwk' });
  const scalar = Buffer.from(d!, 'base64url').toString('hex').padStart(64, '0');
  const der = Buffer.from(`30310201010420${scalar}a00a06082a8648ce3d030107`, 'hex');
  const found = read(writePem('EC PRIVATE KEY', der))!;
  assert.deepEqual([found.kind, found.curve, found.publicPart], ['ec', 'prime256v1', null]);
});

test('private key: damaged bytes are a key or none, and never an exception', () => {
  const random = new Prng(7);
  for (const key of [ec('P-256'), rsa(1_024)]) {
    const der = key.export({ type: 'pkcs8', format: 'der' });
    for (let round = 0; round < 200; round++) {
      const damaged = Uint8Array.from(der);
      const at = random.integer(0, damaged.length - 1);
      damaged[at] = damaged[at]! ^ (1 << random.integer(0, 7));
      const text = writePem(
        'PRIVATE KEY',
        damaged.subarray(0, damaged.length - random.integer(0, 2)),
      );
      read(text)?.object();
    }
  }
});
