/**
 * One HTTP/1.1 connection to an endpoint: sends one request at a time, reads its response.
 *
 * U1  a lease ends exactly once: by the end of the response, by a fault, or by `abort`.
 * U2  the connection is reused only when the request was sent in full, the response was read in
 *     full, both sides allow it, and not one byte is left over (response smuggling).
 * U3  a byte, FIN or reset while idle destroys the connection.
 * U4  a body that ends before its announced end is `responseTruncated`, never an end.
 */

import { Fault } from '../../contract/fault.ts';
import { BodyReader, BodyState } from '../codec/h1/body-reader.ts';
import { parseResponseHead } from '../codec/h1/response-parser.ts';
import { Framing } from '../codec/head.ts';
import type { Chunk, Connection, ConnectionEvents } from '../io/backend.ts';
import { HeldBytes } from '../io/held-bytes.ts';
import { Outgoing } from '../io/outgoing.ts';
import type { AttemptEvents } from './attempt-events.ts';
import { closingFault } from './closing-fault.ts';
import { DiscardedResponse } from './discarded-response.ts';
import type { EndpointPool, PoolTls } from './endpoint-pool.ts';
import { UpstreamClock } from './upstream-clock.ts';

const State = { connecting: 0, idle: 1, head: 2, body: 3, tunnel: 4, closed: 5 } as const;
type State = (typeof State)[keyof typeof State];

export class UpstreamConnection implements ConnectionEvents {
  /** Requests served before the current one: 0 on a fresh connection. */
  useCount = 0;
  /** When connecting began, monotonic. */
  readonly startedMs: number;
  /** Addresses of the endpoint that did not answer; the pool's to count. */
  deadCount = 0;
  /** True while it is in the pool's idle stack; the pool's to set. */
  isIdle = false;
  /** What the pool's TLS was when it was opened; the pool's to set. */
  tls: PoolTls | null = null;
  private connection: Connection | null = null;
  private state: State = State.connecting;
  private attempt: AttemptEvents | null = null;
  private readonly pool: EndpointPool;
  private readonly clock: UpstreamClock;
  private readonly out: Outgoing;
  private readonly body = new BodyReader(true);
  private interimCount = 0;
  private isRequestSent = false;
  private takenSize = 0; // By the kernel, when the wait for a slow origin began.
  private isReusable = false;
  private isPaused = false;
  private hasResponseBytes = false;
  private readonly held: HeldBytes; // A head that has not arrived in full.

  constructor(pool: EndpointPool) {
    this.pool = pool;
    this.clock = new UpstreamClock(pool.backend, (due) => this.onOverdue(due));
    this.startedMs = pool.backend.nowMs();
    this.out = new Outgoing(pool.backend.chunks);
    this.held = new HeldBytes(pool.backend);
  }

  /** Starts the connect timeout on behalf of `attempt`; `onLease` or `onLeaseFault` follows. */
  prepare(attempt: AttemptEvents): void {
    this.attempt = attempt;
    this.clock.expect(Fault.connectTimeout, this.pool.transport);
  }

  /** The backend's connection, once the address is known. */
  connectTo(connection: Connection): void {
    this.connection = connection;
  }

  get isConnecting(): boolean {
    return this.state === State.connecting;
  }

  /** Lends the connection to `attempt`. The pool calls this, then `onLease`. */
  lend(attempt: AttemptEvents): void {
    this.attempt = attempt;
    this.state = State.head;
    this.isIdle = false;
    this.isRequestSent = false;
    this.isReusable = false;
    this.hasResponseBytes = false;
    this.interimCount = 0;
    this.clock.rest(); // While the request is on its way, the client's clock runs.
  }

  /** Forgets `attempt` if it is the one that waits for this connection to be opened. */
  abandonConnecting(attempt: AttemptEvents): void {
    if (this.attempt === attempt) this.attempt = null;
  }

  // Toward the origin.

