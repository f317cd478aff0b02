/**
 * Certificate rows: what people and programs are shown of each certificate and of the attempts to
 * get one. Made by the certificate manager; nothing in it is secret.
 */

/**
 * `valid`: served, and nothing is due; `renewing`: served, and a newer one is being made or waited
 * for; `obtaining`: there is none yet; `failing`: served, but the last attempt failed; `missing`:
 * there is none, and the last attempt failed; `expired`: it is past its end.
 */
export const CERTIFICATE_STATES = [
  'valid',
  'renewing',
  'obtaining',
  'failing',
  'missing',
  'expired',
] as const;
export type CertificateState = (typeof CERTIFICATE_STATES)[number];

/** Why the last attempt failed. */
export interface CertificateProblem {
  /** Unix milliseconds. */
  readonly atMs: number;
  /** Type of an ACME problem without its prefix, such as `dns`; `internal` when there is none. */
  readonly type: string;
  /** One sentence that says what happened and what to do. */
  readonly message: string;
  /** As in IssueError. */
  readonly advice: 'retry' | 'wait' | 'fix' | 'aborted';
  /** Attempts that failed since the last success. */
  readonly failures: number;
}

/** When it is to be renewed. */
export interface CertificateRenewal {
  readonly startMs: number;
  readonly endMs: number;
  /** Who said so: the authority (RFC 9773), or a share of the lifetime. */
  readonly by: 'authority' | 'lifetime';
  /** Page that explains an early window; empty: none. */
  readonly explanationUrl: string;
}

export interface CertificateRow {
  /** Name in the configuration, or the first of `names`; no two rows share one. */
  readonly name: string;
  /** Lower case, A-labels, wildcards, addresses. */
  readonly names: readonly string[];
  /** `file`: configured with its key; `managed`: obtained and renewed by the proxy. */
  readonly source: 'file' | 'managed';
  /** Name of the issuer in the configuration; empty for files and before the first certificate. */
  readonly issuer: string;
  readonly state: CertificateState;
  /** SHA-256 of the leaf, lower-case hex; empty: there is none. */
  readonly id: string;
  /** Unix milliseconds; 0: there is none. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Null: it is not renewed, or there is none. */
  readonly renewal: CertificateRenewal | null;
  /** Unix milliseconds; 0: none is planned. */
  readonly nextAttemptMs: number;
  /** What is being done now; empty: nothing. */
  readonly step: string;
  readonly problem: CertificateProblem | null;
}

/** Attempts of one issuer that ended in one way, since the start. */
export interface AttemptCount {
  readonly issuer: string;
  /** First certificate of its names, or one that replaces another. */
  readonly operation: 'obtain' | 'renew';
  /** `success`, or the type of the problem as in CertificateProblem. */
  readonly result: string;
  readonly count: number;
}
