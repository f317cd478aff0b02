/**
 * Linking: a snapshot's names and indexes become objects, once per generation and worker.
 *
 * L1  what is linked stays the same object while its spec and all that it refers to are the same
 *     objects, so a reload costs what it changes.
 * L2  what is linked anew takes over the state whose key is unchanged: pools, health, balancer
 *     positions, and each middleware of a route whose own spec is the same.
 */

import type { CidrSet } from '../../base/cidr.ts';
import { compileCidrSet } from '../../base/cidr.ts';
import { routeBase, serviceBase } from '../../contract/metric-layout.ts';
import type {
  LimitsSpec,
  ListenerSpec,
  MiddlewareSpec,
  RouteSpec,
  ServiceSpec,
  Snapshot,
} from '../../contract/snapshot.ts';
import { linkBalancer } from '../balance/balancer.ts';
import { Sticky } from '../balance/sticky.ts';
import { Chain } from '../chain/chain.ts';
import type { Middleware } from '../chain/middleware.ts';
import type { LinkedRoute, LinkedService, LinkedSnapshot } from '../exchange/linked-snapshot.ts';
import { linkRetry, statusTable } from '../exchange/repeat-rule.ts';
import { linkHsts } from '../exchange/transport-security.ts';
import { linkRouter } from '../route/router.ts';
import type { LinkedTls } from '../tls/linked-tls.ts';
import { linkTls } from '../tls/linked-tls.ts';
import type { EndpointRegistry } from './endpoint-registry.ts';
import type { ServiceStates } from './service-states.ts';

/** Makes a middleware of a kind from its configuration; the worker's registry provides it. */
export type LinkMiddleware = (kind: string, config: unknown) => Middleware;

export interface LinkTools {
  readonly registry: EndpointRegistry;
  readonly services: ServiceStates;
  readonly random: () => number;
  readonly middleware: LinkMiddleware;
}

/**
 * @param previous what is served now: taken over where nothing changed; null at first
 * @throws only on a snapshot that control should not have published
 */
export function linkSnapshot(
  snapshot: Snapshot,
  tools: LinkTools,
  previous: LinkedSnapshot | null,
): LinkedSnapshot {
  const services = linkServices(snapshot, tools, previous);
  const { routes, routeServices } = new RouteLinker(snapshot, services, tools, previous).link();
  const { limits } = snapshot;
  return {
    snapshot,
    generation: snapshot.generation,
    router:
      previous !== null && previous.snapshot.router === snapshot.router
        ? previous.router
        : linkRouter(snapshot.router, previous?.router),
    routes,
    routeServices,
    services,
    limits,
    requestLimits:
      previous !== null && previous.limits === limits
        ? previous.requestLimits
        : linkRequestLimits(limits),
    observe: snapshot.observe,
    trustedProxies: snapshot.listeners.map((listener, index) =>
      previous !== null && previous.snapshot.listeners[index] === listener
        ? previous.trustedProxies[index]!
        : linkTrustedProxies(listener),
    ),
    proxyPeers: snapshot.listeners.map(({ proxyProtocol }) =>
      proxyProtocol === null ? null : compileCidrSet(proxyProtocol),
    ),
    tls: linkTlsOnce(snapshot, previous),
    passthroughs: linkPassthroughs(snapshot, services, previous),
  };
}

function linkRequestLimits(limits: LimitsSpec): LinkedSnapshot['requestLimits'] {
  return {
    headSizeMax: limits.headSizeMax,
    fieldCountMax: limits.fieldCountMax,
    targetSizeMax: limits.targetSizeMax,
    chunkExtensionSizeMax: limits.chunkExtensionSizeMax,
    trailerSizeMax: limits.trailerSizeMax,
  };
}

function linkTrustedProxies({ trustedProxies }: ListenerSpec): CidrSet | null {
  return trustedProxies.length === 0 ? null : compileCidrSet(trustedProxies);
}

function linkTlsOnce(snapshot: Snapshot, previous: LinkedSnapshot | null): LinkedTls {
  const before = previous?.snapshot;
  const isSame = before?.tls === snapshot.tls && before.listeners === snapshot.listeners;
  return isSame ? previous!.tls : linkTls(snapshot.tls, snapshot.listeners, previous?.tls ?? null);
}

/** Passthroughs are routes too: with a service and metrics, but without requests. */
function linkPassthroughs(
  snapshot: Snapshot,
  services: readonly LinkedService[],
  previous: LinkedSnapshot | null,
): readonly LinkedRoute[] {
  const isSame = previous?.snapshot.tls === snapshot.tls && previous.services === services;
  if (isSame) return previous.passthroughs;
  return snapshot.tls.passthroughs.map(({ name, service, metricIndex }) => ({
    name,
    service: services[service]!,
    middlewares: [],
    chain: null,
    plainHttp: 'serve',
    httpsPort: 0,
    hsts: null,
    tls: -1,
    metricBase: routeBase(metricIndex),
  }));
}

function linkServices(
  snapshot: Snapshot,
  tools: LinkTools,
  previous: LinkedSnapshot | null,
): readonly LinkedService[] {
  if (previous === null || previous.limits !== snapshot.limits) {
    return snapshot.services.map((spec) => linkService(spec, snapshot, tools));
  }
  const before = previous.snapshot;
  const isSameList = before.services === snapshot.services;
  if (isSameList && before.transports === snapshot.transports) return previous.services;
  return snapshot.services.map((spec, index) => {
    const { transport } = spec;
    const isSame =
      before.services[index] === spec &&
      before.transports[transport] === snapshot.transports[transport];
    return isSame ? previous.services[index]! : linkService(spec, snapshot, tools);
  });
}

