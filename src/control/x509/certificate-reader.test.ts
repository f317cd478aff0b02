import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import test from 'node:test';

import fc from 'fast-check';

import {
  buildCaCertificate,
  buildChallengeCertificate,
  buildLeafCertificate,
} from './certificate-builder.ts';
import { fingerprintOf, readCertificate } from './certificate-reader.ts';
import { createCsr } from './csr.ts';
import { contextTag, DerReader, Tag } from './der-reader.ts';
import {
  derBitString,
  derBoolean,
  derExplicit,
  derImplicit,
  derNull,
  derOctetString,
  derOid,
  derSequence,
  derSet,
  derSmallInteger,
  derTime,
  derUtf8,
} from './der-writer.ts';
import { generateKey, keyFromPem, keyIdentifierOf, keyToPem, spkiOf } from './keys.ts';
import { addressBytes, alternativeNames, distinguishedName } from './names.ts';
import { Oid } from './oids.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 4, 6, 7, 8, 9);
const VALIDITY = { notBeforeMs: NOW_MS, notAfterMs: NOW_MS + 30 * DAY_MS };
const KEY = await generateKey('ecdsa-p256');
const ROOT = buildCaCertificate({
  ...VALIDITY,
  commonName: 'Root',
  organization: 'Test',
  key: KEY,
  pathLength: 1,
  signer: null,
});
const SIGNER = { certificate: ROOT, key: KEY };

function leaf(names: readonly string[], key = KEY): Uint8Array {
  return buildLeafCertificate({ ...VALIDITY, names, key, signer: SIGNER });
}

/** A certificate of given extensions that nobody signed: the reader does not look. */
function unsigned(extensions: readonly Uint8Array[], subject = distinguishedName('x')): Uint8Array {
  const algorithm = derSequence(derOid(Oid.ecdsaSha256));
  const body = derSequence(
    derExplicit(0, derSmallInteger(2)),
    derSmallInteger(1),
    algorithm,
    distinguishedName('Issuer'),
    derSequence(derTime(NOW_MS), derTime(NOW_MS)),
    subject,
    spkiOf(KEY),
    derExplicit(3, derSequence(...extensions)),
  );
  return derSequence(body, algorithm, derBitString(Uint8Array.of(1)));
}

function extension(oid: string, value: Uint8Array): Uint8Array {
  return derSequence(derOid(oid), derOctetString(value));
}

test('certificate: a leaf says what it was made of, and OpenSSL agrees', async () => {
  const names = ['shop.example.com', '*.example.com', '10.0.0.1', '2001:db8::1'];
  for (const type of ['ecdsa-p256', 'ecdsa-p384', 'rsa-2048', 'ed25519'] as const) {
    const key = await generateKey(type);
    const der = leaf(names, key);
    const facts = readCertificate(der)!;
    assert.deepEqual(facts.names, names);
    assert.equal(facts.keyType, type.split('-')[0]);
    assert.deepEqual(facts.spki, Uint8Array.from(spkiOf(key)));
    assert.deepEqual([facts.notBeforeMs, facts.notAfterMs], Object.values(VALIDITY));
    assert.deepEqual(
      [facts.isCa, facts.isSelfSigned, facts.isCommonNameOnly],
      [false, false, false],
    );
    assert.deepEqual(facts.extendedKeyUsage, [Oid.serverAuth]);
    assert.equal(facts.signatureAlgorithm, Oid.ecdsaSha256);
    assert.deepEqual(facts.authorityKeyId, readCertificate(ROOT)!.subjectKeyId);
    assert.deepEqual(facts.issuer, readCertificate(ROOT)!.subject);
    const parsed = new X509Certificate(der);
    assert.ok(parsed.verify(new X509Certificate(ROOT).publicKey));
    assert.ok(parsed.checkIssued(new X509Certificate(ROOT)));
    assert.ok(parsed.checkPrivateKey(keyFromPem(keyToPem(key))!));
    assert.equal(parsed.checkHost('a.example.com'), '*.example.com');
    assert.equal(parsed.checkIP('2001:db8::1'), '2001:db8::1');
    assert.equal(parsed.validToDate.getTime(), VALIDITY.notAfterMs);
    assert.equal(Buffer.from(facts.serial).toString('hex').toUpperCase(), parsed.serialNumber);
    assert.equal(fingerprintOf(der), parsed.fingerprint256.replaceAll(':', '').toLowerCase());
  }
});

test('certificate: an authority says that it is one', () => {
  const facts = readCertificate(ROOT)!;
  assert.deepEqual([facts.isCa, facts.isSelfSigned, facts.pathLength], [true, true, 1]);
  assert.deepEqual([facts.subjectCommonName, facts.issuerCommonName], ['Root', 'Root']);
  assert.deepEqual(facts.subjectKeyId, keyIdentifierOf(facts.spki));
  assert.equal(new X509Certificate(ROOT).ca, true);
});

test('certificate: nothing is signed that outlives its signer', () => {
  const notAfterMs = VALIDITY.notAfterMs + 1_000;
  const request = { ...VALIDITY, names: ['a'], key: KEY, signer: SIGNER };
  assert.throws(() => buildLeafCertificate({ ...request, notAfterMs }), RangeError);
  buildLeafCertificate({ ...request, notAfterMs: notAfterMs - 1 });
});

test('certificate: serial numbers are positive, long and different', () => {
  const serials = Array.from({ length: 50 }, () => readCertificate(leaf(['a']))!.serial);
  assert.ok(serials.every((serial) => serial.length === 16 && serial[0]! < 0x80));
  assert.equal(new Set(serials.map(String)).size, 50);
});

