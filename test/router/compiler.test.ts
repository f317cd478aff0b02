/**
 * The compiler over many configurations: whatever changes from one to the next, what it gives is
 * what a compile of the last one alone gives, in control and in a worker that got only updates.
 */

import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isSame } from '../../src/base/is-same.ts';
import { METRIC_INDEX_MAX } from '../../src/contract/metric-layout.ts';
import type { Rule } from '../../src/contract/routing.ts';
import type { Snapshot } from '../../src/contract/snapshot.ts';
import { applySnapshotUpdate } from '../../src/contract/snapshot-update.ts';
import type { CheckRequest } from '../../src/control/compile/explain-request.ts';
import { compile } from '../../src/control/compile/compile.ts';
import { Compiler } from '../../src/control/compile/compiler.ts';
import { MetricIndexes } from '../../src/control/compile/metric-indexes.ts';
import type { Config, RouteConfig } from '../../src/control/config/config.ts';
import { loadConfig } from '../../src/control/config/load-config.ts';
import { memorySource } from '../../src/control/config/memory-source.ts';
import { specificityOf } from '../../src/control/config/specificity.ts';
import { linkRouter } from '../../src/data/route/router.ts';
import type { Router } from '../../src/data/route/router.ts';
import { linkSequential } from '../../src/data/route/sequential.ts';
import { anyRequest, anyRule } from './arbitraries.ts';
import { TextRequest } from './text-request.ts';

const TEXT = `
[listeners.l0]
address = "127.0.0.1:1"
[listeners.l1]
address = "127.0.0.1:2"
[listeners.l2]
address = "127.0.0.1:3"
[transports.t0]
[transports.t1]
connect-timeout = "1s"
[services.s0]
endpoints = ["http://10.0.0.1", "http://10.0.0.2"]
transport = "t0"
[services.s1]
endpoints = ["http://10.0.0.1"]
[services.s2]
endpoints = ["http://10.0.0.3"]
transport = "t1"
[routes.r]
service = "s0"
`;

const { config } = await loadConfig('m.toml', memorySource({ 'm.toml': TEXT }, {}));
assert.ok(config !== null);
const BASE: Config = {
  ...config,
  middlewares: ['m0', 'm1', 'm2'].map((name) => ({ name, kind: 'k', config: { value: name } })),
};
const KINDS = ['listeners', 'transports', 'middlewares', 'services'] as const;

/** Longer paths than `anyRule` has, with many common beginnings. */
const deepPath = fc
  .array(fc.constantFrom('a', 'ab', 'abc', 'b', 'ba'), { maxLength: 5 })
  .map((parts) => `/${parts.join('/')}`);
const rule: fc.Arbitrary<Rule> = fc.oneof(
  { weight: 1, arbitrary: anyRule },
  {
    weight: 3,
    arbitrary: fc
      .record({
        host: fc.constantFrom(null, 'a.test', '*.a.test', 'b.test'),
        kind: fc.constantFrom('path', 'pathPrefix'),
        path: deepPath,
      })
      .map(({ host, kind, path }): Rule => {
        const at: Rule = { kind, path };
        return host === null ? at : { kind: 'and', rules: [{ kind: 'host', host }, at] };
      }),
  },
);

/** What an edit draws from; indexes are taken modulo what there is. */
const edit = fc.record({
  what: fc.constantFrom(
    'add',
    'add',
    'remove',
    'remove',
    'rule',
    'rule',
    'service',
    'priority',
    'swap',
    'middlewares',
    'listeners',
    'addNode',
    'removeNode',
    'editNode',
    'limits',
    'nothing',
  ),
  at: fc.nat({ max: 1_000 }),
  other: fc.nat({ max: 1_000 }),
  rule,
});
type Edit = typeof edit extends fc.Arbitrary<infer E> ? E : never;

let nameCount = 0;

function routeOf(one: Rule, at: number): RouteConfig {
  const name = `r${nameCount++}`;
  const priority = (at % 3) - 1;
  const listeners = at % 5 === 0 ? [`l${at % 3}`] : null;
  const service = `s${at % 3}`;
  const middlewares = at % 4 === 0 ? ['m1', 'm0'] : [];
  const rest = { listeners, service, middlewares, streamsOnChangeMs: -1, file: 'm.toml' };
  return { name, rule: one, specificity: specificityOf(one), priority, ...rest };
}

function replaced<Node>(nodes: readonly Node[], at: number, change: (node: Node) => Node): Node[] {
  return nodes.map((node, index) => (index === at ? change(node) : node));
}

const has = (nodes: readonly { name: string }[], name: string): boolean =>
  nodes.some((node) => node.name === name);

