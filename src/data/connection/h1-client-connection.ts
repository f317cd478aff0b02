/**
 * One HTTP/1.1 client connection: reads requests, one exchange at a time, and writes responses.
 *
 * C1  requests are answered in order; the next one begins when this one is answered.
 * C2  where the framing of a request is in doubt the connection closes after the answer, and not
 *     one byte behind it is looked at (RFC 9112 §9.6, §11.2).
 * C3  answers never pile up: the next request is looked at when the last answer has left.
 * C4  a connection that closes with unread request bytes lingers, so that the answer is not lost
 *     to a reset (RFC 9112 §9.6).
 * C5  a complete answer reaches a slow client however long it takes: the connection is closed when
 *     everything has left, and a client that stops taking bytes sees a reset, never an early end.
 */

import { Fault } from '../../contract/fault.ts';
import { ListenerCell } from '../../contract/metric-layout.ts';
import type { CidrSet } from '../../base/cidr.ts';
import type { ResponseHead } from '../codec/head.ts';
import { ClientPeer } from '../exchange/client-peer.ts';
import type { ClientStream } from '../exchange/client-stream.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { ClientArrival } from '../exchange/client-security.ts';
import type { LinkedSnapshot } from '../exchange/linked-snapshot.ts';
import type { Plane } from '../exchange/plane.ts';
import type { Chunk, Connection, ConnectionEvents } from '../io/backend.ts';
import { OverloadLevel } from '../overload/overload-level.ts';
import { ClientClock, Wait } from './client-clock.ts';
import type { ClientConnection, ConnectionOwner } from './client-connection.ts';
import { clientFault } from './client-fault.ts';
import type { RequestSink } from './h1-request-reader.ts';
import { H1RequestReader, State } from './h1-request-reader.ts';
import { H1ResponseSender } from './h1-response-sender.ts';

/** Who has just come is about to send. */
const NEW_IDLE_MS = 1_000;

