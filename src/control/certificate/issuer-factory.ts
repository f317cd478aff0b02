/**
 * Issuer factory: makes the issuers that a configuration asks for, over the network and the store
 * of this process.
 */

import type { IssuerConfig } from '../config/config.ts';
import { createDnsSolver } from '../dns/create-dns-solver.ts';
import { dnsTools } from '../dns/dns-tools.ts';
import { acmeClock } from './acme-clock.ts';
import { NodeAcmeHttp } from './acme-http.ts';
import { AcmeIssuer } from './acme-issuer.ts';
import { accountStore, orderStore } from './acme-stores.ts';
import type { CertificateStore } from './certificate-store.ts';
import { InternalAuthority } from './internal-authority.ts';
import { createInternalIssuer } from './internal-issuer.ts';
import type { Preflight } from './issue-attempt.ts';
import type { ChallengeBoard, Issuer } from './issuer.ts';
import { issuerPreflight } from './issuer-preflight.ts';

export interface IssuerFactoryOptions {
  readonly store: CertificateStore;
  readonly board: ChallengeBoard;
  /** `proxy-now/` and the version. */
  readonly userAgent: string;
  /** Unix milliseconds. */
  readonly wallMs: () => number;
  /** Environment that programs of the DNS provider `exec` are given. */
  readonly environment: { readonly [name: string]: string | undefined };
}

export class IssuerFactory {
  /** For `CertificateManagerOptions.preflight`. */
  readonly preflight: Preflight;
  readonly #options: IssuerFactoryOptions;
  readonly #authority: InternalAuthority;
  /** By name, as it was last asked for. */
  readonly #configs = new Map<string, IssuerConfig>();

  constructor(options: IssuerFactoryOptions) {
    const { store, board, wallMs } = options;
    this.#options = options;
    this.#authority = new InternalAuthority(store, wallMs);
    this.preflight = issuerPreflight({ configOf: (name) => this.#configs.get(name), board });
  }

  /** For `CertificateManagerOptions.createIssuer`. */
  create(config: IssuerConfig): Issuer {
    this.#configs.set(config.name, config);
    const { store, board, userAgent, wallMs, environment } = this.#options;
    if (config.kind === 'internal') {
      const { name, keyType, lifetimeMs } = config;
      const authority = this.#authority;
      return createInternalIssuer({ name, keyType, lifetimeMs, authority, nowMs: wallMs });
    }
    return new AcmeIssuer({
      config,
      http: new NodeAcmeHttp({ cas: config.cas, userAgent }),
      clock: acmeClock(wallMs),
      accounts: accountStore(store),
      orders: orderStore(store, wallMs),
      board,
      dns: config.dns === null ? null : createDnsSolver(config.dns, dnsTools(wallMs, environment)),
    });
  }
}