/** Routes that name what is gone name something else instead. */
function mended(now: Config): Config {
  const routes = now.routes.map((route) => {
    const isWhole =
      has(now.services, route.service) &&
      route.middlewares.every((name) => has(now.middlewares, name)) &&
      (route.listeners ?? []).every((name) => has(now.listeners, name));
    if (isWhole) return route;
    return { ...route, service: now.services[0]!.name, middlewares: [], listeners: null };
  });
  return { ...now, routes };
}

function edited(before: Config, { what, at, other, rule: one }: Edit): Config {
  const { routes } = before;
  const index = routes.length === 0 ? 0 : at % routes.length;
  const change = (more: (route: RouteConfig) => Partial<RouteConfig>): Config => {
    return {
      ...before,
      routes: replaced(routes, index, (route) => ({ ...route, ...more(route) })),
    };
  };
  const kind = KINDS[at % KINDS.length]!;
  const nodes: readonly { readonly name: string }[] = before[kind];
  switch (what) {
    case 'add':
      return {
        ...before,
        routes: routes.toSpliced(at % (routes.length + 1), 0, routeOf(one, other)),
      };
    case 'remove':
      return { ...before, routes: routes.toSpliced(index, 1) };
    case 'rule':
      return change(() => ({ rule: one, specificity: specificityOf(one) }));
    case 'service':
      return change(() => ({ service: before.services[other % before.services.length]!.name }));
    case 'priority':
      return change(() => ({ priority: other % 3 }));
    case 'middlewares':
      return change(() => ({
        middlewares: before.middlewares.slice(0, other % 3).map(({ name }) => name),
      }));
    case 'listeners':
      return change(() => ({
        listeners: other % 2 === 0 ? null : before.listeners.slice(0, 2).map(({ name }) => name),
      }));
    case 'swap': {
      const next = [...routes];
      next.push(...next.splice(index, 1));
      return { ...before, routes: next };
    }
    case 'addNode': {
      const node = { ...nodes[other % nodes.length]!, name: `n${nameCount++}` };
      return { ...before, [kind]: nodes.toSpliced(other % (nodes.length + 1), 0, node) };
    }
    case 'removeNode': {
      const gone = nodes[other % nodes.length]!;
      if (nodes.length < 2 || gone.name === 'default') return before;
      const next: Config = { ...before, [kind]: nodes.filter((node) => node !== gone) };
      const services = next.services.map((service) => {
        return service.transport === gone.name ? { ...service, transport: 'default' } : service;
      });
      return kind === 'transports' ? { ...next, services } : next;
    }
    case 'editNode':
      return {
        ...before,
        services: replaced(before.services, other % before.services.length, (service) => ({
          ...service,
          endpoints: at % 2 === 0 ? [] : [{ ...BASE.services[0]!.endpoints[0]!, weight: other }],
        })),
      };
    case 'limits':
      return { ...before, limits: { ...before.limits, headSizeMax: 1_024 + other } };
    default:
      return before;
  }
}

const byName = <Node extends { name: string }>(nodes: readonly Node[]): Node[] =>
  nodes.toSorted((a, b) => (a.name < b.name ? -1 : 1));
const plain = (node: object): object => ({ ...node, metricIndex: 0 });

/** Indexes as names, lists by name: what has to be equal however the compiler numbers things. */
function described(snapshot: Snapshot): unknown {
  const { listeners, routes, services, transports, middlewares, limits, observe } = snapshot;
  return {
    listeners: byName(listeners).map(plain),
    routes: byName(routes).map((route) => ({
      ...plain(route),
      service: services[route.service]!.name,
      middlewares: route.middlewares.map((index) => middlewares[index]!.name),
      listeners: route.listeners?.map((index) => listeners[index]!.name).toSorted() ?? null,
    })),
    services: byName(services).map(({ endpoints, transport, ...service }) => ({
      ...plain(service),
      endpoints: endpoints.map(plain),
      transport: transports[transport]!.name,
    })),
    transports: byName(transports),
    middlewares: byName(middlewares),
    limits,
    observe,
  };
}

interface Served {
  readonly snapshot: Snapshot;
  readonly router: Router;
}

function routed({ snapshot, router }: Served, request: CheckRequest): string {
  const name = ['l0', 'l1', 'l2'][request.listenerIndex]!;
  const listenerIndex = snapshot.listeners.findIndex((listener) => listener.name === name);
  const route = router.match(new TextRequest({ ...request, listenerIndex }));
  return snapshot.routes[route]?.name ?? 'none';
}

/** All nodes as new objects, as a loader without memory would give them. */
function refreshed(before: Config): Config {
  return structuredClone(before);
}

