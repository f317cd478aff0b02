/**
 * DNS solver: everything DNS-01 needs besides the order itself (RFC 8555 §8.4).
 *
 * It finds where the record belongs, has the provider put it there, and looks until every server
 * that an authority may ask shows it.
 *
 * S1  a record is put where `_acme-challenge.<name>` leads: at the end of its CNAMEs.
 * S2  what `add` was asked to put there `remove` takes out again, also after a restart: nothing of
 *     it is kept but what the names in DNS say.
 */

import type { DnsProvider, TxtRecord } from './dns-provider.ts';
import type { Propagation } from './propagation.ts';
import type { ZoneFinder } from './zone.ts';

/** One value that an authority will look for. */
export interface DnsChallenge {
  /** Name that is proved, lower case A-labels, without `*.`. */
  readonly name: string;
  /** Base64url SHA-256 of the key authorization. */
  readonly value: string;
}

export interface DnsSolverOptions {
  readonly provider: DnsProvider;
  readonly zones: Pick<ZoneFinder, 'find'>;
  readonly propagation: Pick<Propagation, 'wait'>;
  readonly ttlSeconds: number;
}

export class DnsSolver {
  readonly #options: DnsSolverOptions;

  constructor(options: DnsSolverOptions) {
    this.#options = options;
  }

  /**
   * Puts the value into DNS, beside others of the same name. Nobody may see it yet.
   * @throws DnsProviderError only
   */
  async add(challenge: DnsChallenge, signal: AbortSignal): Promise<void> {
    await this.#options.provider.add(await this.#record(challenge, signal), signal);
  }

  /**
   * Resolves when every server that has to show the value does.
   * @param onStep told what is waited for, in a few words
   * @throws DnsProviderError only: not in time, with the server that lacks it
   */
  async waitUntilSeen(
    challenge: DnsChallenge,
    signal: AbortSignal,
    onStep: (step: string) => void = () => undefined,
  ): Promise<void> {
    const record = await this.#record(challenge, signal);
    await this.#options.propagation.wait(record, signal, onStep);
  }

  /**
   * Takes the value out again; harmless when it is not there.
   * @throws DnsProviderError only
   */
  async remove(challenge: DnsChallenge, signal: AbortSignal): Promise<void> {
    await this.#options.provider.remove(await this.#record(challenge, signal), signal);
  }

  async #record(challenge: DnsChallenge, signal: AbortSignal): Promise<TxtRecord> {
    const { name, zone } = await this.#options.zones.find(
      `_acme-challenge.${challenge.name}`,
      signal,
    );
    return { name, zone, value: challenge.value, ttlSeconds: this.#options.ttlSeconds };
  }
}
