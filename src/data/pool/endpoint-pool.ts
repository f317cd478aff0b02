/**
 * Endpoint pool: the connections of one worker to one endpoint, lent to attempts.
 *
 * P1  idle + leased + connecting <= transport.connectionsMax; when that is lowered, the surplus
 *     leaves as leases end.
 * P2  a connection is in exactly one of: connecting, idle, leased, closed.
 * P3  a connection with unread bytes never becomes idle (response smuggling).
 * P4  an attempt waits in the queue at most once, and at most `queueMax` attempts wait.
 * P5  a connection that was opened with other TLS settings than there are now serves no further
 *     attempt: who it was verified against may not be trusted any more.
 * Most recently used first, so that surplus connections reach the idle timeout.
 */

import { assert } from '../../base/assert.ts';
import { Fault } from '../../contract/fault.ts';
import { EndpointCell, WorkerCell } from '../../contract/metric-layout.ts';
import type { EndpointSpec, LimitsSpec, TransportSpec } from '../../contract/snapshot.ts';
import type { H1Limits } from '../codec/head.ts';
import type { Chunk, ClientTls, ConnectTarget, IoBackend } from '../io/backend.ts';
import { observe } from '../record/observe.ts';
import type { AttemptEvents } from './attempt-events.ts';
import { EndpointAddresses } from './endpoint-addresses.ts';
import { UpstreamConnection } from './upstream-connection.ts';
import { WaitQueue } from './wait-queue.ts';

/** How connections are made by TLS. Settings are the same when the object is. */
export interface PoolTls {
  /** Null: it could not be set up, and every attempt fails with `upstreamTlsFailed`. */
  readonly client: ClientTls | null;
}

export interface PoolOptions {
  readonly backend: IoBackend;
  readonly spec: EndpointSpec;
  readonly transport: TransportSpec;
  readonly limits: LimitsSpec;
  /** Null: without TLS. */
  readonly tls: PoolTls | null;
  /** A chunk without bytes, for ends without data. */
  readonly emptyChunk: Chunk;
  /** The worker's cells, and where the endpoint's block begins. */
  readonly cells: Float64Array;
  readonly metricBase: number;
  /** Reports a bug of ours caught by the last resort. */
  readonly reportInternal: (error: unknown) => void;
}

export class EndpointPool {
  readonly backend: IoBackend;
  transport: TransportSpec;
  responseLimits: H1Limits;
  interimResponsesMax: number;
  readonly emptyChunk: Chunk;
  readonly reportInternal: (error: unknown) => void;
  /** Connections connecting, idle or leased. */
  openCount = 0;
  private tls: PoolTls | null;
  private readonly addresses: EndpointAddresses;
  private readonly connecting = new Set<UpstreamConnection>();
  private readonly idle: UpstreamConnection[] = [];
  private readonly queue: WaitQueue<AttemptEvents>;
  private readonly cells: Float64Array;
  private readonly metricBase: number;
  private isClosed = false;

  constructor(options: PoolOptions) {
    const { backend, spec, transport, limits } = options;
    this.backend = backend;
    this.transport = transport;
    this.tls = options.tls;
    this.emptyChunk = options.emptyChunk;
    this.cells = options.cells;
    this.metricBase = options.metricBase;
    this.reportInternal = options.reportInternal;
    this.responseLimits = responseLimits(limits);
    this.interimResponsesMax = limits.interimResponsesMax;
    this.addresses = new EndpointAddresses(backend, spec, transport.resolveIntervalMs);
    this.queue = new WaitQueue(
      backend,
      (attempt: AttemptEvents) => attempt.onLeaseFault(Fault.queueTimeout),
      () => this.countQueued(),
    );
  }

  /** Applies changed settings of a new generation; connections stay, but for P5. */
  configure(transport: TransportSpec, limits: LimitsSpec, tls: PoolTls | null): void {
    this.transport = transport;
    if (tls !== this.tls) {
      this.tls = tls;
      for (const connection of this.idle.slice()) connection.close();
    }
    this.responseLimits = responseLimits(limits);
    this.interimResponsesMax = limits.interimResponsesMax;
    this.addresses.resolveIntervalMs = transport.resolveIntervalMs;
    this.openForWaiters();
  }

