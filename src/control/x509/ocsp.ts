/**
 * OCSP: asks whether a certificate was revoked, and judges the answer (RFC 6960, in the light form
 * of RFC 5019: one certificate, no nonce, so that answers can be cached).
 *
 * O1  total: an answer is somebody else's bytes; what is wrong with it is a sentence, and nothing
 *     throws.
 * O2  an answer counts only when it is about that very certificate, signed by its issuer or by
 *     whom the issuer named for this and nothing else, and for now.
 */

import { createHash, createPublicKey, verify, X509Certificate } from 'node:crypto';

import { isSameBytes, readCertificate } from './certificate-reader.ts';
import type { CertificateFacts } from './certificate-reader.ts';
import { contextTag, DerReader, Tag, tryDer } from './der-reader.ts';
import { derNull, derOctetString, derOid, derSequence, derValue } from './der-writer.ts';
import { publicKeyBits } from './keys.ts';
import { Oid } from './oids.ts';

export interface OcspAnswer {
  readonly status: 'good' | 'revoked' | 'unknown';
  /** What is said was right at that time. */
  readonly thisUpdateMs: number;
  /** Until then a better answer may not be there. */
  readonly nextUpdateMs: number;
}

export type OcspVerdict =
  | ({ readonly ok: true } & OcspAnswer)
  /** What is wrong, in a few words. */
  | { readonly ok: false; readonly problem: string };

/** Clocks of responders may be ahead by up to this. */
const SKEW_MS = 300_000;
/** Certificates of an answer that are looked at. */
const SIGNERS_MAX = 10;

interface SignatureKind {
  readonly keyType: CertificateFacts['keyType'];
  /** Null: the algorithm has its own. */
  readonly digest: string | null;
}

/** How values are signed, by OID. SHA-1 is not taken. */
const SIGNATURES: ReadonlyMap<string, SignatureKind> = new Map([
  [Oid.rsaSha256, { keyType: 'rsa', digest: 'sha256' }],
  [Oid.rsaSha384, { keyType: 'rsa', digest: 'sha384' }],
  [Oid.rsaSha512, { keyType: 'rsa', digest: 'sha512' }],
  [Oid.ecdsaSha256, { keyType: 'ecdsa', digest: 'sha256' }],
  [Oid.ecdsaSha384, { keyType: 'ecdsa', digest: 'sha384' }],
  [Oid.ecdsaSha512, { keyType: 'ecdsa', digest: 'sha512' }],
  [Oid.ed25519, { keyType: 'ed25519', digest: null }],
]);
/** Hashes that name a certificate: these are no signatures, and responders want SHA-1. */
const NAME_HASHES: ReadonlyMap<string, string> = new Map([
  [Oid.sha1, 'sha1'],
  [Oid.sha256, 'sha256'],
]);

/** @returns DER of the question about `leaf`, which `issuer` signed */
export function createOcspRequest(leaf: CertificateFacts, issuer: CertificateFacts): Uint8Array {
  const certificate = derSequence(
    derSequence(derOid(Oid.sha1), derNull()),
    derOctetString(hashOf('sha1', issuer.subject)),
    derOctetString(hashOf('sha1', publicKeyBits(issuer.spki))),
    derValue(Tag.integer, leaf.serial),
  );
  return derSequence(derSequence(derSequence(derSequence(certificate))));
}

/**
 * Judges `response` about `leaf`, which `issuer` signed (O2).
 * @param nowMs Unix milliseconds
 */
export function judgeOcspResponse(
  response: Uint8Array,
  leaf: CertificateFacts,
  issuer: CertificateFacts,
  nowMs: number,
): OcspVerdict {
  const parts = tryDer(() => basicResponse(response));
  if (parts === null) return bad('it is malformed');
  if ('problem' in parts) return bad(parts.problem);
  const answer = tryDer(() => answerAbout(parts.answers, leaf, issuer));
  if (answer === null) return bad('it is malformed');
  if (answer === 'none') return bad('it is about another certificate');
  const signer = tryDer(() => signerOf(parts, issuer, nowMs));
  if (signer === null) return bad('nobody signed it who may');
  if (!isSigned(parts, signer)) return bad('its signature is wrong');
  if (answer.thisUpdateMs > nowMs + SKEW_MS) return bad('it is of the future');
  if (answer.nextUpdateMs <= nowMs) return bad('it is out of date');
  return { ok: true, ...answer };
}

/** When an answer is out of date by its own word, unverified; 0: it is none. Unix milliseconds. */
export function ocspNextUpdate(response: Uint8Array): number {
  const next = tryDer(() => {
    const parts = basicResponse(response);
    return 'problem' in parts ? 0 : nextAnswer(parts.answers).nextUpdateMs;
  });
  return next ?? 0;
}

interface BasicResponse {
  /** What is signed. */
  readonly body: Uint8Array;
  /** Dotted OID. */
  readonly algorithm: string;
  readonly signature: Uint8Array;
  /** Who says that it signed: a name, or the SHA-1 of a key. */
  readonly responder: { readonly name: Uint8Array } | { readonly keyHash: Uint8Array };
  /** SingleResponses. */
  readonly answers: DerReader;
  /** Certificates that came along, DER. */
  readonly certificates: readonly Uint8Array[];
}

/** Responses that say that there is no answer (§4.2.1). */
const FAILURES: { readonly [status: number]: string } = {
  1: 'the responder found the question malformed',
  2: 'the responder has an internal error',
  3: 'the responder asks to try again later',
  5: 'the responder wants the question to be signed',
  6: 'the responder does not answer us',
};