function checkSequence(
  routes: readonly RouteConfig[],
  edits: readonly Edit[],
  requests: readonly CheckRequest[],
): void {
  let current = mended({ ...BASE, routes });
  const compiler = new Compiler({ generation: 6, resolveLimits: (limits) => ({ ...limits }) });
  let worker: Snapshot | null = null;
  let router: Router | null = null;
  for (const [step, one] of [null, ...edits].entries()) {
    const before: Snapshot | null = worker;
    if (one !== null) current = mended(edited(current, one));
    const { snapshot, update } = compiler.compile(step % 3 === 2 ? refreshed(current) : current);
    assert.equal(update.kind, before === null ? 'whole' : 'delta');
    assert.equal(snapshot.generation, step + 7);
    worker = applySnapshotUpdate(before, structuredClone(update));
    assert.deepEqual(worker, snapshot);
    const whole = compile(current, step + 7, new MetricIndexes());
    assert.deepEqual(described(snapshot), described(whole));
    router = linkRouter(worker.router, router);
    const reference = { snapshot: whole, router: linkSequential(whole.routes) };
    for (const request of requests) {
      assert.equal(routed({ snapshot: worker, router }, request), routed(reference, request));
    }
    checkRanks(snapshot, whole);
    if (before !== null) checkIdentity(before, worker);
  }
}

/** Ranks say what the order of a compile says. */
function checkRanks({ routes, router }: Snapshot, whole: Snapshot): void {
  assert.equal(router.ranks.length, routes.length);
  const order = routes.map(({ name }, index) => ({ name, rank: router.ranks[index]! }));
  order.sort((a, b) => a.rank - b.rank);
  assert.deepEqual(
    order.map(({ name }) => name),
    whole.routes.map(({ name }) => name),
  );
}

/** What says the same at the same place is the same object. */
function checkIdentity(before: Snapshot, after: Snapshot): void {
  for (const kind of [...KINDS, 'routes'] as const) {
    for (const [index, part] of after[kind].entries()) {
      const old = before[kind][index];
      if (old !== part) assert.ok(!isSame(old, part), `${kind} ${index} was sent for nothing`);
    }
  }
  for (const part of ['limits', 'observe'] as const) {
    if (before[part] !== after[part]) assert.ok(!isSame(before[part], after[part]), part);
  }
}

const routes = (minLength: number, maxLength: number): fc.Arbitrary<RouteConfig[]> =>
  fc.array(fc.record({ rule, at: fc.nat({ max: 100 }) }), { minLength, maxLength }).map((all) => {
    return all.map((one) => routeOf(one.rule, one.at));
  });

test('compiler: any series of changes leads where a compile of the last one leads', () => {
  const edits = fc.array(edit, { minLength: 1, maxLength: 12 });
  const requests = fc.array(anyRequest, { minLength: 6, maxLength: 10 });
  fc.assert(
    fc.property(routes(0, 30), edits, requests, (first, all, some) => {
      checkSequence(first, all, some);
    }),
    { numRuns: 1_000 },
  );
});

test('compiler: many routes on one host change one at a time', () => {
  const edits = fc.array(
    fc.record({
      what: fc.constantFrom('add', 'remove', 'rule', 'priority'),
      at: fc.nat(),
      other: fc.nat(),
      rule: deepPath.map((path): Rule => ({ kind: 'pathPrefix', path })),
    }),
    { minLength: 10, maxLength: 40 },
  );
  const requests = fc.array(fc.tuple(anyRequest, deepPath), { minLength: 10, maxLength: 20 });
  fc.assert(
    fc.property(routes(60, 120), edits, requests, (first, all, some) => {
      const paths = some.map(([request, path]) => ({ ...request, path }));
      checkSequence(first, all as Edit[], paths);
    }),
    { numRuns: 60 },
  );
});

test('compiler: tables and ranks last through a long series of changes', () => {
  const count = 1_000;
  const first = Array.from({ length: count }, (_, index) =>
    routeOf({ kind: 'pathPrefix', path: `/${index % 30}/${index}` }, 1),
  );
  let current: Config = { ...BASE, routes: first };
  const compiler = new Compiler({ generation: 0, resolveLimits: (limits) => limits });
  let { snapshot: worker } = compiler.compile(current);
  const firstSize = worker.router.nodes.length + worker.router.candidates.length;
  let largest = 0;
  let rebuildCount = 0;
  for (let step = 0; step < 600; step++) {
    // Always at the same place: the gap between the ranks of its neighbours runs out.
    const route = routeOf({ kind: 'pathPrefix', path: `/${step % 30}/new-${step}` }, 1);
    const removed = step % 2;
    current = { ...current, routes: current.routes.toSpliced(500, removed, route) };
    const { update, snapshot } = compiler.compile(current);
    worker = applySnapshotUpdate(worker, structuredClone(update));
    largest = Math.max(largest, snapshot.router.nodes.length + snapshot.router.candidates.length);
    if (update.kind === 'delta' && (update.router?.nodes?.values.length ?? 0) > firstSize / 4) {
      rebuildCount++;
    }
  }
  const whole = compile(current, 601, new MetricIndexes());
  checkRanks(worker, whole);
  assert.deepEqual(described(worker), described(whole));
  assert.ok(rebuildCount > 0 && rebuildCount < 60, `${rebuildCount} times written anew`);
  const limit = 2 * firstSize * (current.routes.length / count) + 100_000;
  assert.ok(largest < limit, `the tables had ${largest} numbers`);
});

