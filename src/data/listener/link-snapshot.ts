/**
 * Linking: a snapshot's names and indexes become objects, once per generation and worker. State
 * whose key is unchanged is taken over from the registry.
 */

import { compileCidrSet } from '../../base/cidr.ts';
import { routeBase, serviceBase } from '../../contract/metric-layout.ts';
import type { RouteSpec, ServiceSpec, Snapshot } from '../../contract/snapshot.ts';
import { linkBalancer } from '../balance/balancer.ts';
import { Sticky } from '../balance/sticky.ts';
import { Chain } from '../chain/chain.ts';
import type { Middleware } from '../chain/middleware.ts';
import type { LinkedRoute, LinkedService, LinkedSnapshot } from '../exchange/linked-snapshot.ts';
import { linkRouter } from '../route/router.ts';
import type { EndpointRegistry } from './endpoint-registry.ts';

/** Makes a middleware of a kind from its configuration; the worker's registry provides it. */
export type LinkMiddleware = (kind: string, config: unknown) => Middleware;

export interface LinkTools {
  readonly registry: EndpointRegistry;
  readonly random: () => number;
  readonly middleware: LinkMiddleware;
}

/** @throws only on a snapshot that control should not have published */
export function linkSnapshot(snapshot: Snapshot, tools: LinkTools): LinkedSnapshot {
  const services = snapshot.services.map((spec) => linkService(spec, snapshot, tools));
  const limits = snapshot.limits;
  return {
    snapshot,
    generation: snapshot.generation,
    router: linkRouter(snapshot.router),
    routes: snapshot.routes.map((spec) => linkRoute(spec, services, tools)),
    limits,
    requestLimits: {
      headSizeMax: limits.headSizeMax,
      fieldCountMax: limits.fieldCountMax,
      targetSizeMax: limits.targetSizeMax,
      chunkExtensionSizeMax: limits.chunkExtensionSizeMax,
      trailerSizeMax: limits.trailerSizeMax,
    },
    observe: snapshot.observe,
    trustedProxies: snapshot.listeners.map((listener) =>
      listener.trustedProxies.length === 0 ? null : compileCidrSet(listener.trustedProxies),
    ),
  };
}

function linkService(spec: ServiceSpec, snapshot: Snapshot, tools: LinkTools): LinkedService {
  const transport = snapshot.transports[spec.transport]!;
  const { registry, random } = tools;
  const endpoints = spec.endpoints.map((endpoint) =>
    registry.endpoint(spec, endpoint, transport, snapshot.limits),
  );
  return {
    name: spec.name,
    balancer: linkBalancer(spec.balance, endpoints, random, registry.position(spec)),
    sticky: spec.sticky === null ? null : new Sticky(spec.sticky, endpoints),
    endpoints,
    transport,
    passHost: spec.passHost,
    metricBase: serviceBase(spec.metricIndex),
  };
}

function linkRoute(
  spec: RouteSpec,
  services: readonly LinkedService[],
  tools: LinkTools,
): LinkedRoute {
  const chain = new Chain(
    spec.middlewares.map((middleware) => tools.middleware(middleware.kind, middleware.config)),
  );
  return {
    name: spec.name,
    service: services[spec.service]!,
    chain: chain.isEmpty ? null : chain,
    metricBase: routeBase(spec.metricIndex),
  };
}
