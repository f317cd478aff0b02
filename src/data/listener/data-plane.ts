/**
 * Data plane: everything one worker serves with. Opens listeners, links and swaps snapshots,
 * drains. The only door from the worker's entry into the data rooms.
 */

import { WorkerCell } from '../../contract/metric-layout.ts';
import type { EndpointHealth, OutlierReport } from '../../contract/health.ts';
import type { ListenerFds } from '../../contract/message.ts';
import type { ListenerSpec, Snapshot } from '../../contract/snapshot.ts';
import type {
  CertificateUpdate,
  ChallengeSpec,
  TicketSecrets,
  TlsState,
} from '../../contract/tls.ts';
import type { LinkedSnapshot } from '../exchange/linked-snapshot.ts';
import { Plane } from '../exchange/plane.ts';
import type { IoBackend } from '../io/backend.ts';
import { OverloadLevel } from '../overload/overload-level.ts';
import type { AccessLog } from '../record/access-log.ts';
import { WorkerTls } from '../tls/worker-tls.ts';
import { ConnectionCounts } from './connection-counts.ts';
import { EndpointRegistry } from './endpoint-registry.ts';
import type { LinkMiddleware } from './link-snapshot.ts';
import { linkSnapshot } from './link-snapshot.ts';
import type { DrainTimes } from './listener.ts';
import type { ListenerPorts } from './listener-set.ts';
import { ListenerSet } from './listener-set.ts';
import { RouteChanges } from './route-changes.ts';
import { ServiceStates } from './service-states.ts';

/** Idle connections of a stopping worker that nobody succeeds stay this long for a request. */
const IDLE_GRACE_MS = 1_000;
/** Idle connections are closed in order, this long before what is left is aborted. */
const ABORT_AHEAD_MS = 2_000;

/** Part of all connections that may be closed per sample of the overload level while idle. */
const CLOSE_SHARE = 1 / 32;
const CLOSE_SHARE_REFUSING = 1 / 8;
/** A client that has taken nothing for so long is given up when requests have to be refused. */
const STALLED_MS = 2_000;

export interface DataPlaneOptions {
  readonly backend: IoBackend;
  readonly cells: Float64Array;
  readonly workerCount: number;
  readonly middleware: LinkMiddleware;
  /** False for listeners that another worker serves alone. */
  readonly servesListener: (spec: ListenerSpec, fd: number) => boolean;
  /** What control knows about TLS besides the snapshot. */
  readonly tls: TlsState;
  /** A client waits for a certificate; `settleCertificate` answers. */
  readonly wantCertificate: (name: string, peerAddress: string) => void;
  readonly reportInternal: (error: unknown) => void;
  /** Something that the configuration says does not work: a sentence for the log. */
  readonly reportProblem: (message: string) => void;
  readonly reportListenError: (listener: string, message: string) => void;
  /** A detector of this worker found an endpoint at fault. */
  readonly reportOutlier: (report: OutlierReport) => void;
}

/** What comes with a new snapshot. */
export interface Publication {
  /** Already bound sockets of listeners whose address is new; theirs from now on. */
  readonly listenerFds: ListenerFds;
  /** Names of routes that are gone or differ, themselves or by what they refer to. */
  readonly changedRoutes: readonly string[];
}

export class DataPlane {
  readonly plane: Plane;
  private readonly options: DataPlaneOptions;
  private readonly registry: EndpointRegistry;
  private readonly services: ServiceStates;
  private readonly counts = new ConnectionCounts();
  private readonly tls: WorkerTls;
  private readonly listeners: ListenerSet;
  private readonly routeChanges: RouteChanges;
  /** No descriptor was left for endpoints at the last `relieve`. */
  private wasShort = false;
  private isDraining = false;
  private onDrained: (() => void) | null = null;

  constructor(options: DataPlaneOptions, snapshot: Snapshot) {
    this.options = options;
    const { backend, cells, reportInternal, reportOutlier, reportProblem } = options;
    const emptyChunk = backend.chunks.acquire(64)!;
    this.registry = new EndpointRegistry({
      backend,
      cells,
      emptyChunk,
      reportInternal,
      reportOutlier,
      reportProblem,
    });
    this.tls = new WorkerTls({
      backend,
      cells,
      workerCount: options.workerCount,
      state: options.tls,
      report: reportProblem,
      wantCertificate: options.wantCertificate,
      reportInternal,
    });
    this.services = new ServiceStates(backend, cells, options.workerCount);
    this.plane = new Plane(backend, cells, this.link(snapshot, null), reportInternal);
    this.listeners = new ListenerSet(this.plane, {
      counts: this.counts,
      tls: this.tls,
      workerCount: options.workerCount,
      servesListener: options.servesListener,
      reportListenError: options.reportListenError,
      onDrained: () => this.checkDrained(),
    });
    this.routeChanges = new RouteChanges(this.plane, (visit) =>
      this.listeners.visitExchanges(visit),
    );
    this.bindChallenges();
    this.countSnapshot();
  }

  /**
   * Opens every listener.
   * @param fds already bound sockets by listener name; they belong to the listeners from now on
   * @param done called once all listen, with the bound ports; not when one of them fails, which is
   *        reported
   */
  listen(fds: ListenerFds, done: (ports: ListenerPorts) => void): void {
    this.reconcile(fds, (ports, failed) => {
      if (failed === 0) done(ports);
    });
  }

