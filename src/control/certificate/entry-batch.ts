/**
 * Entry batch: certificates with their keys as workers serve them, many in one piece of shared
 * memory: workers map it, nothing is copied per worker.
 */

import type { CertificateEntry } from '../../contract/tls.ts';

/** A certificate as text, with what is known about it. */
export interface CertificateText extends Omit<CertificateEntry, 'chain' | 'key' | 'ocsp'> {
  /** PEM, leaf first. */
  readonly chain: string;
  /** PEM. */
  readonly key: string;
  /** As in CertificateEntry. */
  readonly ocsp?: Uint8Array | null;
}

/** Entries in the order given. All of them keep the one buffer alive. */
export function packEntries(texts: readonly CertificateText[]): CertificateEntry[] {
  const encoder = new TextEncoder();
  const parts = texts.flatMap(({ chain, key }) => [encoder.encode(chain), encoder.encode(key)]);
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(new SharedArrayBuffer(size));
  let at = 0;
  const views = parts.map((part) => {
    bytes.set(part, at);
    at += part.length;
    part.fill(0);
    return bytes.subarray(at - part.length, at);
  });
  return texts.map(({ id, names, keyType, notBeforeMs, notAfterMs, rank, ocsp }, index) => ({
    id,
    names,
    keyType,
    notBeforeMs,
    notAfterMs,
    rank,
    chain: views[index * 2]!,
    key: views[index * 2 + 1]!,
    ocsp: ocsp ?? null,
  }));
}

/** The text of `chain` or `key` of an entry. PEM is ASCII. */
export function entryText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