test('certificate: a challenge has its name alone and the digest, critical', () => {
  const names = [
    ['a.example', 'a.example'],
    ['::1', '::1'],
    ['192.0.2.1', '192.0.2.1'],
  ] as const;
  for (const [name, expected] of names) {
    const der = buildChallengeCertificate(name, 'token.thumbprint', KEY, VALIDITY);
    assert.deepEqual(readCertificate(der)!.names, [expected]);
    // The extension as RFC 8737 §3 has it: critical, an OCTET STRING of 32 octets in it.
    const wanted = Buffer.from('06082b0601050507011f0101ff04220420', 'hex');
    assert.ok(Buffer.from(der).includes(wanted));
  }
});

test('certificate: names in lower case, without duplicates, addresses last', () => {
  const list = derSequence(
    derImplicit(7, addressBytes('127.0.0.1')!),
    derImplicit(2, Buffer.from('B.example')),
    derImplicit(1, Buffer.from('post@example.com')),
    derImplicit(2, Buffer.from('b.EXAMPLE')),
  );
  const facts = readCertificate(unsigned([extension(Oid.subjectAltName, list)]))!;
  assert.deepEqual(facts.names, ['b.example', '127.0.0.1']);
  assert.equal(facts.isCommonNameOnly, false);
});

test('certificate: the common name stands in only where there is nothing else', () => {
  const facts = (commonName: string) =>
    readCertificate(unsigned([], distinguishedName(commonName)))!;
  assert.deepEqual(facts('Old.Example.com').names, ['old.example.com']);
  assert.equal(facts('old.example.com').isCommonNameOnly, true);
  assert.deepEqual(facts('Some Company Ltd').names, []);
  const none = unsigned([extension(Oid.subjectAltName, derSequence())]);
  assert.deepEqual(readCertificate(none)!.names, []);
});

test('certificate: responder and must-staple', () => {
  const access = derSequence(
    derSequence(derOid('1.3.6.1.5.5.7.48.2'), derImplicit(6, Buffer.from('http://ca.example/ca'))),
    derSequence(derOid(Oid.ocsp), derImplicit(6, Buffer.from('http://ocsp.example'))),
  );
  const feature = derSequence(derSmallInteger(5));
  const both = [extension(Oid.authorityInfoAccess, access), extension(Oid.tlsFeature, feature)];
  const facts = readCertificate(unsigned(both))!;
  assert.deepEqual([facts.ocspUrl, facts.mustStaple], ['http://ocsp.example', true]);
  assert.deepEqual(
    [readCertificate(ROOT)!.ocspUrl, readCertificate(ROOT)!.mustStaple],
    ['', false],
  );
});

test('certificate: what is malformed is none', () => {
  const twice = extension(Oid.subjectAltName, alternativeNames(['a']));
  const bad = [
    new Uint8Array(0),
    derNull(),
    derSequence(),
    ROOT.subarray(0, -1),
    Uint8Array.of(...ROOT, 0),
    createCsr(['a'], KEY),
    unsigned([twice, twice]),
    unsigned([extension(Oid.subjectAltName, derSequence(derImplicit(7, Uint8Array.of(1, 2, 3))))]),
    unsigned([extension(Oid.basicConstraints, derSequence(derNull()))]),
    unsigned([derSequence(derOid(Oid.keyUsage), derBoolean(true))]),
  ];
  for (const [index, der] of bad.entries()) assert.equal(readCertificate(der), null, String(index));
});

test('certificate: whatever becomes of its bytes, it is read or refused', () => {
  const originals = [ROOT, leaf(['a.example', '10.0.0.1'])];
  fc.assert(
    fc.property(
      fc.constantFrom(...originals),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.option(fc.nat()),
      (der, changes, cut) => {
        const bytes = Uint8Array.from(der);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const shown = cut === null ? bytes : bytes.subarray(0, cut % bytes.length);
        const facts = readCertificate(shown);
        if (facts !== null) assert.ok(facts.notAfterMs === facts.notAfterMs);
      },
    ),
    { numRuns: 3_000 },
  );
});

test('request: names in the alternative names, an empty subject, signed by its key', () => {
  const der = createCsr(['a.example', '10.0.0.1'], KEY);
  const body = new DerReader(der).enter(Tag.sequence).enter(Tag.sequence);
  assert.equal(body.smallInteger(), 0);
  assert.deepEqual(body.whole(), derSequence());
  assert.deepEqual(body.whole(), Uint8Array.from(spkiOf(KEY)));
  const attribute = body.enter(contextTag(0, true)).enter(Tag.sequence);
  assert.equal(attribute.oid(), Oid.extensionRequest);
  const names = alternativeNames(['a.example', '10.0.0.1']);
  assert.deepEqual(attribute.whole(), derSet(derSequence(extension(Oid.subjectAltName, names))));
});

test('keys: text and back; what is none is null', async () => {
  const pem = keyToPem(KEY);
  assert.match(pem, /^-----BEGIN PRIVATE KEY-----/);
  assert.deepEqual(spkiOf(keyFromPem(pem)!), spkiOf(KEY));
  for (const bad of ['', 'rubbish', pem.slice(0, 80)]) assert.equal(keyFromPem(bad), null);
  assert.equal((await generateKey('rsa-2048')).asymmetricKeyDetails?.modulusLength, 2_048);
});

test('names: a Name of UTF-8 parts, the organization first', () => {
  const sets = new DerReader(distinguishedName('Bär', 'O')).enter(Tag.sequence);
  assert.deepEqual(sets.whole(), derSet(derSequence(derOid(Oid.organization), derUtf8('O'))));
  assert.deepEqual(sets.whole(), derSet(derSequence(derOid(Oid.commonName), derUtf8('Bär'))));
  sets.finish();
});
