/**
 * Zone finder: where a record for a name belongs.
 *
 * Z1  a CNAME is followed (RFC 1034 §3.6.2): `_acme-challenge.example.com` may lead to a zone that
 *     a key with few rights can write, and the authority follows it too.
 * Z2  the zone is the name of the nearest SOA at or above it; what is below a delegation is not in
 *     the zone above.
 */

import { DnsQueryError } from './dns-client.ts';
import type { DnsClient } from './dns-client.ts';
import type { DnsMessage } from './dns-message.ts';
import { RecordType } from './dns-message.ts';
import { DnsProviderError } from './dns-provider.ts';

export interface FoundZone {
  /** Where the CNAMEs lead; lower case, no trailing dot. */
  readonly name: string;
  /** Zone that `name` lies in; empty: DNS shows none. */
  readonly zone: string;
}

const CNAMES_MAX = 8;

export class ZoneFinder {
  readonly #client: Pick<DnsClient, 'resolve'>;
  readonly #resolvers: readonly string[];

  /** @param resolvers `host:port` of servers that recurse */
  constructor(client: Pick<DnsClient, 'resolve'>, resolvers: readonly string[]) {
    this.#client = client;
    this.#resolvers = resolvers;
  }

  /** @throws DnsProviderError only: DNS cannot be asked, or CNAMEs go in a circle */
  async find(name: string, signal: AbortSignal): Promise<FoundZone> {
    try {
      const target = await this.#follow(name.toLowerCase(), signal);
      return { name: target, zone: await this.zoneOf(target, signal) };
    } catch (error) {
      if (error instanceof DnsQueryError) throw new DnsProviderError(error.message, true);
      throw error;
    }
  }

  async #follow(name: string, signal: AbortSignal): Promise<string> {
    let target = name;
    for (let i = 0; i <= CNAMES_MAX; i++) {
      const answer = await this.#ask(target, RecordType.cname, signal);
      const next = answer.answers.find(
        (record) => record.type === RecordType.cname && record.name === target,
      );
      if (next === undefined) return target;
      target = next.text;
    }
    throw new DnsProviderError(
      `${name} leads through more than ${CNAMES_MAX} CNAME records: end the circle in DNS`,
      false,
    );
  }

  /** @throws DnsQueryError */
  async zoneOf(name: string, signal: AbortSignal): Promise<string> {
    const labels = name.split('.');
    for (let i = 0; i < labels.length; i++) {
      const candidate = labels.slice(i).join('.');
      const answer = await this.#ask(candidate, RecordType.soa, signal);
      const here = answer.answers.some(
        (record) => record.type === RecordType.soa && record.name === candidate,
      );
      if (here) return candidate;
      // A negative answer carries the SOA of the zone that it is about (RFC 2308 §3).
      const above = answer.authorities.find(
        (record) => record.type === RecordType.soa && isWithin(candidate, record.name),
      );
      if (above !== undefined) return above.name;
    }
    return '';
  }

  #ask(name: string, type: number, signal: AbortSignal): Promise<DnsMessage> {
    return this.#client.resolve(this.#resolvers, name, type, signal);
  }
}

/** Whether `name` is `zone` or below it; the root is no zone anyone has. */
export function isWithin(name: string, zone: string): boolean {
  if (zone === '') return false;
  return name === zone || name.endsWith(`.${zone}`);
}
