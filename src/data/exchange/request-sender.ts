/**
 * Request sender: the request of an exchange on its way to an origin, and there again when an
 * attempt has failed. Owns the written head and the kept body.
 *
 * S1  once the head was given to a connection, the request goes to another one only while
 *     `isResendable`: its method may be repeated, and all of it that was sent is still here; or
 *     `isSafelyResendable`, when a kept connection turned out to be closed.
 * S2  body bytes reach a connection in order and once: first what is kept, then what arrives.
 */

import { Fault } from '../../contract/fault.ts';
import type { Endpoint } from '../balance/endpoint.ts';
import { chunkHeaderBefore, writeChunkTail, LAST_CHUNK } from '../codec/h1/writer.ts';
import { Framing } from '../codec/head.ts';
import type { Chunk } from '../io/backend.ts';
import { CHUNK_HEADROOM } from '../io/backend.ts';
import type { UpstreamConnection } from '../pool/upstream-connection.ts';
import type { Attempt } from './attempt.ts';
import type { Exchange } from './exchange.ts';
import { KeptBody } from './kept-body.ts';
import { isSafe } from './repeat-rule.ts';
import { WrittenRequest } from './written-request.ts';

export class RequestSender {
  /** The head was given to a connection: an origin may have acted on it. */
  isBegun = false;
  /** The whole request was given to the current connection. */
  isComplete = false;
  private readonly exchange: Exchange;
  private readonly written: WrittenRequest;
  private readonly kept: KeptBody;
  private hasContinued = false;

  constructor(exchange: Exchange) {
    this.exchange = exchange;
    this.written = new WrittenRequest(exchange);
    this.kept = new KeptBody(exchange.plane.backend, exchange.plane.keptMemory);
  }

  get hasBody(): boolean {
    const head = this.exchange.requestHead;
    return head.framing === Framing.chunked || head.contentLength > 0;
  }

  /** True while all of it that was sent could be sent again. */
  get isResendable(): boolean {
    return this.isRepeatable && this.written.isKept && (!this.hasBody || this.kept.isWhole);
  }

  /** True when it asks for nothing to change and is all here, whatever the service's policy. */
  get isSafelyResendable(): boolean {
    return isSafe(this.exchange.requestHead.method) && this.written.isKept && !this.hasBody;
  }

  /** Writes the head for `endpoint`. @returns false when there is no memory for it */
  prepare(endpoint: Endpoint): boolean {
    return this.written.prepare(endpoint, this.exchange.route!.service.passHost);
  }

  /**
   * The lease is there: sends the head, and the body as far as it is kept.
   * @returns true when a body follows
   */
  send(attempt: Attempt): boolean {
    const upstream = attempt.upstream!;
    if (this.hasBody) {
      this.sendWithBody(attempt, upstream);
      return true;
    }
    this.isBegun = true;
    this.written.send(upstream, isSafe(this.exchange.requestHead.method) || this.isRepeatable);
    upstream.flush();
    upstream.finishRequest();
    this.isComplete = true;
    return false;
  }

  /**
   * Passes decoded body bytes on, framed.
   * @returns false when the origin takes no more for now
   */
  // oxlint-disable-next-line max-params -- a piece of a body and where it goes.
  forward(attempt: Attempt, chunk: Chunk, start: number, end: number, isEnd: boolean): boolean {
    const upstream = attempt.upstream!;
    if (this.exchange.requestHead.framing !== Framing.chunked) {
      this.sendPiece(upstream, chunk, start, end);
    } else if (end > start) {
      const from = chunkHeaderBefore(chunk.bytes, start, end - start);
      this.sendPiece(upstream, chunk, from, writeChunkTail(chunk.bytes, end, isEnd));
    } else if (isEnd) this.sendLastChunk(upstream);
    const isWritable = upstream.flush() && upstream.isWritable;
    if (attempt.upstream !== upstream) return true; // Out of memory: the exchange is over.
    if (isEnd) this.finish(attempt, upstream);
    attempt.isBlocked = !isWritable;
    return isWritable;
  }

  /** The connection takes bytes again. @returns true when it is the client's turn to send them */
  onWritable(attempt: Attempt): boolean {
    if (this.kept.isReplaying && !this.goOn(attempt, attempt.upstream!)) return false;
    attempt.isBlocked = false;
    return true;
  }

  /** It is answered, so it will not go to another connection: gives back what is kept for that. */
  settle(): void {
    this.written.drop();
    this.kept.settle();
  }

  reset(): void {
    this.written.drop();
    this.kept.drop();
    this.isBegun = false;
    this.isComplete = false;
    this.hasContinued = false;
  }

  /** Its method may be sent again, by the service's leave. */
  private get isRepeatable(): boolean {
    const { retry } = this.exchange.route!.service;
    return retry.attemptsMax > 1 && retry.methods[this.exchange.requestHead.method] === 1;
  }

  private sendWithBody(attempt: Attempt, upstream: UpstreamConnection): void {
    const { exchange, kept } = this;
    if (!this.isBegun) this.beginKeeping();
    this.isBegun = true;
    this.isComplete = false;
    const isKept = kept.isWhole;
    this.written.send(upstream, isKept);
    // A client may wait for an answer to its head before it sends the body. And a head that is
    // kept leaves alone: bytes gathered behind it would be in the way when it is sent again.
    if (isKept || exchange.bodyAtHand === 0) attempt.isBlocked = !upstream.flush();
    if (exchange.requestHead.expectsContinue && !this.hasContinued) {
      this.hasContinued = true;
      exchange.stream!.sendContinue();
    }
    if (!isKept) return;
    kept.beginReplay();
    if (kept.isReplaying) attempt.isBlocked = !this.goOn(attempt, upstream);
  }

  private beginKeeping(): void {
    const { exchange } = this;
    const { bodySizeMax } = exchange.route!.service.retry;
    if (bodySizeMax === 0 || !this.isRepeatable) return;
    const { bufferSizeMax } = exchange.linked!.limits;
    this.kept.begin(bodySizeMax, exchange.requestHead.contentLength, bufferSizeMax);
  }

  /** Replays. @returns true when all of it was sent and the connection takes more */
  private goOn(attempt: Attempt, upstream: UpstreamConnection): boolean {
    if (!this.kept.replay(upstream)) return false;
    if (this.exchange.stream!.isRequestComplete) this.finish(attempt, upstream);
    return upstream.isWritable;
  }

  private finish(attempt: Attempt, upstream: UpstreamConnection): void {
    this.isComplete = true;
    upstream.finishRequest();
    attempt.onRequestSent();
  }

  private sendPiece(upstream: UpstreamConnection, chunk: Chunk, start: number, end: number): void {
    if (this.kept.isWhole && end > start) this.keep(chunk, start, end);
    upstream.send(chunk, start, end);
  }

  private keep(chunk: Chunk, start: number, end: number): void {
    this.kept.add(chunk, start, end);
    if (!this.kept.isWhole) this.written.drop(); // The head alone is of no use.
  }

  private sendLastChunk(upstream: UpstreamConnection): void {
    const { chunks } = this.exchange.plane.backend;
    const chunk = chunks.acquire(64);
    if (chunk === null) {
      this.exchange.fail(Fault.memoryLimit);
      return;
    }
    chunk.bytes.set(LAST_CHUNK, CHUNK_HEADROOM);
    this.sendPiece(upstream, chunk, CHUNK_HEADROOM, CHUNK_HEADROOM + LAST_CHUNK.length);
    chunks.release(chunk);
  }
}
