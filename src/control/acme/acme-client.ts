/**
 * The ACME client: one authority, one account, and what is asked of it (RFC 8555, RFC 9773).
 *
 * K1  an authority that forgot the account gets a new one, once for each thing that is asked; a key
 *     that another process has changed is read again, once.
 */

import { Account, isLost } from './account.ts';
import type { ExternalAccount } from './account.ts';
import type { AccountStore } from './account-store.ts';
import { AcmeError } from './acme-error.ts';
import type { AcmeClock, AcmeHttp } from './acme-http.ts';
import { AcmeSession } from './acme-session.ts';
import type { AcmeSigner } from './acme-session.ts';
import { identifierOf } from './challenge.ts';
import type { ChallengeKind, ChallengeSolvers, Identifier } from './challenge.ts';
import type { AcmeDirectory } from './directory.ts';
import { readAccountKey } from './jws.ts';
import type { OrderPolicy } from './order-machine.ts';
import { runOrder } from './order-runner.ts';
import type { OrderResult, OrderRun } from './order-runner.ts';
import { beginOrder, orderId, resumeOrder } from './order-state.ts';
import type { OrderState } from './order-state.ts';
import type { OrderStore } from './order-store.ts';
import { readRenewalInfo, renewalId } from './renewal-info.ts';
import type { SuggestedWindow } from './renewal-info.ts';
import { readCertificate } from '../x509/certificate-reader.ts';
import { certificatesOf } from '../x509/pem.ts';

/** Profile that authorities make certificates for addresses with. */
const ADDRESS_PROFILE = 'shortlived';

/** The certificate of an order that was not taken over is given again for so long. */
const DONE_AGE_MAX_MS = 86_400_000;

export interface AcmeClientOptions {
  /** URL of the directory. */
  readonly directory: string;
  /** As Issuer.key. */
  readonly issuerKey: string;
  readonly email: string;
  readonly externalAccount: ExternalAccount | null;
  /** Empty: the authority's choice, but `shortlived` for addresses where it is offered. */
  readonly profile: string;
  readonly preferredChain: string;
  readonly http: AcmeHttp;
  readonly clock: AcmeClock;
  readonly accounts: AccountStore;
  readonly orders: OrderStore;
  readonly solvers: ChallengeSolvers;
  readonly kindsFor: (identifier: Identifier) => readonly ChallengeKind[];
  readonly makeKey: OrderRun['makeKey'];
  readonly makeRequest: OrderRun['makeRequest'];
}

export interface ObtainRequest {
  /** A-labels, wildcards, addresses; sorted. */
  readonly names: readonly string[];
  /** PEM of the certificate that is replaced; null: none. */
  readonly replaces: string | null;
  readonly signal: AbortSignal;
  readonly onStep: (step: string) => void;
}

export interface ObtainedCertificate extends OrderResult {
  /** Forgets the order; for when the certificate and its key are stored elsewhere. */
  readonly settle: () => Promise<void>;
}

export class AcmeClient {
  readonly account: Account;
  readonly #session: AcmeSession;
  readonly #options: AcmeClientOptions;

  constructor(options: AcmeClientOptions) {
    const { directory, http, clock, accounts: store, issuerKey, email, externalAccount } = options;
    this.#options = options;
    this.#session = new AcmeSession({ directory, http, clock });
    const session = this.#session;
    this.account = new Account({ session, store, issuerKey, email, externalAccount });
  }

  /** The directory as the authority has it now, or an hour ago. @throws AcmeError */
  directory(signal: AbortSignal): Promise<AcmeDirectory> {
    return this.#session.directory(signal);
  }