  get idleCount(): number {
    return this.idle.length;
  }

  get queueCount(): number {
    return this.queue.count;
  }

  /**
   * The hot path: an idle connection, lent to `attempt`, or null. `onLease` is not called.
   */
  tryAcquire(attempt: AttemptEvents): UpstreamConnection | null {
    const connection = this.idle.pop();
    if (connection === undefined) return null;
    this.cells[WorkerCell.acquireReused]!++;
    this.cells[this.metricBase + EndpointCell.idleConnections] = this.idle.length;
    connection.lend(attempt);
    return connection;
  }

  /**
   * Connects, or queues when the endpoint is at its limit or the worker out of descriptors for
   * endpoints (then `relieve` goes on with it). An idle connection makes room when there is one:
   * the attempt could have had it, and wants a fresh one. `onLease` or `onLeaseFault` follows,
   * later (never inside this call) unless `cancel` comes first.
   * @returns Fault.none; else the attempt was not accepted: Fault.queueFull, or
   *          Fault.upstreamTlsFailed while TLS cannot be set up
   */
  acquireSlow(attempt: AttemptEvents): Fault {
    if (this.tls !== null && this.tls.client === null) return Fault.upstreamTlsFailed;
    while (this.openCount >= this.transport.connectionsMax && this.closeOldestIdle()) continue;
    if (this.mayOpen) {
      this.cells[WorkerCell.acquireConnected]!++;
      this.open(attempt);
      return Fault.none;
    }
    if (this.queue.count >= this.transport.queueMax) {
      this.cells[WorkerCell.acquireRefused]!++;
      return Fault.queueFull;
    }
    this.cells[WorkerCell.acquireQueued]!++;
    this.queue.add(attempt, this.transport.queueTimeoutMs);
    this.countQueued();
    return Fault.none;
  }

  /**
   * The attempt no longer waits. The connection opened for it becomes idle or serves the queue.
   * @returns true when it waited for others in the queue, and nothing was opened for it
   */
  cancel(attempt: AttemptEvents): boolean {
    if (this.queue.remove(attempt)) {
      this.countQueued();
      return true;
    }
    for (const pending of this.connecting) pending.abandonConnecting(attempt);
    return false;
  }

  /** Called by a connection whose response ended cleanly. */
  release(connection: UpstreamConnection): void {
    if (connection.tls !== this.tls) {
      connection.close(); // P5. Who waits gets another one.
      return;
    }
    const next = this.nextWaiter();
    if (next !== null) {
      connection.lend(next);
      next.onLease(connection);
      return;
    }
    this.park(connection);
  }

  /** Called by a connection that is established; `attempt` is null when it was abandoned. */
  onOpened(connection: UpstreamConnection, attempt: AttemptEvents | null): void {
    this.connecting.delete(connection);
    this.cells[this.metricBase + EndpointCell.connectionsOpened]!++;
    const tookMs = this.backend.nowMs() - connection.startedMs;
    observe(this.cells, this.metricBase + EndpointCell.connectUs, tookMs * 1_000);
    if (attempt === null) {
      this.release(connection);
      return;
    }
    connection.lend(attempt);
    attempt.onLease(connection);
  }

  /** Called once by every connection that is gone. */
  onGone(connection: UpstreamConnection): void {
    this.openCount--;
    this.cells[this.metricBase + EndpointCell.connections] = this.openCount;
    assert(this.openCount >= 0, 'P1: no negative count');
    this.connecting.delete(connection);
    if (connection.isIdle) {
      connection.isIdle = false;
      const index = this.idle.indexOf(connection);
      if (index >= 0) this.idle.splice(index, 1);
      this.cells[this.metricBase + EndpointCell.idleConnections] = this.idle.length;
    }
    this.openForWaiters();
  }

