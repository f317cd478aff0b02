/**
 * Attempt: one try of an exchange on one endpoint, from asking for a connection to the end of its
 * response. Reused for every try of its exchange but those that race (hedging).
 *
 * T1  while active it owns one lease, or one place in a pool's queue; both are given back before
 *     it is idle, and `endpoint.inFlight` counts it exactly that long.
 * T2  its exchange learns of its end once: by the last body bytes, or by `Attempts.onFault`; of an
 *     end that was asked for (`abort`, `discard`, `closeTunnel`) it learns nothing.
 * T3  what an endpoint did wrong is told to its outlier detector; what a client did never is.
 */

import { Fault, FAULTS } from '../../contract/fault.ts';
import { EndpointCell } from '../../contract/metric-layout.ts';
import type { Endpoint } from '../balance/endpoint.ts';
import { ResponseHead } from '../codec/head.ts';
import type { Chunk, Timer } from '../io/backend.ts';
import type { AttemptEvents } from '../pool/attempt-events.ts';
import type { UpstreamConnection } from '../pool/upstream-connection.ts';
import type { Attempts } from './attempts.ts';
import type { Exchange } from './exchange.ts';

const State = { idle: 0, acquiring: 1, waiting: 2, answered: 3 } as const;
type State = (typeof State)[keyof typeof State];

export class Attempt implements AttemptEvents {
  readonly responseHead: ResponseHead;
  /** Of the current or last try. */
  endpoint: Endpoint | null = null;
  /** The lease, while there is one. */
  upstream: UpstreamConnection | null = null;
  /** The origin takes no more request bytes for now. */
  isBlocked = false;
  /** Its connection had served others before: the origin may have closed it just then. */
  isReused = false;
  private readonly exchange: Exchange;
  private readonly attempts: Attempts;
  private state: State = State.idle;
  private leasedMs = 0;
  private timer: Timer | null = null;

  /** @param fieldCountMax of a response head */
  constructor(exchange: Exchange, attempts: Attempts, fieldCountMax: number) {
    this.exchange = exchange;
    this.attempts = attempts;
    this.responseHead = new ResponseHead(fieldCountMax);
  }

  /** True from `begin` to the end of the try. */
  get isActive(): boolean {
    return this.state !== State.idle;
  }

  /** True while it waits for a connection. */
  get isAcquiring(): boolean {
    return this.state === State.acquiring;
  }

  /** True while the request is with the origin, unanswered. */
  get isWaiting(): boolean {
    return this.state === State.waiting;
  }

  /**
   * Starts: `Attempts.onLease` follows, inside this call when an idle connection is there.
   * @param mustBeFresh no idle connection: they may be as stale as the one that failed
   * @returns the fault for which there is no connection to wait for, else `Fault.none`
   */
  begin(endpoint: Endpoint, mustBeFresh: boolean): Fault {
    const exchange = this.exchange;
    this.endpoint = endpoint;
    this.state = State.acquiring;
    this.isBlocked = false;
    endpoint.inFlight++;
    exchange.plane.cells[endpoint.metricBase + EndpointCell.attempts]!++;
    const tryMs = exchange.route!.service.retry.tryTimeoutMs;
    if (tryMs > 0) this.startTimer(tryMs);
    const upstream = mustBeFresh ? null : endpoint.pool.tryAcquire(this);
    if (upstream !== null) {
      this.onLease(upstream);
      return Fault.none;
    }
    const fault = endpoint.pool.acquireSlow(this);
    if (fault !== Fault.none) this.end(false);
    return fault;
  }

  /** The whole request is on its way: from here on it is the origin's time that a try takes. */
  onRequestSent(): void {
    const tryMs = this.exchange.route!.service.retry.tryTimeoutMs;
    if (tryMs > 0 && this.state === State.waiting) this.startTimer(tryMs);
  }

  /** The connection carries a passthrough from now on. To be connected is all that was asked. */
  beginTunnel(): void {
    this.state = State.answered;
    this.timer?.clear();
    this.endpoint!.outlier.onAnswer(0, 0);
    this.upstream!.beginTunnel();
  }

