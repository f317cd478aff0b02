/**
 * Attempts: the tries of one exchange, one after the other or, hedged, two at a time. Decides
 * whether and where another one follows.
 *
 * N1  a request is sent again only when no byte of it reached an origin, or when its method may be
 *     repeated and all of it that was sent is kept (RequestSender), and nothing was answered.
 * N2  at most `attemptsMax` attempts (two where the first met a kept connection that was closed),
 *     each beyond the first within the budget of the service, and none at an endpoint that was
 *     tried while there is another.
 * N3  two at a time only while the first has no answer; the first response head ends the other.
 * N4  `abort` gives back whatever they own.
 */

import { Fault, FAULTS } from '../../contract/fault.ts';
import { EndpointCell, WorkerCell } from '../../contract/metric-layout.ts';
import type { Endpoint } from '../balance/endpoint.ts';
import type { ResponseHead } from '../codec/head.ts';
import type { Timer } from '../io/backend.ts';
import { Attempt } from './attempt.ts';
import { chooseOther } from './endpoint-choice.ts';
import type { Exchange } from './exchange.ts';
import { Again, againAfter, isSafe } from './repeat-rule.ts';
import { RequestSender } from './request-sender.ts';

export class Attempts {
  /** The one that answers, or the last one that tried. */
  current: Attempt;
  /** So far, the current ones included. */
  count = 0;
  /** Of the last attempt, or the one that answers. */
  endpoint: Endpoint | null = null;
  readonly sender: RequestSender;
  /** Endpoints at which attempts have failed; only read by others. */
  readonly tried: Endpoint[] = [];
  private readonly exchange: Exchange;
  /** The second attempt of a hedged request; made when it is first needed. */
  private rival: Attempt | null = null;
  private hasInterim = false;
  private hedgeTimer: Timer | null = null;

  /** @param fieldCountMax of a response head */
  constructor(exchange: Exchange, fieldCountMax: number) {
    this.exchange = exchange;
    this.current = new Attempt(exchange, this, fieldCountMax);
    this.sender = new RequestSender(exchange);
  }

  /** The first one; null for no endpoint. */
  start(endpoint: Endpoint | null): void {
    const { current, exchange } = this;
    const mustBeFresh = exchange.opening !== null;
    const fault =
      endpoint === null ? Fault.noEndpoint : this.launch(current, endpoint, mustBeFresh);
    if (fault !== Fault.none) exchange.fail(fault);
  }

  /** Writes the head for `endpoint`, if there is one. @returns false when there is no memory */
  prepare(endpoint: Endpoint): boolean {
    return this.exchange.opening !== null || this.sender.prepare(endpoint);
  }

  /** Ends what is under way. */
  abort(): void {
    this.current.abort();
    this.rival?.abort();
  }

  /** A response head goes to the client: nothing is sent again any more. */
  onAnswer(): void {
    this.hedgeTimer?.clear();
    this.sender.settle();
  }

  reset(): void {
    this.hedgeTimer?.clear();
    this.sender.reset();
    this.current.responseHead.reset();
    this.endpoint = null;
    this.count = 0;
    this.hasInterim = false;
    if (this.tried.length > 0) this.tried.length = 0;
  }

  // From an attempt.

  /** It has a connection. */
  onLease(attempt: Attempt): void {
    if (this.exchange.opening !== null) {
      attempt.beginTunnel();
      this.exchange.onPassthroughLease(attempt.upstream!);
      return;
    }
    if (this.sender.send(attempt)) this.exchange.stream!.resumeRequest();
    else if (this.exchange.route!.service.retry.hedgeDelayMs > 0) this.planHedge();
  }

  onWritable(attempt: Attempt): void {
    if (this.exchange.isTunnel || this.sender.onWritable(attempt)) {
      this.exchange.stream!.resumeRequest();
    }
  }

  onInterim(head: ResponseHead): void {
    this.hasInterim = true;
    this.exchange.onInterim(head);
  }

  onHead(attempt: Attempt, head: ResponseHead, available: number): void {
    const { statuses } = this.exchange.route!.service.retry;
    if (statuses !== null && statuses[head.status] === 1 && this.tryInstead(attempt)) return;
    if (this.rival === null) this.exchange.onResponseHead(head, available);
    else this.settle(attempt, head, available);
  }

  onFault(attempt: Attempt, fault: Fault): void {
    const { exchange } = this;
    if (exchange.isResponding) {
      exchange.breakOff(fault);
      return;
    }
    this.tried.push(attempt.endpoint!);
    if (this.otherGoesOn(attempt)) return;
    const isStale = attempt.isReused && FAULTS[fault].retry === 'unanswered';
    const again = againAfter(exchange.route!.service.retry, fault);
    const endpoint = isStale && this.isFirst ? this.nextAfterStale() : this.next(again);
    if (endpoint === null) exchange.fail(fault);
    else this.repeat(endpoint);
  }