  /**
   * Links `snapshot` and makes it current: exchanges begun from now on are routed by it, those in
   * progress finish on theirs. While it drains nothing changes any more.
   * @param done called later, once: new listeners listen, or have been reported
   */
  publish(snapshot: Snapshot, { listenerFds, changedRoutes }: Publication, done: () => void): void {
    const { backend, cells } = this.plane;
    if (this.isDraining) return backend.defer(done);
    const previous = this.plane.linked.snapshot;
    const startMs = backend.nowMs();
    const linked = this.link(snapshot, this.plane.linked);
    this.plane.linked = linked;
    this.reconcile(listenerFds, done);
    if (snapshot.services !== previous.services) {
      this.registry.retain(snapshot.services);
      this.services.retain(snapshot.services);
    }
    cells[WorkerCell.linkUs] = (backend.nowMs() - startMs) * 1_000;
    this.countSnapshot();
    this.routeChanges.add(previous, snapshot, changedRoutes);
  }

  /** Takes over what control knows about endpoints; those not named stay as they are. */
  applyHealth(endpoints: readonly EndpointHealth[]): void {
    this.registry.applyHealth(endpoints);
    this.services.wake();
  }

  /** Certificates came or went: handshakes that begin from now on see them. */
  updateCertificates(update: CertificateUpdate): void {
    this.tls.updateCertificates(update);
  }

  /** @param challenges all that are open from now on */
  setChallenges(challenges: readonly ChallengeSpec[]): void {
    this.tls.setChallenges(challenges);
    this.bindChallenges();
  }

  setTicketSecrets(secrets: TicketSecrets): void {
    this.tls.setTicketSecrets(secrets);
  }

  /** Who waits for `name` goes on: its certificate came before this, or there will be none. */
  settleCertificate(name: string): void {
    this.tls.settleCertificate(name);
  }

  /**
   * Applies the overload level, several times a second: from level 1 on connections are closed
   * after their answer, and some idle ones each time, so that not all clients come back at once.
   */
  setOverload(level: OverloadLevel): void {
    this.setLevel(level);
    if (level === OverloadLevel.calm) return;
    this.plane.dropFree();
    if (level === OverloadLevel.refusing) this.listeners.closeStalled(STALLED_MS);
    const share = level === OverloadLevel.refusing ? CLOSE_SHARE_REFUSING : CLOSE_SHARE;
    this.listeners.closeUnused(Math.ceil(this.counts.total * share));
  }

  /** Applies the level to what comes from now on. For any moment, also in the middle of things. */
  setLevel(level: OverloadLevel): void {
    this.plane.overloadLevel = level;
    this.plane.cells[WorkerCell.overloadLevel] = level;
  }

  /**
   * Called several times a second. Where descriptors for endpoints ran short: attempts that wait
   * get what has become free, and idle connections of other endpoints are closed for them.
   */
  relieve(): void {
    const { backend } = this.plane;
    if (backend.canConnect && !this.wasShort) return;
    this.wasShort = !backend.canConnect;
    let waiting = 0;
    for (const { pool } of this.registry.all) {
      pool.relieve();
      waiting += pool.queueCount;
    }
    if (backend.canConnect) return;
    for (const { pool } of this.registry.all) {
      while (waiting > 0 && pool.closeOldestIdle()) waiting--;
    }
  }

  setAccessLog(log: AccessLog | null): void {
    this.plane.accessLog = log;
  }

  /** Connections refused so far because of a limit. */
  get refusedCount(): number {
    return this.counts.refusedCount;
  }

  get connectionCount(): number {
    return this.counts.total;
  }

  /**
   * Stops accepting and ends connections after their answers.
   * @param hasSuccessor another worker or process accepts on the same addresses: nobody waits for
   *        this one to end, so idle connections stay until their next answer or nearly to the end
   *        of the drain timeout. Without one they have a second.
   * @param done called once the last connection is gone
   */
  drain(hasSuccessor: boolean, done: () => void): void {
    this.isDraining = true;
    this.onDrained = done;
    this.listeners.drain(this.drainTimes(hasSuccessor));
    this.checkDrained();
  }

  /** Ends everything that is still open. */
  abort(): void {
    this.listeners.abort();
  }

  /** Closes idle connections to endpoints; for a worker that ends. */
  closePools(): void {
    this.registry.retain([]);
  }

  private reconcile(fds: ListenerFds, done: (ports: ListenerPorts, failed: number) => void): void {
    // Clients of an address that is gone lose nothing: they are served until they come to rest.
    this.listeners.reconcile(this.plane.linked, fds, this.drainTimes(true), done);
  }

  private bindChallenges(): void {
    const { challenges } = this.tls;
    this.plane.httpChallenges = challenges.hasHttp ? challenges : null;
  }

  private drainTimes(hasSuccessor: boolean): DrainTimes {
    const timeoutMs = this.plane.linked.snapshot.drainTimeoutMs;
    const longMs = Math.max(timeoutMs - ABORT_AHEAD_MS, timeoutMs / 2);
    return { idleMs: hasSuccessor ? longMs : Math.min(IDLE_GRACE_MS, longMs), timeoutMs };
  }

  private link(snapshot: Snapshot, previous: LinkedSnapshot | null): LinkedSnapshot {
    const { backend, middleware } = this.options;
    const { registry, services } = this;
    const tools = { registry, services, random: () => backend.random(), middleware };
    return linkSnapshot(snapshot, tools, previous);
  }

  private countSnapshot(): void {
    const { cells } = this.options;
    const linked = this.plane.linked;
    cells[WorkerCell.rules] = linked.router.ruleCount;
    cells[WorkerCell.routes] = linked.routes.length;
    cells[WorkerCell.generation] = linked.generation;
  }

  private checkDrained(): void {
    if (this.onDrained === null || this.counts.total > 0 || !this.listeners.isDrained) return;
    const done = this.onDrained;
    this.onDrained = null;
    done();
  }
}