test('compiler: only what follows the change of one route is sent', () => {
  const first = Array.from({ length: 2_000 }, (_, index) => {
    const parts: Rule[] = [
      { kind: 'host', host: `h${index % 500}.test` },
      { kind: 'pathPrefix', path: `/${index}` },
    ];
    return routeOf({ kind: 'and', rules: parts }, 1);
  });
  const compiler = new Compiler({ generation: 0, resolveLimits: (limits) => limits });
  compiler.compile({ ...BASE, routes: first });
  const other = { ...first[700]!, service: 's2' };
  const { update } = compiler.compile({ ...BASE, routes: first.with(700, other) });
  assert.ok(update.kind === 'delta');
  assert.equal(update.router, null);
  assert.equal(update.routes?.parts.length, 1);
  const more = compiler.compile({ ...BASE, routes: first.toSpliced(700, 1) });
  assert.ok(more.update.kind === 'delta' && more.update.router !== null);
  const { nodes, candidates, labels } = more.update.router;
  const count = nodes!.values.length + candidates!.values.length + labels!.values.length;
  assert.ok(count < 500, `${count} numbers were sent`);
  assert.equal(more.update.services, null);
});

test('compiler: an update builds on what is served when a publication in between failed', () => {
  const [a, b, c] = ['/a', '/b', '/c'].map((path) => routeOf({ kind: 'pathPrefix', path }, 1));
  const compiler = new Compiler({ generation: 0, resolveLimits: (limits) => limits });
  const { snapshot: served } = compiler.compile({ ...BASE, routes: [a!] });
  compiler.compile({ ...BASE, routes: [b!, a!] }); // Nobody gets that.
  const { snapshot, update } = compiler.compile({ ...BASE, routes: [c!, a!] }, served);
  assert.deepEqual(applySnapshotUpdate(served, update), snapshot);
  assert.equal(snapshot.generation, 3);
});

const path = (name: string): RouteConfig => routeOf({ kind: 'path', path: name }, 1);

test('compiler: tells workers once which metric blocks have another name', () => {
  const compiler = new Compiler({ generation: 0, resolveLimits: (limits) => limits });
  const all = Array.from({ length: METRIC_INDEX_MAX - 1 }, (_, index) =>
    routeOf({ kind: 'path', path: `/${index}` }, 1),
  );
  const recycledBy = (routes: readonly RouteConfig[], served?: Snapshot): number[] => {
    const { update } = compiler.compile({ ...BASE, routes }, served);
    return update.kind === 'whole' ? [] : update.recycled.map(({ index }) => index);
  };
  const { snapshot: served } = compiler.compile({ ...BASE, routes: all });
  assert.deepEqual(recycledBy(all.with(4, path('/x'))), [4]);
  assert.deepEqual(new Set(recycledBy(all.with(5, path('/y')), served)), new Set([4, 5]));
  assert.deepEqual(recycledBy(all.with(5, path('/y'))).length, 1); // Another route of that path.
});

test('compiler: a walk has room for a prefix that is put above many others', () => {
  const paths = ['/a/b', '/a/b/c', '/a/b/c/d', '/other', '/more', '/else', '/what', '/never'];
  const prefixes = paths.map((path) => routeOf({ kind: 'pathPrefix', path }, 1));
  const compiler = new Compiler({ generation: 0, resolveLimits: (limits) => limits });
  compiler.compile({ ...BASE, routes: prefixes });
  const above = ['/a', '/'].map((path) => routeOf({ kind: 'pathPrefix', path }, 1));
  compiler.compile({ ...BASE, routes: [...prefixes, above[0]!] });
  const { snapshot } = compiler.compile({ ...BASE, routes: [...prefixes, ...above] });
  const router = linkRouter(snapshot.router);
  const request = { host: '', method: 'GET', headers: [], query: '', clientAddress: '::1' };
  const route = router.match(new TextRequest({ ...request, path: '/a/b/c/d', listenerIndex: 0 }));
  assert.equal(snapshot.routes[route]?.name, prefixes[2]!.name);
});