  /**
   * Closes idle connections now and every other one when its lease ends. Attempts that wait are
   * served all the same: their exchanges began before the endpoint was removed.
   */
  close(): void {
    this.isClosed = true;
    for (const connection of this.idle.slice()) connection.close();
  }

  /** Goes on with attempts that wait, as far as there is room: called when room was short. */
  relieve(): void {
    if (!this.isClosed) this.openForWaiters();
  }

  /** Closes the connection that has been idle longest. @returns false when none is idle */
  closeOldestIdle(): boolean {
    const oldest = this.idle[0];
    if (oldest === undefined) return false;
    oldest.close();
    return true;
  }

  /** Sweeps P1 and P2. Tests call it after every step; production never does. */
  checkInvariants(): void {
    assert(this.openCount >= this.idle.length + this.connecting.size, 'P2: counted once');
    assert(this.openCount <= this.transport.connectionsMax, 'P1: within limit');
    for (const connection of this.idle) assert(connection.isIdle, 'P2: idle is idle');
  }

  private open(attempt: AttemptEvents): void {
    this.openCount++;
    this.cells[this.metricBase + EndpointCell.connections] = this.openCount;
    const connection = new UpstreamConnection(this);
    this.connecting.add(connection);
    connection.prepare(attempt);
    this.connect(connection);
  }

  /**
   * Called by a connection that could not be established: the endpoint's name may have further
   * addresses. The connect timeout goes on.
   * @returns false when each was tried, or none can help
   */
  connectElsewhere(connection: UpstreamConnection, fault: Fault): boolean {
    const isDead = fault === Fault.connectRefused || fault === Fault.connectFailed;
    if (!isDead || ++connection.deadCount >= this.addresses.count) return false;
    this.connect(connection);
    return true;
  }

  private connect(connection: UpstreamConnection): void {
    this.addresses.next((target: ConnectTarget | null) => {
      if (!connection.isConnecting) return; // Timed out while the name was resolved.
      if (target === null) connection.onClose(Fault.nameNotResolved);
      else this.connectTo(connection, target);
    });
  }

  private connectTo(connection: UpstreamConnection, target: ConnectTarget): void {
    const { backend, tls } = this;
    connection.tls = tls;
    if (tls === null) connection.connectTo(backend.connect(target, connection));
    else if (tls.client !== null) {
      connection.connectTo(backend.connect({ ...target, tls: tls.client }, connection));
    } else backend.defer(() => connection.onClose(Fault.upstreamTlsFailed));
  }

  private park(connection: UpstreamConnection): void {
    const { connectionsMax, idleConnectionsMax } = this.transport;
    const isSurplus = this.openCount > connectionsMax || this.idle.length >= idleConnectionsMax;
    if (this.isClosed || isSurplus) {
      connection.close();
      return;
    }
    connection.idle();
    this.idle.push(connection);
    this.cells[this.metricBase + EndpointCell.idleConnections] = this.idle.length;
  }

  private openForWaiters(): void {
    while (this.mayOpen) {
      const next = this.nextWaiter();
      if (next === null) return;
      this.open(next);
    }
  }

  private get mayOpen(): boolean {
    return this.openCount < this.transport.connectionsMax && this.backend.canConnect;
  }

  private nextWaiter(): AttemptEvents | null {
    if (this.queue.count === 0) return null;
    const next = this.queue.shift();
    this.countQueued();
    return next;
  }

  private countQueued(): void {
    this.cells[this.metricBase + EndpointCell.queued] = this.queue.count;
  }
}

function responseLimits(limits: LimitsSpec): H1Limits {
  return {
    headSizeMax: limits.responseHeadSizeMax,
    fieldCountMax: limits.responseFieldCountMax,
    targetSizeMax: limits.targetSizeMax,
    chunkExtensionSizeMax: limits.chunkExtensionSizeMax,
    trailerSizeMax: limits.trailerSizeMax,
  };
}
