/**
 * Listener: accepts client connections on one address and hands them to their protocol.
 *
 * L1  a connection over a limit gets a short answer and is closed (Refuser). Before that, idle
 *     connections make room: from fifteen sixteenths of the limit on, each new one takes the place
 *     of the oldest that waits for a further request.
 * L2  draining accepts what waits in the kernel, then closes the listening socket. Every answer
 *     that begins from now on closes its connection. An idle connection is not closed at once, for
 *     its client may be sending: it has until `idleMs` to ask for one more answer.
 * L3  a drain ends: what is still open after `timeoutMs` is aborted.
 * L4  all connections of a listener are routed by its `linked`, in which its index is
 *     `listenerIndex`: the two change together, and only here. Policies and certificates of a new
 *     generation are for handshakes that begin from then on: no connection is closed for them.
 * L5  limits count from accept, so handshakes too. Behind a PROXY header the client is counted,
 *     once its header is here, and the proxy never is.
 */

import type { CidrSet } from '../../base/cidr.ts';
import { Fault } from '../../contract/fault.ts';
import { listenerBase, ListenerCell, WorkerCell } from '../../contract/metric-layout.ts';
import type { ListenerSpec } from '../../contract/snapshot.ts';
import type { ClientConnection, ConnectionOwner } from '../connection/client-connection.ts';
import { H1ClientConnection } from '../connection/h1-client-connection.ts';
import type { ClientArrival, ClientSecurity } from '../exchange/client-security.ts';
import { clientSecurity } from '../exchange/client-security.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { LinkedSnapshot } from '../exchange/linked-snapshot.ts';
import type { Plane } from '../exchange/plane.ts';
import type { Chunk, Connection, ListenEvents, Listening, Timer } from '../io/backend.ts';
import { IdleSweep } from '../overload/idle-sweep.ts';
import { OverloadLevel, TRICKLE_COUNT } from '../overload/overload-level.ts';
import { PassthroughConnection } from '../passthrough/passthrough-connection.ts';
import type { Acceptance } from '../tls/acceptance.ts';
import type { LinkedPassthrough, ListenerTls } from '../tls/linked-tls.ts';
import type { WorkerTls } from '../tls/worker-tls.ts';
import type { AcceptingOwner } from './accepting-connection.ts';
import { AcceptingConnection } from './accepting-connection.ts';
import type { ConnectionCounts } from './connection-counts.ts';
import { addressShareOf } from './connection-counts.ts';
import { Refuser } from './refuser.ts';

/** From this part of the limit on, each new connection takes the place of an idle one. */
const CROWDED_SHARE = 15 / 16;
/** Connections looked at for one that is idle, per new connection. */
const SWEEP_LOOK_MAX = 64;
/** Only who was silent this long makes room for a newcomer: who is in use keeps its place. */
const CROWDED_IDLE_MS = 2_000;

/** How a drain is timed, in milliseconds from its begin. */
export interface DrainTimes {
  /** How long an idle connection may stay for its next request. */
  readonly idleMs: number;
  /** When everything that is still open is aborted. */
  readonly timeoutMs: number;
}

export interface ListenerOptions {
  /** The first generation that has it, and its index there. */
  readonly linked: LinkedSnapshot;
  readonly index: number;
  /** An inherited, already bound socket; -1 to bind here. */
  readonly fd: number;
  readonly plane: Plane;
  readonly counts: ConnectionCounts;
  readonly tls: WorkerTls;
  /** Workers that share the limits of the process. */
  readonly workerCount: number;
  /**
   * The socket is bound and listening; `port` as the kernel chose it. Also called, with port 0,
   * when draining begins before that.
   */
  readonly onListening: (port: number) => void;
  /** The address cannot be listened on; `onListening` does not follow. */
  readonly onFailed: (message: string) => void;
  /** One connection could not be accepted; listening goes on. */
  readonly onAcceptError: (message: string) => void;
  /** Nothing listens and the last connection of a draining listener is gone. */
  readonly onDrained: () => void;
}

export class Listener implements ListenEvents, ConnectionOwner, AcceptingOwner {
  linked: LinkedSnapshot;
  listenerIndex: number;
  metricBase: number;
  isDraining = false;
  /** Null: it has no TLS. */
  listenerTls: ListenerTls | null = null;
  proxyPeers: CidrSet | null = null;
  private spec: ListenerSpec;
  private readonly options: ListenerOptions;
  private readonly connections = new Set<ClientConnection>();
  private readonly idleSweep = new IdleSweep(this.connections);
  private readonly listening: Listening;
  private readonly refuser: Refuser;
  private isOpening = true;
  private isListening = false;
  private drainTimer: Timer | null = null;
  private idleDueMs = 0;
  private abortDueMs = 0;

