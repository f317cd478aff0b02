/**
 * Exchange: the one driver of a request and its response, whatever the protocol on either side.
 *
 * E1  an exchange ends exactly once: `complete`, `fail` or `abandon`; then it is recycled.
 * E2  it owns at most one lease and at most one place in a pool's queue; both are given back
 *     before it ends.
 * E3  once a byte of the response head was sent, a failure breaks the transfer; it never becomes
 *     a complete response.
 * E4  a request is sent again only when no byte of it reached an origin, or when the origin closed
 *     before the first byte of an answer and the request may be repeated (`mayRepeat`).
 * The steps, in order: target → route → chain → endpoint → lease → request → response → record.
 */

import { Fault, FAULTS } from '../../contract/fault.ts';
import { EndpointCell, ServiceCell, WorkerCell } from '../../contract/metric-layout.ts';
import type { Endpoint } from '../balance/endpoint.ts';
import { Verdict } from '../chain/middleware.ts';
import { chunkHeaderBefore, writeChunkTail, LAST_CHUNK } from '../codec/h1/writer.ts';
import { Framing, Method, RequestHead, ResponseHead } from '../codec/head.ts';
import type { Chunk, Timer } from '../io/backend.ts';
import { CHUNK_HEADROOM } from '../io/backend.ts';
import type { AttemptEvents } from '../pool/attempt-events.ts';
import type { UpstreamConnection } from '../pool/upstream-connection.ts';
import type { ClientStream } from './client-stream.ts';
import { admit, forwardsLeft } from './admission.ts';
import { chooseEndpoint } from './endpoint-choice.ts';
import { errorBody, errorFields, JSON_TYPE, TEXT_TYPE } from './error-response.ts';
import { ExchangeContext } from './exchange-context.ts';
import type { LinkedRoute, LinkedSnapshot } from './linked-snapshot.ts';
import type { Plane } from './plane.ts';
import { keepForLog, recordEnd, recordLookup } from './record-exchange.ts';
import { RequestView } from './request-view.ts';
import { isSafe, mayRepeat } from './repeat-rule.ts';
import { WrittenRequest } from './written-request.ts';

/** Attempts of one exchange, the first included. */
const ATTEMPTS_MAX = 2;

const State = { reading: 0, acquiring: 1, sending: 2, responding: 3, tunnel: 4, ended: 5 } as const;
type State = (typeof State)[keyof typeof State];

export class Exchange implements AttemptEvents {
  readonly plane: Plane;
  readonly fieldCountMax: number;
  readonly requestHead: RequestHead;
  /** The request as matchers, middlewares and logs see it. */
  readonly view: RequestView;
  readonly responseHead: ResponseHead;
  stream: ClientStream | null = null;
  /** The generation that routed it; fixed for its whole life. */
  linked: LinkedSnapshot | null = null;
  route: LinkedRoute | null = null;
  endpoint: Endpoint | null = null;
  startMs = 0;
  /** 0 until a response head is chosen. */
  statusCode = 0;
  fault: Fault = Fault.none;
  attemptCount = 0;
  /** Body bytes received from the client, and of the origin's response, decoded. */
  requestBytes = 0;
  responseBytes = 0;
  requestId = '';
  /** The log's copy of the head; kept for reuse. */
  logBytes: Uint8Array = new Uint8Array(0);
  /** Offset in the received bytes at which the copy begins. */
  logShift = 0;
  isHeadRequest = false;
  wantsUpgrade = false;
  /** Body bytes that arrived together with the head; a hint for the size of the first write. */
  bodyAtHand = 0;
  /** Whole field lines added by middlewares. */
  extraRequestFields = '';
  extraResponseFields = '';
  private state: State = State.ended;
  private upstream: UpstreamConnection | null = null;
  private readonly written: WrittenRequest;
  private isUpstreamBlocked = false;
  private hasSentBody = false;
  private context: ExchangeContext | null = null;
  private totalTimer: Timer | null = null;

  constructor(plane: Plane) {
    const limits = plane.linked.limits;
    this.plane = plane;
    this.fieldCountMax = limits.fieldCountMax;
    this.requestHead = new RequestHead(limits.fieldCountMax);
    this.responseHead = new ResponseHead(limits.responseFieldCountMax);
    this.view = new RequestView(this.requestHead);
    this.written = new WrittenRequest(this);
  }

  // From the client's stream.

  /** Binds a fresh exchange to the stream on which its first byte arrived. */
  begin(stream: ClientStream): void {
    this.stream = stream;
    this.state = State.reading;
    this.linked = this.plane.linked;
    this.view.bind(stream.peer, this.linked);
    this.startMs = this.plane.backend.nowMs();
    this.plane.cells[WorkerCell.exchangesInProgress]!++;
  }