  /** Gives back the lease or the place in the queue, whichever there is. */
  abort(): void {
    if (this.state === State.idle) return;
    const upstream = this.upstream;
    if (upstream !== null) upstream.abort();
    else this.endpoint!.pool.cancel(this);
    this.end(false);
  }

  /** Inside `Attempts.onHead`: another attempt follows, and nobody reads this answer. */
  discard(): void {
    this.upstream!.discardResponse();
    this.end(false);
  }

  /** The client's side of a tunnel ended in order, so the origin's does. */
  closeTunnel(): void {
    const upstream = this.upstream;
    if (upstream === null) return;
    upstream.closeTunnel();
    this.end(false);
  }

  // From the pool and the upstream connection.

  get isHeadRequest(): boolean {
    return this.exchange.isHeadRequest;
  }

  get wantsUpgrade(): boolean {
    return this.exchange.wantsUpgrade;
  }

  onLease(connection: UpstreamConnection): void {
    const exchange = this.exchange;
    this.upstream = connection;
    this.isReused = connection.useCount > 0;
    this.state = State.waiting;
    if (exchange.route!.service.isTimed) this.leasedMs = exchange.plane.backend.nowMs();
    this.attempts.onLease(this);
  }

  onLeaseFault(fault: Fault): void {
    this.end(FAULTS[fault].origin === 'upstream');
    this.attempts.onFault(this, fault);
  }

  onInterim(head: ResponseHead): void {
    this.attempts.onInterim(head);
  }

  onResponseHead(head: ResponseHead, available: number): void {
    const exchange = this.exchange;
    const { isTimed, state } = exchange.route!.service;
    this.state = State.answered;
    this.timer?.clear();
    const latencyMs = isTimed ? exchange.plane.backend.nowMs() - this.leasedMs : 0;
    this.endpoint!.outlier.onAnswer(head.status, latencyMs);
    if (isTimed) state.onAnswer(latencyMs);
    this.attempts.onHead(this, head, available);
  }

  onResponseBody(chunk: Chunk, start: number, end: number, isEnd: boolean): void {
    if (isEnd) this.end(false);
    this.exchange.onResponseBody(chunk, start, end, isEnd);
  }

  onResponseEnd(): void {
    this.exchange.onResponseEnd();
  }

  onUpstreamWritable(): void {
    this.attempts.onWritable(this);
  }

  onTunnelReadable(chunk: Chunk, start: number, end: number): void {
    this.exchange.onTunnelReadable(chunk, start, end);
  }

  onTunnelEnd(): void {
    this.exchange.onTunnelEnd();
  }

  onAttemptFault(fault: Fault): void {
    this.end(FAULTS[fault].origin === 'upstream');
    this.attempts.onFault(this, fault);
  }

  /** Counts the try out; `endpoint` stays, for the record. */
  private end(isFault: boolean): void {
    const endpoint = this.endpoint!;
    this.state = State.idle;
    this.upstream = null;
    this.timer?.clear();
    endpoint.inFlight--;
    if (!isFault) return;
    this.exchange.plane.cells[endpoint.metricBase + EndpointCell.faults]!++;
    endpoint.outlier.onFault();
  }

  private startTimer(tryMs: number): void {
    this.timer ??= this.exchange.plane.backend.timer(() => this.onTryTimeout());
    this.timer.set(tryMs);
  }

  private onTryTimeout(): void {
    if (this.state !== State.acquiring && this.state !== State.waiting) return;
    // A client that still sends is the slow one; `onRequestSent` starts the time again.
    if (this.state === State.waiting && !this.attempts.sender.isComplete) return;
    const upstream = this.upstream;
    let isQueued = false;
    if (upstream !== null) upstream.abort();
    else isQueued = this.endpoint!.pool.cancel(this);
    this.end(!isQueued); // The endpoint was not asked: our own limit was in the way (T3).
    this.attempts.onFault(this, Fault.tryTimeout);
  }
}
