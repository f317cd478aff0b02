/**
 * The part of a snapshot that is about TLS, of a configuration whose nodes have their indexes.
 */

import type { PassthroughSpec, TlsHostSpec, TlsPolicySpec, TlsSpec } from '../../contract/tls.ts';
import { wideOf } from '../config/certificate-name.ts';
import type { Config, RouteConfig, TlsPolicyConfig } from '../config/config.ts';
import { hostsOfRule } from '../config/needed-names.ts';
import type { SpecContext } from './node-specs.ts';

/** @param policies by index */
export function tlsSpec(
  config: Config,
  policies: readonly TlsPolicySpec[],
  context: SpecContext,
): TlsSpec {
  return {
    policies,
    hosts: hostSpecs(config, context),
    passthroughs: config.passthroughs.map((passthrough): PassthroughSpec => {
      const { name, hosts, streamsOnChangeMs } = passthrough;
      return {
        name,
        hosts,
        listeners: listenersOf(passthrough, context),
        service: context.service(passthrough.service),
        streamsOnChangeMs,
        metricIndex: context.metricIndexes.indexOf('route', name),
      };
    }),
    handshakesPerAddressMax: config.limits.handshakesPerAddressMax,
    onDemand: [...new Set(config.issuers.flatMap(({ onDemand }) => onDemand?.names ?? []))],
  };
}

/** A policy as workers know it; `certificates` are those of its configuration. */
export function policySpec(
  { defaultCertificate, ...policy }: TlsPolicyConfig,
  certificates: Config['certificates'],
): TlsPolicySpec {
  const node = certificates.find(({ name }) => name === defaultCertificate);
  return { ...policy, defaultCertificate: node?.pairs[0]?.id ?? '' };
}

/**
 * Names with a policy of their own, and those that a wildcard would take from their listener: one
 * of a passthrough, or one with another policy. What has a policy comes last, for it holds where
 * two routes name the same host.
 */
function hostSpecs({ routes, passthroughs }: Config, context: SpecContext): TlsHostSpec[] {
  const patterns = new Set(passthroughs.flatMap(({ hosts }) => hosts));
  const withPolicy = routes.filter(({ tls }) => tls !== null);
  for (const { rule } of withPolicy) for (const host of hostsOfRule(rule)) patterns.add(host);
  if (patterns.size === 0) return [];
  const isTaken = (host: string): boolean => patterns.has('*') || patterns.has(wideOf(host));
  const specs: TlsHostSpec[] = [];
  for (const route of [...routes.filter(({ tls }) => tls === null), ...withPolicy]) {
    const policy = route.tls === null ? -1 : context.policy(route.tls);
    const listeners = listenersOf(route, context);
    for (const host of hostsOfRule(route.rule)) {
      if (policy >= 0 || isTaken(host)) specs.push({ host, listeners, policy });
    }
  }
  return specs;
}

function listenersOf(
  { listeners }: Pick<RouteConfig, 'listeners'>,
  context: SpecContext,
): readonly number[] | null {
  return listeners?.map(context.listener).toSorted((a, b) => a - b) ?? null;
}
