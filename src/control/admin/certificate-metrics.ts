/**
 * Certificate metrics: what the certificate manager knows, as series.
 *
 * M1  the number of series is bounded: of many certificates the `OWN_SERIES_MAX` that end first
 *     have some of their own, and `proxy_now_certificates` counts all of them.
 * M2  no label is what an authority said: types of problems are the known ones or `other`.
 */

import type { AttemptCount, CertificateRow } from '../certificate/certificate-row.ts';
import { CERTIFICATE_STATES } from '../certificate/certificate-row.ts';

/** Certificates with series of their own. */
export const OWN_SERIES_MAX = 1_000;

export interface CertificateSeries {
  /** In order of the definition's labels. */
  readonly labels: readonly string[];
  readonly value: number;
}

export interface CertificateSource {
  readonly certificates: readonly CertificateRow[];
  readonly certificateAttempts: readonly AttemptCount[];
}

/** Results that are labels: ends that are ours, and types of RFC 8555 §6.7, 8737, 8739, 9773. */
const RESULTS: ReadonlySet<string> = new Set([
  'success',
  'internal',
  'accountDoesNotExist',
  'alreadyReplaced',
  'alreadyRevoked',
  'badCSR',
  'badNonce',
  'badPublicKey',
  'badRevocationReason',
  'badSignatureAlgorithm',
  'caa',
  'compound',
  'connection',
  'dns',
  'externalAccountRequired',
  'incorrectResponse',
  'invalidContact',
  'invalidProfile',
  'malformed',
  'orderNotReady',
  'rateLimited',
  'rejectedIdentifier',
  'serverInternal',
  'tls',
  'unauthorized',
  'unsupportedContact',
  'unsupportedIdentifier',
  'userActionRequired',
]);

/** Series of every metric of the family `certificate`, by name. */
export function certificateSeries(
  source: CertificateSource,
): ReadonlyMap<string, readonly CertificateSeries[]> {
  const rows = urgentRows(source.certificates);
  return new Map([
    ['proxy_now_certificates', stateSeries(source.certificates)],
    ['proxy_now_certificate_not_after_seconds', rowSeries(rows, (row) => row.notAfterMs / 1_000)],
    [
      'proxy_now_certificate_next_attempt_seconds',
      rowSeries(rows, (row) => row.nextAttemptMs / 1_000),
    ],
    ['proxy_now_certificate_failures', rowSeries(rows, (row) => row.problem?.failures ?? 0)],
    ['proxy_now_certificate_attempts_total', attemptSeries(source.certificateAttempts)],
  ]);
}

/** M1. Those without a certificate have no end, and come first. */
function urgentRows(rows: readonly CertificateRow[]): readonly CertificateRow[] {
  if (rows.length <= OWN_SERIES_MAX) return rows;
  return rows.toSorted((a, b) => a.notAfterMs - b.notAfterMs).slice(0, OWN_SERIES_MAX);
}

function stateSeries(rows: readonly CertificateRow[]): CertificateSeries[] {
  const counts = new Map<string, number>(CERTIFICATE_STATES.map((state) => [state, 0]));
  for (const { state } of rows) counts.set(state, counts.get(state)! + 1);
  return [...counts].map(([state, value]) => ({ labels: [state], value }));
}

/** Zero says nothing here, and is left out. */
function rowSeries(
  rows: readonly CertificateRow[],
  valueOf: (row: CertificateRow) => number,
): CertificateSeries[] {
  const series: CertificateSeries[] = [];
  for (const row of rows) {
    const value = valueOf(row);
    if (value > 0) series.push({ labels: [row.name, row.issuer], value });
  }
  return series;
}

/** M2. What becomes `other` is one series. */
function attemptSeries(attempts: readonly AttemptCount[]): CertificateSeries[] {
  const counts = new Map<string, { readonly labels: string[]; value: number }>();
  for (const { issuer, operation, result, count } of attempts) {
    const labels = [issuer, operation, RESULTS.has(result) ? result : 'other'];
    const key = JSON.stringify(labels);
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { labels, value: count });
    else known.value += count;
  }
  return [...counts.values()];
}
