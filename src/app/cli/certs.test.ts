import assert from 'node:assert/strict';
import test from 'node:test';

import type { CertificateRow } from '../../control/certificate/certificate-row.ts';
import { certificatesText, certificateText, when } from './certs.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const VALID: CertificateRow = {
  name: 'shop.example.com',
  names: ['shop.example.com', 'www.example.com'],
  source: 'managed',
  issuer: 'letsencrypt',
  state: 'valid',
  id: 'ab12',
  notBeforeMs: NOW_MS - 30 * DAY_MS,
  notAfterMs: NOW_MS + 60 * DAY_MS,
  renewal: {
    startMs: NOW_MS + 29 * DAY_MS,
    endMs: NOW_MS + 31 * DAY_MS,
    by: 'authority',
    explanationUrl: '',
  },
  nextAttemptMs: NOW_MS + 30 * DAY_MS,
  step: '',
  problem: null,
};
const MISSING: CertificateRow = {
  ...VALID,
  name: 'b.example.com',
  names: ['b.example.com'],
  issuer: '',
  state: 'missing',
  id: '',
  notBeforeMs: 0,
  notAfterMs: 0,
  renewal: null,
  nextAttemptMs: NOW_MS + 5 * 60_000,
  step: '',
  problem: {
    atMs: NOW_MS - 3 * HOUR_MS,
    type: 'dns',
    message: 'b.example.com has no address: add an A record\u001b[31m',
    advice: 'fix',
    failures: 3,
  },
};

test('certs: a line for each certificate, and one for its problem', () => {
  assert.deepEqual(certificatesText([VALID, MISSING], NOW_MS).split('\n'), [
    'NAME                   ISSUER       STATE    ENDS        NEXT ATTEMPT',
    'shop.example.com (+1)  letsencrypt  valid    in 60 days  in 30 days',
    'b.example.com          -            missing  -           in 5 minutes',
    '  failed 3 hours ago, 3 times (dns): b.example.com has no address: add an A record\ufffd[31m',
  ]);
});

test('certs: what is under way is shown; files have no issuer', () => {
  const busy = { ...MISSING, problem: null, step: 'waiting for the authority to validate' };
  assert.ok(certificatesText([busy], NOW_MS).endsWith('\n  waiting for the authority to validate'));
  const file = certificatesText([{ ...VALID, source: 'file', issuer: '' }], NOW_MS);
  assert.match(file, /^shop\S+ \(\+1\) {2}files/m);
  assert.match(certificatesText([], NOW_MS), /^no certificates/);
});

test('certs: one on a page', () => {
  assert.deepEqual(certificateText(VALID, NOW_MS).split('\n'), [
    'shop.example.com: valid',
    '  names        shop.example.com, www.example.com',
    '  issuer       letsencrypt',
    '  SHA-256      ab12',
    '  valid from   2025-12-02T00:00:00Z',
    '  ends         2026-03-02T00:00:00Z, in 60 days',
    '  renewal      2026-01-30T00:00:00Z to 2026-02-01T00:00:00Z, the authority says so',
    '  next attempt 2026-01-31T00:00:00Z, in 30 days',
  ]);
  assert.match(certificateText(MISSING, NOW_MS), /\n {2}problem {6}failed 3 hours ago/);
});

test('certs: distances in one unit', () => {
  const cases = [
    [30_000, 'now'],
    [60_000, 'in 1 minute'],
    [119 * 60_000, 'in 119 minutes'],
    [2 * HOUR_MS, 'in 2 hours'],
    [47.5 * HOUR_MS, 'in 47 hours'],
    [48 * HOUR_MS, 'in 2 days'],
    [-HOUR_MS, '60 minutes ago'],
  ] as const;
  for (const [distance, text] of cases) assert.equal(when(NOW_MS + distance, NOW_MS), text);
});
