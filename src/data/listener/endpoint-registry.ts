/**
 * Endpoint registry: the endpoints of this worker by key, so that pools, load and balancer
 * positions outlive the generation that made them (a reload resets nothing that did not change).
 */

import { latin1Bytes } from '../../base/ascii.ts';
import { endpointBase } from '../../contract/metric-layout.ts';
import type {
  EndpointSpec,
  LimitsSpec,
  ServiceSpec,
  TransportSpec,
} from '../../contract/snapshot.ts';
import { Position } from '../balance/balancer.ts';
import { Endpoint } from '../balance/endpoint.ts';
import type { Chunk, IoBackend } from '../io/backend.ts';
import { EndpointPool } from '../pool/endpoint-pool.ts';

export interface RegistryOptions {
  readonly backend: IoBackend;
  /** The worker's metric cells. */
  readonly cells: Float64Array;
  /** A chunk without bytes, for ends without data. */
  readonly emptyChunk: Chunk;
  readonly reportInternal: (error: unknown) => void;
}

export class EndpointRegistry {
  private readonly backend: IoBackend;
  private readonly cells: Float64Array;
  private readonly emptyChunk: Chunk;
  private readonly reportInternal: (error: unknown) => void;
  private endpoints = new Map<string, Endpoint>();
  private positions = new Map<string, Position>();

  constructor(options: RegistryOptions) {
    this.backend = options.backend;
    this.cells = options.cells;
    this.emptyChunk = options.emptyChunk;
    this.reportInternal = options.reportInternal;
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
    const key = endpointKey(service, spec);
    const known = this.endpoints.get(key);
    if (known !== undefined) {
      known.spec = spec;
      known.pool.configure(transport, limits);
      return known;
    }
    const metricBase = endpointBase(spec.metricIndex);
    const pool = new EndpointPool({
      backend: this.backend,
      spec,
      transport,
      limits,
      emptyChunk: this.emptyChunk,
      cells: this.cells,
      metricBase,
      reportInternal: this.reportInternal,
    });
    const hostLine = latin1Bytes(`Host: ${spec.authority}\r\n`);
    const endpoint = new Endpoint(spec, pool, stickyKey(spec.key), metricBase, hostLine);
    this.endpoints.set(key, endpoint);
    return endpoint;
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
        service.endpoints.map((endpoint) => endpointKey(service, endpoint)),
      ),
    );
    for (const [key, endpoint] of this.endpoints) {
      if (kept.has(key)) continue;
      endpoint.pool.close();
      this.endpoints.delete(key);
    }
  }
}

function endpointKey(service: ServiceSpec, endpoint: EndpointSpec): string {
  return `${service.name}\n${endpoint.key}`;
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
