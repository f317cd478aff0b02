/**
 * Issuer over an ACME authority: what the certificate manager asks for, put into the words of the
 * protocol, and the ways to show challenges.
 */

import type { ChallengeKind, IssuerConfig } from '../config/config.ts';
import { AcmeClient } from '../acme/acme-client.ts';
import { AcmeError } from '../acme/acme-error.ts';
import type { AccountStore } from '../acme/account-store.ts';
import type { AcmeClock, AcmeHttp } from '../acme/acme-http.ts';
import { identifierOf } from '../acme/challenge.ts';
import type { Identifier } from '../acme/challenge.ts';
import type { OrderStore } from '../acme/order-store.ts';
import { createCsr } from '../x509/csr.ts';
import { generateKey, keyFromPem, keyToPem } from '../x509/keys.ts';
import { AcmeSolvers } from './acme-solvers.ts';
import type { DnsSteps } from './acme-solvers.ts';
import { IssueError } from './issuer.ts';
import type { ChallengeBoard, IssueContext, IssuedCertificate, Issuer } from './issuer.ts';
import type { IssueRequest, RenewalWindow } from './issuer.ts';

/** Names of which it is remembered by which kind of challenge they were proved. */
const PROVED_MAX = 20_000;

export interface AcmeIssuerOptions {
  /** Of kind `acme`. */
  readonly config: IssuerConfig;
  readonly http: AcmeHttp;
  readonly clock: AcmeClock;
  readonly accounts: AccountStore;
  readonly orders: OrderStore;
  readonly board: ChallengeBoard;
  /** Null: DNS-01 is not possible. */
  readonly dns: DnsSteps | null;
}

export class AcmeIssuer implements Issuer {
  readonly name: string;
  readonly kind = 'acme';
  readonly key: string;
  readonly #config: IssuerConfig;
  readonly #client: AcmeClient;
  readonly #solvers: AcmeSolvers;
  readonly #proved = new Map<string, ChallengeKind>();

  constructor(options: AcmeIssuerOptions) {
    const { config, http, clock, accounts, orders, board, dns } = options;
    this.name = config.name;
    this.key = issuerKeyOf(config.directory);
    this.#config = config;
    this.#solvers = new AcmeSolvers({ board, dns, nowMs: () => clock.nowMs() });
    this.#client = new AcmeClient({
      directory: config.directory,
      issuerKey: this.key,
      email: config.email,
      externalAccount: config.eab,
      profile: config.profile,
      preferredChain: config.preferredChain,
      http,
      clock,
      accounts,
      orders,
      solvers: this.#solvers,
      kindsFor: (identifier) => this.#kindsFor(identifier),
      makeKey: async () => keyToPem(await generateKey(config.keyType)),
      makeRequest: (names, key) => createCsr(names, keyFromPem(key)!),
    });
  }

  refusal(name: string): string | null {
    const { challenges } = this.#config;
    const usable = challenges.filter((kind) => {
      if (name.startsWith('*.') && kind !== 'dns-01') return false;
      return this.#solvers.refusal(kind, identifierOf(name)) === null;
    });
    if (usable.length > 0) return null;
    return name.startsWith('*.')
      ? `issuer ${this.name} cannot prove ${name}: a wildcard needs dns-01, so set its \`dns\``
      : `issuer ${this.name} cannot prove ${name} by ${challenges.join(' or ')}`;
  }

  async issue(request: IssueRequest, context: IssueContext): Promise<IssuedCertificate> {
    const { names, replaces } = request;
    const { signal, onStep } = context;
    return this.#told(signal, async () => {
      const obtain = { names, replaces, signal, onStep };
      const { chain, key, proved, settle } = await this.#client.obtain(obtain);
      for (const { identifier, kind } of proved) this.#remember(identifier, kind);
      return { chain, key, settle: () => settle().catch(() => undefined) };
    });
  }

  async renewalWindow(chain: string, signal: AbortSignal): Promise<RenewalWindow | null> {
    return this.#told(signal, () => this.#client.renewalWindow(chain, signal));
  }

  async revoke(chain: string, key: string, reason: number, signal: AbortSignal): Promise<void> {
    return this.#told(signal, () => this.#client.revoke(chain, key, reason, signal));
  }

  /** Domains by which CAA records name the authority; empty: not known. @throws IssueError only */
  async caaIdentities(signal: AbortSignal): Promise<readonly string[]> {
    return this.#told(signal, async () => (await this.#client.directory(signal)).caaIdentities);
  }

  /** Changes the key of the account. @throws IssueError only */
  async changeAccountKey(signal: AbortSignal): Promise<void> {
    await this.#told(signal, () => this.#client.account.rollOver(signal));
  }

  /** What worked for that name goes first, then the order of the configuration. */
  #kindsFor({ value }: Identifier): readonly ChallengeKind[] {
    const { challenges } = this.#config;
    const best = this.#proved.get(value);
    if (best === undefined || !challenges.includes(best)) return challenges;
    return [best, ...challenges.filter((kind) => kind !== best)];
  }

  #remember(identifier: string, kind: ChallengeKind): void {
    this.#proved.delete(identifier);
    this.#proved.set(identifier, kind);
    if (this.#proved.size <= PROVED_MAX) return;
    for (const [oldest] of this.#proved) {
      this.#proved.delete(oldest);
      return;
    }
  }

  async #told<Result>(signal: AbortSignal, run: () => Promise<Result>): Promise<Result> {
    try {
      return await run();
    } catch (error) {
      throw this.#issueError(error, signal);
    }
  }

  #issueError(error: unknown, signal: AbortSignal): IssueError {
    if (error instanceof AcmeError) {
      const { message, advice, retryAtMs, problem, cause } = error;
      return new IssueError(message, { advice, retryAtMs, problem, cause });
    }
    if (signal.aborted) {
      return new IssueError('it was broken off', { advice: 'aborted', cause: error });
    }
    const text = error instanceof Error ? error.message : String(error);
    const message = `issuer ${this.name} could not go on: ${text}`;
    return new IssueError(message, { advice: 'retry', cause: error });
  }
}

/** Host and path of a directory, with `-` for `/`: `acme-v02.api.letsencrypt.org-directory`. */
export function issuerKeyOf(directory: string): string {
  const { host, pathname } = new URL(directory);
  return `${host}${pathname}`.replace(/\/+$/, '').replaceAll('/', '-').replaceAll(':', '-');
}
