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
import { linkRouter } from '../../src/data/route/router.ts';
import type { Router } from '../../src/data/route/router.ts';
import { linkSequential } from '../../src/data/route/sequential.ts';
import { anyRequest } from './arbitraries.ts';
import type { Edit } from './config-edits.ts';
import {
  anyDeepRule,
  anyEdit,
  BASE,
  deepPath,
  edited,
  KINDS,
  mended,
  routeOf,
} from './config-edits.ts';
import { TextRequest } from './text-request.ts';

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
  fc
    .array(fc.record({ rule: anyDeepRule, at: fc.nat({ max: 100 }) }), { minLength, maxLength })
    .map((all) => {
      return all.map((one) => routeOf(one.rule, one.at));
    });

test('compiler: any series of changes leads where a compile of the last one leads', () => {
  const edits = fc.array(anyEdit, { minLength: 1, maxLength: 12 });
  const requests = fc.array(anyRequest, { minLength: 6, maxLength: 10 });
  fc.assert(
    fc.property(routes(0, 30), edits, requests, (first, all, some) => {
      checkSequence(first, all, some);
    }),
    { numRuns: 400 },
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
  const changed = all.with(4, path('/x'));
  assert.deepEqual(recycledBy(changed), [4]);
  assert.deepEqual(recycledBy(changed, served), [4]); // The one before was not published.
  assert.deepEqual(recycledBy(changed), []);
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

test('compiler: routes that change places change their precedence, and nothing else', () => {
  const three = ['/a', '/b', '/c'].map((path) => routeOf({ kind: 'pathPrefix', path }, 1));
  const compiler = new Compiler({ generation: 0, resolveLimits: (limits) => limits });
  const { snapshot: before } = compiler.compile({ ...BASE, routes: three });
  const reversed = { ...BASE, routes: three.toReversed() };
  const { snapshot, update } = compiler.compile(reversed);
  checkRanks(snapshot, compile(reversed, 2, new MetricIndexes()));
  assert.equal(snapshot.routes, before.routes);
  assert.ok(update.kind === 'delta' && update.routes === null && update.router !== null);
});

const sizeOf = ({ router }: Snapshot): number => router.nodeBytes.length + router.candidates.length;

test('compiler: tables that are mostly waste are written anew', () => {
  let current = Array.from({ length: 400 }, (_, index) =>
    routeOf({ kind: 'pathPrefix', path: `/${1_000 + index}` }, 1),
  );
  const compiler = new Compiler({ generation: 0, resolveLimits: (limits) => limits });
  const { snapshot } = compiler.compile({ ...BASE, routes: current });
  const first = sizeOf(snapshot);
  let largest = 0;
  for (let step = 0; step < 2_000; step++) {
    const rule: Rule = { kind: 'pathPrefix', path: `/${2_000 + step}` }; // The rank stays.
    current = current.with(step % 400, { ...current[step % 400]!, rule });
    largest = Math.max(largest, sizeOf(compiler.compile({ ...BASE, routes: current }).snapshot));
  }
  assert.ok(largest > 2 * first && largest < 2 * first + 6_000, `${largest} after ${first}`);
});
