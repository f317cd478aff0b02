/**
 * Certificate desk: what administration sees of certificates and may ask for. The certificate
 * manager is one.
 */

import type { AttemptCount, CertificateRow } from './certificate-row.ts';

export type RenewOutcome =
  /** It is being obtained or renewed now; the row says how far it is. */
  | 'started'
  /** That was under way already. */
  | 'under-way'
  /** It is from files. */
  | 'not-managed'
  | 'unknown';

export type RevokeOutcome =
  /** The authority has revoked it; another one with a new key is being made. */
  | { readonly status: 'revoked' }
  /** One sentence. */
  | { readonly status: 'failed'; readonly message: string }
  | { readonly status: 'not-managed' | 'unknown' };

export interface CertificateDesk {
  /** In order of their names. */
  rows(): readonly CertificateRow[];
  /** In any order; a pair of issuer, operation and result is there once. */
  attempts(): readonly AttemptCount[];
  /** Begins at once, whatever the schedule says; limits of the authority hold all the same. */
  renew(name: string): RenewOutcome;
  /**
   * @param reason of RFC 5280 §5.3.1, without 7 and those above 10
   * @returns resolves when the authority has answered; never rejects
   */
  revoke(name: string, reason: number): Promise<RevokeOutcome>;
}

/** Of a process without certificates. */
export const EMPTY_DESK: CertificateDesk = {
  rows: () => [],
  attempts: () => [],
  renew: () => 'unknown',
  revoke: () => Promise.resolve({ status: 'unknown' }),
};
