/**
 * Endpoint registry: the endpoints of this worker by key, so that pools, load, health and
 * balancer positions outlive the generation that made them (a reload resets nothing that did not
 * change). Takes control's word about health and lays candidates out anew.
 *
 * R1  generations of a service with the same endpoints share one `Candidates`; those of older
 *     generations with other endpoints follow health as well, for as long as something uses them.
 * R2  health is kept by endpoint, also of one that only the next snapshot brings.
 */

import { latin1Bytes } from '../../base/ascii.ts';
import type { EndpointHealth, EndpointState, OutlierReport } from '../../contract/health.ts';
import { endpointId } from '../../contract/health.ts';
import {
  EndpointCell,
  ServiceCell,
  endpointBase,
  serviceBase,
} from '../../contract/metric-layout.ts';
import type {
  EndpointSpec,
  LimitsSpec,
  ServiceSpec,
  TransportSpec,
} from '../../contract/snapshot.ts';
import { Position } from '../balance/balancer.ts';
import { Candidates } from '../balance/candidates.ts';
import { Endpoint } from '../balance/endpoint.ts';
import type { Chunk, IoBackend } from '../io/backend.ts';
import { OutlierDetector } from '../outlier/outlier-detector.ts';
import { EndpointPool } from '../pool/endpoint-pool.ts';
import { LatencySweep } from './latency-sweep.ts';
import { SlowStarts } from './slow-start.ts';
import { UpstreamTlsSettings } from './upstream-tls-settings.ts';

export interface RegistryOptions {
  readonly backend: IoBackend;
  /** The worker's metric cells. */
  readonly cells: Float64Array;
  /** A chunk without bytes, for ends without data. */
  readonly emptyChunk: Chunk;
  readonly reportInternal: (error: unknown) => void;
  /** An endpoint does worse than it may; control decides what follows. */
  readonly reportOutlier: (report: OutlierReport) => void;
  /** Something of the configuration does not work; one sentence for the log. */
  readonly reportProblem: (message: string) => void;
}

/** A service's candidates: of its newest endpoint set, and of older ones that may be in use. */
interface ServiceCandidates {
  readonly current: Candidates;
  metricBase: number;
  comparesLatency: boolean;
  readonly older: readonly WeakRef<Candidates>[];
}

export class EndpointRegistry {
  private readonly backend: IoBackend;
  private readonly cells: Float64Array;
  private readonly emptyChunk: Chunk;
  private readonly reportInternal: (error: unknown) => void;
  private readonly reportOutlier: (report: OutlierReport) => void;
  private readonly slowStarts: SlowStarts;
  private readonly latencySweep: LatencySweep;
  private readonly upstreamTls: UpstreamTlsSettings;
  private endpoints = new Map<string, Endpoint>();
  private positions = new Map<string, Position>();
  private readonly services = new Map<string, ServiceCandidates>();
  /** By `endpointId`, of endpoints that are not simply up. */
  private readonly states = new Map<string, EndpointState>();

  constructor(options: RegistryOptions) {
    this.backend = options.backend;
    this.cells = options.cells;
    this.emptyChunk = options.emptyChunk;
    this.reportInternal = options.reportInternal;
    this.reportOutlier = options.reportOutlier;
    this.upstreamTls = new UpstreamTlsSettings(options.backend, options.reportProblem);
    this.slowStarts = new SlowStarts(options.backend, (grown) => this.refreshFor(new Set(grown)));
    this.latencySweep = new LatencySweep(options.backend, () =>
      [...this.services.values()]
        .filter(({ comparesLatency }) => comparesLatency)
        .map(({ current }) => current.endpoints),
    );
  }

  get all(): Iterable<Endpoint> {
    return this.endpoints.values();
  }

  /** The endpoint of that key, made when it is new, configured anew when it is not. */
  endpoint(
    service: ServiceSpec,
    spec: EndpointSpec,
    transport: TransportSpec,
    limits: LimitsSpec,
  ): Endpoint {
    const key = endpointId(service.name, spec.key);
    const known = this.endpoints.get(key);
    const tls = this.upstreamTls.poolTls(service, spec);
    if (known !== undefined) {
      known.configure(spec);
      known.pool.configure(transport, limits, tls);
      known.outlier.configure(service.outlier);
      this.countState(known);
      return known;
    }
    const metricBase = endpointBase(spec.metricIndex);
    const pool = new EndpointPool({
      backend: this.backend,
      spec,
      transport,
      limits,
      tls,
      emptyChunk: this.emptyChunk,
      cells: this.cells,
      metricBase,
      reportInternal: this.reportInternal,
    });
    const hostLine = latin1Bytes(`Host: ${spec.authority}\r\n`);
    const outlier = this.detector(service, spec);
    const endpoint = new Endpoint({
      spec,
      pool,
      outlier,
      stickyKey: stickyKey(spec.key),
      metricBase,
      hostLine,
    });
    endpoint.setState(this.states.get(key) ?? 'up');
    this.endpoints.set(key, endpoint);
    this.countState(endpoint);
    return endpoint;
  }

