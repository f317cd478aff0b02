/**
 * Certificate reader: what an X.509 certificate says (RFC 5280 §4.1), as far as the proxy decides
 * or shows anything by it. It judges nothing: signatures and chains are for OpenSSL.
 *
 * C1  total: certificates are other people's bytes, so malformed ones give null and nothing throws.
 * C2  nothing is copied: byte fields are views over the bytes that were given.
 */

import { createHash } from 'node:crypto';

import { writeIpv6 } from '../../base/ip-address.ts';
import { contextTag, DerError, DerReader, latin1, Tag, textOf, tryDer } from './der-reader.ts';
import { Oid } from './oids.ts';

export interface CertificateFacts {
  /** The certificate whole. */
  readonly der: Uint8Array;
  /** Content octets of the serial number, the sign's octet included (as RFC 9773 §4.1 needs). */
  readonly serial: Uint8Array;
  /** Dotted OID of the algorithm that signed it. */
  readonly signatureAlgorithm: string;
  /** DER of the names. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** First common name in them; empty: none. */
  readonly issuerCommonName: string;
  readonly subjectCommonName: string;
  /** Unix milliseconds. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** DER of SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  readonly keyType: 'ecdsa' | 'rsa' | 'ed25519' | 'other';
  /** What it is for: lower-case names of the subject alternative names, then addresses. */
  readonly names: readonly string[];
  /** True: it has no alternative names, and `names` is the common name (RFC 9525 §1.4.2: unfit). */
  readonly isCommonNameOnly: boolean;
  /** Null: it does not say. */
  readonly subjectKeyId: Uint8Array | null;
  readonly authorityKeyId: Uint8Array | null;
  readonly isCa: boolean;
  /** Intermediates that may follow below it; -1: not limited. */
  readonly pathLength: number;
  /** Subject and issuer are the same name. The signature is not looked at. */
  readonly isSelfSigned: boolean;
  /** Dotted OIDs; empty: for anything. */
  readonly extendedKeyUsage: readonly string[];
  /** First responder; empty: none. */
  readonly ocspUrl: string;
  /** Clients are told to insist on a stapled status (RFC 7633). */
  readonly mustStaple: boolean;
}

/** Extensions that are looked at; a certificate with more of them than this is malformed to us. */
const EXTENSIONS_MAX = 100;
const NAMES_MAX = 10_000;

type Extensions = {
  -readonly [
    Key in 'subjectKeyId' | 'authorityKeyId' | 'isCa' | 'pathLength' | 'ocspUrl' | 'mustStaple'
  ]: CertificateFacts[Key];
} & { extendedKeyUsage: string[]; names: string[] | null };

/** @returns null: it is no certificate */
export function readCertificate(der: Uint8Array): CertificateFacts | null {
  return tryDer(() => certificateOf(der));
}

/** SHA-256, lower-case hex: the identity of a certificate. */
export function fingerprintOf(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex');
}

function certificateOf(der: Uint8Array): CertificateFacts {
  const file = new DerReader(der);
  const certificate = file.enter(Tag.sequence);
  file.finish();
  const body = certificate.enter(Tag.sequence);
  const outerAlgorithm = certificate.whole(Tag.sequence);
  certificate.bitString();
  certificate.finish();

  const versionTag = contextTag(0, true);
  const version = body.peek() === versionTag ? body.enter(versionTag).smallInteger() : 0;
  if (version > 2) throw new DerError('the version is not known');
  const serial = body.integer();
  const innerAlgorithm = body.whole(Tag.sequence);
  if (!isSameBytes(innerAlgorithm, outerAlgorithm)) throw new DerError('algorithms differ');
  const issuer = body.whole(Tag.sequence);
  const validity = body.enter(Tag.sequence);
  const notBeforeMs = validity.time();
  const notAfterMs = validity.time();
  validity.finish();
  const subject = body.whole(Tag.sequence);
  const spki = body.whole(Tag.sequence);
  for (const id of [1, 2]) if (body.peek() === contextTag(id, false)) body.skip();
  const extensions = extensionsOf(body);
  body.finish();

  const subjectCommonName = commonNameOf(subject);
  return {
    der,
    serial,
    signatureAlgorithm: new DerReader(innerAlgorithm).enter(Tag.sequence).oid(),
    issuer,
    subject,
    issuerCommonName: commonNameOf(issuer),
    subjectCommonName,
    notBeforeMs,
    notAfterMs,
    spki,
    keyType: keyTypeOf(spki),
    names: extensions.names ?? fallbackNames(subjectCommonName),
    isCommonNameOnly: extensions.names === null,
    subjectKeyId: extensions.subjectKeyId,
    authorityKeyId: extensions.authorityKeyId,
    isCa: extensions.isCa,
    pathLength: extensions.pathLength,
    isSelfSigned: isSameBytes(issuer, subject),
    extendedKeyUsage: extensions.extendedKeyUsage,
    ocspUrl: extensions.ocspUrl,
    mustStaple: extensions.mustStaple,
  };
}

