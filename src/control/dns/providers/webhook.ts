/**
 * Provider `webhook`: a service of your own that changes DNS.
 *
 * `POST` with JSON `{action, name, zone, value, ttl}`, action `add` or `remove`; any 2xx is a yes.
 * It must keep other values of the name, and take the removal of what is gone for a success.
 */

import type { DnsProvider, TxtRecord } from '../dns-provider.ts';
import { apiClient, setting } from './provider-input.ts';
import type { ProviderInput } from './provider-input.ts';

export function webhookProvider(input: ProviderInput): DnsProvider {
  const client = apiClient(input, 'the DNS webhook');
  const secret = setting(input, 'secret');
  const headers = {
    'content-type': 'application/json',
    ...(secret === '' ? {} : { authorization: `Bearer ${secret}` }),
  };
  const post = async (action: string, record: TxtRecord, signal: AbortSignal): Promise<void> => {
    const { name, zone, value, ttlSeconds } = record;
    const body = JSON.stringify({ action, name, zone, value, ttl: ttlSeconds });
    await client.json(
      () => ({ method: 'POST', url: setting(input, 'url'), headers, body }),
      signal,
    );
  };
  return {
    add: (record, signal) => post('add', record, signal),
    remove: (record, signal) => post('remove', record, signal),
  };
}