function linkService(spec: ServiceSpec, snapshot: Snapshot, tools: LinkTools): LinkedService {
  const transport = snapshot.transports[spec.transport]!;
  const { registry, random } = tools;
  const endpoints = spec.endpoints.map((endpoint) =>
    registry.endpoint(spec, endpoint, transport, snapshot.limits),
  );
  const candidates = registry.candidates(spec, endpoints);
  return {
    name: spec.name,
    balancer: linkBalancer(spec.balance, candidates, random, registry.position(spec)),
    sticky: spec.sticky === null ? null : new Sticky(spec.sticky, candidates),
    candidates,
    endpoints,
    transport,
    passHost: spec.passHost,
    proxyProtocol: spec.proxyProtocol,
    retry: linkRetry(spec.retry),
    faultStatuses: statusTable(spec.outlier.statuses),
    isTimed: spec.outlier.latencyFactorMax > 0 || spec.concurrency.isAdaptive,
    state: tools.services.state(spec, candidates),
    metricBase: serviceBase(spec.metricIndex),
  };
}

/** Links the routes of one snapshot. */
class RouteLinker {
  private readonly snapshot: Snapshot;
  private readonly services: readonly LinkedService[];
  private readonly tools: LinkTools;
  private readonly previous: LinkedSnapshot | null;
  /** Previous routes by name that have to have another index now; made when a route asks. */
  private previousIndexes: ReadonlyMap<string, number> | null = null;

  constructor(
    snapshot: Snapshot,
    services: readonly LinkedService[],
    tools: LinkTools,
    previous: LinkedSnapshot | null,
  ) {
    this.snapshot = snapshot;
    this.services = services;
    this.tools = tools;
    this.previous = previous;
  }

  /** @returns the routes, and the index of the service of each */
  link(): Pick<LinkedSnapshot, 'routes' | 'routeServices'> {
    const { snapshot, services, previous } = this;
    const specs = snapshot.routes;
    if (previous === null) {
      const routes = specs.map((spec) => this.linkRoute(spec, null));
      return { routes, routeServices: Int32Array.from(specs, ({ service }) => service) };
    }
    const before = previous.snapshot;
    const hasSameMiddlewares = before.middlewares === snapshot.middlewares;
    if (before.routes === specs && previous.services === services && hasSameMiddlewares) {
      return previous;
    }
    const isServiceNew = services.map((service, index) => service !== previous.services[index]);
    const routes = previous.routes.slice(0, specs.length);
    const routeServices = new Int32Array(specs.length);
    routeServices.set(previous.routeServices.subarray(0, specs.length));
    // What stays is not looked into: there are many, and they are spread over the memory.
    for (let index = 0; index < specs.length; index++) {
      const spec = specs[index]!;
      const isSame =
        before.routes[index] === spec &&
        !isServiceNew[routeServices[index]!] &&
        (hasSameMiddlewares || spec.middlewares.every((at) => this.isSameMiddleware(at)));
      if (isSame) continue;
      routes[index] = this.linkRoute(spec, this.findPrevious(spec, index));
      routeServices[index] = spec.service;
    }
    return { routes, routeServices };
  }

  private isSameMiddleware(index: number): boolean {
    return this.previous!.snapshot.middlewares[index] === this.snapshot.middlewares[index];
  }

  /** @returns the index of the previous route of that name, mostly `index`; null for a new one */
  private findPrevious({ name }: RouteSpec, index: number): number | null {
    const { routes } = this.previous!.snapshot;
    if (routes[index]?.name === name) return index;
    // Only routes past the end of the list get another index: they close holes.
    const size = this.snapshot.routes.length;
    this.previousIndexes ??= new Map(
      routes.slice(size).map((route, at) => [route.name, size + at]),
    );
    return this.previousIndexes.get(name) ?? null;
  }

  private linkRoute(spec: RouteSpec, previousIndex: number | null): LinkedRoute {
    const known = previousIndex === null ? [] : this.linkedMiddlewares(previousIndex);
    const middlewares = spec.middlewares.map((index) => {
      const own = this.snapshot.middlewares[index]!;
      const at = known.findIndex(([one]) => one === own);
      // Taken out, so that a middleware that stands twice in a chain stays two.
      if (at >= 0) return known.splice(at, 1)[0]![1];
      return this.tools.middleware(own.kind, own.config);
    });
    const chain = new Chain(middlewares);
    return {
      name: spec.name,
      service: this.services[spec.service]!,
      middlewares,
      chain: chain.isEmpty ? null : chain,
      plainHttp: spec.plainHttp,
      httpsPort: spec.httpsPort,
      hsts: linkHsts(spec.hsts),
      tls: spec.tls,
      metricBase: routeBase(spec.metricIndex),
    };
  }

  private linkedMiddlewares(previousIndex: number): [MiddlewareSpec, Middleware][] {
    const { snapshot, routes } = this.previous!;
    const { middlewares } = routes[previousIndex]!;
    return snapshot.routes[previousIndex]!.middlewares.map((index, place) => {
      return [snapshot.middlewares[index]!, middlewares[place]!];
    });
  }
}
