/**
 * Provider `digitalocean`: domain records of the DigitalOcean API, version 2.
 */

import { field, listField } from '../api-call.ts';
import type { ApiCall } from '../api-call.ts';
import type { DnsProvider, TxtRecord } from '../dns-provider.ts';
import { apiClient, apiUrl, relativeName, setting, zoneOf } from './provider-input.ts';
import type { ProviderInput } from './provider-input.ts';

/** Least TTL it takes. */
const TTL_SECONDS_MIN = 30;

export function digitaloceanProvider(input: ProviderInput): DnsProvider {
  const client = apiClient(input, 'DigitalOcean');
  const headers = {
    authorization: `Bearer ${setting(input, 'token')}`,
    'content-type': 'application/json',
  };
  const call =
    (method: ApiCall['method'], record: TxtRecord, rest: string, body = '') =>
    (): ApiCall => ({
      method,
      url: `${apiUrl(input)}/v2/domains/${zoneOf(record)}/records${rest}`,
      headers,
      body,
    });

  /** Ids of the records with that name and value. */
  const find = async (record: TxtRecord, signal: AbortSignal): Promise<number[]> => {
    const query = `?type=TXT&name=${encodeURIComponent(record.name)}&per_page=200`;
    const { body } = await client.json(call('GET', record, query), signal);
    const ids: number[] = [];
    for (const item of listField(body, 'domain_records')) {
      const id = field(item, 'id');
      if (field(item, 'data') === record.value && typeof id === 'number') ids.push(id);
    }
    return ids;
  };

  return {
    async add(record, signal) {
      if ((await find(record, signal)).length > 0) return;
      const ttl = Math.max(record.ttlSeconds, TTL_SECONDS_MIN);
      const name = relativeName(record, '@');
      const body = JSON.stringify({ type: 'TXT', name, data: record.value, ttl });
      await client.json(call('POST', record, '', body), signal);
    },

    async remove(record, signal) {
      for (const id of await find(record, signal)) {
        await client.json(call('DELETE', record, `/${id}`), signal, [404]);
      }
    },
  };
}
