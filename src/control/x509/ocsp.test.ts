import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { DerReader, Tag } from './der-reader.ts';
import { generateKey } from './keys.ts';
import { createOcspRequest, judgeOcspResponse, ocspNextUpdate } from './ocsp.ts';
import {
  OCSP_NOW_MS,
  ocspAnswer,
  ocspAuthority,
  ocspCertificate,
  ocspFailure,
} from './ocsp-fixtures.contract.ts';
import type { AnswerParts } from './ocsp-fixtures.contract.ts';
import { Oid } from './oids.ts';

const HOUR_MS = 3_600_000;
const AUTHORITY = await ocspAuthority();
const OTHER = await ocspAuthority('Other');
const KEY = await generateKey('ecdsa-p256');
const LEAF = ocspCertificate(AUTHORITY, KEY, { ocspUrl: 'http://ocsp.example' });
const DELEGATE_KEY = await generateKey('ecdsa-p256');

function delegate(more: Parameters<typeof ocspCertificate>[2] = {}, by = AUTHORITY) {
  return ocspCertificate(by, DELEGATE_KEY, { usage: Oid.ocspSigning, serial: 9, ...more });
}

function judge(parts: Partial<AnswerParts>, nowMs = OCSP_NOW_MS): string {
  const all = { leaf: LEAF, issuer: AUTHORITY.facts, key: AUTHORITY.key, ...parts };
  const verdict = judgeOcspResponse(ocspAnswer(all), LEAF, AUTHORITY.facts, nowMs);
  return verdict.ok ? verdict.status : verdict.problem;
}

test('ocsp: a good answer of the issuer, by name or by key, of either hash', () => {
  assert.equal(judge({}), 'good');
  assert.equal(judge({ byKey: true }), 'good');
  assert.equal(judge({ hash: 'sha256' }), 'good');
  assert.equal(judge({ status: 'revoked' }), 'revoked');
  assert.equal(judge({ status: 'unknown' }), 'unknown');
});

test('ocsp: says from when to when it holds', () => {
  const nextUpdateMs = OCSP_NOW_MS + 5 * HOUR_MS;
  const parts = { leaf: LEAF, issuer: AUTHORITY.facts, key: AUTHORITY.key, nextUpdateMs };
  assert.deepEqual(judgeOcspResponse(ocspAnswer(parts), LEAF, AUTHORITY.facts, OCSP_NOW_MS), {
    ok: true,
    status: 'good',
    thisUpdateMs: OCSP_NOW_MS - HOUR_MS,
    nextUpdateMs,
  });
});

test('ocsp: an answer of a delegate counts when the issuer named it for that, and now', () => {
  const by = (signer: ReturnType<typeof delegate>, more: Partial<AnswerParts> = {}) =>
    judge({ responder: signer, key: DELEGATE_KEY, certificates: [signer.der], ...more });
  assert.equal(by(delegate()), 'good');
  assert.equal(by(delegate(), { byKey: true }), 'good');
  const nobody = 'nobody signed it who may';
  assert.equal(by(delegate({ usage: Oid.serverAuth })), nobody);
  assert.equal(by(delegate({ notAfterMs: OCSP_NOW_MS - HOUR_MS })), nobody);
  assert.equal(by(delegate({}, OTHER)), nobody);
  assert.equal(by(delegate(), { certificates: [] }), nobody);
  // One that claims the issuer's name and is signed by somebody else.
  const forged = { ...OTHER, facts: AUTHORITY.facts };
  assert.equal(by(delegate({}, forged)), nobody);
});

test('ocsp: an answer that was signed by another key, or not as it says, is none', () => {
  assert.equal(judge({ key: OTHER.key }), 'its signature is wrong');
  const weak = { oid: Oid.ecdsaSha1, digest: 'sha1' };
  assert.equal(judge({ signature: weak }), 'its signature is wrong');
  const confused = { oid: Oid.rsaSha256, digest: 'sha256' };
  assert.equal(judge({ signature: confused }), 'its signature is wrong');
});

test('ocsp: an answer about another certificate is none', () => {
  const leaf = ocspCertificate(AUTHORITY, KEY, { serial: 2 });
  assert.equal(judge({ leaf }), 'it is about another certificate');
  assert.equal(
    judge({ issuer: OTHER.facts, responder: AUTHORITY.facts }),
    'it is about another certificate',
  );
});

test('ocsp: an answer holds from its time to the next, and clocks differ a little', () => {
  const cases = [
    [{ thisUpdateMs: OCSP_NOW_MS + 299_000 }, 'good'],
    [{ thisUpdateMs: OCSP_NOW_MS + 301_000 }, 'it is of the future'],
    [{ nextUpdateMs: OCSP_NOW_MS + 1_000 }, 'good'],
    [{ nextUpdateMs: OCSP_NOW_MS }, 'it is out of date'],
    [{ nextUpdateMs: null }, 'it is out of date'],
  ] as const;
  for (const [parts, expected] of cases) assert.equal(judge(parts), expected);
});

function verdict(status: number) {
  return judgeOcspResponse(ocspFailure(status), LEAF, AUTHORITY.facts, OCSP_NOW_MS);
}

test('ocsp: a responder that has no answer says so', () => {
  assert.deepEqual(verdict(3), {
    ok: false,
    problem: 'the responder asks to try again later',
  });
  for (const status of [1, 2, 4, 5, 6, 99]) assert.equal(verdict(status).ok, false);
});

test('ocsp: when an answer is out of date, unverified', () => {
  const parts = { leaf: LEAF, issuer: AUTHORITY.facts, key: OTHER.key };
  const nextUpdateMs = OCSP_NOW_MS + HOUR_MS;
  assert.equal(ocspNextUpdate(ocspAnswer({ ...parts, nextUpdateMs })), nextUpdateMs);
  assert.equal(ocspNextUpdate(ocspAnswer({ ...parts, nextUpdateMs: null })), 0);
  assert.equal(ocspNextUpdate(ocspFailure(3)), 0);
  assert.equal(ocspNextUpdate(Uint8Array.of(1)), 0);
});

test('ocsp: a question is about one certificate, by its serial number', () => {
  const file = new DerReader(createOcspRequest(LEAF, AUTHORITY.facts));
  const list = file.enter(Tag.sequence).enter(Tag.sequence).enter(Tag.sequence);
  file.finish();
  const id = list.enter(Tag.sequence).enter(Tag.sequence);
  assert.equal(id.enter(Tag.sequence).oid(), Oid.sha1);
  assert.equal(id.content(Tag.octetString).length, 20);
  assert.equal(id.content(Tag.octetString).length, 20);
  assert.deepEqual(id.integer(), LEAF.serial);
  list.finish();
});

test('ocsp: no change of an answer makes another answer of it, and nothing throws', () => {
  const parts = { leaf: LEAF, issuer: AUTHORITY.facts, key: AUTHORITY.key } as const;
  const revoked = ocspAnswer({ ...parts, status: 'revoked' });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      fc.option(fc.nat()),
      (changes, cut) => {
        const bytes = Uint8Array.from(revoked);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const shown = cut === null ? bytes : bytes.subarray(0, cut % bytes.length);
        const verdict = judgeOcspResponse(shown, LEAF, AUTHORITY.facts, OCSP_NOW_MS);
        assert.ok(!verdict.ok || verdict.status === 'revoked');
      },
    ),
    { numRuns: 2_000 },
  );
});
