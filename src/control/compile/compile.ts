/**
 * Compiles a configuration into the snapshot of one generation: names become indexes, routes get
 * their order of precedence, the router its tables. Pure; bad input never gets here.
 */

import type { RouteSpec, ServiceSpec, Snapshot } from '../../contract/snapshot.ts';
import { SNAPSHOT_VERSION } from '../../contract/snapshot.ts';
import type { Config, RouteConfig, ServiceConfig } from '../config/config.ts';
import { compareRoutes } from '../config/specificity.ts';
import type { MetricIndexes } from './metric-indexes.ts';
import { compileRouter } from './router.ts';

/**
 * @param indexes keeps metric blocks by name across generations
 * @throws only on a configuration that control/config should not have passed
 */
export function compile(config: Config, generation: number, indexes: MetricIndexes): Snapshot {
  const routes = config.routes
    .toSorted(compareRoutes)
    .map((route) => compileRoute(route, config, indexes));
  return {
    version: SNAPSHOT_VERSION,
    generation,
    listeners: config.listeners.map((listener) => ({
      name: listener.name,
      kind: listener.kind,
      host: listener.host,
      port: listener.port,
      trustedProxies: listener.trustedProxies,
      metricIndex: indexes.indexOf('listener', listener.name),
    })),
    routes,
    router: compileRouter(routes),
    services: config.services.map((service) => compileService(service, config, indexes)),
    transports: config.transports,
    limits: config.limits,
    observe: config.observe,
    drainTimeoutMs: config.drainTimeoutMs,
  };
}

function compileRoute(route: RouteConfig, config: Config, indexes: MetricIndexes): RouteSpec {
  return {
    name: route.name,
    rule: route.rule,
    listeners: route.listeners?.map((name) => indexOf(config.listeners, name)) ?? null,
    priority: route.priority,
    service: indexOf(config.services, route.service),
    middlewares: route.middlewares.map(
      (name) => config.middlewares[indexOf(config.middlewares, name)]!,
    ),
    metricIndex: indexes.indexOf('route', route.name),
  };
}

function compileService(
  service: ServiceConfig,
  config: Config,
  indexes: MetricIndexes,
): ServiceSpec {
  return {
    name: service.name,
    balance: service.balance,
    sticky: service.sticky,
    endpoints: service.endpoints.map((endpoint) => ({
      ...endpoint,
      metricIndex: indexes.indexOf('endpoint', `${service.name} ${endpoint.key}`),
    })),
    transport: indexOf(config.transports, service.transport),
    passHost: service.passHost,
    metricIndex: indexes.indexOf('service', service.name),
  };
}

function indexOf(nodes: readonly { readonly name: string }[], name: string): number {
  const index = nodes.findIndex((node) => node.name === name);
  if (index < 0) throw new Error(`no node named ${name}`);
  return index;
}
