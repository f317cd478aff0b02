/**
 * Config to Snapshot: names become indexes, routes get their order of precedence, the router its
 * tables. Pure and deterministic: the same configuration and metric indexes give equal data.
 */

import { assert } from '../../base/assert.ts';
import type {
  EndpointSpec,
  ListenerSpec,
  MiddlewareSpec,
  RouteSpec,
  ServiceSpec,
  Snapshot,
} from '../../contract/snapshot.ts';
import { SNAPSHOT_VERSION } from '../../contract/snapshot.ts';
import type { Config, ListenerConfig, RouteConfig, ServiceConfig } from '../config/config.ts';
import { compareRoutes } from '../config/specificity.ts';
import type { MetricIndexes } from './metric-indexes.ts';
import { compileRouter } from './router.ts';

/**
 * @param config         valid: every reference names a node that exists
 * @param generation     of the snapshot; greater than every one before
 * @param metricIndexes  lives as long as the process; new names are added to it
 * @returns plain data that survives a structured clone; it shares parts with `config`
 * @throws  only on a reference to nothing, which is a bug of validation
 */
export function compile(
  config: Config,
  generation: number,
  metricIndexes: MetricIndexes,
): Snapshot {
  const listenerIndexes = indexByName(config.listeners);
  const serviceIndexes = indexByName(config.services);
  const transportIndexes = indexByName(config.transports);
  const middlewares = new Map<string, MiddlewareSpec>();
  for (const { name, kind, config: options } of config.middlewares) {
    middlewares.set(name, { name, kind, config: options });
  }
  const routes = config.routes.toSorted(compareRoutes).map((route): RouteSpec => {
    const listeners = route.listeners?.map((name) => lookUp(listenerIndexes, name)) ?? null;
    return {
      ...describeRoute(route, metricIndexes),
      listeners: listeners?.toSorted((a, b) => a - b) ?? null,
      service: lookUp(serviceIndexes, route.service),
      middlewares: route.middlewares.map((name) => lookUp(middlewares, name)),
    };
  });
  return {
    version: SNAPSHOT_VERSION,
    generation,
    listeners: config.listeners.map((listener) => compileListener(listener, metricIndexes)),
    routes,
    router: compileRouter(routes),
    services: config.services.map((service) => ({
      ...compileService(service, metricIndexes),
      transport: lookUp(transportIndexes, service.transport),
    })),
    transports: config.transports,
    limits: config.limits,
    observe: config.observe,
    drainTimeoutMs: config.drainTimeoutMs,
  };
}

function compileListener(listener: ListenerConfig, metricIndexes: MetricIndexes): ListenerSpec {
  const { name, kind, host, port, trustedProxies } = listener;
  const metricIndex = metricIndexes.indexOf('listener', name);
  return { name, kind, host, port, trustedProxies, metricIndex };
}

function describeRoute(
  route: RouteConfig,
  metricIndexes: MetricIndexes,
): Pick<RouteSpec, 'name' | 'rule' | 'priority' | 'metricIndex'> {
  const { name, rule, priority } = route;
  return { name, rule, priority, metricIndex: metricIndexes.indexOf('route', name) };
}

function compileService(
  service: ServiceConfig,
  metricIndexes: MetricIndexes,
): Omit<ServiceSpec, 'transport'> {
  const { name, balance, sticky, passHost } = service;
  const endpoints = service.endpoints.map((endpoint): EndpointSpec => {
    const { key, kind, host, port, authority, weight } = endpoint;
    // One endpoint in two services has two blocks: their figures answer different questions.
    const metricIndex = metricIndexes.indexOf('endpoint', `${name}\n${key}`);
    return { key, kind, host, port, authority, weight, metricIndex };
  });
  const metricIndex = metricIndexes.indexOf('service', name);
  return { name, balance, sticky, endpoints, passHost, metricIndex };
}

function indexByName(nodes: readonly { readonly name: string }[]): Map<string, number> {
  return new Map(nodes.map(({ name }, index) => [name, index]));
}

function lookUp<Value>(nodes: ReadonlyMap<string, Value>, name: string): Value {
  const value = nodes.get(name);
  assert(value !== undefined, 'references are validated before they are compiled');
  return value;
}
