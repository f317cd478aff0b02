import assert from 'node:assert/strict';
import test from 'node:test';

import { latin1Text } from '../../base/ascii.ts';
import { createMetricBuffer, routeBase } from '../../contract/metric-layout.ts';
import type {
  EndpointSpec,
  LimitsSpec,
  ListenerSpec,
  MiddlewareSpec,
  RouteSpec,
  ServiceSpec,
  Snapshot,
  TransportSpec,
} from '../../contract/snapshot.ts';
import { RANK_NONE } from '../../contract/router-tables.ts';
import type { PassthroughSpec } from '../../contract/tls.ts';
import { NO_TLS } from '../../contract/tls.ts';
import type { Middleware } from '../chain/middleware.ts';
import { Simulation } from '../io/sim/simulation.ts';
import { EndpointRegistry } from './endpoint-registry.ts';
import type { LinkTools } from './link-snapshot.ts';
import { linkSnapshot } from './link-snapshot.ts';
import { ServiceStates } from './service-states.ts';

const ROUTER: Snapshot['router'] = {
  routeCount: 3,
  hostSlots: new Int32Array(2),
  hosts: new Int32Array(0),
  hostBytes: new Uint8Array(0),
  anyHostTree: -1,
  nodes: new Int32Array(0),
  nodeBytes: new Uint8Array(0),
  labels: new Uint8Array(0),
  candidates: Int32Array.of(RANK_NONE, -1, -1),
  ranks: Int32Array.of(1, 2, 3),
  conditions: [],
  walkDepthMax: 0,
};

function endpoint(port: number): EndpointSpec {
  const host = '10.0.0.1';
  const key = `${host}:${port}`;
  const place = { key, kind: 'tcp', host, port, isTls: false, authority: key } as const;
  return { ...place, weight: 1, metricIndex: port % 9 };
}

function service(name: string, transport: number, port: number): ServiceSpec {
  return {
    name,
    balance: 'round-robin',
    sticky: null,
    endpoints: [endpoint(port)],
    transport,
    passHost: true,
    outlier: {
      consecutiveFaultsMax: 0,
      faultPercentMax: 0,
      attemptsMin: 1,
      latencyFactorMax: 0,
      windowMs: 1_000,
      statuses: [],
      ejectionMs: 1_000,
      ejectionMaxMs: 1_000,
      ejectedPercentMax: 0,
    },
    panicPercent: 0,
    retry: {
      attemptsMax: 1,
      on: [],
      statuses: [],
      methods: [],
      bodySizeMax: 0,
      budgetPercent: 0,
      budgetPerSecond: 0,
      tryTimeoutMs: 0,
      hedgeDelayMs: 0,
    },
    breaker: null,
    concurrency: {
      exchangesMax: 0,
      exchangesPerEndpointMax: 0,
      queueMax: 0,
      queueTimeoutMs: 0,
      isAdaptive: false,
    },
    tls: null,
    proxyProtocol: null,
    metricIndex: transport,
  };
}

function route(name: string, serviceIndex: number, middlewares: readonly number[]): RouteSpec {
  return {
    name,
    rule: { kind: 'path', path: `/${name}` },
    listeners: null,
    priority: 0,
    service: serviceIndex,
    middlewares,
    streamsOnChangeMs: -1,
    plainHttp: 'serve',
    httpsPort: 443,
    hsts: '',
    tls: -1,
    metricIndex: serviceIndex,
  };
}

const middleware = (name: string): MiddlewareSpec => ({ name, kind: 'k', config: name });

const WEB = {
  name: 'web',
  trustedProxies: ['10.0.0.0/8'],
  tls: -1,
  proxyProtocol: null,
} as unknown as ListenerSpec;

const FIRST: Snapshot = {
  version: 1,
  generation: 1,
  listeners: [WEB],
  routes: [route('a', 0, [0, 1]), route('b', 0, []), route('c', 1, [1])],
  router: ROUTER,
  services: [service('s', 0, 80), service('t', 1, 81)],
  transports: [{ name: 'x' } as TransportSpec, { name: 'y' } as TransportSpec],
  middlewares: [middleware('m'), middleware('n')],
  tls: NO_TLS,
  limits: { headSizeMax: 1 } as LimitsSpec,
  observe: {} as Snapshot['observe'],
  drainTimeoutMs: 0,
};

const fail = (): never => assert.fail('nothing is reported here');

/** Tools of one worker, and the middlewares it has made so far. */
function openTools(): { tools: LinkTools; made: string[] } {
  const backend = new Simulation({ seed: 1 });
  const cells = new Float64Array(createMetricBuffer());
  const emptyChunk = backend.chunks.acquire(64)!;
  const reports = { reportInternal: fail, reportOutlier: fail, reportProblem: fail };
  const shared = { backend, cells, emptyChunk, ...reports };
  const made: string[] = [];
  const tools: LinkTools = {
    registry: new EndpointRegistry(shared),
    services: new ServiceStates(backend, cells, 1),
    random: () => 0,
    middleware: (_kind, config): Middleware => {
      made.push(config as string);
      return { name: config as string, onRequestHead: () => 0 };
    },
  };
  return { tools, made };
}

test('linkSnapshot: what did not change is not linked again', () => {
  const { tools, made } = openTools();
  const first = linkSnapshot(FIRST, tools, null);
  assert.deepEqual(made, ['m', 'n', 'n']);
  const second = linkSnapshot({ ...FIRST, generation: 2 }, tools, first);
  assert.equal(second.generation, 2);
  for (const part of ['router', 'routes', 'services', 'requestLimits'] as const) {
    assert.equal(second[part], first[part], part);
  }
  assert.equal(second.trustedProxies[0], first.trustedProxies[0]);
  assert.equal(made.length, 3);
});

