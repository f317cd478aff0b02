/**
 * Compiler: turns one configuration after another into snapshots, and remembers the last one, so
 * that what did not change is neither compiled nor sent again.
 *
 * K1  the snapshot routes and serves as what `compile` makes of the same configuration.
 * K2  `applySnapshotUpdate(previous, update)` gives that snapshot.
 * K3  a part that did not change is the same object as in the snapshot before.
 */

import { isSame } from '../../base/is-same.ts';
import type { MetricBlock } from '../../contract/metric-layout.ts';
import type {
  LimitsSpec,
  ListenerSpec,
  MiddlewareSpec,
  ObserveSpec,
  ServiceSpec,
  Snapshot,
  TransportSpec,
} from '../../contract/snapshot.ts';
import { SNAPSHOT_VERSION } from '../../contract/snapshot.ts';
import type { SnapshotUpdate } from '../../contract/snapshot-update.ts';
import { updateBetween } from '../../contract/snapshot-update.ts';
import type { TlsPolicySpec, TlsSpec } from '../../contract/tls.ts';
import type {
  Config,
  ListenerConfig,
  MiddlewareConfig,
  RouteConfig,
  ServiceConfig,
  TlsPolicyConfig,
  TransportConfig,
} from '../config/config.ts';
import { MetricIndexes } from './metric-indexes.ts';
import type { SpecContext } from './node-specs.ts';
import {
  endpointName,
  limitsSpec,
  listenerSpec,
  middlewareSpec,
  routeSpec,
  serviceSpec,
} from './node-specs.ts';
import { RouteTable } from './route-table.ts';
import { SlotTable } from './slot-table.ts';
import { policySpec, tlsSpec } from './tls-spec.ts';

export interface CompilerOptions {
  /** Generation before the first snapshot: 0, or that of the process before this one. */
  readonly generation: number;
  /** Fills in limits that depend on the machine. */
  readonly resolveLimits: (limits: LimitsSpec) => LimitsSpec;
}

export interface Compiled {
  /** For workers that start now. */
  readonly snapshot: Snapshot;
  /** For workers that have the snapshot of the call before. The first one is the whole. */
  readonly update: SnapshotUpdate;
}

export class Compiler {
  readonly #options: CompilerOptions;
  readonly #metricIndexes = new MetricIndexes();
  readonly #listeners: SlotTable<ListenerConfig, ListenerSpec>;
  readonly #transports: SlotTable<TransportConfig, TransportSpec>;
  readonly #middlewares: SlotTable<MiddlewareConfig, MiddlewareSpec>;
  readonly #services: SlotTable<ServiceConfig, ServiceSpec>;
  readonly #policies: SlotTable<TlsPolicyConfig, TlsPolicySpec>;
  readonly #routes: RouteTable;
  readonly #context: SpecContext;
  /** Those of the configuration that is compiled. */
  #certificates: Config['certificates'] = [];
  #passthroughs: Config['passthroughs'] = [];
  #last: Snapshot | null = null;
  #generation: number;
  /** Metric blocks of which the workers do not know yet that they have another name. */
  #recycled: readonly MetricBlock[] = [];