  /**
   * Makes a certificate, or goes on with the order for the same names that is in the store. The
   * caller sees to it that nobody else does so at the same time.
   * @throws AcmeError; what the store throws; the reason of the signal
   */
  async obtain(request: ObtainRequest): Promise<ObtainedCertificate> {
    const { orders, issuerKey } = this.#options;
    const { names, signal, onStep } = request;
    onStep('asking the authority what it offers');
    const directory = await this.#session.directory(signal);
    const profile = this.#profileFor(names, directory);
    const id = orderId(names, profile);
    const settle = (): Promise<void> => orders.remove(issuerKey, id);
    const result = await this.#withAccount(request, async (signer) => {
      const from = await this.#orderFor(request, { id, profile, directory });
      const run = this.#runOf(request, { id, signer, directory });
      return runOrder(run, from);
    });
    return { ...result, settle };
  }

  /**
   * When the authority wants the certificate to be renewed.
   * @param chain PEM, leaf first
   * @returns null: it says nothing about it, or nothing that makes sense
   * @throws AcmeError; the reason of the signal
   */
  async renewalWindow(chain: string, signal: AbortSignal): Promise<SuggestedWindow | null> {
    const { renewalInfo } = await this.#session.directory(signal);
    const id = renewalId(chain);
    if (renewalInfo === '' || id === null) return null;
    const url = `${renewalInfo.replace(/\/$/, '')}/${id}`;
    try {
      const reply = await this.#session.get(url, signal);
      return readRenewalInfo(reply, this.#session.clock.nowMs());
    } catch (error) {
      // It does not know the certificate: it may be of another authority.
      if (error instanceof AcmeError && isUnknown(error)) return null;
      throw error;
    }
  }

  /**
   * Revokes a certificate with its own key, which needs no account (RFC 8555 §7.6).
   * @param reason of RFC 5280 §5.3.1
   * @throws AcmeError; the reason of the signal
   */
  async revoke(chain: string, key: string, reason: number, signal: AbortSignal): Promise<void> {
    const { revokeCert: url } = await this.#session.directory(signal);
    const certificate = certificatesOf(chain)[0];
    if (url === '' || certificate === undefined) {
      throw new AcmeError('the authority revokes nothing', { advice: 'fix' });
    }
    const payload = { certificate: Buffer.from(certificate).toString('base64url'), reason };
    const own = readAccountKey(key);
    try {
      if (own === null) await this.#revokeByAccount(url, payload, signal);
      else await this.#session.post({ url, payload, signer: { key: own, url: '' } }, signal);
    } catch (error) {
      if (!(error instanceof AcmeError)) throw error;
      if (error.type === 'alreadyRevoked') return;
      // A certificate whose key is not at hand, or is refused, is that of its account still.
      if (own === null || error.problem === null || error.problem.status >= 500) throw error;
      await this.#revokeByAccount(url, payload, signal);
    }
  }

  async #revokeByAccount(url: string, payload: object, signal: AbortSignal): Promise<void> {
    const signer = await this.account.signer(signal);
    await this.#session.post({ url, payload, signer }, signal);
  }

  /** K1. */
  async #withAccount<Result>(
    { signal, onStep }: ObtainRequest,
    run: (signer: AcmeSigner) => Promise<Result>,
  ): Promise<Result> {
    onStep('looking up the account');
    const signer = await this.account.signer(signal);
    try {
      return await run(signer);
    } catch (error) {
      if (isSignatureRefused(error)) {
        const changed = await this.account.changedSigner(signer, signal);
        if (changed === null) throw error;
        return run(changed);
      }
      if (!isLost(error)) throw error;
      onStep('registering a new account, because the authority does not know the old one');
      return run(await this.account.replace(signer.url, signal));
    }
  }

  /**
   * The order in the store if it can be gone on with, else a new one. One of an account that is
   * gone is refused when it is looked at, and begun anew then.
   */
  async #orderFor(
    request: ObtainRequest,
    order: {
      readonly id: string;
      readonly profile: string;
      readonly directory: AcmeDirectory;
    },
  ): Promise<OrderState> {
    const { names, replaces } = request;
    const { id, profile, directory } = order;
    const stored = await this.#options.orders.load(this.#options.issuerKey, id);
    const hasInfo = directory.renewalInfo !== '' && replaces !== null;
    const begun = beginOrder({
      names,
      profile,
      replaces: hasInfo ? (renewalId(replaces) ?? '') : '',
    });
    if (stored === null || !isFor(stored, begun)) return begun;
    if (stored.phase === 'done' && isTaken(stored, replaces, this.#session.clock.nowMs())) {
      return begun;
    }
    const { certificateKey, presented, failedChallenges } = stored;
    if (stored.phase === 'failed') return { ...begun, certificateKey, presented };
    const resumed = resumeOrder(stored);
    if (resumed.orderUrl !== '' || resumed.phase === 'done') return resumed;
    return { ...begun, certificateKey, presented, failedChallenges };
  }

  #runOf(
    request: ObtainRequest,
    order: {
      readonly id: string;
      readonly signer: AcmeSigner;
      readonly directory: AcmeDirectory;
    },
  ): OrderRun {
    const { solvers, orders: store, issuerKey, makeKey, makeRequest } = this.#options;
    const { onStep, signal } = request;
    const { id, signer, directory } = order;
    const policy = this.#policyFor(signer, directory);
    const session = this.#session;
    return {
      session,
      signer,
      policy,
      solvers,
      store,
      issuerKey,
      id,
      makeKey,
      makeRequest,
      onStep,
      signal,
    };
  }

  #policyFor(signer: AcmeSigner, directory: AcmeDirectory): OrderPolicy {
    const { preferredChain, kindsFor, solvers } = this.#options;
    return {
      authority: this.#session.authority,
      newOrderUrl: directory.newOrder,
      thumbprint: signer.key.thumbprint,
      preferredChain,
      kindsFor,
      refusal: (kind, identifier) => solvers.refusal(kind, identifier),
    };
  }

  #profileFor(names: readonly string[], { profiles }: AcmeDirectory): string {
    const { profile } = this.#options;
    if (profile === '') {
      const hasAddress = names.some((name) => identifierOf(name).type === 'ip');
      return hasAddress && profiles.has(ADDRESS_PROFILE) ? ADDRESS_PROFILE : '';
    }
    if (profiles.has(profile)) return profile;
    const offered = profiles.size === 0 ? 'none' : [...profiles.keys()].join(', ');
    throw new AcmeError(
      `${this.#session.authority} has no profile ${JSON.stringify(profile)} (it offers: ` +
        `${offered}): correct \`profile\` of the issuer`,
      { advice: 'fix' },
    );
  }
}

