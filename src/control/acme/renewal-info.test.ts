import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readRenewalInfo, renewalId } from './renewal-info.ts';
import type { SuggestedWindow } from './renewal-info.ts';

const NOW = Date.parse('2026-11-20T20:00:00Z');
const HOUR_MS = 3_600_000;

/** RFC 9773, appendix A. */
const EXAMPLE = `-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
`;

function read(document: unknown, retryAtMs = 0): SuggestedWindow | null {
  const body = new TextEncoder().encode(
    typeof document === 'string' ? document : JSON.stringify(document),
  );
  return readRenewalInfo({ status: 200, headers: new Map(), body, retryAtMs }, NOW);
}

function windowOf(start: unknown, end: unknown): object {
  return { suggestedWindow: { start, end } };
}

test('renewal info: the identifier of RFC 9773 §4.1', () => {
  assert.equal(renewalId(EXAMPLE), 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE');
  assert.equal(renewalId(''), null);
  assert.equal(renewalId('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'), null);
});

test('renewal info: a window with its page, and when to ask again', () => {
  const explanationURL = 'https://ca.example/why';
  const document = windowOf('2027-01-02T04:00:00Z', '2027-01-03T04:00:00.5+01:00');
  assert.deepEqual(read({ ...document, explanationURL }), {
    startMs: Date.parse('2027-01-02T04:00:00Z'),
    endMs: Date.parse('2027-01-03T03:00:00.5Z'),
    nextLookMs: NOW + 6 * HOUR_MS,
    explanationUrl: explanationURL,
  });
});

test('renewal info: a window in the past is one: it means now', () => {
  const past = read(windowOf('2020-01-02T04:00:00Z', '2020-01-03T04:00:00Z'));
  assert.ok(past !== null && past.endMs < NOW);
});

test('renewal info: what is malformed, or ends before it starts, is none', () => {
  const start = '2027-01-02T04:00:00Z';
  const documents: unknown[] = [
    '<html>',
    'null',
    '[]',
    '{}',
    { suggestedWindow: null },
    { suggestedWindow: [start, start] },
    windowOf(start, start),
    windowOf('2027-01-03T04:00:00Z', start),
    windowOf(start, undefined),
    windowOf(start, 1_800_000_000),
    windowOf(start, 'tomorrow'),
    windowOf(start, '2027-01-03'),
    windowOf(start, '2027-13-03T04:00:00Z'),
    windowOf(start, '03 Jan 2027 04:00 GMT'),
  ];
  for (const document of documents) assert.equal(read(document), null, JSON.stringify(document));
});

test('renewal info: asked again after a minute at the earliest and a day at the latest', () => {
  const document = windowOf('2027-01-02T04:00:00Z', '2027-01-03T04:00:00Z');
  const inMs = (retryAt: number): number => read(document, retryAt)!.nextLookMs - NOW;
  assert.equal(inMs(NOW + 1), 60_000);
  assert.equal(inMs(NOW + 60_001), 60_001);
  assert.equal(inMs(NOW + 7 * 24 * HOUR_MS), 24 * HOUR_MS);
});

test('renewal info: a page that is no page is left out', () => {
  const document = windowOf('2027-01-02T04:00:00Z', '2027-01-03T04:00:00Z');
  for (const explanationURL of ['javascript:alert(1)', 7, 'x', `https://a/${'x'.repeat(600)}`]) {
    assert.equal(read({ ...document, explanationURL })!.explanationUrl, '');
  }
});
