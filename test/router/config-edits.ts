/**
 * Random changes of a configuration, one after another, for the tests of the compiler. Names are
 * few, so that changes meet.
 */

import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Rule } from '../../src/contract/routing.ts';
import type { Config, RouteConfig } from '../../src/control/config/config.ts';
import { loadConfig } from '../../src/control/config/load-config.ts';
import { memorySource } from '../../src/control/config/memory-source.ts';
import { specificityOf } from '../../src/control/config/specificity.ts';
import { anyRule } from './arbitraries.ts';

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
export const BASE: Config = {
  ...config,
  middlewares: ['m0', 'm1', 'm2'].map((name) => ({ name, kind: 'k', config: { value: name } })),
};
export const KINDS = ['listeners', 'transports', 'middlewares', 'services'] as const;

/** Longer paths than `anyRule` has, with many common beginnings. */
export const deepPath = fc
  .array(fc.constantFrom('a', 'ab', 'abc', 'b', 'ba'), { maxLength: 5 })
  .map((parts) => `/${parts.join('/')}`);
export const anyDeepRule: fc.Arbitrary<Rule> = fc.oneof(
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
export const anyEdit = fc.record({
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
  rule: anyDeepRule,
});
export type Edit = typeof anyEdit extends fc.Arbitrary<infer E> ? E : never;

let nameCount = 0;

export function routeOf(one: Rule, at: number): RouteConfig {
  const name = `r${nameCount++}`;
  const priority = (at % 3) - 1;
  const listeners = at % 5 === 0 ? [`l${at % 3}`] : null;
  const service = `s${at % 3}`;
  const middlewares = at % 4 === 0 ? ['m1', 'm0'] : [];
  const tls = { tls: null, plainHttp: 'serve', httpsPort: 443, hsts: '' } as const;
  const rest = { ...tls, listeners, service, middlewares, streamsOnChangeMs: -1, file: 'm.toml' };
  return { name, rule: one, specificity: specificityOf(one), priority, ...rest };
}

function replaced<Node>(nodes: readonly Node[], at: number, change: (node: Node) => Node): Node[] {
  return nodes.map((node, index) => (index === at ? change(node) : node));
}

const has = (nodes: readonly { name: string }[], name: string): boolean =>
  nodes.some((node) => node.name === name);

/** Routes that name what is gone name something else instead. */
export function mended(now: Config): Config {
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

export function edited(before: Config, { what, at, other, rule: one }: Edit): Config {
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
