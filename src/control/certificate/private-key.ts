/**
 * Reads private keys: their kind, strength and public part. The usual forms are read as DER, which
 * takes a tenth of the time that OpenSSL takes; everything else is left to OpenSSL.
 *
 * K1  whatever the bytes, nothing throws, and nothing of the private part is copied.
 */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import type { CertificateFacts } from '../x509/certificate-reader.ts';
import { contextTag, DerReader, Tag, tryDer } from '../x509/der-reader.ts';
import { Oid } from '../x509/oids.ts';
import type { PemBlock } from '../x509/pem.ts';

export interface PrivateKey {
  /** `ec`, `rsa`, `ed25519`, or what OpenSSL calls it. */
  readonly kind: string;
  /** OpenSSL's name; empty for kinds without. */
  readonly curve: string;
  /** Of a modulus; 0 for kinds without. */
  readonly bits: number;
  /** The point or modulus as certificates have it; null when only OpenSSL knows. */
  readonly publicPart: Uint8Array | null;
  /** Null: OpenSSL cannot read it. */
  readonly object: () => KeyObject | null;
}

type Shape = Omit<PrivateKey, 'object'>;

/** Curve and size of a private key by OID. */
const CURVES: { readonly [oid: string]: readonly [name: string, size: number] } = {
  '1.2.840.10045.3.1.7': ['prime256v1', 32],
  '1.3.132.0.34': ['secp384r1', 48],
  '1.3.132.0.35': ['secp521r1', 66],
};

/**
 * @param block a block of PEM whose label ends with PRIVATE KEY, not encrypted
 * @param text  the text it is in
 * @returns null: it is malformed
 */
export function readPrivateKey({ label, der }: PemBlock, text: string): PrivateKey | null {
  const object = (): KeyObject | null => {
    try {
      return createPrivateKey(text);
    } catch {
      return null;
    }
  };
  const shape = der === null ? null : tryDer(() => shapeOf(label, der));
  if (shape !== null) return { ...shape, object };
  const key = object();
  if (key === null) return null;
  const { asymmetricKeyType: kind = '', asymmetricKeyDetails: details } = key;
  const curve = details?.namedCurve ?? '';
  const bits = details?.modulusLength ?? 0;
  return { kind, curve, bits, publicPart: null, object: () => key };
}

/** Whether it is the private key of the certificate. */
export function isKeyOf({ der, spki }: CertificateFacts, key: PrivateKey): boolean {
  if (key.publicPart !== null) {
    return Buffer.from(spki.buffer, spki.byteOffset, spki.length).includes(key.publicPart);
  }
  const object = key.object();
  try {
    return object !== null && new X509Certificate(der).checkPrivateKey(object);
  } catch {
    return false;
  }
}

/** @returns null for a form that OpenSSL has to read. @throws DerError */
function shapeOf(label: string, der: Uint8Array): Shape | null {
  const reader = new DerReader(der);
  const key = reader.enter(Tag.sequence);
  reader.finish();
  if (label === 'EC PRIVATE KEY') return ecShape(key, '');
  if (label === 'RSA PRIVATE KEY') return rsaShape(key);
  if (label !== 'PRIVATE KEY') return null;
  // PKCS#8 (RFC 5958 §2); version 2 has more, and is rare.
  if (key.smallInteger() !== 0) return null;
  const algorithm = key.enter(Tag.sequence);
  const kind = algorithm.oid();
  const inner = new DerReader(key.content(Tag.octetString)).enter(Tag.sequence);
  if (kind === Oid.rsaKey) return rsaShape(inner);
  return kind === Oid.ecKey && algorithm.peek() === Tag.oid
    ? ecShape(inner, algorithm.oid())
    : null;
}

/** ECPrivateKey (RFC 5915 §3). @param curve empty: it is inside */
function ecShape(key: DerReader, curve: string): Shape | null {
  if (key.smallInteger() !== 1) return null;
  const size = key.content(Tag.octetString).length;
  let oid = curve;
  if (key.peek() === contextTag(0, true)) {
    const named = key.enter(contextTag(0, true)).oid();
    if (oid !== '' && oid !== named) return null;
    oid = named;
  }
  const known = Object.hasOwn(CURVES, oid) ? CURVES[oid]! : null;
  if (known === null || size !== known[1] || key.peek() !== contextTag(1, true)) return null;
  const point = key.enter(contextTag(1, true)).bitString();
  key.finish();
  if (point.length !== 2 * size + 1 || point[0] !== 4) return null;
  return { kind: 'ec', curve: known[0], bits: 0, publicPart: point };
}

/** RSAPrivateKey of two primes (RFC 8017 §A.1.2). */
function rsaShape(key: DerReader): Shape | null {
  if (key.smallInteger() !== 0) return null;
  const modulus = key.integer();
  // Exponents, primes, and what the Chinese remainder theorem needs.
  for (let count = 0; count < 7; count++) if (key.integer()[0]! >= 0x80) return null;
  key.finish();
  const first = modulus.findIndex((byte) => byte !== 0);
  if (first < 0 || modulus[0]! >= 0x80) return null;
  const bits = (modulus.length - first) * 8 - Math.clz32(modulus[first]!) + 24;
  return { kind: 'rsa', curve: '', bits, publicPart: modulus };
}
