/**
 * What is asked about certificates and keys while a configuration is loaded. Reading them takes
 * cryptography, so who answers is injected.
 *
 * Answers depend on the texts alone, so they are remembered; what depends on the clock (expiry) is
 * judged by whoever asked.
 */

import type { CertificatePair } from './config.ts';
import type { Problem } from './parsed.ts';

/** What a certificate says about itself. */
export type CertificateFacts = Pick<
  CertificatePair,
  'id' | 'names' | 'keyType' | 'notBeforeMs' | 'notAfterMs'
>;

export interface CertificateProblem extends Problem {
  readonly severity: 'error' | 'warning';
  /** Which of the two texts it is about. */
  readonly part: 'chain' | 'key';
}

export interface CheckedPair {
  /** Null exactly when a problem is an error. */
  readonly facts: CertificateFacts | null;
  readonly problems: readonly CertificateProblem[];
}

export interface CertificateCheck {
  /** A chain, leaf first, with the key of the leaf; both PEM. */
  pair(chain: string, key: string): CheckedPair;
  /** PEM of certificates that are trusted. Null: there is at least one, and all can be read. */
  authorities(pem: string): Problem | null;
  /** PEM of revocation lists, as above. */
  revocations(pem: string): Problem | null;
  /** Milliseconds since 1970. */
  nowMs(): number;
}

const UNCHECKED = { code: 'PN1502', message: 'it cannot be checked here' } as const;

/** Where no certificate is expected: each one is an issue. */
export const NO_CERTIFICATE_CHECK: CertificateCheck = {
  pair: () => ({ facts: null, problems: [{ ...UNCHECKED, severity: 'error', part: 'chain' }] }),
  authorities: () => UNCHECKED,
  revocations: () => UNCHECKED,
  nowMs: () => 0,
};