  /** `requestHead` is complete: chooses route and endpoint and asks for a connection. */
  start(): void {
    const head = this.requestHead;
    this.isHeadRequest = head.method === Method.head;
    this.wantsUpgrade = head.upgradesWebsocket;
    const fault = this.view.readTarget();
    if (this.plane.accessLog !== null) keepForLog(this);
    if (fault !== Fault.none) {
      this.fail(fault);
      return;
    }
    const linked = this.linked!;
    const index = recordLookup(this, linked.router);
    if (index < 0) {
      this.fail(Fault.routeNotFound);
      return;
    }
    const route = linked.routes[index]!;
    this.route = route;
    const refusal = admit(this);
    if (refusal !== Fault.none) {
      this.fail(refusal);
      return;
    }
    if (forwardsLeft(this) === 0) {
      this.respond(200, TEXT_TYPE, '');
      return;
    }
    if (route.chain !== null && this.runChain() === Verdict.respond) return;
    const totalMs = route.service.transport.totalTimeoutMs;
    if (totalMs > 0) this.setTotalTimeout(totalMs);
    this.attempt(null);
  }

  /** True when request body bytes can be taken now. */
  get acceptsBody(): boolean {
    return this.upstream !== null && !this.isUpstreamBlocked;
  }

  /**
   * Passes decoded request body bytes on. Only while `acceptsBody`.
   * @param isEnd true with the last bytes (which may be none)
   * @returns false when the stream must pause until it is resumed
   */
  onRequestBody(chunk: Chunk, start: number, end: number, isEnd: boolean): boolean {
    const upstream = this.upstream;
    if (upstream === null) return true; // The response is over; the stream is about to close.
    this.requestBytes += end - start;
    if (end > start) this.hasSentBody = true;
    if (this.requestHead.framing !== Framing.chunked) upstream.send(chunk, start, end);
    else if (end > start) {
      const from = chunkHeaderBefore(chunk.bytes, start, end - start);
      upstream.send(chunk, from, writeChunkTail(chunk.bytes, end, isEnd));
    } else if (isEnd) this.sendLastChunk(upstream);
    const isWritable = upstream.flush() && upstream.isWritable;
    if (isEnd) upstream.finishRequest();
    this.isUpstreamBlocked = !isWritable;
    return isWritable || isEnd;
  }

  /** The client took everything that was queued for it. */
  onClientWritable(): void {
    this.upstream?.resume();
  }

  /** Bytes of an upgraded connection, from the client. */
  onClientTunnel(chunk: Chunk, start: number, end: number): void {
    this.requestBytes += end - start;
    const upstream = this.upstream;
    if (upstream !== null && !upstream.send(chunk, start, end)) this.stream!.pauseRequest();
  }

  /** The client ended its side of an upgraded connection. */
  onClientTunnelEnd(): void {
    this.upstream?.endTunnel();
  }

  get isTunnel(): boolean {
    return this.state === State.tunnel;
  }

  /** True once a response head was given to the stream. */
  get isResponding(): boolean {
    return this.state >= State.responding;
  }

  /** The client is gone: ends the exchange without telling it anything. */
  abandon(fault: Fault): void {
    if (this.state === State.ended) return;
    if (this.fault === Fault.none && !this.isTunnel) this.fault = fault;
    if (this.statusCode === 0) this.statusCode = FAULTS[fault].status;
    if (this.isTunnel && fault === Fault.clientClosed) this.closeTunnel();
    else this.dropUpstream();
    this.end();
  }

  /** Fails the exchange: an error response, or a broken transfer when one has begun (E3). */
  fail(fault: Fault): void {
    if (this.state === State.ended) return;
    if (this.fault === Fault.none) this.fault = fault;
    this.dropUpstream();
    const stream = this.stream!;
    if (this.state >= State.responding) {
      stream.abort(fault);
      this.end();
      return;
    }
    const status = FAULTS[fault].status;
    this.statusCode = status;
    this.requestId = this.plane.nextRequestId();
    const isJson = this.linked!.observe.jsonErrors;
    const body = errorBody(fault, this.requestId, isJson);
    if (!this.isHeadRequest) this.responseBytes = body.length;
    stream.sendOwn(
      status,
      isJson ? JSON_TYPE : TEXT_TYPE,
      body,
      errorFields(status, this.requestId),
      FAULTS[fault].origin === 'client',
    );
    this.complete();
  }

  // From the pool and the upstream connection.

  onLease(connection: UpstreamConnection): void {
    this.upstream = connection;
    this.sendRequest();
    if (this.state === State.sending) this.stream!.resumeRequest();
  }

