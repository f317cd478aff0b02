/**
 * Data plane: everything one worker serves with. Opens listeners, links and swaps snapshots,
 * drains. The only door from the worker's entry into the data rooms.
 */

import { ServiceCell, WorkerCell } from '../../contract/metric-layout.ts';
import type { ListenerSpec, Snapshot } from '../../contract/snapshot.ts';
import { Plane } from '../exchange/plane.ts';
import type { IoBackend } from '../io/backend.ts';
import type { AccessLog } from '../record/access-log.ts';
import { ConnectionCounts } from './connection-counts.ts';
import { EndpointRegistry } from './endpoint-registry.ts';
import type { LinkMiddleware } from './link-snapshot.ts';
import { linkSnapshot } from './link-snapshot.ts';
import { Listener } from './listener.ts';

export interface DataPlaneOptions {
  readonly backend: IoBackend;
  readonly cells: Float64Array;
  readonly workerCount: number;
  readonly middleware: LinkMiddleware;
  /** Descriptor of the inherited socket of a listener, by name; -1 when there is none. */
  readonly listenerFd: (name: string) => number;
  /** False for listeners that another worker serves alone. */
  readonly servesListener: (spec: ListenerSpec) => boolean;
  readonly reportInternal: (error: unknown) => void;
  readonly reportListenError: (listener: string, message: string) => void;
}

export class DataPlane {
  readonly plane: Plane;
  private readonly options: DataPlaneOptions;
  private readonly registry: EndpointRegistry;
  private readonly counts = new ConnectionCounts();
  private readonly listeners: Listener[] = [];
  private onDrained: (() => void) | null = null;

  constructor(options: DataPlaneOptions, snapshot: Snapshot) {
    this.options = options;
    const { backend, cells, reportInternal } = options;
    const emptyChunk = backend.chunks.acquire(64)!;
    this.registry = new EndpointRegistry({ backend, cells, emptyChunk, reportInternal });
    this.plane = new Plane(backend, cells, this.link(snapshot), reportInternal);
    this.countSnapshot();
  }

  /** Opens every listener; `done` follows once all of them listen. */
  listen(done: (ports: readonly number[]) => void): void {
    const specs = this.plane.linked.snapshot.listeners;
    const ports: number[] = specs.map(() => 0);
    let waiting = specs.filter(this.options.servesListener).length;
    if (waiting === 0) this.plane.backend.defer(() => done(ports));
    specs.forEach((spec, index) => {
      if (!this.options.servesListener(spec)) return;
      const onListening = (port: number): void => {
        ports[index] = port;
        if (--waiting === 0) done(ports);
      };
      this.listeners.push(
        new Listener({
          spec,
          index,
          fd: this.options.listenerFd(spec.name),
          plane: this.plane,
          counts: this.counts,
          connectionsMax: () => this.share(this.plane.linked.limits.connectionsMax),
          connectionsPerAddressMax: () =>
            this.share(this.plane.linked.limits.connectionsPerAddressMax),
          onListening,
          onError: (message) => this.options.reportListenError(spec.name, message),
          onDrained: () => this.checkDrained(),
        }),
      );
    });
  }

  /** Links `snapshot` and makes it current: exchanges begun from now on are routed by it. */
  publish(snapshot: Snapshot): void {
    this.plane.linked = this.link(snapshot);
    this.registry.retain(snapshot.services);
    this.countSnapshot();
  }

  setAccessLog(log: AccessLog | null): void {
    this.plane.accessLog = log;
  }

  get connectionCount(): number {
    return this.counts.total;
  }

  /** Stops accepting, ends connections after their answers; `done` once the last one is gone. */
  drain(done: () => void): void {
    this.onDrained = done;
    this.plane.isDraining = true;
    for (const listener of this.listeners) listener.drain();
    this.checkDrained();
  }

  /** Ends everything that is still open. */
  abort(): void {
    for (const listener of this.listeners) listener.abort();
  }

  private link(snapshot: Snapshot): ReturnType<typeof linkSnapshot> {
    const { backend, middleware } = this.options;
    return linkSnapshot(snapshot, {
      registry: this.registry,
      random: () => backend.random(),
      middleware,
    });
  }

  private countSnapshot(): void {
    const { cells } = this.options;
    const linked = this.plane.linked;
    cells[WorkerCell.rules] = linked.router.ruleCount;
    cells[WorkerCell.routes] = linked.routes.length;
    cells[WorkerCell.generation] = linked.generation;
    for (const { service } of linked.routes) {
      cells[service.metricBase + ServiceCell.endpointsAvailable] = service.endpoints.length;
    }
  }

  private checkDrained(): void {
    if (this.onDrained === null || this.counts.total > 0) return;
    const done = this.onDrained;
    this.onDrained = null;
    done();
  }

  /** A process-wide limit as this worker's share of it. */
  private share(limit: number): number {
    return Math.ceil(limit / this.options.workerCount);
  }
}
