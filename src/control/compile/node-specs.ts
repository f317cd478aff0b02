/**
 * One node of the configuration to its part of the snapshot.
 */

import type {
  EndpointSpec,
  LimitsSpec,
  ListenerSpec,
  MiddlewareSpec,
  RouteSpec,
  ServiceSpec,
} from '../../contract/snapshot.ts';
import type {
  LimitsConfig,
  ListenerConfig,
  MiddlewareConfig,
  RouteConfig,
  ServiceConfig,
} from '../config/config.ts';
import type { MetricIndexes } from './metric-indexes.ts';

/** What specs need besides their own node. */
export interface SpecContext {
  readonly metricIndexes: MetricIndexes;
  /** Index of a node in the snapshot's list. */
  readonly listener: (name: string) => number;
  readonly service: (name: string) => number;
  readonly transport: (name: string) => number;
  readonly middleware: (name: string) => number;
  readonly policy: (name: string) => number;
}

/** Without what is in TlsSpec. */
export function limitsSpec(limits: LimitsConfig): LimitsSpec {
  const { handshakesPerAddressMax: _, ...rest } = limits;
  return rest;
}

export function listenerSpec(listener: ListenerConfig, context: SpecContext): ListenerSpec {
  const { name, kind, host, port, trustedProxies } = listener;
  const metricIndex = context.metricIndexes.indexOf('listener', name);
  const tls = listener.tls === null ? -1 : context.policy(listener.tls);
  const { proxyProtocol } = listener;
  return { name, kind, host, port, trustedProxies, tls, proxyProtocol, metricIndex };
}

export function middlewareSpec({ name, kind, config }: MiddlewareConfig): MiddlewareSpec {
  return { name, kind, config };
}

export function routeSpec(route: RouteConfig, context: SpecContext): RouteSpec {
  const { name, rule, priority, streamsOnChangeMs, plainHttp, httpsPort, hsts } = route;
  return {
    name,
    rule,
    listeners: route.listeners?.map(context.listener).toSorted((a, b) => a - b) ?? null,
    priority,
    service: context.service(route.service),
    middlewares: route.middlewares.map(context.middleware),
    streamsOnChangeMs,
    plainHttp,
    httpsPort,
    hsts,
    tls: route.tls === null ? -1 : context.policy(route.tls),
    metricIndex: context.metricIndexes.indexOf('route', name),
  };
}

export function serviceSpec(service: ServiceConfig, context: SpecContext): ServiceSpec {
  const { name, balance, sticky, passHost } = service;
  const { outlier, panicPercent, retry, breaker, concurrency } = service;
  const endpoints = service.endpoints.map((endpoint): EndpointSpec => {
    const { key, kind, host, port, isTls, authority, weight } = endpoint;
    // One endpoint in two services has two blocks: their figures answer different questions.
    const metricIndex = context.metricIndexes.indexOf('endpoint', endpointName(name, key));
    return { key, kind, host, port, isTls, authority, weight, metricIndex };
  });
  return {
    name,
    balance,
    sticky,
    endpoints,
    transport: context.transport(service.transport),
    passHost,
    outlier,
    panicPercent,
    retry,
    breaker,
    concurrency,
    tls: service.tls,
    proxyProtocol: service.proxyProtocol,
    metricIndex: context.metricIndexes.indexOf('service', name),
  };
}

/** The name under which an endpoint of a service has its metric block. */
export function endpointName(service: string, key: string): string {
  return `${service}\n${key}`;
}
