/**
 * What a scrape reads: workers' cells, the names their blocks carry, the control plane's figures.
 */

import type { Snapshot } from '../../contract/snapshot.ts';
import {
  METRIC_INDEX_MAX,
  ROUTE_NONE_INDEX,
  ROUTE_NONE_NAME,
} from '../../contract/metric-layout.ts';
import {
  endpointBase,
  listenerBase,
  routeBase,
  serviceBase,
} from '../../contract/metric-layout.ts';
import type { MetricFamily } from '../../contract/metric.ts';
import type { CertificateSource } from './certificate-metrics.ts';

export interface WorkerCells {
  /** Value of the `worker` label. */
  readonly id: string;
  /** A view over the worker's metric buffer; read only. */
  readonly cells: Float64Array;
  /** Of threads that ended: counts in sums, and has no series of its own. */
  readonly isRetired?: boolean;
}

/** One named block: where it starts and the label values it has. */
export interface MetricBlock {
  readonly base: number;
  /** In order of the family's labels. */
  readonly labels: readonly string[];
}

export type MetricBlocks = {
  readonly [F in Exclude<MetricFamily, 'control' | 'certificate'>]: readonly MetricBlock[];
};

export interface MetricSource extends CertificateSource {
  readonly version: string;
  readonly workers: readonly WorkerCells[];
  readonly blocks: MetricBlocks;
  /** Indexed by `ControlCell`, at least `CONTROL_CELLS` long. */
  readonly control: ArrayLike<number>;
}

/** Blocks of everything a snapshot names. Make it once per generation, not per scrape. */
export function metricBlocks(snapshot: Snapshot): MetricBlocks {
  const { listeners, services, tls } = snapshot;
  // Passthroughs are routes to whoever reads metrics.
  const routes = [...snapshot.routes, ...tls.passthroughs];
  const none = { base: routeBase(ROUTE_NONE_INDEX), labels: [ROUTE_NONE_NAME] };
  return {
    worker: [{ base: 0, labels: [] }],
    listener: distinct(listeners, (spec) => block(listenerBase(spec.metricIndex), spec.name)),
    route: [...distinct(routes, (spec) => block(routeBase(spec.metricIndex), spec.name)), none],
    service: distinct(services, (spec) => block(serviceBase(spec.metricIndex), spec.name)),
    endpoint: services.flatMap((service) =>
      distinct(service.endpoints, (endpoint) =>
        block(endpointBase(endpoint.metricIndex), service.name, endpoint.key),
      ),
    ),
  };
}

/** No snapshot yet: only the worker's own block and the route-less one. */
export const EMPTY_BLOCKS: MetricBlocks = {
  worker: [{ base: 0, labels: [] }],
  listener: [],
  route: [{ base: routeBase(ROUTE_NONE_INDEX), labels: [ROUTE_NONE_NAME] }],
  service: [],
  endpoint: [],
};

function block(base: number, ...labels: string[]): MetricBlock {
  return { base, labels };
}

/** Blocks of `specs`, each block once: a series must not appear twice in one scrape. */
function distinct<Spec extends { readonly metricIndex: number }>(
  specs: readonly Spec[],
  blockOf: (spec: Spec) => MetricBlock,
): MetricBlock[] {
  const seen = new Set<number>();
  const blocks: MetricBlock[] = [];
  for (const spec of specs) {
    const isKnown = spec.metricIndex >= 0 && spec.metricIndex < METRIC_INDEX_MAX;
    if (!isKnown || seen.has(spec.metricIndex)) continue;
    seen.add(spec.metricIndex);
    blocks.push(blockOf(spec));
  }
  return blocks;
}
