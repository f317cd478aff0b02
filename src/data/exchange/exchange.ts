/**
 * Exchange: the one driver of a request and its response, whatever the protocol on either side.
 *
 * E1  an exchange ends exactly once: `complete`, `fail` or `abandon`; then it is recycled.
 * E2  whatever its attempts own, and its place at the service or in the queue for one, is given
 *     back before it ends.
 * E3  once a byte of the response head was sent, a failure breaks the transfer; it never becomes
 *     a complete response.
 * E4  what is sent a second time, and where: Attempts.
 * The steps, in order: target → route → chain → place → endpoint → lease → request → response →
 * record.
 */

import { Fault, FAULTS } from '../../contract/fault.ts';
import { ServiceCell, WorkerCell } from '../../contract/metric-layout.ts';
import type { LimitsSpec } from '../../contract/snapshot.ts';
import type { Endpoint } from '../balance/endpoint.ts';
import { Verdict } from '../chain/middleware.ts';
import type { ResponseHead } from '../codec/head.ts';
import { Method, RequestHead } from '../codec/head.ts';
import type { Chunk, Timer } from '../io/backend.ts';
import type { UpstreamConnection } from '../pool/upstream-connection.ts';
import type { PlaceWaiter } from '../service/service-state.ts';
import { WAITING } from '../service/service-state.ts';
import { Outcome } from '../service/circuit-breaker.ts';
import { Attempts } from './attempts.ts';
import type { ClientStream, TunnelOpening } from './client-stream.ts';
import { chooseEndpoint, confirmEndpoint } from './endpoint-choice.ts';
import { sendError } from './error-response.ts';
import { ExchangeContext } from './exchange-context.ts';
import type { LinkedRoute, LinkedSnapshot } from './linked-snapshot.ts';
import { outcomeOf } from './outcome.ts';
import type { Plane } from './plane.ts';
import { recordEnd } from './record-exchange.ts';
import { RequestView } from './request-view.ts';
import { routeRequest } from './route-request.ts';
import { ANSWERED, ownHsts } from './transport-security.ts';

const State = { reading: 0, queued: 1, trying: 2, responding: 3, tunnel: 4, ended: 5 } as const;
type State = (typeof State)[keyof typeof State];

export class Exchange implements PlaceWaiter {
  readonly plane: Plane;
  readonly requestHead: RequestHead;
  /** The request as matchers, middlewares and logs see it. */
  readonly view: RequestView;
  stream: ClientStream | null = null;
  /** The generation that routed it; fixed for its whole life. */
  linked: LinkedSnapshot | null = null;
  route: LinkedRoute | null = null;
  startMs = 0;
  /** 0 until a response head is chosen. */
  statusCode = 0;
  fault: Fault = Fault.none;
  /** Body bytes received from the client, and of the origin's response, decoded. */
  requestBytes = 0;
  responseBytes = 0;
  requestId = '';
  /** The log's copy of the head; kept for reuse. */
  logBytes: Uint8Array = new Uint8Array(0);
  /** True when the copy is of this exchange's head. */
  isKeptForLog = false;
  /** Offset in the received bytes at which the copy begins. */
  logShift = 0;
  isHeadRequest = false;
  wantsUpgrade = false;
  /** Body bytes that arrived together with the head; a hint for the size of the first write. */
  bodyAtHand = 0;
  /** Whole field lines added by middlewares. */
  extraRequestFields = '';
  extraResponseFields = '';
  /** Not null: no request; bytes pass as they are once there is a connection. */
  opening: TunnelOpening | null = null;
  /** It has a place at its service and is one of the circuit's trials. */
  isTrial = false;
  private hasPlace = false;
  private state: State = State.ended;
  private readonly attempts: Attempts;
  /** Chosen before it waited for a place at its service. */
  private chosen: Endpoint | null = null;
  private context: ExchangeContext | null = null;
  private totalTimer: Timer | null = null;

