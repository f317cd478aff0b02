/**
 * Certificates and answers for tests of OCSP: an authority, a leaf that names a responder, and
 * answers of which every part can be wrong.
 */

import { createHash, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import { buildCaCertificate } from './certificate-builder.ts';
import type { Signer } from './certificate-builder.ts';
import { readCertificate } from './certificate-reader.ts';
import type { CertificateFacts } from './certificate-reader.ts';
import { contextTag, Tag } from './der-reader.ts';
import {
  derBitString,
  derExplicit,
  derImplicit,
  derNull,
  derOctetString,
  derOid,
  derSequence,
  derSmallInteger,
  derTime,
  derUnsigned,
  derValue,
} from './der-writer.ts';
import { generateKey, publicKeyBits, signValue, spkiOf } from './keys.ts';
import { alternativeNames, distinguishedName } from './names.ts';
import { Oid } from './oids.ts';

export const OCSP_NOW_MS = Date.UTC(2026, 5, 1, 12);
const DAY_MS = 86_400_000;

export interface OcspAuthority extends Signer {
  readonly facts: CertificateFacts;
}

export async function ocspAuthority(commonName = 'Authority'): Promise<OcspAuthority> {
  const key = await generateKey('ecdsa-p256');
  const certificate = buildCaCertificate({
    commonName,
    organization: '',
    key,
    pathLength: 0,
    signer: null,
    notBeforeMs: OCSP_NOW_MS - DAY_MS,
    notAfterMs: OCSP_NOW_MS + 90 * DAY_MS,
  });
  return { certificate, key, facts: readCertificate(certificate)! };
}

/** A certificate that `by` signed: a leaf with a responder, or who answers for the authority. */
export function ocspCertificate(
  by: OcspAuthority,
  key: KeyObject,
  more: {
    readonly ocspUrl?: string;
    readonly usage?: string;
    readonly notAfterMs?: number;
    readonly serial?: number;
  } = {},
): CertificateFacts {
  const extensions = [extension(Oid.subjectAltName, alternativeNames(['shop.example.com']))];
  const { ocspUrl = '', usage = Oid.serverAuth } = more;
  extensions.push(extension(Oid.extendedKeyUsage, derSequence(derOid(usage))));
  if (ocspUrl !== '') {
    const place = derImplicit(6, Buffer.from(ocspUrl));
    const access = derSequence(derSequence(derOid(Oid.ocsp), place));
    extensions.push(extension(Oid.authorityInfoAccess, access));
  }
  const body = derSequence(
    derExplicit(0, derSmallInteger(2)),
    derUnsigned(Uint8Array.of(0x7f, more.serial ?? 1)),
    derSequence(derOid(Oid.ecdsaSha256)),
    by.facts.subject,
    derSequence(derTime(OCSP_NOW_MS - DAY_MS), derTime(more.notAfterMs ?? OCSP_NOW_MS + DAY_MS)),
    distinguishedName(`Subject ${more.serial ?? 1}`),
    spkiOf(key),
    derExplicit(3, derSequence(...extensions)),
  );
  return readCertificate(signValue(by.key, body))!;
}

export interface AnswerParts {
  readonly leaf: CertificateFacts;
  readonly issuer: CertificateFacts;
  /** Whose key signs. */
  readonly key: KeyObject;
  /** Whose name or key stands in the answer; the issuer when absent. */
  readonly responder?: CertificateFacts;
  readonly byKey?: boolean;
  readonly status?: 'good' | 'revoked' | 'unknown';
  readonly thisUpdateMs?: number;
  /** Null: it says none. */
  readonly nextUpdateMs?: number | null;
  readonly certificates?: readonly Uint8Array[];
  readonly hash?: 'sha1' | 'sha256';
  readonly signature?: { readonly oid: string; readonly digest: string };
}

/** DER of an answer. */
export function ocspAnswer(parts: AnswerParts): Uint8Array {
  const { leaf, issuer, key, responder = issuer, byKey = false, certificates = [] } = parts;
  const { thisUpdateMs = OCSP_NOW_MS - 3_600_000, nextUpdateMs = OCSP_NOW_MS + DAY_MS } = parts;
  const { hash = 'sha1', signature = { oid: Oid.ecdsaSha256, digest: 'sha256' } } = parts;
  const digest = (bytes: Uint8Array) => derOctetString(createHash(hash).update(bytes).digest());
  const next = nextUpdateMs === null ? [] : [derExplicit(0, longTime(nextUpdateMs))];
  const single = derSequence(
    derSequence(
      derSequence(derOid(Oid[hash]), derNull()),
      digest(issuer.subject),
      digest(publicKeyBits(issuer.spki)),
      derValue(Tag.integer, leaf.serial),
    ),
    statusValue(parts.status ?? 'good'),
    longTime(thisUpdateMs),
    ...next,
  );
  const keyHash = createHash('sha1').update(publicKeyBits(responder.spki)).digest();
  const body = derSequence(
    byKey ? derExplicit(2, derOctetString(keyHash)) : derExplicit(1, responder.subject),
    longTime(thisUpdateMs),
    derSequence(single),
  );
  const basic = derSequence(
    body,
    derSequence(derOid(signature.oid)),
    derBitString(sign(signature.digest, body, key)),
    ...(certificates.length === 0 ? [] : [derExplicit(0, derSequence(...certificates))]),
  );
  return derSequence(
    derValue(Tag.enumerated, Uint8Array.of(0)),
    derExplicit(0, derSequence(derOid(Oid.ocspBasic), derOctetString(basic))),
  );
}

/** An answer that is none: `tryLater` is 3. */
export function ocspFailure(status: number): Uint8Array {
  return derSequence(derValue(Tag.enumerated, Uint8Array.of(status)));
}

function statusValue(status: 'good' | 'revoked' | 'unknown'): Uint8Array {
  if (status === 'good') return derImplicit(0, new Uint8Array(0));
  if (status === 'unknown') return derImplicit(2, new Uint8Array(0));
  return derValue(contextTag(1, true), longTime(OCSP_NOW_MS - DAY_MS));
}

/** OCSP has GeneralizedTime only. */
function longTime(unixMs: number): Uint8Array {
  const digits = new Date(unixMs).toISOString().replace(/\.\d+Z$|[-:T]/g, '');
  return derValue(Tag.generalizedTime, Buffer.from(`${digits}Z`));
}

function extension(oid: string, value: Uint8Array): Uint8Array {
  return derSequence(derOid(oid), derOctetString(value));
}