  onLeaseFault(fault: Fault): void {
    const failed = this.endpoint!;
    this.endAttempt(FAULTS[fault].origin === 'upstream');
    const hasOther = this.route!.service.endpoints.length > 1;
    const canTry = hasOther && this.attemptCount < ATTEMPTS_MAX && FAULTS[fault].retry === 'unsent';
    if (canTry) this.attempt(failed);
    else this.fail(fault);
  }

  onInterim(head: ResponseHead): void {
    // 100 is ours to give (RFC 9110 §10.1.1).
    if (head.status !== 100) this.stream!.sendInterim(head);
  }

  onResponseHead(head: ResponseHead, available: number): void {
    this.state = State.responding;
    this.statusCode = head.status;
    this.written.drop();
    const stream = this.stream!;
    if (head.status === 101) {
      this.startTunnel(stream, head);
      return;
    }
    if (this.route!.chain !== null) this.route!.chain.responseHead(this.contextFor());
    if (stream.sendHead(head, available, this.extraResponseFields)) return;
    this.state = State.sending; // Nothing was sent yet.
    this.fail(Fault.responseHeadTooLarge);
  }

  onResponseBody(chunk: Chunk, start: number, end: number, isEnd: boolean): void {
    this.responseBytes += end - start;
    if (isEnd) this.releaseUpstream();
    const isWritable = this.stream!.sendBody(chunk, start, end, isEnd);
    if (!isWritable) this.upstream?.pause();
  }

  onResponseEnd(): void {
    if (this.state !== State.ended) this.complete();
  }

  onUpstreamWritable(): void {
    this.isUpstreamBlocked = false;
    this.stream!.resumeRequest();
  }

  onTunnelReadable(chunk: Chunk, start: number, end: number): void {
    this.responseBytes += end - start;
    if (!this.stream!.sendTunnel(chunk, start, end)) this.upstream?.pause();
  }

  onTunnelEnd(): void {
    this.stream!.endTunnel();
  }

  onAttemptFault(fault: Fault): void {
    const failed = this.endpoint!;
    this.upstream = null;
    this.endAttempt(FAULTS[fault].origin === 'upstream');
    if (this.state === State.tunnel) {
      if (fault !== Fault.none) this.fault = fault;
      this.stream!.abort(fault);
      this.end();
    } else if (this.canRepeat(fault)) this.attempt(failed);
    else this.fail(fault);
  }

  // Steps.

  private runChain(): Verdict {
    const context = this.contextFor();
    const verdict = this.route!.chain!.requestHead(context);
    if (verdict === Verdict.respond)
      this.respond(context.answerStatus, context.answerType, context.answerBody);
    return verdict;
  }

  /** Answers without an origin. */
  private respond(status: number, contentType: string, body: string): void {
    this.statusCode = status;
    if (!this.isHeadRequest) this.responseBytes = body.length;
    this.stream!.sendOwn(status, contentType, body, this.extraResponseFields, false);
    this.complete();
  }

  /** One attempt: picks an endpoint, writes the head for it, acquires a connection. */
  private attempt(avoid: Endpoint | null): void {
    const service = this.route!.service;
    const endpoint = chooseEndpoint(this, avoid);
    if (endpoint === null) {
      this.fail(Fault.noEndpoint);
      return;
    }
    const isRepeat = this.attemptCount > 0;
    this.attemptCount++;
    if (!isRepeat) this.plane.cells[service.metricBase + ServiceCell.exchangesInProgress]!++;
    if (!this.written.prepare(endpoint, service.passHost)) {
      this.fail(Fault.memoryLimit);
      return;
    }
    this.endpoint = endpoint;
    endpoint.inFlight++;
    this.plane.cells[endpoint.metricBase + EndpointCell.attempts]!++;
    if (isRepeat) this.plane.cells[endpoint.metricBase + EndpointCell.retries]!++;
    this.state = State.acquiring;
    // A repeated request goes on a fresh connection: the idle ones may be as stale as the first.
    const upstream = isRepeat ? null : endpoint.pool.tryAcquire(this);
    if (upstream !== null) {
      this.upstream = upstream;
      this.sendRequest();
      return;
    }
    const fault = endpoint.pool.acquireSlow(this);
    if (fault === Fault.none) {
      if (!this.stream!.isRequestComplete) this.stream!.pauseRequest();
      return;
    }
    this.endAttempt(false);
    this.fail(fault);
  }