  constructor(plane: Plane, limits: LimitsSpec) {
    this.plane = plane;
    this.requestHead = new RequestHead(limits.fieldCountMax);
    this.attempts = new Attempts(this, limits.responseFieldCountMax);
    this.view = new RequestView(this.requestHead);
  }

  /** True when it holds heads of just as many fields as `limits` allow. */
  hasSizeOf(limits: LimitsSpec): boolean {
    const isRequestSize = this.requestHead.fields.capacity === limits.fieldCountMax;
    return isRequestSize && this.responseHead.fields.capacity === limits.responseFieldCountMax;
  }

  // From the client's stream.

  /** Binds a fresh exchange to the stream on which its first byte arrived. */
  begin(stream: ClientStream): void {
    this.stream = stream;
    this.state = State.reading;
    this.linked = stream.linked;
    this.view.bind(stream.peer, this.linked);
    this.startMs = this.plane.backend.nowMs();
    this.plane.cells[WorkerCell.exchangesInProgress]!++;
  }

  /** `requestHead` is complete: chooses route and endpoint and asks for a connection. */
  start(): void {
    const head = this.requestHead;
    this.isHeadRequest = head.method === Method.head;
    this.wantsUpgrade = head.upgradesWebsocket;
    const refusal = routeRequest(this);
    if (refusal === ANSWERED) return;
    if (refusal !== Fault.none) {
      this.fail(refusal);
      return;
    }
    if (this.route!.chain !== null && this.runChain() === Verdict.respond) return;
    this.enterService();
  }

  /** Instead of `start`, with `route` and `opening` set: connects the client with an endpoint. */
  startPassthrough(): void {
    this.enterService();
  }

  /** True when request body bytes can be taken now. */
  get acceptsBody(): boolean {
    const attempt = this.attempts.current;
    return attempt.upstream !== null && !attempt.isBlocked;
  }

  /**
   * Passes decoded request body bytes on. Only while `acceptsBody`.
   * @param isEnd true with the last bytes (which may be none)
   * @returns false when the stream must pause until it is resumed
   */
  onRequestBody(chunk: Chunk, start: number, end: number, isEnd: boolean): boolean {
    const attempt = this.attempts.current;
    if (attempt.upstream === null) return true; // The response is over; the stream closes soon.
    this.requestBytes += end - start;
    return this.attempts.sender.forward(attempt, chunk, start, end, isEnd) || isEnd;
  }

  /** The client took everything that was queued for it. */
  onClientWritable(): void {
    this.attempts.current.upstream?.resume();
  }

  /** Bytes of an upgraded connection, from the client. */
  onClientTunnel(chunk: Chunk, start: number, end: number): void {
    this.requestBytes += end - start;
    const { upstream } = this.attempts.current;
    if (upstream !== null && !upstream.send(chunk, start, end)) this.stream!.pauseRequest();
  }

  /** The client ended its side of an upgraded connection. */
  onClientTunnelEnd(): void {
    this.attempts.current.upstream?.endTunnel();
  }

  get isTunnel(): boolean {
    return this.state === State.tunnel;
  }

  /** True once a response head was given to the stream. */
  get isResponding(): boolean {
    return this.state >= State.responding;
  }

  /** Of the attempt that answers. */
  get responseHead(): ResponseHead {
    return this.attempts.current.responseHead;
  }

  /** Of the last attempt, or the one that answers; null before the first. */
  get endpoint(): Endpoint | null {
    return this.attempts.endpoint;
  }

  get attemptCount(): number {
    return this.attempts.count;
  }

  /** The client is gone: ends the exchange without telling it anything. */
  abandon(fault: Fault): void {
    if (this.state === State.ended) return;
    if (this.fault === Fault.none && !this.isTunnel) this.fault = fault;
    if (this.statusCode === 0 && this.opening === null) this.statusCode = FAULTS[fault].status;
    if (this.isTunnel && fault === Fault.clientClosed) this.attempts.current.closeTunnel();
    this.dropAttempts();
    this.end();
  }