  /** Gathers the request head, taking over one reference to `chunk`. `flush` sends it. */
  sendHead(chunk: Chunk, start: number, end: number): void {
    this.out.take(chunk, start, end);
  }

  /**
   * Sends bytes already framed by the caller.
   * @returns false for backpressure: wait for `onUpstreamWritable`
   */
  send(chunk: Chunk, start: number, end: number): boolean {
    const connection = this.connection;
    if (connection === null) return true;
    if (this.state >= State.body) this.touch(); // Either direction counts as progress.
    if (this.out.chunk !== null) {
      if (end - start <= this.out.room) {
        this.out.append(chunk.bytes, start, end);
        return true;
      }
      this.out.flush(connection);
    }
    const isWritable =
      (start === end || connection.write(chunk, start, end)) && connection.isDrained;
    if (!isWritable) this.awaitWrite();
    return isWritable;
  }

  /** True when everything sent has left for the kernel. */
  get isWritable(): boolean {
    return this.connection === null || this.connection.isDrained;
  }

  /** Sends what `sendHead` and `send` gathered. */
  flush(): boolean {
    const { connection } = this;
    const isWritable = connection === null || (this.out.flush(connection) && connection.isDrained);
    if (!isWritable) this.awaitWrite();
    return isWritable;
  }

  /** The request is complete: from now on the origin is expected to answer. */
  finishRequest(): void {
    this.isRequestSent = true;
    if (this.state !== State.head) return;
    this.clock.expect(Fault.responseHeadTimeout, this.pool.transport);
  }

  pause(): void {
    if (this.isPaused || this.connection === null) return;
    this.isPaused = true;
    this.connection.pause();
    this.clock.rest(); // The client is slow, not the origin.
  }

  resume(): void {
    if (!this.isPaused || this.connection === null) return;
    this.isPaused = false;
    this.connection.resume();
    this.touch();
  }

  /** No request: bytes pass as they are, both ways, from now on. */
  beginTunnel(): void {
    this.state = State.tunnel;
    this.touch();
  }

  /** Half-closes an upgraded connection. */
  endTunnel(): void {
    this.connection?.end();
  }

  /** Ends the lease of an upgraded connection in order: what was sent still arrives. */
  closeTunnel(): void {
    this.attempt = null;
    this.connection?.close();
    this.forget();
  }

  /** Ends the lease and destroys the connection: the response, if any, is not wanted any more. */
  abort(): void {
    this.attempt = null;
    this.connection?.reset();
    this.forget();
  }

  /** Inside `onResponseHead`: ends the lease; the response is read for nobody, if it is short. */
  discardResponse(): void {
    const isSent = this.isRequestSent && this.isWritable;
    if (!isSent || !this.isReusable) this.abort();
    else this.attempt = new DiscardedResponse(this, this.pool, this.attempt!.responseHead);
  }

  // From the origin.

  onOpen(): void {
    try {
      this.clock.rest();
      this.state = State.idle;
      const attempt = this.attempt;
      this.attempt = null;
      this.pool.onOpened(this, attempt);
    } catch (error) {
      this.onInternalError(error);
    }
  }

  onReadable(chunk: Chunk, start: number, end: number): void {
    try {
      this.read(chunk, start, end);
    } catch (error) {
      this.onInternalError(error);
    }
  }

  onWritable(): void {
    try {
      if (this.clock.due === Fault.upstreamWriteTimeout) this.clock.rest();
      this.attempt?.onUpstreamWritable();
    } catch (error) {
      this.onInternalError(error);
    }
  }

  onEnd(): void {
    try {
      if (this.state === State.tunnel) this.attempt!.onTunnelEnd();
      else if (this.state === State.body && this.body.framing === Framing.close) {
        this.isReusable = false;
        this.finishResponse(this.pool.emptyChunk, 0, 0);
      } else this.fail(this.hasResponseBytes ? Fault.responseTruncated : Fault.upstreamClosed);
    } catch (error) {
      this.onInternalError(error);
    }
  }

