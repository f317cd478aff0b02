/**
 * Provider input: what every provider is made of.
 */

import { ApiClient } from '../api-call.ts';
import { DnsProviderError } from '../dns-provider.ts';
import type { TxtRecord } from '../dns-provider.ts';
import type { DnsTools } from '../dns-tools.ts';

export interface ProviderInput {
  /** Settings by key, defaults filled in, checked against their table. */
  readonly settings: { readonly [key: string]: string };
  /** Values of `settings` that must never be shown. */
  readonly secrets: readonly string[];
  readonly tools: DnsTools;
}

/** The setting `key`; empty: not set. */
export function setting(input: ProviderInput, key: string): string {
  return input.settings[key] ?? '';
}

/** Base URL of the provider's API, without a slash at the end. */
export function apiUrl(input: ProviderInput): string {
  return setting(input, 'api').replace(/\/+$/, '');
}

export function apiClient(input: ProviderInput, service: string): ApiClient {
  return new ApiClient({ service, secrets: input.secrets, tools: input.tools });
}

/** The zone of a record. @throws DnsProviderError: DNS shows none */
export function zoneOf(record: TxtRecord): string {
  if (record.zone !== '') return record.zone;
  throw new DnsProviderError(
    `no zone was found for ${record.name}: is its domain registered, and does DNS know it?`,
    false,
  );
}

/** The record's name within its zone; `apex` when it is the zone itself. */
export function relativeName(record: TxtRecord, apex: string): string {
  const zone = zoneOf(record);
  return record.name === zone ? apex : record.name.slice(0, -zone.length - 1);
}

/** As zone files write it: challenge values have neither quotes nor backslashes. */
export function quoted(value: string): string {
  return `"${value}"`;
}
