/**
 * Keys: making them, their text form, and signing with them as X.509 has it.
 */

import { createHash, createPrivateKey, createPublicKey, generateKeyPair, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import { DerReader, Tag } from './der-reader.ts';
import { derBitString, derNull, derOid, derSequence } from './der-writer.ts';
import { Oid } from './oids.ts';

export type NewKeyType = 'ecdsa-p256' | 'ecdsa-p384' | 'rsa-2048' | 'rsa-4096' | 'ed25519';

/** Makes a private key off the main thread: one of RSA takes up to seconds. */
export function generateKey(type: NewKeyType): Promise<KeyObject> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, _public: KeyObject, key: KeyObject): void => {
      if (error === null) resolve(key);
      else reject(error);
    };
    switch (type) {
      case 'ecdsa-p256':
        return generateKeyPair('ec', { namedCurve: 'P-256' }, done);
      case 'ecdsa-p384':
        return generateKeyPair('ec', { namedCurve: 'P-384' }, done);
      case 'rsa-2048':
        return generateKeyPair('rsa', { modulusLength: 2_048 }, done);
      case 'rsa-4096':
        return generateKeyPair('rsa', { modulusLength: 4_096 }, done);
      default:
        return generateKeyPair('ed25519', {}, done);
    }
  });
}

/** @returns PKCS#8 PEM */
export function keyToPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** @param pem a private key without a password. @returns null: it is none that can be read */
export function keyFromPem(pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem);
  } catch {
    return null;
  }
}

/** @param key private or public. @returns DER of SubjectPublicKeyInfo */
export function spkiOf(key: KeyObject): Uint8Array {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ type: 'spki', format: 'der' });
}

/** Key identifier of RFC 7093 §2 method 1: the first 160 bits of SHA-256 over the key's bits. */
export function keyIdentifierOf(spki: Uint8Array): Uint8Array {
  return Uint8Array.from(createHash('sha256').update(publicKeyBits(spki)).digest().subarray(0, 20));
}

/** Contents of subjectPublicKey, which OCSP names keys by. @throws DerError */
export function publicKeyBits(spki: Uint8Array): Uint8Array {
  const parts = new DerReader(spki).enter(Tag.sequence);
  parts.skip();
  return parts.bitString();
}

/** How `key` signs: the hash fits its strength. @throws TypeError for a key of another kind */
export function signatureAlgorithmOf(key: KeyObject): {
  readonly algorithm: Uint8Array;
  /** Null: the algorithm has its own. */
  readonly digest: string | null;
} {
  switch (key.asymmetricKeyType) {
    case 'ec':
      return key.asymmetricKeyDetails?.namedCurve === 'secp384r1'
        ? { algorithm: derSequence(derOid(Oid.ecdsaSha384)), digest: 'sha384' }
        : { algorithm: derSequence(derOid(Oid.ecdsaSha256)), digest: 'sha256' };
    case 'rsa':
      return { algorithm: derSequence(derOid(Oid.rsaSha256), derNull()), digest: 'sha256' };
    case 'ed25519':
      return { algorithm: derSequence(derOid(Oid.ed25519)), digest: null };
    default:
      throw new TypeError('a key of that kind signs no certificate');
  }
}

/** Signs `body` with `key`. @returns DER of SEQUENCE { body, algorithm, signature } */
export function signValue(key: KeyObject, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const { algorithm, digest } = signatureAlgorithmOf(key);
  return derSequence(body, algorithm, derBitString(sign(digest, body, key)));
}