  /**
   * Who may be chosen of `endpoints`, which are all of the service. The same object as before
   * while the endpoints are the same ones; their weights and the panic threshold may differ.
   */
  candidates(service: ServiceSpec, endpoints: readonly Endpoint[]): Candidates {
    const metricBase = serviceBase(service.metricIndex);
    const comparesLatency = service.outlier.latencyFactorMax > 0;
    if (comparesLatency) this.latencySweep.start();
    const known = this.services.get(service.name);
    if (known !== undefined && isSame(known.current.endpoints, endpoints)) {
      known.metricBase = metricBase;
      known.comparesLatency = comparesLatency;
      known.current.configure(service.panicPercent);
      this.countService(known);
      return known.current;
    }
    const current = new Candidates(endpoints, service.panicPercent);
    const older = known?.older.filter((reference) => reference.deref() !== undefined) ?? [];
    if (known !== undefined) older.push(new WeakRef(known.current));
    const entry = { current, metricBase, comparesLatency, older };
    this.services.set(service.name, entry);
    this.countService(entry);
    return current;
  }

  /**
   * Takes what control says about endpoints; all others stay as they are. Endpoints that are not
   * known yet are remembered.
   */
  applyHealth(endpoints: readonly EndpointHealth[]): void {
    const changed = new Set<Endpoint>();
    for (const { service, endpoint: key, state, slowStartMs } of endpoints) {
      const id = endpointId(service, key);
      if (state === 'up') this.states.delete(id);
      else this.states.set(id, state);
      const endpoint = this.endpoints.get(id);
      if (endpoint === undefined) continue;
      endpoint.setState(state);
      if (!endpoint.isUp) this.slowStarts.end(endpoint);
      else if (slowStartMs > 0) this.slowStarts.begin(endpoint, slowStartMs);
      this.countState(endpoint);
      changed.add(endpoint);
    }
    this.refreshFor(changed);
  }

  /** Round-robin's place of that service. */
  position(service: ServiceSpec): Position {
    const known = this.positions.get(service.name);
    if (known !== undefined) return known;
    const position = new Position();
    this.positions.set(service.name, position);
    return position;
  }

  /** Closes the pools of endpoints that the current services no longer have. */
  retain(services: readonly ServiceSpec[]): void {
    const kept = new Set(
      services.flatMap((service) =>
        service.endpoints.map((endpoint) => endpointId(service.name, endpoint.key)),
      ),
    );
    for (const [key, endpoint] of this.endpoints) {
      if (kept.has(key)) continue;
      endpoint.pool.close();
      this.slowStarts.end(endpoint);
      this.endpoints.delete(key);
    }
    for (const id of this.states.keys()) if (!kept.has(id)) this.states.delete(id);
    const names = new Set(services.map((service) => service.name));
    for (const name of this.services.keys()) if (!names.has(name)) this.services.delete(name);
    for (const name of this.positions.keys()) if (!names.has(name)) this.positions.delete(name);
    this.upstreamTls.retain(services);
    if (names.size === 0) this.latencySweep.stop();
  }

  private detector(service: ServiceSpec, spec: EndpointSpec): OutlierDetector {
    const { backend, reportOutlier } = this;
    const names = { service: service.name, endpoint: spec.key };
    return new OutlierDetector(
      service.outlier,
      () => backend.nowMs(),
      (cause) => reportOutlier({ ...names, cause }),
    );
  }

  private refreshFor(changed: ReadonlySet<Endpoint>): void {
    if (changed.size === 0) return;
    for (const entry of this.services.values()) {
      if (entry.current.endpoints.some((endpoint) => changed.has(endpoint))) {
        entry.current.refresh();
        this.countService(entry);
      }
      for (const reference of entry.older) {
        const older = reference.deref();
        if (older?.endpoints.some((endpoint) => changed.has(endpoint))) older.refresh();
      }
    }
  }

  private countState(endpoint: Endpoint): void {
    const isUp = endpoint.isUp && !endpoint.isDraining;
    this.cells[endpoint.metricBase + EndpointCell.isUp] = isUp ? 1 : 0;
  }

  private countService({ current, metricBase }: ServiceCandidates): void {
    this.cells[metricBase + ServiceCell.endpointsAvailable] = current.availableCount;
    this.cells[metricBase + ServiceCell.panic] = current.isPanic ? 1 : 0;
  }
}

function isSame(left: readonly Endpoint[], right: readonly Endpoint[]): boolean {
  return left.length === right.length && left.every((endpoint, at) => endpoint === right[at]);
}

/** FNV-1a over the key, twice with different seeds: stable, and says nothing about the address. */
function stickyKey(key: string): string {
  return fnv1a(key, 0x811c9dc5) + fnv1a(key, 0x9747b28c);
}

function fnv1a(text: string, seed: number): string {
  let hash = seed;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0).toString(36);
}