function basicResponse(response: Uint8Array): BasicResponse | { readonly problem: string } {
  const file = new DerReader(response);
  const outer = file.enter(Tag.sequence);
  file.finish();
  const status = outer.smallInteger(Tag.enumerated);
  if (status !== 0) return { problem: FAILURES[status] ?? 'the responder has no answer' };
  const wrapped = outer.enter(contextTag(0, true)).enter(Tag.sequence);
  if (wrapped.oid() !== Oid.ocspBasic) return { problem: 'it is of an unknown kind' };
  const basic = new DerReader(wrapped.content(Tag.octetString)).enter(Tag.sequence);
  const body = basic.whole(Tag.sequence);
  const algorithm = basic.enter(Tag.sequence).oid();
  const signature = basic.bitString();
  const certificates: Uint8Array[] = [];
  if (basic.peek() === contextTag(0, true)) {
    const list = basic.enter(contextTag(0, true)).enter(Tag.sequence);
    while (!list.isAtEnd && certificates.length < SIGNERS_MAX) certificates.push(list.whole());
  }
  const data = new DerReader(body).enter(Tag.sequence);
  if (data.peek() === contextTag(0, true)) data.skip(); // The version: there is only one.
  const responder =
    data.peek() === contextTag(1, true)
      ? { name: data.enter(contextTag(1, true)).whole(Tag.sequence) }
      : { keyHash: data.enter(contextTag(2, true)).content(Tag.octetString) };
  data.time();
  const answers = data.enter(Tag.sequence);
  return { body, algorithm, signature, responder, answers, certificates };
}

function answerAbout(
  answers: DerReader,
  leaf: CertificateFacts,
  issuer: CertificateFacts,
): OcspAnswer | 'none' {
  while (!answers.isAtEnd) {
    const { id, ...answer } = nextAnswer(answers);
    if (isAbout(id, leaf, issuer)) return answer;
  }
  return 'none';
}

function nextAnswer(answers: DerReader): OcspAnswer & { readonly id: DerReader } {
  const single = answers.enter(Tag.sequence);
  const id = single.enter(Tag.sequence);
  const status = statusOf(single.peek());
  single.skip();
  const thisUpdateMs = single.time();
  const hasNext = single.peek() === contextTag(0, true);
  // Without a next one there could be a newer answer at any time: good for nothing here.
  const nextUpdateMs = hasNext ? single.enter(contextTag(0, true)).time() : 0;
  return { id, status, thisUpdateMs, nextUpdateMs };
}

function isAbout(id: DerReader, leaf: CertificateFacts, issuer: CertificateFacts): boolean {
  const algorithm = NAME_HASHES.get(id.enter(Tag.sequence).oid());
  const nameHash = id.content(Tag.octetString);
  const keyHash = id.content(Tag.octetString);
  const serial = id.integer();
  if (algorithm === undefined || !isSameBytes(serial, leaf.serial)) return false;
  return (
    isSameBytes(nameHash, hashOf(algorithm, issuer.subject)) &&
    isSameBytes(keyHash, hashOf(algorithm, publicKeyBits(issuer.spki)))
  );
}

function statusOf(tag: number): OcspAnswer['status'] {
  if (tag === contextTag(0, false)) return 'good';
  return tag === contextTag(1, true) ? 'revoked' : 'unknown';
}

/** O2 (§4.2.2.2). Null: nobody who may. */
function signerOf(
  { responder, certificates }: BasicResponse,
  issuer: CertificateFacts,
  nowMs: number,
): CertificateFacts | null {
  const isResponder = ({ subject, spki }: CertificateFacts): boolean =>
    'name' in responder
      ? isSameBytes(responder.name, subject)
      : isSameBytes(responder.keyHash, hashOf('sha1', publicKeyBits(spki)));
  if (isResponder(issuer)) return issuer;
  for (const der of certificates) {
    const facts = readCertificate(der);
    if (facts === null || !isResponder(facts) || !isSameBytes(facts.issuer, issuer.subject)) {
      continue;
    }
    const isNamed = facts.extendedKeyUsage.includes(Oid.ocspSigning);
    const isInForce = facts.notBeforeMs <= nowMs + SKEW_MS && facts.notAfterMs >= nowMs;
    if (isNamed && isInForce && isIssuedBy(facts, issuer)) return facts;
  }
  return null;
}

function isIssuedBy(facts: CertificateFacts, issuer: CertificateFacts): boolean {
  try {
    return new X509Certificate(facts.der).verify(new X509Certificate(issuer.der).publicKey);
  } catch {
    return false; // A key that OpenSSL does not read.
  }
}

function isSigned({ body, algorithm, signature }: BasicResponse, by: CertificateFacts): boolean {
  const kind = SIGNATURES.get(algorithm);
  if (kind === undefined || kind.keyType !== by.keyType) return false;
  try {
    const key = createPublicKey({ key: Buffer.from(by.spki), type: 'spki', format: 'der' });
    return verify(kind.digest, body, key, signature);
  } catch {
    return false; // A key that does not fit the algorithm.
  }
}

function hashOf(algorithm: string, bytes: Uint8Array): Uint8Array {
  return createHash(algorithm).update(bytes).digest();
}

function bad(problem: string): OcspVerdict {
  return { ok: false, problem };
}
