/**
 * Provider `ovh`: domain zones of the OVHcloud API, version 1.
 *
 * Calls are signed (`$1$` and SHA-1 over secret, consumer key, method, URL, body and time) with the
 * time of the service, so that a wrong clock here does no harm. A zone changes on `refresh`.
 */

import { createHash } from 'node:crypto';
import { field } from '../api-call.ts';
import type { ApiCall } from '../api-call.ts';
import type { DnsProvider, TxtRecord } from '../dns-provider.ts';
import { apiClient, apiUrl, quoted, relativeName, setting, zoneOf } from './provider-input.ts';
import type { ProviderInput } from './provider-input.ts';

/** Least TTL it takes. */
const TTL_SECONDS_MIN = 60;

export function ovhProvider(input: ProviderInput): DnsProvider {
  const client = apiClient(input, 'OVH');
  /** Time of the service less ours, seconds; null: not asked yet. */
  let ahead: number | null = null;

  const seconds = (): number => Math.floor(input.tools.nowMs() / 1_000);

  const call = async (
    method: ApiCall['method'],
    path: string,
    signal: AbortSignal,
    content: unknown = null,
  ): Promise<unknown> => {
    if (ahead === null) {
      const url = `${apiUrl(input)}/auth/time`;
      const answer = await client.json(
        () => ({ method: 'GET', url, headers: {}, body: '' }),
        signal,
      );
      ahead = typeof answer.body === 'number' ? answer.body - seconds() : 0;
    }
    const offset = ahead;
    const url = `${apiUrl(input)}${path}`;
    const body = content === null ? '' : JSON.stringify(content);
    const make = (): ApiCall => {
      const time = String(seconds() + offset);
      const signature = ovhSignature(input, [method, url, body, time]);
      const headers = {
        'content-type': 'application/json',
        'x-ovh-application': setting(input, 'application-key'),
        'x-ovh-consumer': setting(input, 'consumer-key'),
        'x-ovh-timestamp': time,
        'x-ovh-signature': signature,
      };
      return { method, url, headers, body };
    };
    const accept = method === 'DELETE' ? [404] : [];
    return (await client.json(make, signal, accept)).body;
  };

  /** Ids of the records with that name and value. */
  const find = async (record: TxtRecord, signal: AbortSignal): Promise<number[]> => {
    const zone = zoneOf(record);
    const query = `fieldType=TXT&subDomain=${encodeURIComponent(relativeName(record, ''))}`;
    const ids = await call('GET', `/domain/zone/${zone}/record?${query}`, signal);
    const found: number[] = [];
    for (const id of Array.isArray(ids) ? (ids as unknown[]) : []) {
      if (typeof id !== 'number') continue;
      const item = await call('GET', `/domain/zone/${zone}/record/${id}`, signal);
      if (String(field(item, 'target')).replaceAll('"', '') === record.value) found.push(id);
    }
    return found;
  };

  const refresh = (record: TxtRecord, signal: AbortSignal): Promise<unknown> =>
    call('POST', `/domain/zone/${zoneOf(record)}/refresh`, signal);

  return {
    async add(record, signal) {
      if ((await find(record, signal)).length === 0) {
        await call('POST', `/domain/zone/${zoneOf(record)}/record`, signal, {
          fieldType: 'TXT',
          subDomain: relativeName(record, ''),
          target: quoted(record.value),
          ttl: Math.max(record.ttlSeconds, TTL_SECONDS_MIN),
        });
      }
      await refresh(record, signal);
    },

    async remove(record, signal) {
      const ids = await find(record, signal);
      if (ids.length === 0) return;
      for (const id of ids) {
        await call('DELETE', `/domain/zone/${zoneOf(record)}/record/${id}`, signal);
      }
      await refresh(record, signal);
    },
  };
}

/** @param parts method, URL with query, body, time in seconds */
function ovhSignature(input: ProviderInput, parts: readonly string[]): string {
  const keys = [setting(input, 'application-secret'), setting(input, 'consumer-key')];
  const hash = createHash('sha1');
  return `$1$${hash.update([...keys, ...parts].join('+')).digest('hex')}`;
}
