/**
 * Fuzzes the readers of certificates, PEM and OCSP answers with damaged real ones.
 *
 *     node test/fuzz/fuzz-x509.ts [--seconds 60] [--seed 1]
 *
 * Nothing may throw, and what both OpenSSL and our reader take for a certificate must say the same
 * to both: dates, serial number, names. A failed case is printed as hex.
 */

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { parseArgs } from 'node:util';
import { buildLeafCertificate } from '../../src/control/x509/certificate-builder.ts';
import { readCertificate } from '../../src/control/x509/certificate-reader.ts';
import type { CertificateFacts } from '../../src/control/x509/certificate-reader.ts';
import { generateKey } from '../../src/control/x509/keys.ts';
import { judgeOcspResponse } from '../../src/control/x509/ocsp.ts';
import {
  OCSP_NOW_MS,
  ocspAnswer,
  ocspAuthority,
  ocspCertificate,
} from '../../src/control/x509/ocsp-fixtures.contract.ts';
import { certificatesOf, readPem, writePem } from '../../src/control/x509/pem.ts';
import { createPrng } from '../support/prng.ts';
import type { Prng } from '../support/prng.ts';

const BATCH_SIZE = 1_000;
const CHANGES_MAX = 4;

interface World {
  readonly prng: Prng;
  readonly certificates: readonly Uint8Array[];
  readonly answer: Uint8Array;
  readonly leaf: CertificateFacts;
  readonly issuer: CertificateFacts;
  read: number;
  agreed: number;
}

/** A few bytes changed, cut out, doubled, or taken from elsewhere. */
function damaged({ prng }: World, original: Uint8Array): Uint8Array {
  const bytes = [...original];
  for (let left = 1 + prng.below(CHANGES_MAX); left > 0 && bytes.length > 0; left--) {
    const at = prng.below(bytes.length);
    const size = 1 + prng.below(8);
    switch (prng.below(6)) {
      case 0:
        bytes.splice(at, size);
        break;
      case 1:
        bytes.splice(at, 0, ...bytes.slice(at, at + size));
        break;
      case 2:
        bytes.length = at;
        break;
      case 3:
        bytes[at] = [0, 0x7f, 0x80, 0x81, 0x84, 0xff, 0x30, 0xa0][prng.below(8)]!;
        break;
      case 4:
        bytes[at]! ^= 1 << prng.below(8);
        break;
      default:
        bytes[at] = prng.below(256);
    }
  }
  return Uint8Array.from(bytes);
}

function parsed(der: Uint8Array): X509Certificate | null {
  try {
    return new X509Certificate(der);
  } catch {
    return null;
  }
}

function checkCertificate(world: World): void {
  const original = world.certificates[world.prng.below(world.certificates.length)]!;
  const der = damaged(world, original);
  const facts = readCertificate(der);
  if (facts === null) return;
  world.read++;
  const other = parsed(der);
  if (other === null) return;
  world.agreed++;
  const serial = Buffer.from(facts.serial).toString('hex');
  const hasSign = facts.serial[0]! >= 0x80;
  try {
    if (!hasSign) assert.equal(BigInt(`0x${serial}`), BigInt(`0x${other.serialNumber}`));
    const dates = [other.validFromDate.getTime(), other.validToDate.getTime()];
    assert.deepEqual([facts.notBeforeMs, facts.notAfterMs], dates);
    const shown = other.subjectAltName ?? '';
    // Quoted where there is something odd in them; those are left to the eye.
    if (!facts.isCommonNameOnly && !shown.includes('"')) {
      const names = shown.split(', ').filter((name) => name.startsWith('DNS:'));
      const wanted = new Set(names.map((name) => name.slice('DNS:'.length).toLowerCase()));
      const found = facts.names.filter((name) => wanted.has(name));
      assert.equal(found.length, wanted.size, `${shown} and ${facts.names.join()}`);
    }
  } catch (error) {
    throw new Error(Buffer.from(der).toString('hex'), { cause: error });
  }
}

function checkAnswer(world: World): void {
  const bytes = damaged(world, world.answer);
  const verdict = judgeOcspResponse(bytes, world.leaf, world.issuer, OCSP_NOW_MS);
  if (verdict.ok) assert.equal(verdict.status, 'revoked', Buffer.from(bytes).toString('hex'));
}

function checkPem(world: World): void {
  const text = writePem('CERTIFICATE', world.certificates[0]!);
  readPem(Buffer.from(damaged(world, Buffer.from(text + text))).toString('latin1'));
}

async function openWorld(seed: number): Promise<World> {
  const authority = await ocspAuthority();
  const key = await generateKey('ecdsa-p256');
  const validity = { notBeforeMs: OCSP_NOW_MS, notAfterMs: OCSP_NOW_MS + 86_400_000 };
  const names = ['shop.example.com', '*.example.com', '10.0.0.1', '2001:db8::1'];
  const own = buildLeafCertificate({ ...validity, names, key, signer: authority });
  const leaf = ocspCertificate(authority, key, { ocspUrl: 'http://ocsp.example' });
  const parts = { leaf, issuer: authority.facts, key: authority.key } as const;
  return {
    prng: createPrng(seed),
    // Those of our own as often as all the others.
    certificates: [own, leaf.der, ...certificatesOf(rootCertificates.join('\n')).slice(0, 10)],
    answer: ocspAnswer({ ...parts, status: 'revoked' }),
    leaf,
    issuer: authority.facts,
    read: 0,
    agreed: 0,
  };
}

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
});
const world = await openWorld(Number(values.seed));
const end = performance.now() + Number(values.seconds) * 1_000;
let cases = 0;
while (performance.now() < end) {
  for (let i = 0; i < BATCH_SIZE; i++) {
    checkCertificate(world);
    checkAnswer(world);
    checkPem(world);
  }
  cases += BATCH_SIZE;
}
const { read, agreed } = world;
process.stdout.write(`${cases} of each kind; ${read} certificates read, ${agreed} by both\n`);