  /**
   * A reload changed the route: ends a tunnel in order on both sides, breaks a response (E3).
   * @returns false when it is neither yet; nothing has happened then
   */
  endStream(): boolean {
    if (!this.isResponding) return false;
    if (!this.isTunnel) {
      this.fail(Fault.routeChanged);
      return true;
    }
    if (this.fault === Fault.none) this.fault = Fault.routeChanged;
    this.attempts.current.closeTunnel();
    this.stream!.abort(Fault.none);
    this.end();
    return true;
  }

  /** Fails the exchange: an error response, or a broken transfer when one has begun (E3). */
  fail(fault: Fault): void {
    if (this.state === State.ended) return;
    if (this.fault === Fault.none) this.fault = fault;
    this.dropAttempts();
    const stream = this.stream!;
    if (this.state >= State.responding) {
      stream.abort(fault);
      this.end();
      return;
    }
    // Nothing can be said to the client of a passthrough: it talks to somebody else.
    if (this.opening === null) sendError(this, fault);
    this.complete();
  }

  /** Answers without an origin, before a response has begun. The exchange is over then. */
  answer(status: number, contentType: string, body: string): void {
    this.statusCode = status;
    if (!this.isHeadRequest) this.responseBytes = body.length;
    const fields = this.extraResponseFields + ownHsts(this);
    this.stream!.sendOwn(status, contentType, body, fields, false);
    this.complete();
  }

  // From the service: a place.

  onPlace(): void {
    try {
      const endpoint = confirmEndpoint(this, this.chosen!);
      this.takePlace();
      this.attempts.start(endpoint);
    } catch (error) {
      this.plane.reportInternal(error); // A bug of ours must not stop those who wait behind it.
      this.fail(Fault.internal);
    }
  }

  onPlaceFault(fault: Fault): void {
    this.state = State.reading; // It waits no more.
    this.fail(fault);
  }

  // From attempts.

  onInterim(head: ResponseHead): void {
    // 100 is ours to give (RFC 9110 §10.1.1).
    if (head.status !== 100) this.stream!.sendInterim(head);
  }

  /** The head of the response that the client gets, valid during the call. */
  onResponseHead(head: ResponseHead, available: number): void {
    this.state = State.responding;
    this.statusCode = head.status;
    this.settle();
    const stream = this.stream!;
    if (head.status === 101) {
      this.beginTunnel();
      if (!stream.sendUpgrade(head)) this.fail(Fault.memoryLimit);
      return;
    }
    if (this.route!.chain !== null) this.route!.chain.responseHead(this.contextFor());
    const fault = stream.sendHead(head, available, this.extraResponseFields);
    if (fault === Fault.none) return;
    this.state = State.trying; // Nothing was sent yet.
    this.route!.service.state.answered--;
    this.fail(fault);
  }

  /** A passthrough has its connection. */
  onPassthroughLease(upstream: UpstreamConnection): void {
    this.beginTunnel();
    this.settle();
    this.opening!.openTunnel(upstream);
  }

  onResponseBody(chunk: Chunk, start: number, end: number, isEnd: boolean): void {
    this.responseBytes += end - start;
    const isWritable = this.stream!.sendBody(chunk, start, end, isEnd);
    if (!isWritable) this.attempts.current.upstream?.pause();
  }

  onResponseEnd(): void {
    if (this.state !== State.ended) this.complete();
  }

  onTunnelReadable(chunk: Chunk, start: number, end: number): void {
    this.responseBytes += end - start;
    if (!this.stream!.sendTunnel(chunk, start, end)) this.attempts.current.upstream?.pause();
  }

  onTunnelEnd(): void {
    this.stream!.endTunnel();
  }

  /** The origin failed in the middle of its response, or of a tunnel. */
  breakOff(fault: Fault): void {
    if (this.state !== State.tunnel) {
      this.fail(fault);
      return;
    }
    if (fault !== Fault.none) this.fault = fault;
    this.stream!.abort(fault);
    this.end();
  }

  // Steps.

