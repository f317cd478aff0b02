/**
 * One client connection that is passed on as it is: its TLS ends at the endpoint, and so does what
 * it says. The bytes of its ClientHello, which chose the route, go ahead.
 *
 * An exchange without a request drives it, so that places, attempts, outliers, timeouts, reloads
 * and records are those of everything else; what is different is here.
 * P1  nothing is read from the client until there is a connection to an endpoint: what is held is
 *     its ClientHello and what came with it.
 * P2  not one byte is added to what the client hears. When no endpoint can be had it sees the end.
 * P3  each side that ends is ended toward the other, and the other may go on; a reset of one side
 *     is a reset of the other.
 */

import { Fault } from '../../contract/fault.ts';
import { ListenerCell } from '../../contract/metric-layout.ts';
import type { ProxyProtocolVersion } from '../../contract/tls.ts';
import { proxyHeaderBytes } from '../codec/proxy-protocol/proxy-header.ts';
import { ClientClock, Wait } from '../connection/client-clock.ts';
import type { ClientConnection, ConnectionOwner } from '../connection/client-connection.ts';
import { clientFault } from '../connection/client-fault.ts';
import { ClientPeer } from '../exchange/client-peer.ts';
import type { ClientStream, TunnelOpening } from '../exchange/client-stream.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { LinkedRoute, LinkedSnapshot } from '../exchange/linked-snapshot.ts';
import type { Plane } from '../exchange/plane.ts';
import type { Chunk, Connection, ConnectionEvents } from '../io/backend.ts';
import { CHUNK_HEADROOM } from '../io/backend.ts';
import { HeldBytes } from '../io/held-bytes.ts';
import type { UpstreamConnection } from '../pool/upstream-connection.ts';
import type { AccessRecord } from '../record/access-record.ts';
import type { Acceptance } from '../tls/acceptance.ts';

