/**
 * Certificate events: what is worth a line in the log. The manager reports them as they happen.
 */

import type { CertificateProblem, CertificateRenewal } from './certificate-row.ts';

export type CertificateEvent =
  | {
      readonly kind: 'obtained' | 'renewed';
      /** As in CertificateRow. */
      readonly name: string;
      readonly names: readonly string[];
      readonly issuer: string;
      readonly notAfterMs: number;
      /** From the first step to the stored certificate. */
      readonly tookMs: number;
    }
  | {
      readonly kind: 'failed';
      readonly name: string;
      readonly issuer: string;
      readonly problem: CertificateProblem;
      /** End of the certificate that is served meanwhile, Unix milliseconds; 0: there is none. */
      readonly servedUntilMs: number;
      /** Unix milliseconds; 0: none is planned. */
      readonly nextAttemptMs: number;
    }
  | {
      /** The authority moved the renewal window. */
      readonly kind: 'window-moved';
      readonly name: string;
      readonly issuer: string;
      readonly renewal: CertificateRenewal;
    }
  | {
      /** Revoked, by an operator or found to be by its authority. */
      readonly kind: 'revoked';
      readonly name: string;
      readonly issuer: string;
    }
  | {
      /** Something around certificates that is none of the above: a store that cannot be read. */
      readonly kind: 'trouble';
      /** Empty: it concerns all of them. */
      readonly name: string;
      readonly message: string;
    };