  private runChain(): Verdict {
    const context = this.contextFor();
    const verdict = this.route!.chain!.requestHead(context);
    if (verdict === Verdict.respond)
      this.answer(context.answerStatus, context.answerType, context.answerBody);
    return verdict;
  }

  private enterService(): void {
    const { state, transport } = this.route!.service;
    if (transport.totalTimeoutMs > 0) this.setTotalTimeout(transport.totalTimeoutMs);
    const entry = state.enter(this);
    if (entry === Fault.none) {
      this.takePlace();
      this.attempts.start(chooseEndpoint(this));
    } else if (entry === WAITING) this.waitForPlace();
    else this.fail(entry);
  }

  private takePlace(): void {
    this.hasPlace = true;
    this.state = State.trying;
    this.route!.service.state.budget.onRequest(this.startMs);
    this.plane.cells[this.route!.service.metricBase + ServiceCell.exchangesInProgress]!++;
  }

  /** Writes the head now, for an endpoint that may change: the received one is gone later. */
  private waitForPlace(): void {
    this.state = State.queued;
    const endpoint = chooseEndpoint(this);
    if (endpoint === null) this.fail(Fault.noEndpoint);
    else if (!this.attempts.prepare(endpoint)) this.fail(Fault.memoryLimit);
    else {
      this.chosen = endpoint;
      if (!this.stream!.isRequestComplete) this.stream!.pauseRequest();
    }
  }

  // Ends.

  /** It is answered: no other attempt follows, and its service learns how it went. */
  private settle(): void {
    this.attempts.onAnswer();
    const service = this.route!.service.state;
    service.onHead();
    if (this.isTrial) service.endTrial(outcomeOf(this));
    this.isTrial = false;
  }

  private beginTunnel(): void {
    this.state = State.tunnel;
    this.totalTimer?.clear(); // A tunnel has its own clock.
    this.plane.cells[WorkerCell.tunnels]!++;
  }

  private contextFor(): ExchangeContext {
    this.context ??= new ExchangeContext(this);
    return this.context;
  }

  private setTotalTimeout(totalMs: number): void {
    this.totalTimer ??= this.plane.backend.timer(() => this.fail(Fault.requestTimeout));
    this.totalTimer.set(totalMs);
  }

  /** Gives back what the attempts own, and the place in the queue of the service (E2). */
  private dropAttempts(): void {
    if (this.state === State.queued) this.route!.service.state.cancel(this);
    this.attempts.abort();
  }

  /** The response has been given to the stream in full. */
  private complete(): void {
    const stream = this.stream!;
    this.end();
    stream.finish();
  }

  /** Records, gives the place back, resets and recycles (E1). */
  private end(): void {
    if (this.state === State.tunnel) this.plane.cells[WorkerCell.tunnels]!--;
    const isAnswered = this.isResponding;
    this.state = State.ended;
    this.totalTimer?.clear();
    recordEnd(this);
    this.plane.cells[WorkerCell.exchangesInProgress]!--;
    const service = this.hasPlace ? this.route!.service : null;
    const outcome = service !== null && service.state.isGuarded ? outcomeOf(this) : Outcome.unknown;
    const isTrial = this.isTrial;
    this.reset();
    this.plane.recycle(this);
    if (service === null) return;
    this.plane.cells[service.metricBase + ServiceCell.exchangesInProgress]!--;
    service.state.leave(outcome, isTrial, isAnswered); // Last: those who wait may go on inside.
  }

  /** Restores every field; the next exchange must not see anything of this one. */
  private reset(): void {
    this.requestHead.reset();
    this.attempts.reset();
    this.stream = null;
    this.linked = null;
    this.route = null;
    this.chosen = null;
    this.statusCode = 0;
    this.fault = Fault.none;
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.requestId = '';
    this.view.reset();
    this.context?.reset();
    this.isKeptForLog = false;
    this.isHeadRequest = false;
    this.wantsUpgrade = false;
    this.bodyAtHand = 0;
    this.extraRequestFields = '';
    this.extraResponseFields = '';
    this.opening = null;
    this.isTrial = false;
    this.hasPlace = false;
  }
}
