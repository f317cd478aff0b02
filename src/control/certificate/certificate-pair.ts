/**
 * Judges certificates and keys of a configuration: whether they can be read, fit, and will be
 * served by OpenSSL. Ten thousand pairs are read at a start, so each text is parsed once, and what
 * a key says about itself is compared as bytes.
 *
 * P1  a pair without an error can be served: what OpenSSL would refuse is an error here.
 * P2  nothing of a key is in a message.
 */

import { createHash } from 'node:crypto';
import { createSecureContext } from 'node:tls';

import type { KeyType } from '../../contract/tls.ts';
import type {
  CertificateCheck,
  CertificateProblem,
  CheckedPair,
} from '../config/certificate-check.ts';
import type { Problem } from '../config/parsed.ts';
import type { CertificateFacts } from '../x509/certificate-reader.ts';
import { isSameBytes, readCertificate } from '../x509/certificate-reader.ts';
import { Oid } from '../x509/oids.ts';
import { readPem } from '../x509/pem.ts';
import { isKeyOf, readPrivateKey } from './private-key.ts';
import type { PrivateKey } from './private-key.ts';

const RSA_BITS_MIN = 2_048;
const CURVES: readonly string[] = ['prime256v1', 'secp384r1', 'secp521r1'];
const SHA1: readonly string[] = [Oid.rsaSha1, Oid.ecdsaSha1];

type Problems = CertificateProblem[];

/** @param nowMs milliseconds since 1970 */
export function certificateCheck(nowMs: () => number): CertificateCheck {
  return { pair: checkPair, authorities: checkAuthorities, revocations: checkRevocations, nowMs };
}

/** As in CertificateCheck: depends on the texts alone. */
export function checkPair(chain: string, keyText: string): CheckedPair {
  const problems: Problems = [];
  const parts = readChain(chain, problems);
  const key = readKey(keyText, problems);
  const leaf = parts[0];
  if (leaf === undefined || key === null) return { facts: null, problems };
  checkMatch(parts, key, problems);
  if (problems.length > 0) return { facts: null, problems }; // Who knows what else was meant.
  checkStrength(parts, key, problems);
  checkOrder(parts, problems);
  checkNames(leaf, problems);
  if (problems.some(({ severity }) => severity === 'error')) return { facts: null, problems };
  const { names, notBeforeMs, notAfterMs } = leaf;
  const id = createHash('sha256').update(leaf.der).digest('hex');
  return {
    facts: { id, names, keyType: leaf.keyType as KeyType, notBeforeMs, notAfterMs },
    problems,
  };
}

function readChain(text: string, problems: Problems): CertificateFacts[] {
  const parts: CertificateFacts[] = [];
  let count = 0;
  for (const { label, der } of readPem(text)) {
    if (label !== 'CERTIFICATE') continue;
    count++;
    const facts = der === null ? null : count === 1 ? readCertificate(der) : readIssuer(der);
    if (facts !== null) parts.push(facts);
    else add(problems, 'PN1502', 'chain', `certificate ${count} of the file is malformed`);
  }
  if (count === 0) {
    add(problems, 'PN1502', 'chain', 'there is no certificate in it', {
      expected: 'PEM: a block that begins with -----BEGIN CERTIFICATE-----',
    });
  }
  return problems.length > 0 ? [] : parts;
}

let lastIssuer: CertificateFacts | null = null;

/** Thousands of leaves have the same issuer. */
function readIssuer(der: Uint8Array): CertificateFacts | null {
  if (lastIssuer === null || !isSameBytes(lastIssuer.der, der)) lastIssuer = readCertificate(der);
  return lastIssuer;
}