/** What authorities say when a signature is not by the key of the account. */
function isSignatureRefused(error: unknown): boolean {
  return error instanceof AcmeError && ['malformed', 'unauthorized'].includes(error.type);
}

function isUnknown({ problem }: AcmeError): boolean {
  return problem !== null && [400, 404, 410].includes(problem.status);
}

/** What a store gives back may be of another version, or damaged. */
function isFor(stored: OrderState, wanted: OrderState): boolean {
  return (
    stored.version === wanted.version &&
    stored.names.join() === wanted.names.join() &&
    stored.profile === wanted.profile
  );
}

/**
 * What the order gave was taken over: it is what is to be replaced now, or it is a day old. Without
 * either the process ended before the certificate was stored.
 */
function isTaken(stored: OrderState, replaces: string | null, nowMs: number): boolean {
  const leaf = readCertificate(certificatesOf(stored.chain)[0] ?? new Uint8Array());
  if (leaf === null || Math.abs(nowMs - leaf.notBeforeMs) > DONE_AGE_MAX_MS) return true;
  return isSameLeaf(stored.chain, replaces);
}

function isSameLeaf(chain: string, other: string | null): boolean {
  const [left] = certificatesOf(chain);
  const [right] = certificatesOf(other ?? '');
  return left !== undefined && right !== undefined && Buffer.compare(left, right) === 0;
}
