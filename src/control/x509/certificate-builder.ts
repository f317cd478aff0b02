/**
 * Certificate builder: makes and signs X.509 version 3 certificates (RFC 5280 §4).
 *
 * B1  a leaf is for TLS servers alone; a CA signs certificates and nothing else.
 * B2  serial numbers are positive and have 127 random bits (RFC 5280 §4.1.2.2 allows 20 octets).
 * B3  no certificate ends after the one that signs it: the caller clamps, the builder checks.
 */

import { createHash, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import { readCertificate } from './certificate-reader.ts';
import {
  derBoolean,
  derExplicit,
  derImplicit,
  derNamedBits,
  derOctetString,
  derOid,
  derSequence,
  derSmallInteger,
  derTime,
  derUnsigned,
} from './der-writer.ts';
import { keyIdentifierOf, signatureAlgorithmOf, signValue, spkiOf } from './keys.ts';
import { alternativeNames, distinguishedName } from './names.ts';
import { Oid } from './oids.ts';

/** Who signs. */
export interface Signer {
  /** DER. */
  readonly certificate: Uint8Array;
  /** Its private key. */
  readonly key: KeyObject;
}

export interface Validity {
  /** Unix milliseconds; parts of a second are dropped. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface CaRequest extends Validity {
  readonly commonName: string;
  readonly organization: string;
  readonly key: KeyObject;
  /** Authorities that may follow below it. */
  readonly pathLength: number;
  /** Null: it signs itself. */
  readonly signer: Signer | null;
}

export interface LeafRequest extends Validity {
  /** A-labels, wildcards, addresses. */
  readonly names: readonly string[];
  /** Private or public. */
  readonly key: KeyObject;
  readonly signer: Signer;
}

/** @returns DER. @throws RangeError when B3 is broken */
export function buildCaCertificate(request: CaRequest): Uint8Array {
  const { commonName, organization, key, pathLength, signer } = request;
  return build({
    validity: request,
    subject: distinguishedName(commonName, organization),
    key,
    signer: signer ?? { certificate: null, key },
    extensions: [
      extension(Oid.basicConstraints, true, basicConstraints(pathLength)),
      extension(Oid.keyUsage, true, derNamedBits(5, 6)), // keyCertSign, cRLSign.
    ],
  });
}

/** @returns DER. @throws RangeError when B3 is broken */
export function buildLeafCertificate(request: LeafRequest): Uint8Array {
  const { names, key, signer } = request;
  // RSA keys also take part in key exchanges of TLS 1.2 by encryption.
  const usage = key.asymmetricKeyType === 'rsa' ? derNamedBits(0, 2) : derNamedBits(0);
  return build({
    validity: request,
    subject: derSequence(),
    key,
    signer,
    extensions: [
      extension(Oid.basicConstraints, true, derSequence()),
      extension(Oid.keyUsage, true, usage),
      extension(Oid.extendedKeyUsage, false, derSequence(derOid(Oid.serverAuth))),
      // Critical because the subject is empty (RFC 5280 §4.2.1.6).
      extension(Oid.subjectAltName, true, alternativeNames(names)),
    ],
  });
}

/**
 * The certificate that answers a TLS-ALPN-01 challenge (RFC 8737 §3): self-signed, for `name`
 * alone, with the digest of the key authorization.
 * @param name an A-label or an address (RFC 8738 §5)
 */
export function buildChallengeCertificate(
  name: string,
  keyAuthorization: string,
  key: KeyObject,
  validity: Validity,
): Uint8Array {
  const digest = createHash('sha256').update(keyAuthorization).digest();
  return build({
    validity,
    subject: distinguishedName('ACME challenge'),
    key,
    signer: { certificate: null, key },
    extensions: [
      extension(Oid.subjectAltName, false, alternativeNames([name])),
      extension(Oid.acmeIdentifier, true, derOctetString(digest)),
    ],
  });
}

interface Parts {
  readonly validity: Validity;
  readonly subject: Uint8Array;
  readonly key: KeyObject;
  readonly signer: { readonly certificate: Uint8Array | null; readonly key: KeyObject };
  readonly extensions: readonly Uint8Array[];
}

function build({ validity, subject, key, signer, extensions }: Parts): Uint8Array {
  const by = signer.certificate === null ? null : readCertificate(signer.certificate);
  if (signer.certificate !== null && by === null) throw new RangeError('the signer is malformed');
  // Times of certificates are whole seconds.
  const endMs = Math.floor(validity.notAfterMs / 1_000) * 1_000;
  if (by !== null && endMs > by.notAfterMs) throw new RangeError('it would outlive its signer');
  const spki = spkiOf(key);
  const ownId = keyIdentifierOf(spki);
  const signerId = by === null ? keyIdentifierOf(spkiOf(signer.key)) : by.subjectKeyId;
  const all = [...extensions, extension(Oid.subjectKeyId, false, derOctetString(ownId))];
  if (signerId !== null) {
    all.push(extension(Oid.authorityKeyId, false, derSequence(derImplicit(0, signerId))));
  }
  const body = derSequence(
    derExplicit(0, derSmallInteger(2)),
    serialNumber(),
    signatureAlgorithmOf(signer.key).algorithm,
    by?.subject ?? subject,
    derSequence(derTime(validity.notBeforeMs), derTime(validity.notAfterMs)),
    subject,
    spki,
    derExplicit(3, derSequence(...all)),
  );
  return signValue(signer.key, body);
}

/** B2. */
function serialNumber(): Uint8Array {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40; // Never short, never negative.
  return derUnsigned(bytes);
}

function basicConstraints(pathLength: number): Uint8Array {
  return derSequence(derBoolean(true), derSmallInteger(pathLength));
}

function extension(oid: string, isCritical: boolean, value: Uint8Array): Uint8Array {
  const octets = derOctetString(value);
  return isCritical
    ? derSequence(derOid(oid), derBoolean(true), octets)
    : derSequence(derOid(oid), octets);
}