  /** The lease is there: sends the head; the stream sends the body when there is one. */
  private sendRequest(): void {
    const upstream = this.upstream!;
    this.state = State.sending;
    this.isUpstreamBlocked = false;
    if (this.hasBody()) {
      this.written.send(upstream, false); // A body cannot be sent twice.
      // A client may wait for an answer to its head before it sends the body.
      if (this.bodyAtHand === 0) this.isUpstreamBlocked = !upstream.flush();
      if (this.requestHead.expectsContinue) this.stream!.sendContinue();
      return;
    }
    this.written.send(upstream, isSafe(this.requestHead.method));
    upstream.flush();
    upstream.finishRequest();
  }

  private hasBody(): boolean {
    const head = this.requestHead;
    return head.framing === Framing.chunked || head.contentLength > 0;
  }

  private sendLastChunk(upstream: UpstreamConnection): void {
    const chunks = this.plane.backend.chunks;
    const chunk = chunks.acquire(64);
    if (chunk === null) {
      this.fail(Fault.memoryLimit);
      return;
    }
    chunk.bytes.set(LAST_CHUNK, CHUNK_HEADROOM);
    upstream.send(chunk, CHUNK_HEADROOM, CHUNK_HEADROOM + LAST_CHUNK.length);
    chunks.release(chunk);
  }

  private canRepeat(fault: Fault): boolean {
    const isOver = this.attemptCount >= ATTEMPTS_MAX || this.state >= State.responding;
    if (isOver || !this.written.isKept || this.hasSentBody) return false;
    return mayRepeat(fault, this.requestHead.method);
  }

  private startTunnel(stream: ClientStream, head: ResponseHead): void {
    this.state = State.tunnel;
    this.totalTimer?.clear(); // A tunnel has its own clock.
    this.plane.cells[WorkerCell.tunnels]!++;
    if (!stream.sendUpgrade(head)) this.fail(Fault.memoryLimit);
  }

  private contextFor(): ExchangeContext {
    this.context ??= new ExchangeContext(this);
    return this.context;
  }

  private setTotalTimeout(totalMs: number): void {
    this.totalTimer ??= this.plane.backend.timer(() => this.fail(Fault.requestTimeout));
    this.totalTimer.set(totalMs);
  }

  /** The lease has ended (by the connection). */
  private releaseUpstream(): void {
    this.upstream = null;
    this.endAttempt(false);
  }

  /** Counts the attempt out; `endpoint` stays, for the record. */
  private endAttempt(isFault: boolean): void {
    const endpoint = this.endpoint!;
    endpoint.inFlight--;
    if (this.state === State.acquiring) this.state = State.sending; // It waits for no lease now.
    if (isFault) this.plane.cells[endpoint.metricBase + EndpointCell.faults]!++;
  }

  /** The client's side ended in order, so the origin's does: nothing on its way may be lost. */
  private closeTunnel(): void {
    const upstream = this.upstream;
    if (upstream === null) return;
    this.upstream = null;
    upstream.closeTunnel();
    this.endAttempt(false);
  }

  /** Gives back the lease or the place in the queue, whichever there is (E2). */
  private dropUpstream(): void {
    const upstream = this.upstream;
    if (upstream !== null) {
      this.upstream = null;
      upstream.abort();
      this.endAttempt(false);
    } else if (this.state === State.acquiring) {
      this.endpoint!.pool.cancel(this);
      this.endAttempt(false);
    }
  }

  /** The response has been given to the stream in full. */
  private complete(): void {
    const stream = this.stream!;
    this.end();
    stream.finish();
  }

  /** Records, resets and recycles (E1). */
  private end(): void {
    if (this.state === State.tunnel) this.plane.cells[WorkerCell.tunnels]!--;
    this.state = State.ended;
    this.written.drop();
    this.totalTimer?.clear();
    recordEnd(this);
    this.plane.cells[WorkerCell.exchangesInProgress]!--;
    if (this.attemptCount > 0) {
      this.plane.cells[this.route!.service.metricBase + ServiceCell.exchangesInProgress]!--;
    }
    this.reset();
    this.plane.recycle(this);
  }

  /** Restores every field; the next exchange must not see anything of this one. */
  private reset(): void {
    this.requestHead.reset();
    this.responseHead.reset();
    this.stream = null;
    this.linked = null;
    this.route = null;
    this.endpoint = null;
    this.statusCode = 0;
    this.fault = Fault.none;
    this.attemptCount = 0;
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.requestId = '';
    this.view.reset();
    this.context?.reset();
    this.isHeadRequest = false;
    this.wantsUpgrade = false;
    this.bodyAtHand = 0;
    this.extraRequestFields = '';
    this.extraResponseFields = '';
    this.isUpstreamBlocked = false;
    this.hasSentBody = false;
  }
}