const PASSED: PassthroughSpec = {
  name: 'db',
  hosts: ['db.test'],
  listeners: null,
  service: 1,
  streamsOnChangeMs: -1,
  metricIndex: 7,
};

test('linkSnapshot: passthroughs are routes without a chain, and follow their service', () => {
  const { tools } = openTools();
  const tls = { ...NO_TLS, passthroughs: [PASSED] };
  const first = linkSnapshot({ ...FIRST, tls }, tools, null);
  const [passed] = first.passthroughs;
  assert.equal(passed!.service, first.services[1]);
  assert.equal(passed!.chain, null);
  assert.equal(passed!.metricBase, routeBase(7));
  const second = linkSnapshot({ ...FIRST, tls, generation: 2 }, tools, first);
  assert.equal(second.passthroughs, first.passthroughs);
  assert.equal(second.tls, first.tls);
  const services = FIRST.services.with(1, service('t', 1, 82));
  const third = linkSnapshot({ ...FIRST, tls, services }, tools, second);
  assert.equal(third.passthroughs[0]!.service, third.services[1]);
  assert.equal(third.tls, first.tls);
  assert.equal(linkSnapshot(FIRST, tools, third).passthroughs.length, 0);
});

test('linkSnapshot: the line of HSTS is made once, and an empty one not at all', () => {
  const { tools } = openTools();
  const hsts = { ...route('a', 0, []), hsts: 'max-age=1; preload' };
  const linked = linkSnapshot({ ...FIRST, routes: [hsts, route('b', 0, [])] }, tools, null);
  const [first, second] = linked.routes;
  assert.equal(first!.hsts!.text, 'Strict-Transport-Security: max-age=1; preload\r\n');
  assert.equal(latin1Text(first!.hsts!.bytes, 0, first!.hsts!.bytes.length), first!.hsts!.text);
  assert.equal(second!.hsts, null);
});

test('linkSnapshot: a changed service is linked with its routes; middlewares stay', () => {
  const { tools, made } = openTools();
  const first = linkSnapshot(FIRST, tools, null);
  const services = FIRST.services.with(1, service('t', 1, 82));
  const second = linkSnapshot({ ...FIRST, services }, tools, first);
  assert.equal(second.services[0], first.services[0]);
  assert.notEqual(second.services[1], first.services[1]);
  assert.equal(second.routes[0], first.routes[0]);
  assert.notEqual(second.routes[2], first.routes[2]);
  assert.equal(second.routes[2]!.service, second.services[1]);
  assert.equal(second.routes[2]!.middlewares[0], first.routes[2]!.middlewares[0]);
  assert.equal(second.services[1]!.endpoints[0]!.spec.port, 82);
  assert.equal(first.routes[2]!.service.endpoints[0]!.spec.port, 81); // The old one is untouched.
  assert.equal(made.length, 3);
});

test('linkSnapshot: a service follows its transport, and every service the limits', () => {
  const { tools } = openTools();
  const first = linkSnapshot(FIRST, tools, null);
  const transports = FIRST.transports.with(1, { name: 'z' } as TransportSpec);
  const second = linkSnapshot({ ...FIRST, transports }, tools, first);
  assert.equal(second.services[0], first.services[0]);
  assert.equal(second.services[1]!.transport, transports[1]);
  const limits = { ...FIRST.limits, headSizeMax: 2 };
  const third = linkSnapshot({ ...FIRST, transports, limits }, tools, second);
  assert.notEqual(third.services[0], second.services[0]);
  assert.equal(third.routes[0]!.service, third.services[0]);
  assert.equal(third.requestLimits.headSizeMax, 2);
});

test('linkSnapshot: only the middleware that changed loses its state', () => {
  const { tools, made } = openTools();
  const first = linkSnapshot(FIRST, tools, null);
  const middlewares = FIRST.middlewares.with(1, middleware('other'));
  const second = linkSnapshot({ ...FIRST, middlewares }, tools, first);
  assert.deepEqual(made.slice(3), ['other', 'other']);
  assert.equal(second.routes[0]!.middlewares[0], first.routes[0]!.middlewares[0]);
  assert.notEqual(second.routes[0]!.middlewares[1], first.routes[0]!.middlewares[1]);
  assert.equal(second.routes[1], first.routes[1]);
});

test('linkSnapshot: a route keeps middlewares in another order and at another index', () => {
  const { tools, made } = openTools();
  const first = linkSnapshot(FIRST, tools, null);
  const routes = [route('c', 1, [1, 1, 0]), route('a', 1, [1, 0])];
  const second = linkSnapshot({ ...FIRST, routes }, tools, first);
  const [c, a] = second.routes;
  assert.equal(c!.middlewares[0], first.routes[2]!.middlewares[0]);
  assert.notEqual(c!.middlewares[1], c!.middlewares[0]); // One that stands twice is two.
  assert.deepEqual(made.slice(3, 5), ['n', 'm']);
  assert.equal(a!.service, second.services[1]);
  // Only holes are filled from behind, so `a` counts as new: it came from in front.
  assert.equal(made.length, 7);
  const third = linkSnapshot({ ...FIRST, routes: FIRST.routes.slice(0, 2) }, tools, first);
  assert.equal(third.routes.length, 2);
  assert.deepEqual([...third.routeServices], [0, 0]);
});