  constructor(options: ListenerOptions) {
    this.options = options;
    this.linked = options.linked;
    this.listenerIndex = options.index;
    this.spec = options.linked.snapshot.listeners[options.index]!;
    this.metricBase = listenerBase(this.spec.metricIndex);
    this.bindAcceptance();
    this.refuser = new Refuser(options.plane.backend.chunks);
    const { kind, host, port } = this.spec;
    const target = { kind, host, port, fd: options.fd };
    this.listening = options.plane.backend.listen(target, this);
  }

  get name(): string {
    return this.spec.name;
  }

  /** As the kernel chose it; 0 until it listens. */
  get port(): number {
    return this.listening.port;
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  /** True when nothing listens and no connection is open. */
  get isDrained(): boolean {
    return this.isDraining && !this.isListening && this.connections.size === 0;
  }

  hasAddress({ kind, host, port }: ListenerSpec): boolean {
    return this.spec.kind === kind && this.spec.host === host && this.spec.port === port;
  }

  /** Goes on as listener `index` of a new generation. Its address must be the same. */
  configure(linked: LinkedSnapshot, index: number): void {
    this.linked = linked;
    this.listenerIndex = index;
    this.spec = linked.snapshot.listeners[index]!;
    this.bindAcceptance();
    const base = listenerBase(this.spec.metricIndex);
    if (base === this.metricBase) return;
    const { cells } = this.options.plane;
    cells[this.metricBase + ListenerCell.open]! -= this.connections.size;
    cells[base + ListenerCell.open]! += this.connections.size;
    this.metricBase = base;
  }

  onListening(): void {
    this.isOpening = false;
    this.isListening = true;
    this.options.onListening(this.listening.port);
  }

  onAccept(connection: Connection): void {
    const { plane, counts, workerCount } = this.options;
    if (counts.countsBurst()) plane.onBurst();
    const isRefusing = plane.overloadLevel === OverloadLevel.refusing;
    if (isRefusing && counts.total >= TRICKLE_COUNT) {
      plane.cells[WorkerCell.shed]!++;
      this.refuseFor(connection, Fault.overloaded);
      return;
    }
    const { limits } = plane.linked;
    const totalMax = shareOf(limits.connectionsMax, workerCount);
    if (counts.total >= totalMax * CROWDED_SHARE)
      this.idleSweep.closeLongest(SWEEP_LOOK_MAX, CROWDED_IDLE_MS);
    const cells = plane.cells;
    const address = connection.peerAddress;
    const counted = this.isProxy(address) ? '' : address;
    const addressMax = addressShareOf(limits.connectionsPerAddressMax, workerCount, totalMax);
    const fault = counts.check(counted, totalMax, addressMax);
    if (fault !== Fault.none) {
      this.refuseFor(connection, fault);
      return;
    }
    counts.add(counted);
    cells[this.metricBase + ListenerCell.accepted]!++;
    cells[this.metricBase + ListenerCell.open]!++;
    if (this.listenerTls === null && this.proxyPeers === null) {
      this.serve(connection, null);
      connection.resume();
      return;
    }
    const { tls } = this.options;
    const accepting = new AcceptingConnection(this, tls, connection, address, counted);
    this.connections.add(accepting);
    accepting.begin();
  }

  // From connections that have been accepted.

  onSecure(accepting: AcceptingConnection, acceptance: Acceptance): void {
    if (!this.takeOver(accepting, acceptance)) return;
    const { connection, policy, serverName, fingerprint } = acceptance;
    const security = clientSecurity(connection.tls!, policy!, serverName, fingerprint);
    this.serve(connection, arrivalOf(acceptance, security));
  }

  onPlain(
    accepting: AcceptingConnection,
    acceptance: Acceptance,
    chunk: Chunk,
    start: number,
    // oxlint-disable-next-line max-params -- as in AcceptanceOwner.
    end: number,
  ): void {
    if (!this.takeOver(accepting, acceptance)) return;
    const client = this.serve(acceptance.connection, arrivalOf(acceptance, null));
    if (end > start) client.onReadable(chunk, start, end);
  }

  onPassthrough(
    accepting: AcceptingConnection,
    acceptance: Acceptance,
    passthrough: LinkedPassthrough,
    chunk: Chunk,
    start: number,
    // oxlint-disable-next-line max-params -- as in AcceptanceOwner.
    end: number,
  ): void {
    if (!this.takeOver(accepting, acceptance)) return;
    const client = new PassthroughConnection(this, this.options.plane, acceptance);
    this.connections.add(client);
    acceptance.connection.events = client;
    client.start(this.linked.passthroughs[passthrough.index]!, chunk, start, end);
  }

  get headTimeoutMs(): number {
    return this.linked.limits.headTimeoutMs;
  }

  get wantsFingerprint(): boolean {
    return this.options.plane.accessLog?.wantsFingerprint === true;
  }

  onError(message: string): void {
    if (!this.isOpening) {
      this.options.onAcceptError(message);
      return;
    }
    this.isOpening = false;
    this.options.onFailed(message);
  }

  onConnectionClosed(connection: ClientConnection): void {
    if (!this.connections.delete(connection)) return;
    this.options.counts.remove(connection.peerAddress);
    this.options.plane.cells[this.metricBase + ListenerCell.open]!--;
    this.checkDrained();
  }

  /** Calls `visit` for every exchange in progress. It may end the exchange. */
  visitExchanges(visit: (exchange: Exchange) => void): void {
    for (const connection of this.connections) connection.visitExchange(visit);
  }

  /** Stops accepting and lets connections end; `onDrained` follows. May come again, sooner. */
  drain({ idleMs, timeoutMs }: DrainTimes): void {
    const { backend } = this.options.plane;
    const nowMs = backend.nowMs();
    if (!this.isDraining) {
      this.isDraining = true;
      this.idleDueMs = Infinity;
      this.abortDueMs = Infinity;
      this.drainTimer = backend.timer(() => this.onDrainTimer());
      if (this.isOpening) this.options.onListening(0);
      this.isOpening = false;
      this.listening.close(() => this.onListeningClosed());
    }
    this.idleDueMs = Math.min(this.idleDueMs, nowMs + idleMs);
    this.abortDueMs = Math.min(this.abortDueMs, nowMs + timeoutMs);
    this.onDrainTimer();
    this.checkDrained();
  }

  /**
   * Closes connections that wait for a further request, the oldest first, for what they hold.
   * @returns how many were closed, at most `max`
   */
  closeUnused(max: number): number {
    return this.idleSweep.close(max);
  }

  /** Gives up clients that have taken nothing of their answer for `stalledMs`. */
  closeStalled(stalledMs: number): void {
    for (const connection of Array.from(this.connections)) connection.closeIfStalled(stalledMs);
  }

  /** Ends what a drain did not. */
  abort(): void {
    this.listening.close(() => this.onListeningClosed());
    for (const connection of Array.from(this.connections)) connection.abortNow();
  }

  private bindAcceptance(): void {
    this.listenerTls = this.linked.tls.listeners[this.listenerIndex] ?? null;
    this.proxyPeers = this.linked.proxyPeers[this.listenerIndex] ?? null;
  }

  /** Whether somebody else stands behind a peer of that address, whom a PROXY header names. */
  private isProxy(address: string): boolean {
    if (this.proxyPeers === null) return false;
    return address === '' || this.proxyPeers.contains(address);
  }

  private serve(connection: Connection, arrival: ClientArrival | null): H1ClientConnection {
    const client = new H1ClientConnection(this, this.options.plane, connection, arrival);
    this.connections.add(client);
    connection.events = client;
    return client;
  }

  /**
   * The connection is accepted: counts it for its client (L5).
   * @returns false when that one has too many; the connection is closed then
   */
  private takeOver(accepting: AcceptingConnection, acceptance: Acceptance): boolean {
    this.connections.delete(accepting);
    const { plane, counts, workerCount } = this.options;
    const { peerAddress } = acceptance;
    if (peerAddress === accepting.peerAddress) return true;
    counts.remove(accepting.peerAddress);
    const { limits } = plane.linked;
    const totalMax = shareOf(limits.connectionsMax, workerCount);
    const addressMax = addressShareOf(limits.connectionsPerAddressMax, workerCount, totalMax);
    const fault = counts.check(peerAddress, totalMax, addressMax);
    if (fault === Fault.none) {
      counts.add(peerAddress);
      return true;
    }
    plane.cells[this.metricBase + ListenerCell.open]!--;
    this.refuseFor(acceptance.connection, fault);
    this.checkDrained();
    return false;
  }

  private onListeningClosed(): void {
    this.isListening = false;
    this.checkDrained();
  }

  private onDrainTimer(): void {
    const nowMs = this.options.plane.backend.nowMs();
    if (nowMs >= this.abortDueMs) {
      this.abort();
      return;
    }
    if (nowMs >= this.idleDueMs) {
      this.idleDueMs = Infinity;
      for (const connection of Array.from(this.connections)) connection.closeIdle();
    }
    if (this.connections.size === 0 && !this.isListening) return;
    this.drainTimer!.set(Math.min(this.idleDueMs, this.abortDueMs) - nowMs);
  }

  private checkDrained(): void {
    if (!this.isDrained) return;
    this.drainTimer!.clear();
    this.options.onDrained();
  }

  private refuseFor(connection: Connection, fault: Fault): void {
    const { cells } = this.options.plane;
    cells[this.metricBase + ListenerCell.refused]!++;
    cells[WorkerCell.faults + fault]!++;
    const isSealed = this.listenerTls !== null && connection.tls === null;
    this.refuser.refuse(connection, fault, isSealed);
  }
}

function arrivalOf(acceptance: Acceptance, security: ClientSecurity | null): ClientArrival {
  const { peerAddress, proxiedLocalPort } = acceptance;
  return { peerAddress, localPort: proxiedLocalPort, security };
}

/** This worker's share of a limit of the whole process. */
function shareOf(limit: number, workerCount: number): number {
  return Math.ceil(limit / workerCount);
}
