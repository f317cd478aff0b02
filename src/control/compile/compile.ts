/**
 * Config to Snapshot: names become indexes, routes get their order of precedence, the router its
 * tables. Pure and deterministic: the same configuration and metric indexes give equal data.
 *
 * This is the reference; `Compiler` gives the same for one configuration after another, cheaper.
 */

import { assert } from '../../base/assert.ts';
import type { Snapshot } from '../../contract/snapshot.ts';
import { SNAPSHOT_VERSION } from '../../contract/snapshot.ts';
import type { Config } from '../config/config.ts';
import { compareRoutes } from '../config/specificity.ts';
import type { MetricIndexes } from './metric-indexes.ts';
import type { SpecContext } from './node-specs.ts';
import { limitsSpec, listenerSpec, middlewareSpec, routeSpec, serviceSpec } from './node-specs.ts';
import { compileRouter } from './router.ts';
import { policySpec, tlsSpec } from './tls-spec.ts';

/**
 * @param config         valid: every reference names a node that exists
 * @param generation     of the snapshot; greater than every one before
 * @param metricIndexes  lives as long as the process; new names are added to it
 * @returns plain data that survives a structured clone; it shares parts with `config`; routes are
 *          in order of precedence
 * @throws  only on a reference to nothing, which is a bug of validation
 */
export function compile(
  config: Config,
  generation: number,
  metricIndexes: MetricIndexes,
): Snapshot {
  const context: SpecContext = {
    metricIndexes,
    listener: finder(config.listeners),
    service: finder(config.services),
    transport: finder(config.transports),
    middleware: finder(config.middlewares),
    policy: finder(config.tls),
  };
  const routes = config.routes.toSorted(compareRoutes).map((route) => routeSpec(route, context));
  const policies = config.tls.map((policy) => policySpec(policy, config.certificates));
  return {
    version: SNAPSHOT_VERSION,
    generation,
    listeners: config.listeners.map((listener) => listenerSpec(listener, context)),
    routes,
    router: compileRouter(routes),
    services: config.services.map((service) => serviceSpec(service, context)),
    transports: config.transports,
    middlewares: config.middlewares.map(middlewareSpec),
    tls: tlsSpec(config, policies, context),
    limits: limitsSpec(config.limits),
    observe: config.observe,
    drainTimeoutMs: config.drainTimeoutMs,
  };
}

function finder(nodes: readonly { readonly name: string }[]): (name: string) => number {
  const indexes = new Map(nodes.map(({ name }, index) => [name, index]));
  return (name) => {
    const index = indexes.get(name);
    assert(index !== undefined, 'references are validated before they are compiled');
    return index;
  };
}
