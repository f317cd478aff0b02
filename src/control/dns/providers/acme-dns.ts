/**
 * Provider `acme-dns`: an acme-dns server, to which `_acme-challenge.<name>` is a CNAME.
 *
 * A registration has room for the two latest values (a name and its wildcard) and forgets older
 * ones by itself, so there is nothing to remove, and one registration serves one name.
 */

import { DnsProviderError } from '../dns-provider.ts';
import type { DnsProvider } from '../dns-provider.ts';
import { apiClient, apiUrl, setting } from './provider-input.ts';
import type { ProviderInput } from './provider-input.ts';

export function acmeDnsProvider(input: ProviderInput): DnsProvider {
  const client = apiClient(input, 'acme-dns');
  const subdomain = setting(input, 'subdomain');
  const headers = {
    'content-type': 'application/json',
    'x-api-user': setting(input, 'username'),
    'x-api-key': setting(input, 'password'),
  };
  return {
    async add(record, signal) {
      // The name is where the CNAME leads: without one it is still the name of the challenge.
      if (!record.name.startsWith(`${subdomain.toLowerCase()}.`)) {
        throw new DnsProviderError(
          `${record.name} does not lead to acme-dns: make it a CNAME of ${subdomain} ` +
            "below your acme-dns server's domain",
          false,
        );
      }
      const body = JSON.stringify({ subdomain, txt: record.value });
      const url = `${apiUrl(input)}/update`;
      await client.json(() => ({ method: 'POST', url, headers, body }), signal);
    },

    remove: () => Promise.resolve(),
  };
}
