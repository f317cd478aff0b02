/**
 * Makes the DNS solver of an issuer from its configuration: every provider has one line here.
 */

import { getServers } from 'node:dns';
import type { DnsChallengeConfig } from '../config/config.ts';
import { DNS_SETTINGS } from '../config/dns-settings.ts';
import type { DnsProviderName } from '../config/dns-settings.ts';
import { DnsClient } from './dns-client.ts';
import type { DnsProvider } from './dns-provider.ts';
import { DnsSolver } from './dns-solver.ts';
import type { DnsTools } from './dns-tools.ts';
import { Preflight } from './preflight.ts';
import type { PreflightOptions } from './preflight.ts';
import { Propagation } from './propagation.ts';
import { acmeDnsProvider } from './providers/acme-dns.ts';
import { cloudflareProvider } from './providers/cloudflare.ts';
import { digitaloceanProvider } from './providers/digitalocean.ts';
import { execProvider } from './providers/exec.ts';
import { hetznerProvider } from './providers/hetzner.ts';
import { ovhProvider } from './providers/ovh.ts';
import type { ProviderInput } from './providers/provider-input.ts';
import { rfc2136Provider } from './providers/rfc2136.ts';
import { route53Provider } from './providers/route53.ts';
import { webhookProvider } from './providers/webhook.ts';
import { ZoneFinder } from './zone.ts';

const PROVIDERS: { readonly [P in DnsProviderName]: (input: ProviderInput) => DnsProvider } = {
  webhook: webhookProvider,
  exec: execProvider,
  rfc2136: rfc2136Provider,
  cloudflare: cloudflareProvider,
  route53: route53Provider,
  digitalocean: digitaloceanProvider,
  hetzner: hetznerProvider,
  ovh: ovhProvider,
  'acme-dns': acmeDnsProvider,
};

/** The provider of a configuration that has been checked. */
export function createDnsProvider(config: DnsChallengeConfig, tools: DnsTools): DnsProvider {
  const rows = DNS_SETTINGS[config.provider];
  const settings: Record<string, string> = {};
  for (const row of rows) settings[row.key] = config.settings[row.key] ?? row.default;
  const secrets = rows.filter((row) => row.isSecret).map((row) => settings[row.key]!);
  return PROVIDERS[config.provider]({ settings, secrets, tools });
}

/** All that DNS-01 needs for one issuer: the provider, the zones and the look at the servers. */
export function createDnsSolver(config: DnsChallengeConfig, tools: DnsTools): DnsSolver {
  const client = new DnsClient();
  const systemResolvers = getServers();
  const resolvers = config.resolvers.length > 0 ? config.resolvers : systemResolvers;
  return new DnsSolver({
    provider: createDnsProvider(config, tools),
    zones: new ZoneFinder(client, resolvers),
    propagation: new Propagation({
      client,
      systemResolvers: resolvers,
      resolvers: config.resolvers,
      timeoutMs: config.propagationTimeoutMs,
      delayMs: config.propagationDelayMs,
      isChecked: config.checkPropagation,
      tools,
    }),
    ttlSeconds: config.ttlSeconds,
  });
}

/**
 * The look before an order.
 * @param resolvers as `dns.resolvers` of the issuer; empty: the system's
 */
export function createPreflight(
  resolvers: readonly string[],
  reach: PreflightOptions['reach'],
): Preflight {
  const asked = resolvers.length > 0 ? resolvers : getServers();
  return new Preflight({
    client: new DnsClient({ timeoutMs: 1_500, tries: 1 }),
    resolvers: asked,
    reach,
  });
}
