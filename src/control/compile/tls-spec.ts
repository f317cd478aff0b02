/**
 * The part of a snapshot that is about TLS, of a configuration whose nodes have their indexes.
 */

import type {
  PassthroughSpec,
  TlsHostSpec,
  TlsPolicySpec,
  TlsSpec,
} from '../../contract/tls.ts';
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
    hosts: config.routes.flatMap((route) => hostSpecs(route, context)),
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

function hostSpecs(route: RouteConfig, context: SpecContext): TlsHostSpec[] {
  if (route.tls === null) return [];
  const policy = context.policy(route.tls);
  const listeners = listenersOf(route, context);
  return hostsOfRule(route.rule).map((host) => ({ host, listeners, policy }));
}

function listenersOf(
  { listeners }: Pick<RouteConfig, 'listeners'>,
  context: SpecContext,
): readonly number[] | null {
  return listeners?.map(context.listener).toSorted((a, b) => a - b) ?? null;
}