function readKey(text: string, problems: Problems): PrivateKey | null {
  const block = readPem(text).find(({ label }) => label.endsWith('PRIVATE KEY'));
  if (block === undefined) {
    add(problems, 'PN1503', 'key', 'there is no private key in it', {
      expected: 'PEM: a block that begins with -----BEGIN PRIVATE KEY-----',
    });
    return null;
  }
  if (block.isEncrypted) {
    add(problems, 'PN1503', 'key', 'the private key is encrypted', {
      hint: 'decrypt it: openssl pkey -in encrypted.pem -out key.pem',
    });
    return null;
  }
  const key = readPrivateKey(block, text);
  if (key === null) add(problems, 'PN1503', 'key', 'the private key is malformed'); // P2
  return key;
}

function checkMatch(parts: readonly CertificateFacts[], key: PrivateKey, problems: Problems): void {
  if (isKeyOf(parts[0]!, key)) return;
  const other = parts.findIndex((part) => isKeyOf(part, key));
  add(problems, 'PN1504', 'key', 'the private key is not that of the certificate', {
    hint:
      other < 0
        ? undefined
        : `it is that of certificate ${other + 1} of the file, which must stand first`,
  });
}

function checkStrength(
  parts: readonly CertificateFacts[],
  { kind, curve, bits }: PrivateKey,
  problems: Problems,
): void {
  if (kind === 'rsa') {
    if (bits < RSA_BITS_MIN) {
      const expected = `${RSA_BITS_MIN} bits or more`;
      add(problems, 'PN1507', 'key', `an RSA key of ${bits} bits is too short`, { expected });
    }
  } else if (kind === 'ec' ? !CURVES.includes(curve) : kind !== 'ed25519') {
    const expected = 'ECDSA with P-256, P-384 or P-521, RSA, or Ed25519';
    const message = `a key of the kind ${curve || kind || 'unknown'} is not served`;
    add(problems, 'PN1503', 'key', message, { expected });
  }
  for (const [index, { signatureAlgorithm, isSelfSigned }] of parts.entries()) {
    if (isSelfSigned || !SHA1.includes(signatureAlgorithm)) continue; // Nobody checks its own.
    add(problems, 'PN1507', 'chain', `certificate ${index + 1} of the file is signed with SHA-1`);
  }
}

function checkOrder(parts: readonly CertificateFacts[], problems: Problems): void {
  for (const [index, part] of parts.entries()) {
    const issuer = parts[index + 1];
    if (issuer === undefined || isSameBytes(part.issuer, issuer.subject)) continue;
    const message = `certificate ${index + 2} of the file is not the issuer of the one before it`;
    add(problems, 'PN1506', 'chain', message, {
      severity: 'warning',
      expected: 'the leaf, then the one that signed it, and so on; nothing else',
    });
    return;
  }
}

function checkNames({ names, isCommonNameOnly }: CertificateFacts, problems: Problems): void {
  if (names.length > 0 && !isCommonNameOnly) return;
  const message =
    names.length === 0
      ? 'the certificate is for no name'
      : 'the certificate has its name only as common name, which clients do not look at';
  const hint = 'it needs subject alternative names';
  add(problems, 'PN1508', 'chain', message, { severity: 'warning', hint });
}

function checkAuthorities(pem: string): Problem | null {
  const blocks = readPem(pem).filter(({ label }) => label === 'CERTIFICATE');
  if (blocks.length === 0) return { code: 'PN1502', message: 'there is no certificate in it' };
  const bad = blocks.findIndex(({ der }) => der === null || readCertificate(der) === null);
  if (bad < 0) return null;
  return { code: 'PN1502', message: `certificate ${bad + 1} of the file is malformed` };
}

function checkRevocations(pem: string): Problem | null {
  const blocks = readPem(pem).filter(({ label }) => label === 'X509 CRL');
  if (blocks.length === 0) return { code: 'PN1502', message: 'there is no revocation list in it' };
  try {
    createSecureContext({ crl: pem });
    return null;
  } catch {
    return { code: 'PN1502', message: 'the revocation list is malformed' };
  }
}

function add(
  problems: Problems,
  code: Problem['code'],
  part: CertificateProblem['part'],
  message: string,
  more: Partial<CertificateProblem> = {},
): void {
  problems.push({ severity: 'error', code, part, message, ...more });
}