export class H1ClientConnection
  implements ClientConnection, ConnectionEvents, ClientStream, RequestSink
{
  readonly peerAddress: string;
  private readonly owner: ConnectionOwner;
  private readonly plane: Plane;
  private readonly connection: Connection;
  /** Null: without TLS, and from where the connection says. */
  private readonly arrival: ClientArrival | null;
  private readonly clock: ClientClock;
  private readonly sender: H1ResponseSender;
  private readonly reader: H1RequestReader;
  private clientPeer: ClientPeer | null = null;
  /** The generation that `clientPeer` is right for. */
  private peerLinked: LinkedSnapshot | null = null;
  private exchange: Exchange | null = null;
  private exchangeCount = 0;
  private isHalfClosed = false;

  constructor(
    owner: ConnectionOwner,
    plane: Plane,
    connection: Connection,
    arrival: ClientArrival | null = null,
  ) {
    this.owner = owner;
    this.plane = plane;
    this.connection = connection;
    this.arrival = arrival;
    this.peerAddress = arrival === null ? connection.peerAddress : arrival.peerAddress;
    this.clock = new ClientClock(plane, (wait) => this.onOverdue(wait));
    this.sender = new H1ResponseSender(plane, connection);
    this.reader = new H1RequestReader(this, plane, connection, this.clock);
    this.clock.start(Wait.head);
  }

  /**
   * Closes when idle, else after the current answer, even when its head has said otherwise. Before
   * that, while the owner drains, a connection closes only after an answer that says so: a client
   * that was told otherwise may be sending its next request already.
   */
  closeIdle(): void {
    if (this.reader.state === State.idle) this.closeNow();
    else this.sender.keepAlive = false;
  }

  /** As in Idler: how long the client has been silent between requests; -1 while it is not. */
  get unusedMs(): number {
    const isUnused = this.reader.state === State.idle && this.clock.wait !== Wait.write;
    if (!isUnused || !this.connection.isDrained) return -1;
    const waitedMs = Math.max(this.clock.waitedMs, 0);
    return this.exchangeCount === 0 && waitedMs < NEW_IDLE_MS ? -1 : waitedMs;
  }

  /** Closes at once, in favour of others. Only while it is unused. */
  makeRoom(): void {
    this.connection.abort();
    this.onGone();
  }

  /** Gives the client up when it has taken nothing of what is queued for `stalledMs`. */
  closeIfStalled(stalledMs: number): void {
    if (this.clock.isStalled(stalledMs)) this.onSlowReader();
  }

  /** Calls `visit` with the exchange in progress, if there is one. It may end it. */
  visitExchange(visit: (exchange: Exchange) => void): void {
    if (this.exchange !== null) visit(this.exchange);
  }

  /** Ends everything now, without an answer. */
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
      if (this.reader.state === State.tunnel) this.exchange!.onClientTunnel(chunk, start, end);
      else if (this.reader.state < State.linger) this.reader.read(chunk, start, end);
    } catch (error) {
      this.onInternalError(error);
    }
  }

  onWritable(): void {
    try {
      if (this.reader.state === State.linger) {
        if (this.clock.wait === Wait.write) this.lingerWhenSent();
        return;
      }
      if (this.clock.wait === Wait.write) this.clock.start(this.waitAfterWrite());
      if (this.exchange === null) this.reader.resume();
      else this.exchange.onClientWritable();
    } catch (error) {
      this.onInternalError(error);
    }
  }

  onEnd(): void {
    try {
      if (this.reader.state === State.tunnel) {
        this.exchange!.onClientTunnelEnd();
        return;
      }
      if (this.reader.state === State.waiting) {
        this.isHalfClosed = true;
        if (this.clock.wait !== Wait.write) this.clock.start(Wait.progress);
        return;
      }
      this.exchange?.abandon(Fault.clientClosed); // In the middle of a request.
      this.exchange = null;
      this.closeNow();
    } catch (error) {
      this.onInternalError(error);
    }
  }

  onClose(fault: Fault): void {
    if (this.reader.state === State.closed) return;
    const exchange = this.exchange;
    this.exchange = null;
    try {
      exchange?.abandon(clientFault(fault));
    } catch (error) {
      this.plane.reportInternal(error);
    }
    this.onGone();
  }

  // The exchange's view of the client (ClientStream).

  get linked(): LinkedSnapshot {
    return this.owner.linked;
  }

  get peer(): ClientPeer {
    if (this.peerLinked !== this.owner.linked) this.bindPeer();
    return this.clientPeer!;
  }

  get isRequestComplete(): boolean {
    return this.reader.state !== State.body && this.reader.state !== State.head;
  }

  get sentBytes(): number {
    return this.sender.sentBytes;
  }

  sendContinue(): void {
    // Unneeded when the body is here already (RFC 9110 §10.1.1).
    if (this.reader.isEmpty) this.sender.sendContinue();
  }

  sendInterim(head: ResponseHead): void {
    if (this.exchange!.requestHead.versionMinor === 1) this.sender.sendInterim(head);
  }

  sendHead(head: ResponseHead, available: number, extraFields: string): Fault {
    if (!this.isRequestComplete || this.isClosing) this.sender.keepAlive = false;
    return this.sender.sendHead(head, this.exchange!, available, extraFields);
  }

  sendBody(chunk: Chunk, start: number, end: number, isEnd: boolean): boolean {
    if (this.isHalfClosed) this.clock.start(Wait.progress);
    return this.blocked(this.sender.sendBody(chunk, start, end, isEnd));
  }

  sendOwn(
    status: number,
    contentType: string,
    body: string,
    extraFields: string,
    // oxlint-disable-next-line max-params -- a whole response; cold.
    mustClose: boolean,
  ): void {
    const isLast = mustClose || this.isClosing;
    if (isLast || !this.isRequestComplete) this.sender.keepAlive = false;
    const isHead = this.exchange!.isHeadRequest;
    this.sender.sendOwn(status, contentType, body, extraFields, isHead);
  }

  sendUpgrade(head: ResponseHead): boolean {
    const isSent = this.sender.sendUpgrade(head);
    if (!isSent) return false;
    this.reader.state = State.tunnel;
    this.clock.start(Wait.none);
    if (this.isHalfClosed) this.exchange!.onClientTunnelEnd(); // It had ended before.
    this.isHalfClosed = false;
    this.reader.startTunnel();
    return true;
  }

  sendTunnel(chunk: Chunk, start: number, end: number): boolean {
    this.sender.sentBytes += end - start;
    return this.blocked(this.connection.write(chunk, start, end));
  }

  endTunnel(): void {
    this.connection.end();
  }

  pauseRequest(): void {
    this.reader.pause();
  }

  resumeRequest(): void {
    this.reader.resume();
  }

  finish(): void {
    this.exchange = null;
    this.plane.cells[this.owner.metricBase + ListenerCell.sentBytes]! += this.sender.sentBytes;
    if (this.reader.state === State.closed) return;
    if (!this.isRequestComplete || !this.sender.keepAlive || this.reader.state === State.tunnel) {
      this.finishAndClose();
      return;
    }
    this.exchangeCount++;
    if (this.isHalfClosed && this.reader.isEmpty) {
      this.closeNow();
      return;
    }
    this.reader.state = State.idle;
    if (!this.connection.isDrained) {
      // The next request waits until this answer has left, so that answers never pile up (C3).
      this.reader.pause();
      this.awaitWrite();
      return;
    }
    this.clock.start(Wait.keepAlive);
    this.reader.readHeld();
  }

  abort(fault: Fault): void {
    this.exchange = null;
    const isTunnelBroken = this.reader.state === State.tunnel && fault !== Fault.none;
    // Without announced framing only a reset tells the client that something is missing.
    const mustReset = isTunnelBroken || this.sender.isCloseDelimited || fault === Fault.aborted;
    if (!mustReset && fault === Fault.none) {
      this.closeNow(); // A tunnel both sides of which have ended.
      return;
    }
    if (mustReset) this.connection.reset();
    else this.connection.close();
    this.onGone();
  }

  /** Once per generation; a new object only when it would say something else. */
  private bindPeer(): void {
    const { linked, listenerIndex } = this.owner;
    const trusted: CidrSet | null = linked.trustedProxies[listenerIndex] ?? null;
    const known = this.clientPeer;
    this.peerLinked = linked;
    if (known !== null && known.listenerIndex === listenerIndex && known.trusted === trusted) {
      return;
    }
    const { peerAddress } = this;
    const localPort = this.arrival?.localPort || this.owner.port;
    const security = this.arrival?.security ?? null;
    this.clientPeer = new ClientPeer({ peerAddress, localPort, security }, listenerIndex, trusted);
  }

  // What the reader finds.

  beginExchange(): Exchange {
    const exchange = this.plane.acquireExchange(this.owner.linked.limits);
    this.exchange = exchange;
    this.sender.reset();
    exchange.begin(this);
    return exchange;
  }

  startExchange(exchange: Exchange): void {
    const head = exchange.requestHead;
    const countMax = exchange.linked!.limits.keepAliveExchangesMax;
    const isLast = countMax > 0 && this.exchangeCount + 1 >= countMax;
    this.sender.keepAlive = head.keepAlive && !isLast && !this.owner.isDraining;
    this.sender.clientVersionMinor = head.versionMinor;
    exchange.start();
  }

  // Ends.

  /** The answer is out; what the client still sends is discarded for a while (C4). */
  private finishAndClose(): void {
    if (this.isRequestComplete && this.reader.isEmpty && !this.reader.isProcessing) {
      this.closeNow();
      return;
    }
    this.reader.state = State.linger;
    this.reader.drop();
    this.lingerWhenSent();
  }

  /** Sends FIN and lingers, once the client has taken the answer (C5). */
  private lingerWhenSent(): void {
    this.reader.resumeReading();
    if (!this.connection.isDrained) {
      this.awaitWrite();
      return;
    }
    this.connection.end();
    this.clock.start(Wait.linger);
  }

  /** Closes; at once unless bytes are queued, which `close` would give a few seconds only (C5). */
  private closeNow(): void {
    if (!this.connection.isDrained && !this.connection.isClosed) {
      this.reader.state = State.linger;
      this.reader.drop();
      this.awaitWrite();
      return;
    }
    this.connection.close();
    this.onGone();
  }

  private onGone(): void {
    if (this.reader.state === State.closed) return;
    this.reader.state = State.closed;
    this.clock.stop();
    this.reader.drop();
    this.sender.drop();
    this.owner.onConnectionClosed(this);
  }

  /** Ends the exchange and the connection without an answer. */
  giveUp(fault: Fault): void {
    this.exchange?.abandon(fault);
    this.exchange = null;
    this.connection.reset();
    this.onGone();
  }

  /** Each answer is the last one of its connection. */
  private get isClosing(): boolean {
    return this.owner.isDraining || this.plane.overloadLevel > OverloadLevel.calm;
  }

  private awaitWrite(): void {
    this.clock.startWrite(this.connection);
  }

  /** It has not taken all there is; slow but steady is fine. */
  private onSlowReader(): void {
    if (this.clock.hasTaken(this.connection)) this.awaitWrite();
    else this.giveUp(Fault.clientWriteTimeout);
  }

  private waitAfterWrite(): Wait {
    if (this.isHalfClosed) return Wait.progress;
    if (this.reader.state === State.idle) return Wait.keepAlive;
    return this.reader.state === State.body ? Wait.body : Wait.none;
  }

  /** Starts the clock for a slow reader when a write was not taken. */
  private blocked(isWritable: boolean): boolean {
    if (!isWritable && this.reader.state < State.linger) this.awaitWrite();
    return isWritable;
  }

  private onOverdue(wait: Wait): void {
    try {
      switch (wait) {
        case Wait.head:
          if (this.exchange === null) this.closeNow();
          else this.exchange.fail(Fault.requestHeadTimeout);
          return;
        case Wait.body:
          if (this.reader.state === State.body) this.exchange!.fail(Fault.requestBodyTimeout);
          return;
        case Wait.write:
          this.onSlowReader();
          return;
        case Wait.progress:
          this.giveUp(Fault.clientClosed);
          return;
        case Wait.keepAlive:
          if (this.reader.state === State.idle) this.closeNow();
          return;
        default:
          this.connection.abort();
          this.onGone();
      }
    } catch (error) {
      this.onInternalError(error);
    }
  }

  /** The last resort: a bug of ours ends this exchange only, and is counted. */
  private onInternalError(error: unknown): void {
    this.plane.reportInternal(error);
    const exchange = this.exchange;
    this.exchange = null;
    this.reader.isProcessing = false;
    this.connection.reset();
    this.onGone();
    try {
      exchange?.abandon(Fault.internal);
    } catch (second) {
      this.plane.reportInternal(second);
    }
  }
}
