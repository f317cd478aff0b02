/**
 * Internal issuer: the internal authority as an issuer of the certificate manager.
 */

import type { IssuedKeyType } from '../config/config.ts';
import { StoreError } from './certificate-store.ts';
import { AuthorityError } from './internal-authority.ts';
import type { InternalAuthority } from './internal-authority.ts';
import { IssueError } from './issuer.ts';
import type {
  IssueContext,
  IssuedCertificate,
  Issuer,
  IssueRequest,
  RenewalWindow,
} from './issuer.ts';

/** Between looks at whether a certificate still leads to a root that is in force. */
const LOOK_INTERVAL_MS = 3_600_000;

export interface InternalIssuerOptions {
  /** Name in the configuration. */
  readonly name: string;
  readonly keyType: IssuedKeyType;
  readonly lifetimeMs: number;
  /** Shared by all internal issuers. */
  readonly authority: InternalAuthority;
  /** Unix milliseconds. */
  readonly nowMs: () => number;
}

export function createInternalIssuer(options: InternalIssuerOptions): Issuer {
  return new InternalIssuer(options);
}

class InternalIssuer implements Issuer {
  readonly name: string;
  readonly kind = 'internal';
  readonly key = 'local';
  readonly #options: InternalIssuerOptions;

  constructor(options: InternalIssuerOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** It is asked for what the configuration says, and that may be any name. */
  refusal(): null {
    return null;
  }

  async issue(request: IssueRequest, context: IssueContext): Promise<IssuedCertificate> {
    const { authority, keyType, lifetimeMs } = this.#options;
    if (context.signal.aborted) throw aborted();
    context.onStep('making a certificate');
    try {
      return await authority.issue({ names: request.names, keyType, lifetimeMs });
    } catch (error) {
      throw issueErrorOf(error);
    }
  }

  /** At once when clients could no longer trust it: its root was deleted and made anew. */
  async renewalWindow(chain: string): Promise<RenewalWindow | null> {
    const { authority, nowMs } = this.#options;
    try {
      if (await authority.isOurs(chain)) return null;
    } catch (error) {
      throw issueErrorOf(error);
    }
    const now = nowMs();
    return {
      startMs: now - 1_000,
      endMs: now,
      nextLookMs: now + LOOK_INTERVAL_MS,
      explanationUrl: '',
    };
  }

  revoke(): Promise<void> {
    const message =
      'the internal authority publishes no revocations, as its certificates end soon: ' +
      'renew this one instead';
    return Promise.reject(new IssueError(message, { advice: 'fix' }));
  }
}

function issueErrorOf(error: unknown): IssueError {
  if (error instanceof AuthorityError) {
    return new IssueError(error.message, { advice: 'fix', cause: error });
  }
  if (error instanceof StoreError) {
    const advice = error.kind === 'unavailable' ? 'retry' : 'fix';
    return new IssueError(error.message, { advice, cause: error });
  }
  const text = error instanceof Error ? error.message : String(error);
  const message = `the internal authority failed (${text}); it is tried again`;
  return new IssueError(message, { advice: 'retry', cause: error });
}

function aborted(): IssueError {
  return new IssueError('the proxy stopped before the certificate was made', {
    advice: 'aborted',
  });
}
