/**
 * One HTTP/1.1 client connection: reads requests, one exchange at a time, and writes responses.
 *
 * C1  requests are answered in order; the bytes of the next one wait until this one is answered.
 * C2  where the framing of a request is in doubt the connection closes after the answer, and not
 *     one byte behind it is looked at (RFC 9112 §9.6, §11.2).
 * C3  received bytes that wait are bounded (one chunk, reading paused meanwhile), and so are
 *     answers: the next request is looked at when the last answer has left.
 * C4  a connection that closes with unread request bytes lingers, so that the answer is not lost
 *     to a reset (RFC 9112 §9.6).
 * C5  a complete answer reaches a slow client however long it takes: the connection is closed when
 *     everything has left, and a client that stops taking bytes sees a reset, never an early end.
 */

import { Fault } from '../../contract/fault.ts';
import { ListenerCell } from '../../contract/metric-layout.ts';
import type { CidrSet } from '../../base/cidr.ts';
import { BodyReader, BodyState } from '../codec/h1/body-reader.ts';
import { parseRequestHead } from '../codec/h1/request-parser.ts';
import type { ResponseHead } from '../codec/head.ts';
import { Framing } from '../codec/head.ts';
import { ClientPeer } from '../exchange/client-peer.ts';
import type { ClientStream } from '../exchange/client-stream.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { Plane } from '../exchange/plane.ts';
import type { Chunk, Connection, ConnectionEvents } from '../io/backend.ts';
import { HeldBytes } from '../io/held-bytes.ts';
import { ClientClock, Wait } from './client-clock.ts';
import { H1ResponseSender } from './h1-response-sender.ts';

const State = { idle: 0, head: 1, body: 2, waiting: 3, tunnel: 4, linger: 5, closed: 6 } as const;
type State = (typeof State)[keyof typeof State];

/** Who keeps count of open connections. */
export interface ConnectionOwner {
  readonly listenerIndex: number;
  /** First cell of the listener's metric block. */
  readonly metricBase: number;
  onConnectionClosed(connection: H1ClientConnection): void;
}

export class H1ClientConnection implements ConnectionEvents, ClientStream {
  readonly peerAddress: string;
  private readonly owner: ConnectionOwner;
  private readonly plane: Plane;
  private readonly connection: Connection;
  private readonly clock: ClientClock;
  private readonly sender: H1ResponseSender;
  private readonly held: HeldBytes;
  private clientPeer: ClientPeer | null = null;
  private exchange: Exchange | null = null;
  private readonly body = new BodyReader(false);
  private state: State = State.idle;
  private exchangeCount = 0;
  private isProcessing = false;
  private isReadingPaused = false;
  private isHalfClosed = false;

  constructor(owner: ConnectionOwner, plane: Plane, connection: Connection) {
    this.owner = owner;
    this.plane = plane;
    this.connection = connection;
    this.peerAddress = connection.peerAddress;
    this.clock = new ClientClock(plane, (wait) => this.onOverdue(wait));
    this.sender = new H1ResponseSender(plane, connection);
    this.held = new HeldBytes(plane.backend);
    this.clock.start(Wait.head);
  }