export class PassthroughConnection
  implements ClientConnection, ConnectionEvents, ClientStream, TunnelOpening
{
  readonly peerAddress: string;
  /** No idle connection is ever taken from a passthrough: what is silence to us may be work. */
  readonly unusedMs = -1;
  sentBytes = 0;
  private readonly owner: ConnectionOwner;
  private readonly plane: Plane;
  private readonly client: Acceptance;
  private readonly connection: Connection;
  private readonly clock: ClientClock;
  private readonly held: HeldBytes;
  private readonly clientPeer: ClientPeer;
  /** The generation that routes it. */
  readonly linked: LinkedSnapshot;
  private exchange: Exchange | null = null;
  private isGone = false;

  /** @param client what its acceptance has found out; kept, and only read */
  constructor(owner: ConnectionOwner, plane: Plane, client: Acceptance) {
    const { peerAddress, connection } = client;
    this.owner = owner;
    this.plane = plane;
    this.client = client;
    this.connection = connection;
    this.peerAddress = peerAddress;
    this.clock = new ClientClock(plane, (wait) => this.onOverdue(wait));
    this.held = new HeldBytes(plane.backend);
    this.linked = owner.linked;
    const localPort = client.proxiedLocalPort || connection.localPort;
    const arrival = { peerAddress, localPort, security: null };
    this.clientPeer = new ClientPeer(arrival, owner.listenerIndex, null);
  }

  /**
   * Begins: finds an endpoint and connects to it. Called once, with the connection's events set.
   * @param chunk what came so far, `[start, end)`, from the ClientHello on; borrowed for the call
   */
  start(route: LinkedRoute, chunk: Chunk, start: number, end: number): void {
    const { plane, client } = this;
    plane.cells[this.owner.metricBase + ListenerCell.receivedBytes]! += end - start;
    this.pauseRequest();
    const exchange = plane.acquireExchange(this.linked.limits);
    this.exchange = exchange;
    exchange.begin(this);
    exchange.view.setHost(client.serverName);
    exchange.route = route;
    exchange.opening = this;
    if (this.held.take(chunk, start, end)) exchange.startPassthrough();
    else exchange.fail(Fault.memoryLimit);
  }

  // As its listener sees it.

  /** Nothing: what it carries may be at rest, but it has no end between two requests. */
  closeIdle(): void {}

  /** Never asked: `unusedMs` is negative. */
  makeRoom(): void {}

  closeIfStalled(stalledMs: number): void {
    if (this.clock.isStalled(stalledMs)) this.onSlowReader();
  }

  visitExchange(visit: (exchange: Exchange) => void): void {
    if (this.exchange !== null) visit(this.exchange);
  }

  abortNow(): void {
    this.giveUp(Fault.aborted);
  }

  // From the world.

  onOpen(): void {
    // Accepted connections are open already.
  }

  onReadable(chunk: Chunk, start: number, end: number): void {
    try {
      this.plane.cells[this.owner.metricBase + ListenerCell.receivedBytes]! += end - start;
      this.exchange?.onClientTunnel(chunk, start, end);
    } catch (error) {
      this.onInternalError(error);
    }
  }

  onWritable(): void {
    try {
      if (this.exchange === null) {
        this.closeNow();
        return;
      }
      if (this.clock.wait === Wait.write) this.clock.start(Wait.none);
      this.exchange.onClientWritable();
    } catch (error) {
      this.onInternalError(error);
    }
  }

  onEnd(): void {
    try {
      this.exchange?.onClientTunnelEnd();
    } catch (error) {
      this.onInternalError(error);
    }
  }

  onClose(fault: Fault): void {
    if (this.isGone) return;
    const exchange = this.exchange;
    this.exchange = null;
    try {
      exchange?.abandon(clientFault(fault));
    } catch (error) {
      this.plane.reportInternal(error);
    }
    this.onGone();
  }

  // The exchange's view of the client.

  get peer(): ClientPeer {
    return this.clientPeer;
  }

  /** There is no request to wait for. */
  readonly isRequestComplete = true;

  openTunnel(upstream: UpstreamConnection): void {
    const { held } = this;
    const exchange = this.exchange!;
    const size = held.end - held.start;
    const version = exchange.route!.service.proxyProtocol;
    if (version !== null && !this.sendProxyHeader(upstream, version, size)) {
      exchange.fail(Fault.memoryLimit);
      return;
    }
    exchange.requestBytes += size;
    upstream.send(held.chunk!, held.start, held.end);
    held.drop();
    if (upstream.flush() && upstream.isWritable) this.resumeRequest();
  }

  describe(record: AccessRecord): void {
    record.protocol = 'TLS';
    record.isTls = true;
    record.serverName = this.client.serverName;
    record.fingerprint = this.client.fingerprint;
  }

  sendTunnel(chunk: Chunk, start: number, end: number): boolean {
    this.sentBytes += end - start;
    const isWritable = this.connection.write(chunk, start, end);
    if (!isWritable) this.clock.startWrite(this.connection);
    return isWritable;
  }

  endTunnel(): void {
    this.connection.end();
  }

  pauseRequest(): void {
    this.connection.pause();
  }

  resumeRequest(): void {
    this.connection.resume();
  }

  /** There was no endpoint for it (P2). */
  finish(): void {
    this.exchange = null;
    this.closeNow();
  }

  abort(fault: Fault): void {
    this.exchange = null;
    if (fault === Fault.none) {
      this.closeNow();
      return;
    }
    this.connection.reset();
    this.onGone();
  }

  // Words of HTTP, which nobody says to it.

  sendContinue(): void {}
  sendInterim(): void {}
  sendOwn(): void {}

  sendHead(): Fault {
    return Fault.internal;
  }

  sendBody(): boolean {
    return true;
  }

  sendUpgrade(): boolean {
    return false;
  }

  // Ends.

  /** Ends in order, once the client has taken what was said to it. */
  private closeNow(): void {
    if (!this.connection.isDrained && !this.connection.isClosed) {
      this.clock.startWrite(this.connection);
      return;
    }
    this.connection.close();
    this.onGone();
  }

  private giveUp(fault: Fault): void {
    const exchange = this.exchange;
    this.exchange = null;
    exchange?.abandon(fault);
    this.connection.reset();
    this.onGone();
  }

  private onGone(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.clock.stop();
    this.held.drop();
    this.plane.cells[this.owner.metricBase + ListenerCell.sentBytes]! += this.sentBytes;
    this.owner.onConnectionClosed(this);
  }

  private onSlowReader(): void {
    if (this.clock.hasTaken(this.connection)) this.clock.startWrite(this.connection);
    else this.giveUp(Fault.clientWriteTimeout);
  }

  private onOverdue(wait: Wait): void {
    try {
      if (wait === Wait.write) this.onSlowReader();
    } catch (error) {
      this.onInternalError(error);
    }
  }

  /** The last resort: a bug of ours ends this connection only, and is counted. */
  private onInternalError(error: unknown): void {
    this.plane.reportInternal(error);
    try {
      this.giveUp(Fault.internal);
    } catch (second) {
      this.plane.reportInternal(second);
    }
  }

  /**
   * Gathers the header on `upstream`, with room for `size` bytes behind it.
   * @returns false when there is no memory for it
   */
  private sendProxyHeader(
    upstream: UpstreamConnection,
    version: ProxyProtocolVersion,
    size: number,
  ): boolean {
    const { client, connection } = this;
    const bytes = proxyHeaderBytes(version, {
      sourceAddress: client.peerAddress,
      sourcePort: client.isProxied ? client.peerPort : connection.peerPort,
      destinationAddress: client.proxiedLocalAddress || connection.localAddress,
      destinationPort: client.proxiedLocalPort || connection.localPort,
    });
    const { chunks } = this.plane.backend;
    const chunk = chunks.acquire(bytes.length + size) ?? chunks.acquire(bytes.length);
    if (chunk === null) return false;
    chunk.bytes.set(bytes, CHUNK_HEADROOM);
    upstream.sendHead(chunk, CHUNK_HEADROOM, CHUNK_HEADROOM + bytes.length);
    return true;
  }
}
