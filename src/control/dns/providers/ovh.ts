/**
 * Provider `ovh`: domain zones of the OVHcloud API, version 1.
 *
 * Calls are signed (`$1$` and SHA-1 over secret, consumer key, method, URL, body and time) with the
 * time of the service, so that a wrong clock here does no harm. A zone changes on `refresh`.
 */

import { createHash } from 'node:crypto';
import { field } from '../api-call.ts';
import type { ApiCall, ApiClient } from '../api-call.ts';
import type { DnsProvider, TxtRecord } from '../dns-provider.ts';
import { apiClient, apiUrl, quoted, relativeName, setting, zoneOf } from './provider-input.ts';
import type { ProviderInput } from './provider-input.ts';

/** Least TTL it takes. */
const TTL_SECONDS_MIN = 60;

export function ovhProvider(input: ProviderInput): DnsProvider {
  const zones = new OvhZones(input);
  return {
    async add(record, signal) {
      if ((await zones.find(record, signal)).length === 0) {
        await zones.call('POST', `/domain/zone/${zoneOf(record)}/record`, signal, {
          fieldType: 'TXT',
          subDomain: relativeName(record, ''),
          target: quoted(record.value),
          ttl: Math.max(record.ttlSeconds, TTL_SECONDS_MIN),
        });
      }
      await zones.refresh(record, signal);
    },

    async remove(record, signal) {
      const ids = await zones.find(record, signal);
      if (ids.length === 0) return;
      for (const id of ids) {
        await zones.call('DELETE', `/domain/zone/${zoneOf(record)}/record/${id}`, signal);
      }
      await zones.refresh(record, signal);
    },
  };
}

class OvhZones {
  readonly #input: ProviderInput;
  readonly #client: ApiClient;
  /** Time of the service less ours, seconds; null: not asked yet. */
  #ahead: number | null = null;

  constructor(input: ProviderInput) {
    this.#input = input;
    this.#client = apiClient(input, 'OVH');
  }

  /** A signed call. @returns the JSON of the answer */
  async call(
    method: ApiCall['method'],
    path: string,
    signal: AbortSignal,
    content: unknown = null,
  ): Promise<unknown> {
    const input = this.#input;
    this.#ahead ??= await this.#askTime(signal);
    const ahead = this.#ahead;
    const url = `${apiUrl(input)}${path}`;
    const body = content === null ? '' : JSON.stringify(content);
    const make = (): ApiCall => {
      const time = String(this.#seconds() + ahead);
      const headers = {
        'content-type': 'application/json',
        'x-ovh-application': setting(input, 'application-key'),
        'x-ovh-consumer': setting(input, 'consumer-key'),
        'x-ovh-timestamp': time,
        'x-ovh-signature': ovhSignature(input, [method, url, body, time]),
      };
      return { method, url, headers, body };
    };
    const accept = method === 'DELETE' ? [404] : [];
    return (await this.#client.json(make, signal, accept)).body;
  }

  /** Ids of the records with that name and value. */
  async find(record: TxtRecord, signal: AbortSignal): Promise<number[]> {
    const zone = zoneOf(record);
    const query = `fieldType=TXT&subDomain=${encodeURIComponent(relativeName(record, ''))}`;
    const ids = await this.call('GET', `/domain/zone/${zone}/record?${query}`, signal);
    const found: number[] = [];
    for (const id of Array.isArray(ids) ? (ids as unknown[]) : []) {
      if (typeof id !== 'number') continue;
      const item = await this.call('GET', `/domain/zone/${zone}/record/${id}`, signal);
      if (String(field(item, 'target')).replaceAll('"', '') === record.value) found.push(id);
    }
    return found;
  }

  /** Makes the changes of the zone known. */
  async refresh(record: TxtRecord, signal: AbortSignal): Promise<void> {
    await this.call('POST', `/domain/zone/${zoneOf(record)}/refresh`, signal);
  }

  #seconds(): number {
    return Math.floor(this.#input.tools.nowMs() / 1_000);
  }

  async #askTime(signal: AbortSignal): Promise<number> {
    const url = `${apiUrl(this.#input)}/auth/time`;
    const make = (): ApiCall => ({ method: 'GET', url, headers: {}, body: '' });
    const { body } = await this.#client.json(make, signal);
    return typeof body === 'number' ? body - this.#seconds() : 0;
  }
}

/** @param parts method, URL with query, body, time in seconds */
function ovhSignature(input: ProviderInput, parts: readonly string[]): string {
  const keys = [setting(input, 'application-secret'), setting(input, 'consumer-key')];
  const hash = createHash('sha1');
  return `$1$${hash.update([...keys, ...parts].join('+')).digest('hex')}`;
}
