/**
 * Issuer set: the issuers of the configuration that is served. One whose configuration stays the
 * same stays itself, with all that it remembers; orders of one that changes end with the old one.
 */

import type { IssuerConfig } from '../config/config.ts';
import type { Issuer } from './issuer.ts';

interface Known {
  readonly config: IssuerConfig;
  readonly text: string;
  readonly issuer: Issuer;
}

export class IssuerSet {
  readonly #create: (config: IssuerConfig) => Issuer;
  #known = new Map<string, Known>();

  constructor(create: (config: IssuerConfig) => Issuer) {
    this.#create = create;
  }

  configure(configs: readonly IssuerConfig[]): void {
    const before = this.#known;
    this.#known = new Map();
    for (const config of configs) {
      const text = JSON.stringify(config);
      const old = before.get(config.name);
      const issuer = old?.text === text ? old.issuer : this.#create(config);
      this.#known.set(config.name, { config, text, issuer });
    }
  }

  /** Issuers by name, in that order; those that are not there are left out. */
  named(names: readonly string[]): readonly Issuer[] {
    return names.flatMap((name) => this.#known.get(name)?.issuer ?? []);
  }

  configOf(issuer: Issuer): IssuerConfig | null {
    return this.#known.get(issuer.name)?.config ?? null;
  }

  get configs(): readonly IssuerConfig[] {
    return [...this.#known.values()].map(({ config }) => config);
  }
}