/** Whatever a common name is, only a host name can be served. */
function fallbackNames(commonName: string): string[] {
  return /^[\w*-]+(\.[\w-]+)*$/.test(commonName) ? [commonName.toLowerCase()] : [];
}

function extensionsOf(body: DerReader): Extensions {
  const found: Extensions = {
    subjectKeyId: null,
    authorityKeyId: null,
    isCa: false,
    pathLength: -1,
    ocspUrl: '',
    mustStaple: false,
    extendedKeyUsage: [],
    names: null,
  };
  const tag = contextTag(3, true);
  if (body.peek() !== tag) return found;
  const wrapper = body.enter(tag);
  const list = wrapper.enter(Tag.sequence);
  wrapper.finish();
  const seen = new Set<string>();
  while (!list.isAtEnd) {
    const extension = list.enter(Tag.sequence);
    const oid = extension.oid();
    if (extension.peek() === Tag.boolean) extension.boolean();
    const value = extension.content(Tag.octetString);
    extension.finish();
    // RFC 5280 §4.2: no more than one of each.
    if (seen.has(oid) || seen.size >= EXTENSIONS_MAX) throw new DerError('extensions repeat');
    seen.add(oid);
    readExtension(found, oid, value);
  }
  return found;
}

function readExtension(found: Extensions, oid: string, value: Uint8Array): void {
  const reader = new DerReader(value);
  switch (oid) {
    case Oid.subjectAltName:
      found.names = alternativeNames(reader);
      break;
    case Oid.subjectKeyId:
      found.subjectKeyId = reader.content(Tag.octetString);
      break;
    case Oid.authorityKeyId: {
      const parts = reader.enter(Tag.sequence);
      const tag = contextTag(0, false);
      if (parts.peek() === tag) found.authorityKeyId = parts.content(tag);
      break;
    }
    case Oid.basicConstraints: {
      const parts = reader.enter(Tag.sequence);
      if (parts.peek() === Tag.boolean) found.isCa = parts.boolean();
      if (parts.peek() === Tag.integer) found.pathLength = parts.smallInteger();
      parts.finish();
      break;
    }
    case Oid.extendedKeyUsage: {
      const usages = reader.enter(Tag.sequence);
      while (!usages.isAtEnd) found.extendedKeyUsage.push(usages.oid());
      break;
    }
    case Oid.authorityInfoAccess:
      found.ocspUrl = responderOf(reader);
      break;
    case Oid.tlsFeature: {
      const features = reader.enter(Tag.sequence);
      while (!features.isAtEnd) if (features.smallInteger() === 5) found.mustStaple = true;
      break;
    }
    default:
  }
}

/** Names first, then addresses, each in order of appearance; no duplicates. */
function alternativeNames(reader: DerReader): string[] {
  const list = reader.enter(Tag.sequence);
  const names = new Set<string>();
  const addresses = new Set<string>();
  const nameTag = contextTag(2, false);
  const addressTag = contextTag(7, false);
  let count = 0;
  while (!list.isAtEnd) {
    if (++count > NAMES_MAX) throw new DerError('there are too many names');
    const tag = list.peek();
    if (tag === nameTag) names.add(latin1(list.content(nameTag)).toLowerCase());
    else if (tag === addressTag) addresses.add(addressText(list.content(addressTag)));
    else list.skip();
  }
  return [...names, ...addresses];
}

function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new DerError('an address has neither 4 nor 16 octets');
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  const words = Uint32Array.from([0, 4, 8, 12], (offset) => view.getUint32(offset));
  const out = new Uint8Array(39);
  return latin1(out.subarray(0, writeIpv6(words, out, 0)));
}

function responderOf(reader: DerReader): string {
  const list = reader.enter(Tag.sequence);
  const urlTag = contextTag(6, false);
  while (!list.isAtEnd) {
    const description = list.enter(Tag.sequence);
    const isResponder = description.oid() === Oid.ocsp;
    if (isResponder && description.peek() === urlTag) return latin1(description.content(urlTag));
  }
  return '';
}

/** First common name of a Name; empty: none. @throws DerError */
function commonNameOf(name: Uint8Array): string {
  const sets = new DerReader(name).enter(Tag.sequence);
  while (!sets.isAtEnd) {
    const set = sets.enter(Tag.set);
    while (!set.isAtEnd) {
      const pair = set.enter(Tag.sequence);
      const oid = pair.oid();
      const tag = pair.peek();
      if (oid === Oid.commonName) return textOf(tag, pair.content(tag));
    }
  }
  return '';
}

function keyTypeOf(spki: Uint8Array): CertificateFacts['keyType'] {
  switch (new DerReader(spki).enter(Tag.sequence).enter(Tag.sequence).oid()) {
    case Oid.ecKey:
      return 'ecdsa';
    case Oid.rsaKey:
    case Oid.rsaPssKey:
      return 'rsa';
    case Oid.ed25519:
      return 'ed25519';
    default:
      return 'other';
  }
}

export function isSameBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}
