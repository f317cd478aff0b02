/**
 * Provider `hetzner`: zones of the Hetzner Cloud API (the older DNS Console is not spoken to).
 *
 * Its actions add and remove single records of a set, so values of one name never touch each
 * other. An action is under way until it says `success`.
 */

import { field, listField } from '../api-call.ts';
import type { ApiCall } from '../api-call.ts';
import { DnsProviderError } from '../dns-provider.ts';
import type { DnsProvider, TxtRecord } from '../dns-provider.ts';
import { apiClient, apiUrl, quoted, relativeName, setting, zoneOf } from './provider-input.ts';
import type { ProviderInput } from './provider-input.ts';

/** Least TTL it takes. */
const TTL_SECONDS_MIN = 60;
const ACTION_LOOKS_MAX = 60;
const ACTION_INTERVAL_MS = 1_000;

export function hetznerProvider(input: ProviderInput): DnsProvider {
  const client = apiClient(input, 'Hetzner');
  const headers = {
    authorization: `Bearer ${setting(input, 'token')}`,
    'content-type': 'application/json',
  };
  const call =
    (method: ApiCall['method'], path: string, body = '') =>
    (): ApiCall => ({
      method,
      url: `${apiUrl(input)}/v1${path}`,
      headers,
      body,
    });

  /** The values that the name has; null: there is no such set. */
  const values = async (record: TxtRecord, signal: AbortSignal): Promise<unknown[] | null> => {
    const { status, body } = await client.json(call('GET', setPath(record)), signal, [404]);
    if (status === 404) return null;
    return listField(field(body, 'rrset'), 'records').map((item) => field(item, 'value'));
  };

  const act = async (
    record: TxtRecord,
    action: string,
    more: { readonly ttl?: number },
    signal: AbortSignal,
  ): Promise<void> => {
    const body = JSON.stringify({ ...more, records: [{ value: quoted(record.value) }] });
    const make = call('POST', `${setPath(record)}/actions/${action}`, body);
    let now = field((await client.json(make, signal)).body, 'action');
    for (let i = 0; field(now, 'status') === 'running'; i++) {
      if (i === ACTION_LOOKS_MAX) {
        throw new DnsProviderError('Hetzner is still at it after a minute', true);
      }
      await input.tools.delay(ACTION_INTERVAL_MS, signal);
      const path = `/actions/${Number(field(now, 'id'))}`;
      now = field((await client.json(call('GET', path), signal)).body, 'action');
    }
    if (field(now, 'status') !== 'error') return;
    const said = client.redact(String(field(field(now, 'error'), 'message') ?? 'no reason given'));
    throw new DnsProviderError(`Hetzner could not change the zone: ${said}`, true);
  };

  return {
    async add(record, signal) {
      const present = await values(record, signal);
      if (present?.includes(quoted(record.value)) === true) return;
      const ttl = Math.max(record.ttlSeconds, TTL_SECONDS_MIN);
      await act(record, 'add_records', present === null ? { ttl } : {}, signal);
    },

    async remove(record, signal) {
      const present = await values(record, signal);
      if (present?.includes(quoted(record.value)) !== true) return;
      await act(record, 'remove_records', {}, signal);
    },
  };
}

function setPath(record: TxtRecord): string {
  const name = encodeURIComponent(relativeName(record, '@'));
  return `/zones/${zoneOf(record)}/rrsets/${name}/TXT`;
}