  constructor(options: CompilerOptions) {
    this.#options = options;
    this.#generation = options.generation;
    const indexes = this.#metricIndexes;
    const context: SpecContext = {
      metricIndexes: indexes,
      listener: (name) => this.#listeners.slotOf(name),
      service: (name) => this.#services.slotOf(name),
      transport: (name) => this.#transports.slotOf(name),
      middleware: (name) => this.#middlewares.slotOf(name),
      policy: (name) => this.#policies.slotOf(name),
    };
    this.#context = context;
    this.#policies = new SlotTable<TlsPolicyConfig, TlsPolicySpec>({
      isEqual: isSame,
      makeSpec: (node) => policySpec(node, this.#certificates),
    });
    this.#listeners = new SlotTable<ListenerConfig, ListenerSpec>({
      isEqual: isSame,
      makeSpec: (node) => listenerSpec(node, context),
      onLeave: (before, after) => {
        if (after === null) indexes.release('listener', before.name);
      },
    });
    this.#transports = new SlotTable<TransportConfig, TransportSpec>({
      isEqual: isSame,
      makeSpec: (node) => node,
    });
    this.#middlewares = new SlotTable<MiddlewareConfig, MiddlewareSpec>({
      isEqual: isSame,
      makeSpec: middlewareSpec,
    });
    this.#services = new SlotTable<ServiceConfig, ServiceSpec>({
      isEqual: isSame,
      makeSpec: (node) => serviceSpec(node, context),
      onLeave: (before, after) => releaseService(indexes, before, after),
    });
    this.#routes = new RouteTable({
      isEqual: isSame,
      makeSpec: (node) => routeSpec(node, context),
      onLeave: (before, after) => {
        if (after === null) indexes.release('route', before.name);
      },
    });
  }

  /** Names, of all families of metrics, that share the last block of their family. */
  get metricOverflowCount(): number {
    return this.#metricIndexes.overflowCount;
  }

  /**
   * The next generation. Every result has to be sent, in order, to every worker that does not
   * start with a later one, unless the next call says that it was not.
   * @param config  valid: every reference names a node that exists. Nodes that are the same
   *                objects as in the call before are not looked at
   * @param served  what workers have now and the update builds on: the result of an earlier call,
   *                when what came after it could not be published
   * @returns plain data that shares parts with `config`
   */
  compile(config: Config, served: Snapshot | null = this.#last): Compiled {
    const isLastServed = served === this.#last;
    const policies = this.#updatePolicies(config);
    const isStaleListener =
      policies.size === 0
        ? null
        : (node: ListenerConfig) => node.tls !== null && policies.has(node.tls);
    const listeners = this.#listeners.update(config.listeners, isStaleListener).moved;
    const transports = this.#transports.update(config.transports, null).moved;
    const middlewares = this.#middlewares.update(config.middlewares, null).moved;
    const isStaleService =
      transports.size === 0 ? null : (node: ServiceConfig) => transports.has(node.transport);
    const services = this.#services.update(config.services, isStaleService).moved;
    const movedCount = listeners.size + middlewares.size + services.size + policies.size;
    const isStaleRoute = (node: RouteConfig): boolean =>
      services.has(node.service) ||
      (node.tls !== null && policies.has(node.tls)) ||
      node.middlewares.some((name) => middlewares.has(name)) ||
      (node.listeners?.some((name) => listeners.has(name)) ?? false);
    this.#routes.update(config.routes, movedCount === 0 ? null : isStaleRoute);
    const last = this.#last;
    const snapshot: Snapshot = {
      version: SNAPSHOT_VERSION,
      generation: ++this.#generation,
      listeners: this.#listeners.specs,
      routes: this.#routes.specs,
      router: this.#routes.router,
      services: this.#services.specs,
      transports: this.#transports.specs,
      middlewares: this.#middlewares.specs,
      tls: keep(last?.tls, this.#tls(config)),
      limits: keep(last?.limits, this.#options.resolveLimits(limitsSpec(config.limits))),
      observe: keep<ObserveSpec>(last?.observe, config.observe),
      drainTimeoutMs: config.drainTimeoutMs,
    };
    this.#last = snapshot;
    const recycled = this.#metricIndexes.takeRecycled();
    this.#recycled = isLastServed ? recycled : [...this.#recycled, ...recycled];
    const update: SnapshotUpdate =
      served === null
        ? { kind: 'whole', snapshot }
        : updateBetween(served, snapshot, this.#recycled);
    return { snapshot, update };
  }

  /** @returns names of policies with another index */
  #updatePolicies({ tls, certificates }: Config): ReadonlySet<string> {
    const isStale =
      certificates === this.#certificates
        ? null
        : ({ defaultCertificate }: TlsPolicyConfig) => defaultCertificate !== null;
    this.#certificates = certificates;
    return this.#policies.update(tls, isStale).moved;
  }

  /** After routes and services have their indexes. */
  #tls(config: Config): TlsSpec {
    const spec = tlsSpec(config, this.#policies.specs, this.#context);
    if (this.#passthroughs.length > 0 && this.#passthroughs !== config.passthroughs) {
      const kept = new Set([...config.passthroughs, ...config.routes].map(({ name }) => name));
      for (const { name } of this.#passthroughs) {
        if (!kept.has(name)) this.#metricIndexes.release('route', name);
      }
    }
    this.#passthroughs = config.passthroughs;
    return spec;
  }
}

/** The old object when the new one says the same. */
function keep<Part>(before: Part | undefined, after: Part): Part {
  return before !== undefined && isSame(before, after) ? before : after;
}

function releaseService(
  indexes: MetricIndexes,
  before: ServiceConfig,
  after: ServiceConfig | null,
): void {
  if (after === null) indexes.release('service', before.name);
  const kept = new Set(after?.endpoints.map(({ key }) => key));
  for (const { key } of before.endpoints) {
    if (!kept.has(key)) indexes.release('endpoint', endpointName(before.name, key));
  }
}
