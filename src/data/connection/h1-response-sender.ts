/**
 * Writes the responses of one HTTP/1.1 client connection: heads, bodies framed for this client,
 * and the proxy's own answers. Framing is decided here and nowhere else (RFC 9112 §6).
 */

import { latin1Bytes } from '../../base/ascii.ts';
import { utf8Bytes } from '../../base/utf8.ts';
import { Fault } from '../../contract/fault.ts';
import { Field } from '../codec/field.ts';
import { chunkHeaderBefore, HeadWriter, LAST_CHUNK, writeChunkTail } from '../codec/h1/writer.ts';
import type { ResponseHead } from '../codec/head.ts';
import { Framing } from '../codec/head.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { Plane } from '../exchange/plane.ts';
import { hstsFor } from '../exchange/transport-security.ts';
import type { Chunk, Connection } from '../io/backend.ts';
import { CHUNK_HEADROOM, CHUNK_TAILROOM } from '../io/backend.ts';
import { Outgoing } from '../io/outgoing.ts';

const CLOSE = latin1Bytes('Connection: close\r\n');
const KEEP_ALIVE = latin1Bytes('Connection: keep-alive\r\n');
const UPGRADE = latin1Bytes('Connection: Upgrade\r\nUpgrade: websocket\r\n');
const CONTINUE = latin1Bytes('HTTP/1.1 100 Continue\r\n\r\n');
const NO_REASON = new Uint8Array(0);

/** Our own lines and the size line of a first chunk. */
const OWN_LINES_SIZE = 256;
/** Head and first body bytes up to this size leave in one write; above, copying costs more. */
const TOGETHER_SIZE_MAX = 16_320;
/** Size line and tail of a chunk that is appended to a head. */
const CHUNK_FRAME_SIZE = 24;

const writer = new HeadWriter();

export class H1ResponseSender {
  /** The connection lives on after this response. */
  keepAlive = false;
  clientVersionMinor = 1;
  /** Bytes sent since `reset`. */
  sentBytes = 0;
  private readonly plane: Plane;
  private readonly connection: Connection;
  private readonly out: Outgoing;
  private framing: Framing = Framing.none;

  constructor(plane: Plane, connection: Connection) {
    this.plane = plane;
    this.connection = connection;
    this.out = new Outgoing(plane.backend.chunks);
  }

  /** Before each request: until it is understood, the connection closes after the answer. */
  reset(): void {
    this.keepAlive = false;
    this.clientVersionMinor = 1;
    this.framing = Framing.none;
    this.sentBytes = 0;
  }

  /** True when only the end of the connection ends the body being sent. */
  get isCloseDelimited(): boolean {
    return this.framing === Framing.close;
  }

  drop(): void {
    this.out.drop();
  }

  sendContinue(): void {
    this.sendBytes(CONTINUE);
  }

  sendInterim(head: ResponseHead): void {
    const chunks = this.plane.backend.chunks;
    const chunk = chunks.acquireReserved(head.end - head.start + OWN_LINES_SIZE);
    if (chunk === null) return;
    writer.begin(chunk.bytes, CHUNK_HEADROOM, chunk.bytes.length - CHUNK_TAILROOM);
    writer.statusLine(head.status, head.bytes, head.reasonStart, head.reasonEnd);
    writer.copyFields(head.fields, null);
    writer.frameNone();
    const end = writer.finish();
    if (end > 0) this.write(chunk, CHUNK_HEADROOM, end);
    chunks.release(chunk);
  }

  /** Gathers the head, so that the first body bytes leave in the same write. */
  sendHead(head: ResponseHead, exchange: Exchange, available: number, extra: string): Fault {
    this.framing = this.framingFor(head, exchange.isHeadRequest);
    const chunks = this.plane.backend.chunks;
    const needed = head.end - head.start + OWN_LINES_SIZE + extra.length + CHUNK_FRAME_SIZE;
    const together = needed + available;
    const chunk = chunks.acquireReserved(together <= TOGETHER_SIZE_MAX ? together : needed);
    if (chunk === null) {
      return needed > chunks.sizeMax ? Fault.responseHeadTooLarge : Fault.memoryLimit;
    }
    writer.begin(chunk.bytes, CHUNK_HEADROOM, chunk.bytes.length - CHUNK_TAILROOM);
    writer.statusLine(head.status, head.bytes, head.reasonStart, head.reasonEnd);
    writer.copyFields(head.fields, null);
    if (head.fields.find(Field.date) < 0) writer.line(this.plane.dateLine());
    if (extra !== '') writer.line(latin1Bytes(extra));
    const hsts = hstsFor(exchange, head);
    if (hsts !== null) writer.line(hsts);
    this.writeConnection();
    this.writeFraming(head);
    const end = writer.finish();
    if (end < 0) {
      chunks.release(chunk);
      return Fault.responseHeadTooLarge;
    }
    this.out.take(chunk, CHUNK_HEADROOM, end);
    return Fault.none;
  }