  /** Closes when idle, else after the current answer. */
  drain(): void {
    if (this.state === State.idle) this.closeNow();
    else this.sender.keepAlive = false;
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
      if (this.state === State.tunnel) this.exchange!.onClientTunnel(chunk, start, end);
      else if (this.state < State.linger) this.readRequestBytes(chunk, start, end);
    } catch (error) {
      this.onInternalError(error);
    }
  }

  onWritable(): void {
    try {
      if (this.state === State.linger) {
        if (this.clock.wait === Wait.write) this.lingerWhenSent();
        return;
      }
      if (this.clock.wait === Wait.write) this.clock.start(this.waitAfterWrite());
      if (this.exchange === null) this.resumeRequest();
      else this.exchange.onClientWritable();
    } catch (error) {
      this.onInternalError(error);
    }
  }

  onEnd(): void {
    try {
      if (this.state === State.tunnel) {
        this.exchange!.onClientTunnelEnd();
        return;
      }
      if (this.state === State.waiting) {
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
    if (this.state === State.closed) return;
    const exchange = this.exchange;
    this.exchange = null;
    try {
      exchange?.abandon(fault === Fault.upstreamReset ? Fault.clientReset : Fault.clientClosed);
    } catch (error) {
      this.plane.reportInternal(error);
    }
    this.onGone();
  }

  // The exchange's view of the client (ClientStream).

  get peer(): ClientPeer {
    if (this.clientPeer === null) {
      const index = this.owner.listenerIndex;
      const trusted: CidrSet | null = this.plane.linked.trustedProxies[index] ?? null;
      const port = this.connection.localPort;
      this.clientPeer = new ClientPeer(this.peerAddress, port, index, trusted);
    }
    return this.clientPeer;
  }

  get isRequestComplete(): boolean {
    return this.state !== State.body && this.state !== State.head;
  }

  get sentBytes(): number {
    return this.sender.sentBytes;
  }

  sendContinue(): void {
    // Unneeded when the body is here already (RFC 9110 §10.1.1).
    if (this.held.isEmpty) this.sender.sendContinue();
  }

  sendInterim(head: ResponseHead): void {
    if (this.exchange!.requestHead.versionMinor === 1) this.sender.sendInterim(head);
  }

  sendHead(head: ResponseHead, available: number, extraFields: string): boolean {
    if (!this.isRequestComplete || this.plane.isDraining) this.sender.keepAlive = false;
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
    if (mustClose || !this.isRequestComplete) this.sender.keepAlive = false;
    const isHead = this.exchange!.isHeadRequest;
    this.sender.sendOwn(status, contentType, body, extraFields, isHead);
  }

  sendUpgrade(head: ResponseHead): boolean {
    const isSent = this.sender.sendUpgrade(head);
    if (!isSent) return false;
    this.state = State.tunnel;
    this.clock.start(Wait.none);
    if (this.isHalfClosed) this.exchange!.onClientTunnelEnd(); // It had ended before.
    this.isHalfClosed = false;
    if (!this.held.isEmpty) this.plane.backend.defer(() => this.sendHeldToTunnel());
    else this.resumeReading();
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
    if (this.isReadingPaused) return;
    this.isReadingPaused = true;
    this.connection.pause();
    // The origin is slow, not the client.
    if (this.clock.wait === Wait.body) this.clock.start(Wait.none);
  }

  resumeRequest(): void {
    if (this.isProcessing) return;
    if (this.held.isEmpty) this.resumeReading();
    else this.processHeld();
  }

  finish(): void {
    this.exchange = null;
    this.plane.cells[this.owner.metricBase + ListenerCell.sentBytes]! += this.sender.sentBytes;
    if (this.state === State.closed) return;
    if (!this.isRequestComplete || !this.sender.keepAlive || this.state === State.tunnel) {
      this.finishAndClose();
      return;
    }
    this.exchangeCount++;
    if (this.isHalfClosed && this.held.isEmpty) {
      this.closeNow();
      return;
    }
    this.state = State.idle;
    if (!this.connection.isDrained) {
      // The next request waits until this answer has left, so that answers never pile up (C3).
      this.pauseRequest();
      this.clock.start(Wait.write);
      return;
    }
    this.clock.start(Wait.keepAlive);
    if (!this.isProcessing && !this.held.isEmpty) this.processHeld();
  }

  abort(fault: Fault): void {
    this.exchange = null;
    const isTunnelBroken = this.state === State.tunnel && fault !== Fault.none;
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

  // Reading.

  private readRequestBytes(chunk: Chunk, start: number, end: number): void {
    if (!this.held.isEmpty) {
      const isWhole = this.held.append(chunk, start, end);
      if (this.state !== State.waiting) this.processHeld(); // A head this large is refused here.
      if (!isWhole && this.state < State.linger) this.giveUp(Fault.memoryLimit);
      return;
    }
    const consumed = this.process(chunk, start, end);
    if (consumed < end && !this.held.take(chunk, consumed, end)) this.giveUp(Fault.memoryLimit);
    else if (consumed < end && this.state === State.head) this.exchange!.requestHead.reset();
  }

  private processHeld(): void {
    const held = this.held;
    const chunk = held.chunk!;
    const consumed = this.process(chunk, held.start, held.end);
    if (held.chunk !== chunk) return; // Dropped when the connection closed.
    held.consume(consumed);
    if (held.isEmpty || this.state === State.head) this.resumeReading();
  }

  /**
   * Reads as many requests and body bytes as can be taken now.
   * @returns offset of the first byte that must wait
   */
  private process(chunk: Chunk, start: number, end: number): number {
    this.isProcessing = true;
    let at = start;
    while (at < end && this.state < State.linger) {
      const isAnswerQueued = this.state === State.idle && !this.connection.isDrained;
      if (this.state === State.waiting || this.state === State.tunnel || isAnswerQueued) {
        this.pauseRequest();
        break;
      }
      if (this.state === State.body) {
        if (!this.exchange!.acceptsBody) {
          this.pauseRequest();
          break;
        }
        at = this.readBody(chunk, at, end);
        continue;
      }
      const next = this.readHead(chunk, at, end);
      if (next === at) break;
      at = next;
    }
    this.isProcessing = false;
    return this.state >= State.linger ? end : at;
  }

  /** @returns offset past the head; `start` when more bytes are needed */
  private readHead(chunk: Chunk, start: number, end: number): number {
    if (this.state === State.idle) this.beginExchange();
    const exchange = this.exchange!;
    const limits = exchange.linked!.requestLimits;
    const next = parseRequestHead(exchange.requestHead, chunk.bytes, start, end, limits);
    if (next === 0) {
      if (this.clock.wait !== Wait.head) this.clock.start(Wait.head);
      return start;
    }
    if (next < 0) {
      exchange.fail(-next as Fault);
      return end;
    }
    this.startExchange(exchange, end - next);
    return next;
  }

  private beginExchange(): void {
    this.state = State.head;
    this.exchange = this.plane.acquireExchange();
    this.sender.reset();
    this.exchange.begin(this);
  }

  private startExchange(exchange: Exchange, available: number): void {
    const head = exchange.requestHead;
    const countMax = exchange.linked!.limits.keepAliveExchangesMax;
    const isLast = countMax > 0 && this.exchangeCount + 1 >= countMax;
    this.sender.keepAlive = head.keepAlive && !isLast && !this.plane.isDraining;
    this.sender.clientVersionMinor = head.versionMinor;
    exchange.bodyAtHand = 0;
    this.clock.wait = Wait.none;
    const hasBody = head.framing === Framing.chunked || head.contentLength > 0;
    this.state = hasBody ? State.body : State.waiting;
    if (hasBody) {
      const { requestLimits, limits } = exchange.linked!;
      this.body.begin(head.framing, head.contentLength, requestLimits, limits.bodySizeMax);
      exchange.bodyAtHand = available;
      this.clock.start(Wait.body);
    }
    exchange.start();
  }

  /** @returns offset past the last byte of the body; all of them when it is broken */
  private readBody(chunk: Chunk, start: number, end: number): number {
    const exchange = this.exchange!;
    const body = this.body;
    const state = body.read(chunk.bytes, start, end);
    if (state === BodyState.fault) {
      exchange.fail(body.fault);
      return end;
    }
    const isEnd = state === BodyState.done;
    const position = body.position;
    if (isEnd) this.state = State.waiting;
    this.clock.start(isEnd ? Wait.none : Wait.body);
    const isWritable = exchange.onRequestBody(chunk, body.dataStart, body.dataEnd, isEnd);
    if (!isWritable && this.state === State.body) this.pauseRequest();
    return position;
  }

  /** Bytes that came with the upgrade request belong to the tunnel, once it is one. */
  private sendHeldToTunnel(): void {
    const held = this.held;
    if (this.state !== State.tunnel || held.isEmpty) return;
    this.resumeReading(); // First: the tunnel may want it paused again.
    this.exchange!.onClientTunnel(held.chunk!, held.start, held.end);
    held.drop();
  }

  private resumeReading(): void {
    if (!this.isReadingPaused) return;
    this.isReadingPaused = false;
    this.connection.resume();
    if (this.state === State.body) this.clock.start(Wait.body);
  }

  // Ends.

  /** The answer is out; what the client still sends is discarded for a while (C4). */
  private finishAndClose(): void {
    if (this.isRequestComplete && this.held.isEmpty && !this.isProcessing) {
      this.closeNow();
      return;
    }
    this.state = State.linger;
    this.held.drop();
    this.lingerWhenSent();
  }

  /** Sends FIN and lingers, once the client has taken the answer (C5). */
  private lingerWhenSent(): void {
    this.resumeReading();
    if (!this.connection.isDrained) {
      this.clock.start(Wait.write);
      return;
    }
    this.connection.end();
    this.clock.start(Wait.linger);
  }

  /** Closes; at once unless bytes are queued, which `close` would give a few seconds only (C5). */
  private closeNow(): void {
    if (!this.connection.isDrained && !this.connection.isClosed) {
      this.state = State.linger;
      this.held.drop();
      this.clock.start(Wait.write);
      return;
    }
    this.connection.close();
    this.onGone();
  }

  private onGone(): void {
    if (this.state === State.closed) return;
    this.state = State.closed;
    this.clock.stop();
    this.held.drop();
    this.sender.drop();
    this.owner.onConnectionClosed(this);
  }

  /** Ends the exchange and the connection without an answer. */
  private giveUp(fault: Fault): void {
    this.exchange?.abandon(fault);
    this.exchange = null;
    this.connection.reset();
    this.onGone();
  }

  private waitAfterWrite(): Wait {
    if (this.isHalfClosed) return Wait.progress;
    if (this.state === State.idle) return Wait.keepAlive;
    return this.state === State.body ? Wait.body : Wait.none;
  }

  /** Starts the clock for a slow reader when a write was not taken. */
  private blocked(isWritable: boolean): boolean {
    if (!isWritable && this.state < State.linger) this.clock.start(Wait.write);
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
          if (this.state === State.body) this.exchange!.fail(Fault.requestBodyTimeout);
          return;
        case Wait.write:
        case Wait.progress:
          this.giveUp(wait === Wait.write ? Fault.clientWriteTimeout : Fault.clientClosed);
          return;
        case Wait.keepAlive:
          if (this.state === State.idle) this.closeNow();
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
    this.isProcessing = false;
    this.connection.reset();
    this.onGone();
    try {
      exchange?.abandon(Fault.internal);
    } catch (second) {
      this.plane.reportInternal(second);
    }
  }
}
