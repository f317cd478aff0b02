/**
 * Provider `cloudflare`: the Cloudflare API, version 4.
 *
 * One DNS record a value, so values of one name never touch each other.
 */

import { field, listField } from '../api-call.ts';
import type { ApiCall } from '../api-call.ts';
import { DnsProviderError } from '../dns-provider.ts';
import type { DnsProvider, TxtRecord } from '../dns-provider.ts';
import { apiClient, apiUrl, quoted, setting, zoneOf } from './provider-input.ts';
import type { ProviderInput } from './provider-input.ts';

/** Least TTL it takes. */
const TTL_SECONDS_MIN = 60;
/** "An identical record already exists", in its two wordings. */
const EXISTS: readonly unknown[] = [81_057, 81_058];

export function cloudflareProvider(input: ProviderInput): DnsProvider {
  const client = apiClient(input, 'Cloudflare');
  const headers = {
    authorization: `Bearer ${setting(input, 'token')}`,
    'content-type': 'application/json',
  };
  const call =
    (method: ApiCall['method'], path: string, body = '') =>
    (): ApiCall => ({
      method,
      url: `${apiUrl(input)}${path}`,
      headers,
      body,
    });

  const zoneId = async (record: TxtRecord, signal: AbortSignal): Promise<string> => {
    const zone = zoneOf(record);
    const { body } = await client.json(call('GET', `/zones?name=${zone}`), signal);
    const id = field(listField(body, 'result')[0], 'id');
    if (typeof id === 'string' && /^[0-9a-zA-Z]+$/.test(id)) return id;
    throw new DnsProviderError(
      `Cloudflare has no zone ${zone} that this token may see: give it Zone:Read and DNS:Edit`,
      false,
    );
  };

  return {
    async add(record, signal) {
      const zone = await zoneId(record, signal);
      const { name, value } = record;
      const ttl = Math.max(record.ttlSeconds, TTL_SECONDS_MIN);
      const body = JSON.stringify({ type: 'TXT', name, content: quoted(value), ttl });
      const make = call('POST', `/zones/${zone}/dns_records`, body);
      const answer = await client.call(make, signal);
      if (answer.status >= 200 && answer.status < 300) return;
      if (!errorCodes(answer.text).some((code) => EXISTS.includes(code))) {
        throw client.refusal(answer);
      }
    },

    async remove(record, signal) {
      const zone = await zoneId(record, signal);
      const query = `type=TXT&name=${encodeURIComponent(record.name)}&per_page=100`;
      const { body } = await client.json(
        call('GET', `/zones/${zone}/dns_records?${query}`),
        signal,
      );
      for (const item of listField(body, 'result')) {
        const content = String(field(item, 'content')).replaceAll('"', '');
        if (content !== record.value || field(item, 'name') !== record.name) continue;
        const path = `/zones/${zone}/dns_records/${encodeURIComponent(String(field(item, 'id')))}`;
        await client.json(call('DELETE', path), signal, [404]);
      }
    },
  };
}

function errorCodes(text: string): readonly unknown[] {
  try {
    return listField(JSON.parse(text), 'errors').map((error) => field(error, 'code'));
  } catch {
    return [];
  }
}
