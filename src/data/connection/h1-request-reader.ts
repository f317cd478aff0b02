/**
 * Reads the requests of one HTTP/1.1 client connection out of its bytes, and holds what must wait.
 *
 * R1  one request at a time: the bytes behind it wait until the connection is idle again and its
 *     last answer has left.
 * R2  received bytes that wait are bounded (one chunk), and reading is paused meanwhile.
 * R3  body bytes go to the exchange only while it accepts them.
 */

import { Fault } from '../../contract/fault.ts';
import { BodyReader, BodyState } from '../codec/h1/body-reader.ts';
import { parseRequestHead } from '../codec/h1/request-parser.ts';
import { Framing } from '../codec/head.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { Plane } from '../exchange/plane.ts';
import type { Chunk, Connection } from '../io/backend.ts';
import { HeldBytes } from '../io/held-bytes.ts';
import type { ClientClock } from './client-clock.ts';
import { Wait } from './client-clock.ts';

/**
 * Where a client connection is. `waiting`: the request is complete, the answer is not. From
 * `linger` on nothing that arrives is looked at.
 */
export const State = {
  idle: 0,
  head: 1,
  body: 2,
  waiting: 3,
  tunnel: 4,
  linger: 5,
  closed: 6,
} as const;
export type State = (typeof State)[keyof typeof State];

/** Who is told what was read. */
export interface RequestSink {
  /** The first byte of a request is here. @returns the exchange to fill */
  beginExchange(): Exchange;
  /** The head is complete, and a body is expected already if there is one. */
  startExchange(exchange: Exchange): void;
  /** Ends the connection without an answer; the reader's state is `closed` after it. */
  giveUp(fault: Fault): void;
}

export class H1RequestReader {
  /** Set by the connection as well. */
  state: State = State.idle;
  /** Bytes are being looked at: what is found must not look at more. */
  isProcessing = false;
  private readonly sink: RequestSink;
  private readonly connection: Connection;
  private readonly clock: ClientClock;
  private readonly plane: Plane;
  private readonly held: HeldBytes;
  private readonly body = new BodyReader(false);
  /** Of the request being read, or of the tunnel. */
  private exchange: Exchange | null = null;
  private isPaused = false;

  constructor(sink: RequestSink, plane: Plane, connection: Connection, clock: ClientClock) {
    this.sink = sink;
    this.plane = plane;
    this.connection = connection;
    this.clock = clock;
    this.held = new HeldBytes(plane.backend);
  }

  /** True when no received bytes wait. */
  get isEmpty(): boolean {
    return this.held.isEmpty;
  }

  /** Takes received bytes; the chunk is borrowed. Not in a tunnel and not from `linger` on. */
  read(chunk: Chunk, start: number, end: number): void {
    const { held } = this;
    if (!held.isEmpty) {
      const heldSize = held.end - held.start;
      const isWhole = held.append(chunk, start, end);
      const rest = start + held.end - held.start - heldSize;
      if (this.state !== State.waiting) this.processHeld(); // A head this large is refused here.
      if (isWhole || this.state >= State.linger) return;
      if (rest > start) this.read(chunk, rest, end);
      else this.sink.giveUp(Fault.memoryLimit);
      return;
    }
    const consumed = this.process(chunk, start, end);
    if (consumed === end) return;
    if (!this.held.take(chunk, consumed, end)) this.sink.giveUp(Fault.memoryLimit);
    else if (this.state === State.head) this.exchange!.requestHead.reset();
  }

  /** Goes on with bytes that wait, unless that is what is being done. */
  readHeld(): void {
    if (!this.isProcessing && !this.held.isEmpty) this.processHeld();
  }

  pause(): void {
    if (this.isPaused) return;
    this.isPaused = true;
    this.connection.pause();
    // The origin is slow, not the client.
    if (this.clock.wait === Wait.body) this.clock.start(Wait.none);
  }

  /** Goes on with bytes that wait, then with the connection. */
  resume(): void {
    if (this.isProcessing) return;
    if (this.held.isEmpty) this.resumeReading();
    else this.processHeld();
  }

  resumeReading(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.connection.resume();
    if (this.state === State.body) this.clock.start(Wait.body);
  }

  /** Bytes that came with the upgrade request belong to the tunnel. */
  startTunnel(): void {
    if (this.held.isEmpty) this.resumeReading();
    else this.plane.backend.defer(() => this.sendHeldToTunnel());
  }

  /** Forgets what waits. */
  drop(): void {
    this.held.drop();
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
        this.pause();
        break;
      }
      if (this.state === State.body) {
        if (!this.exchange!.acceptsBody) {
          this.pause();
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
    if (this.state === State.idle) {
      this.state = State.head;
      this.exchange = this.sink.beginExchange();
    }
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
    this.beginBody(exchange, end - next);
    this.sink.startExchange(exchange);
    return next;
  }

  private beginBody(exchange: Exchange, available: number): void {
    const head = exchange.requestHead;
    this.clock.wait = Wait.none;
    exchange.bodyAtHand = 0;
    if (head.framing !== Framing.chunked && head.contentLength <= 0) {
      this.state = State.waiting;
      return;
    }
    this.state = State.body;
    const { requestLimits, limits } = exchange.linked!;
    this.body.begin(head.framing, head.contentLength, requestLimits, limits.bodySizeMax);
    exchange.bodyAtHand = available;
    this.clock.start(Wait.body);
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
    if (!isWritable && this.state === State.body) this.pause();
    return position;
  }

  private sendHeldToTunnel(): void {
    const held = this.held;
    if (this.state !== State.tunnel || held.isEmpty) return;
    this.resumeReading(); // First: the tunnel may want it paused again.
    this.exchange!.onClientTunnel(held.chunk!, held.start, held.end);
    held.drop();
  }
}