  /** @returns false for backpressure */
  sendBody(chunk: Chunk, start: number, end: number, isEnd: boolean): boolean {
    if (this.framing === Framing.none) return isEnd ? this.flush() : true;
    if (this.framing !== Framing.chunked) return this.sendPiece(chunk, start, end);
    if (start === end) {
      if (isEnd) this.sendLastChunk();
      return this.flush();
    }
    if (this.out.room < end - start + CHUNK_FRAME_SIZE) this.flush();
    const from = chunkHeaderBefore(chunk.bytes, start, end - start);
    return this.sendPiece(chunk, from, writeChunkTail(chunk.bytes, end, isEnd));
  }

  /** A complete response of the proxy's own. */
  sendOwn(
    status: number,
    contentType: string,
    body: string,
    extra: string,
    // oxlint-disable-next-line max-params -- a whole response; cold.
    isHeadRequest: boolean,
  ): void {
    const bytes = utf8Bytes(body);
    const typed = body === '' ? '' : `Content-Type: ${contentType}\r\n`;
    const lines = latin1Bytes(`${typed}${extra}`);
    const chunks = this.plane.backend.chunks;
    const size = OWN_LINES_SIZE + lines.length + bytes.length;
    const chunk = chunks.acquireReserved(size);
    if (chunk === null) {
      this.keepAlive = false; // Nothing can be said; closing says it.
      return;
    }
    writer.begin(chunk.bytes, CHUNK_HEADROOM, chunk.bytes.length - CHUNK_TAILROOM);
    writer.statusLine(status, NO_REASON, 0, 0);
    writer.line(this.plane.dateLine());
    writer.line(lines);
    this.writeConnection();
    if (status === 204 || status === 304) writer.frameNone();
    else writer.frameLength(bytes.length);
    let end = writer.finish();
    if (end > 0 && !isHeadRequest) {
      chunk.bytes.set(bytes, end);
      end += bytes.length;
    }
    if (end > 0) this.write(chunk, CHUNK_HEADROOM, end);
    chunks.release(chunk);
  }

  /** The 101 head, as the origin gave it. */
  sendUpgrade(head: ResponseHead): boolean {
    const chunks = this.plane.backend.chunks;
    const chunk = chunks.acquireReserved(head.end - head.start + OWN_LINES_SIZE);
    if (chunk === null) return false;
    writer.begin(chunk.bytes, CHUNK_HEADROOM, chunk.bytes.length - CHUNK_TAILROOM);
    writer.statusLine(head.status, head.bytes, head.reasonStart, head.reasonEnd);
    writer.copyFields(head.fields, null);
    writer.line(UPGRADE);
    writer.frameNone();
    const end = writer.finish();
    if (end > 0) this.write(chunk, CHUNK_HEADROOM, end);
    chunks.release(chunk);
    return end > 0;
  }

  private framingFor(head: ResponseHead, isHeadRequest: boolean): Framing {
    if (isHeadRequest || head.framing === Framing.none) return Framing.none;
    if (head.framing === Framing.length) return Framing.length;
    if (this.clientVersionMinor === 1) return Framing.chunked;
    this.keepAlive = false; // An HTTP/1.0 client knows no other end.
    return Framing.close;
  }

  private writeConnection(): void {
    if (!this.keepAlive) writer.line(CLOSE);
    else if (this.clientVersionMinor === 0) writer.line(KEEP_ALIVE);
  }

  private writeFraming(head: ResponseHead): void {
    if (this.framing === Framing.chunked) writer.frameChunked();
    else if (this.framing === Framing.length) writer.frameLength(head.contentLength);
    else if (this.framing === Framing.none && head.contentLength >= 0 && head.status !== 204) {
      writer.frameLength(head.contentLength); // HEAD and 304 say what a GET would carry.
    } else writer.frameNone();
  }

  /** Sends bytes behind what is gathered, in one write when they fit. */
  private sendPiece(chunk: Chunk, start: number, end: number): boolean {
    if (this.out.chunk !== null && end - start <= this.out.room) {
      if (end > start) this.out.append(chunk.bytes, start, end);
      return this.flush();
    }
    const isFlushed = this.flush();
    if (end === start) return isFlushed;
    return this.write(chunk, start, end);
  }

  private sendLastChunk(): void {
    if (this.out.room >= LAST_CHUNK.length) {
      this.out.append(LAST_CHUNK, 0, LAST_CHUNK.length);
      return;
    }
    this.flush();
    this.sendBytes(LAST_CHUNK);
  }

  private sendBytes(bytes: Uint8Array): void {
    const chunks = this.plane.backend.chunks;
    const chunk = chunks.acquireReserved(bytes.length);
    if (chunk === null) {
      this.connection.reset(); // The message cannot be completed; it must not look complete.
      return;
    }
    chunk.bytes.set(bytes, CHUNK_HEADROOM);
    this.write(chunk, CHUNK_HEADROOM, CHUNK_HEADROOM + bytes.length);
    chunks.release(chunk);
  }

  private flush(): boolean {
    if (this.out.chunk === null) return this.connection.isDrained;
    this.sentBytes += this.out.end - this.out.start;
    return this.out.flush(this.connection);
  }

  private write(chunk: Chunk, start: number, end: number): boolean {
    this.sentBytes += end - start;
    return this.connection.write(chunk, start, end);
  }
}