  onClose(fault: Fault): void {
    const attempt = this.attempt;
    const isTunnel = this.state === State.tunnel;
    const { isConnecting, hasResponseBytes } = this;
    const reason = closingFault(fault, { isConnecting, isTunnel, hasResponseBytes });
    if (isConnecting && attempt !== null && this.pool.connectElsewhere(this, reason)) return;
    this.attempt = null;
    try {
      this.forget();
      if (isConnecting) attempt?.onLeaseFault(reason);
      else attempt?.onAttemptFault(reason);
    } catch (error) {
      this.pool.reportInternal(error);
    }
  }

  /** Keeps the connection for the next lease, or closes it at the idle timeout. */
  idle(): void {
    this.state = State.idle;
    this.isIdle = true;
    if (this.isPaused) this.resume();
    this.clock.expect(Fault.upstreamIdleTimeout, this.pool.transport);
  }

  /** Closes an idle connection. */
  close(): void {
    this.connection?.close();
    this.forget();
  }

  private read(chunk: Chunk, start: number, end: number): void {
    switch (this.state) {
      case State.head:
        this.hasResponseBytes = true;
        this.readHead(chunk, start, end);
        return;
      case State.body:
        this.touch();
        this.readBody(chunk, start, end);
        return;
      case State.tunnel:
        this.touch();
        this.attempt!.onTunnelReadable(chunk, start, end);
        return;
      default:
        this.abort(); // Bytes while idle belong to nobody (U3).
    }
  }

  private readHead(chunk: Chunk, start: number, end: number): void {
    if (!this.held.isEmpty) return this.readHeldHead(chunk, start, end);
    const head = this.attempt!.responseHead;
    const next = this.parseHeads(chunk, start, end);
    if (next < 0) return;
    if (head.end > 0) this.onFinalHead(chunk, next, end);
    else if (next < end && !this.held.take(chunk, next, end)) this.fail(Fault.memoryLimit);
  }

  /** The body is read where it arrived: what has no room behind the head must not be missing. */
  private readHeldHead(chunk: Chunk, start: number, end: number): void {
    const { held } = this;
    const { chunks } = this.pool.backend;
    const head = this.attempt!.responseHead;
    const size = held.end - held.start + end - start;
    held.append(chunk, start, end);
    const missing = size - (held.end - held.start);
    const whole = held.chunk!;
    chunks.retain(whole); // What is held is dropped before its head is used.
    const next = this.parseHeads(whole, held.start, held.end);
    const bodyStart = end - missing - (held.end - next);
    if (next < 0 || head.end > 0) held.drop();
    else held.consume(next);
    if (next >= 0 && head.end > 0) this.onFinalHead(chunk, bodyStart, end);
    else if (next >= 0 && missing > 0) {
      this.fail(size > chunks.sizeMax ? Fault.responseHeadTooLarge : Fault.memoryLimit);
    }
    chunks.release(whole);
  }

  /**
   * Parses interim heads and the final one; `head.end` tells whether that is complete.
   * @returns offset past the last complete head, or -1 when the lease has ended
   */
  private parseHeads(chunk: Chunk, start: number, end: number): number {
    const attempt = this.attempt!;
    const head = attempt.responseHead;
    const { responseLimits } = this.pool;
    let from = start;
    for (;;) {
      const { isHeadRequest } = attempt;
      const next = parseResponseHead(head, chunk.bytes, from, end, isHeadRequest, responseLimits);
      if (next === 0) return from;
      if (next < 0) {
        this.fail(-next as Fault);
        return -1;
      }
      from = next;
      if (head.status >= 200 || head.status === 101) return from;
      if (++this.interimCount > this.pool.interimResponsesMax) {
        this.fail(Fault.responseInterimTooMany);
        return -1;
      }
      attempt.onInterim(head);
      if (this.attempt !== attempt) return -1; // The exchange ended meanwhile.
      head.reset();
      if (from === end) return from;
    }
  }

