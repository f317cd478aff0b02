/**
 * Issuer: who makes certificates. What the certificate manager knows of an ACME authority and of
 * the internal one alike.
 */

import type { ChallengeSpec } from '../../contract/tls.ts';
import type { Problem } from '../acme/problem.ts';

/** A certificate that is to be made. */
export interface IssueRequest {
  /** A-labels, wildcards, addresses; sorted, no duplicates. One certificate for all of them. */
  readonly names: readonly string[];
  /** The certificate that this one is to replace, PEM leaf first; null: none. */
  readonly replaces: string | null;
}

export interface IssuedCertificate {
  /** PEM, leaf first. */
  readonly chain: string;
  /** PEM (PKCS#8). */
  readonly key: string;
  /**
   * Called when both are stored. Until then the same certificate is given again to who asks for the
   * same names, so that it is not lost with a process. Never rejects.
   */
  readonly settle?: () => Promise<void>;
}

/** When an issuer wants a certificate to be renewed (RFC 9773). */
export interface RenewalWindow {
  readonly startMs: number;
  readonly endMs: number;
  /** Ask again not before this, Unix milliseconds. */
  readonly nextLookMs: number;
  /** Page that explains an early window; empty: none. */
  readonly explanationUrl: string;
}

/** What an issuer may do while it works. All of it is there to be watched and broken off. */
export interface IssueContext {
  readonly signal: AbortSignal;
  /**
   * Shows what is being done, for status and events: `waiting for the authority to validate`.
   */
  readonly onStep: (step: string) => void;
}

export interface Issuer {
  /** Name in the configuration. */
  readonly name: string;
  readonly kind: 'acme' | 'internal';
  /**
   * Identity of the authority in the store: the same after a change of name in the configuration.
   * Host and path of the directory with `/` as `-`; `local` for the internal one.
   */
  readonly key: string;
  /** Null: it can make one for that name; else a sentence that says why not. */
  refusal(name: string): string | null;
  /**
   * Makes a certificate, or goes on with an order that was begun for the same names.
   * @throws IssueError only
   */
  issue(request: IssueRequest, context: IssueContext): Promise<IssuedCertificate>;
  /** @returns null: the authority says nothing about that certificate. @throws IssueError only */
  renewalWindow(chain: string, signal: AbortSignal): Promise<RenewalWindow | null>;
  /** @throws IssueError only */
  revoke(chain: string, key: string, reason: number, signal: AbortSignal): Promise<void>;
}

/** What to do about a failure. */
export type IssueAdvice =
  /** Again later, by itself. */
  | 'retry'
  /** Not before `retryAtMs`: the authority said so. */
  | 'wait'
  /** A person has to change something: DNS, CAA, a firewall, a configuration. */
  | 'fix'
  /** Broken off by us. */
  | 'aborted';

/** Why an issuer could not do it; the only error an issuer throws. */
export class IssueError extends Error {
  readonly advice: IssueAdvice;
  /** Unix milliseconds; 0: not said. */
  readonly retryAtMs: number;
  /** What the authority said; null: it said nothing. */
  readonly problem: Problem | null;

  /** @param message one sentence for people that says what to do */
  constructor(
    message: string,
    options: {
      readonly advice: IssueAdvice;
      readonly retryAtMs?: number;
      readonly problem?: Problem | null;
      readonly cause?: unknown;
    },
  ) {
    super(message, { cause: options.cause });
    this.name = 'IssueError';
    this.advice = options.advice;
    this.retryAtMs = options.retryAtMs ?? 0;
    this.problem = options.problem ?? null;
  }
}

/**
 * Shows challenges to the authority: the workers answer them. `present` resolves when every worker
 * has acknowledged; only then may the authority be told.
 */
export interface ChallengeBoard {
  present(challenge: ChallengeSpec): Promise<void>;
  /** Harmless when it was not presented. */
  remove(challenge: ChallengeSpec): void;
}