  // Steps.

  /**
   * Writes the head for the endpoint, asks for a connection.
   * @returns why there is none to wait for, or `Fault.none`
   */
  private launch(attempt: Attempt, endpoint: Endpoint, mustBeFresh: boolean): Fault {
    this.count++;
    if (!this.prepare(endpoint)) return Fault.memoryLimit;
    this.endpoint = endpoint;
    const fault = attempt.begin(endpoint, mustBeFresh);
    if (attempt.isAcquiring) {
      const stream = this.exchange.stream!;
      if (!stream.isRequestComplete) stream.pauseRequest();
    }
    return fault;
  }

  /** Where another attempt goes, taken from the budget; null when there is none (N1, N2). */
  private next(again: Again): Endpoint | null {
    const { exchange, sender } = this;
    const { retry } = exchange.route!.service;
    if (again === Again.nowhere || this.hasInterim || this.count >= retry.attemptsMax) return null;
    if (sender.isBegun && !sender.isResendable) return null;
    return this.take(again);
  }

  /**
   * The origin closed a kept connection in the moment a request was sent on it: not its failure,
   * so the policy of the service is not asked, only its budget.
   */
  private nextAfterStale(): Endpoint | null {
    const { sender } = this;
    if (sender.isResendable || sender.isSafelyResendable) return this.take(Again.anywhere);
    return null;
  }

  private get isFirst(): boolean {
    return this.count === 1;
  }

  private take(again: Again): Endpoint | null {
    const { exchange } = this;
    const endpoint = chooseOther(exchange, this.tried, again);
    const { budget } = exchange.route!.service.state;
    if (endpoint === null || budget.take(exchange.plane.backend.nowMs())) return endpoint;
    exchange.plane.cells[WorkerCell.retriesDenied]!++;
    return null;
  }

  private repeat(endpoint: Endpoint): void {
    const { exchange } = this;
    exchange.plane.cells[endpoint.metricBase + EndpointCell.retries]!++;
    this.current.responseHead.reset();
    const fault = this.launch(this.current, endpoint, true);
    if (fault !== Fault.none) exchange.fail(fault);
  }

  /** Another attempt instead of the response whose head is here, if there may be one. */
  private tryInstead(attempt: Attempt): boolean {
    this.tried.push(attempt.endpoint!);
    const isRacing = this.isRacing;
    const endpoint = isRacing ? null : this.next(Again.anywhere);
    if (!isRacing && endpoint === null) return false;
    attempt.discard();
    if (endpoint === null) return this.otherGoesOn(attempt);
    this.repeat(endpoint);
    return true;
  }

  // Hedging.

  /** Two attempts are under way. */
  private get isRacing(): boolean {
    return this.rival !== null && this.rival.isActive && this.current.isActive;
  }

  /** Only for what asks for nothing to change, and clients that may go anywhere. */
  private planHedge(): void {
    const { exchange } = this;
    const { retry, sticky } = exchange.route!.service;
    const isHedgeable = isSafe(exchange.requestHead.method) && !exchange.wantsUpgrade;
    if (!isHedgeable || sticky !== null || this.isRacing) return;
    this.hedgeTimer ??= exchange.plane.backend.timer(() => this.hedge());
    this.hedgeTimer.set(retry.hedgeDelayMs);
  }

  private hedge(): void {
    const first = this.current;
    if (!first.isWaiting || this.isRacing) return;
    const { tried } = this;
    tried.push(first.endpoint!); // It has not failed, but is no choice either.
    const endpoint = this.next(Again.elsewhere);
    tried.pop();
    if (endpoint === null) return;
    this.rival ??= new Attempt(this.exchange, this, first.responseHead.fields.capacity);
    this.rival.responseHead.reset();
    this.exchange.plane.cells[WorkerCell.hedges]!++;
    if (this.launch(this.rival, endpoint, false) !== Fault.none) this.endpoint = first.endpoint;
  }

  /** `attempt` is over. @returns true when another one is under way, which is current then */
  private otherGoesOn(attempt: Attempt): boolean {
    if (this.rival === null) return false;
    if (attempt === this.current) this.swap();
    if (!this.current.isActive) return false;
    this.endpoint = this.current.endpoint;
    this.exchange.route!.service.state.wake();
    return true;
  }

  /** `winner` answers, and the other one, if it still tries, is ended (N3). */
  private settle(winner: Attempt, head: ResponseHead, available: number): void {
    const { exchange } = this;
    const { state } = exchange.route!.service;
    if (winner !== this.current) this.swap();
    const isOther = this.rival!.isActive;
    this.rival!.abort();
    this.endpoint = winner.endpoint;
    exchange.onResponseHead(head, available);
    if (isOther) state.wake(); // Its endpoint has room again.
  }

  private swap(): void {
    const first = this.current;
    this.current = this.rival!;
    this.rival = first;
  }
}