  private onFinalHead(chunk: Chunk, start: number, end: number): void {
    const attempt = this.attempt!;
    const head = attempt.responseHead;
    if (head.status === 101) {
      const isGranted = attempt.wantsUpgrade && head.upgradesWebsocket;
      if (!isGranted) return this.fail(Fault.responseUpgradeInvalid);
      this.beginTunnel();
      attempt.onResponseHead(head, end - start);
      if (this.attempt === attempt && end > start) attempt.onTunnelReadable(chunk, start, end);
      return;
    }
    this.isReusable = head.keepAlive && head.framing !== Framing.close;
    this.body.begin(head.framing, head.contentLength, this.pool.responseLimits, 0);
    this.state = State.body;
    this.touch();
    attempt.onResponseHead(head, end - start);
    if (this.attempt !== null) this.readBody(chunk, start, end); // Its own or a discarding one.
  }

  private readBody(chunk: Chunk, start: number, end: number): void {
    const body = this.body;
    switch (body.read(chunk.bytes, start, end)) {
      case BodyState.more:
        this.attempt!.onResponseBody(chunk, body.dataStart, body.dataEnd, false);
        return;
      case BodyState.done:
        if (body.position !== end) this.isReusable = false; // Bytes beyond the body (U2).
        this.finishResponse(chunk, body.dataStart, body.dataEnd);
        return;
      default:
        this.fail(body.fault);
    }
  }

  /** The response is complete: the lease ends, then the attempt learns of the last bytes. */
  private finishResponse(chunk: Chunk, start: number, end: number): void {
    const attempt = this.attempt!;
    this.attempt = null;
    this.clock.rest();
    const isSent = this.isRequestSent && this.out.chunk === null && this.isWritable;
    const isReusable = this.isReusable && isSent;
    this.useCount++;
    if (!isReusable) {
      this.connection?.close();
      this.forget();
    }
    attempt.onResponseBody(chunk, start, end, true);
    // Back in the pool before the attempt goes on: the next exchange may be waiting for it.
    if (isReusable && this.state === State.body) this.pool.release(this);
    attempt.onResponseEnd();
  }

  /** Ends the lease by a fault and destroys the connection. */
  private fail(fault: Fault): void {
    const { attempt, isConnecting } = this;
    this.attempt = null;
    this.connection?.reset();
    this.forget();
    if (isConnecting) attempt?.onLeaseFault(fault);
    else attempt?.onAttemptFault(fault);
  }

  /** Leaves the pool. Harmless when repeated. */
  private forget(): void {
    if (this.state === State.closed) return;
    this.state = State.closed;
    this.clock.stop();
    this.out.drop();
    this.held.drop();
    this.connection = null;
    this.pool.onGone(this);
  }

  /** The origin does not take the request as fast as it comes. */
  private awaitWrite(): void {
    if (this.state !== State.head) return; // Once it answers, its silence is what counts.
    this.takenSize = this.connection!.takenSize;
    this.clock.expect(Fault.upstreamWriteTimeout, this.pool.transport);
  }

  /** Progress was made: the clock of the current state starts again. */
  private touch(): void {
    if (this.isPaused) return;
    const due = this.state === State.tunnel ? Fault.tunnelIdleTimeout : Fault.responseBodyTimeout;
    this.clock.expect(due, this.pool.transport);
  }

  private onOverdue(due: Fault): void {
    try {
      if (due === Fault.upstreamIdleTimeout) this.close();
      else if (this.clock.isWrite && this.connection!.takenSize > this.takenSize) this.awaitWrite();
      else this.fail(due);
    } catch (error) {
      this.onInternalError(error);
    }
  }

  /** The last resort: a bug of ours ends this attempt only, and is counted. */
  private onInternalError(error: unknown): void {
    this.pool.reportInternal(error);
    const attempt = this.attempt;
    this.attempt = null;
    try {
      this.connection?.reset();
      this.forget();
      attempt?.onAttemptFault(Fault.internal);
    } catch (second) {
      this.pool.reportInternal(second);
    }
  }
}
