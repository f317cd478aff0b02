/**
 * DNS provider: puts TXT records into a zone and takes them out again, for DNS-01 challenges.
 *
 * V1  a record is added beside others of the same name, never instead of them: a wildcard and its
 *     bare name need two values at one name at once.
 * V2  a record is removed by name and value; removing one that is gone is no failure.
 */

export interface TxtRecord {
  /** Absolute, without the trailing dot, lower case: `_acme-challenge.example.com`. */
  readonly name: string;
  /** Zone that `name` lies in, without the trailing dot; empty: DNS shows none. */
  readonly zone: string;
  readonly value: string;
  readonly ttlSeconds: number;
}

export interface DnsProvider {
  /** @throws DnsProviderError only */
  add(record: TxtRecord, signal: AbortSignal): Promise<void>;
  /** @throws DnsProviderError only */
  remove(record: TxtRecord, signal: AbortSignal): Promise<void>;
}

/** Why a provider could not do it: one sentence for people, without any secret in it. */
export class DnsProviderError extends Error {
  /** True: the same call may work later. */
  readonly isTemporary: boolean;

  constructor(message: string, isTemporary: boolean, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DnsProviderError';
    this.isTemporary = isTemporary;
  }
}
