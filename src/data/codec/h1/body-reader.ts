/**
 * Reads one message body, however it is framed (RFC 9112 §6.3). Sans-IO; recycled by `begin`.
 */

import { Fault } from '../../../contract/fault.ts';
import type { H1Limits } from '../head.ts';
import { Framing } from '../head.ts';
import { ChunkedDecoder, ChunkedState } from './chunked-decoder.ts';

/** What `read` reports: more bytes are due, the body is complete, or it is broken. */
export const BodyState = ChunkedState;
export type BodyState = ChunkedState;

export class BodyReader {
  /** Payload of the last call is `bytes[dataStart, dataEnd)`. */
  dataStart = 0;
  dataEnd = 0;
  /** Offset past the last byte that belongs to this body. */
  position = 0;
  /** Set once the state is `fault`. */
  fault: Fault = Fault.none;
  framing: Framing = Framing.none;
  private remaining = 0;
  private decoder: ChunkedDecoder | null = null;
  private readonly isResponse: boolean;

  constructor(isResponse: boolean) {
    this.isResponse = isResponse;
  }

  /**
   * Starts a body.
   * @param contentLength only for `Framing.length`
   * @param sizeMax ceiling of a chunked body in bytes; 0 for none
   */
  begin(framing: Framing, contentLength: number, limits: H1Limits, sizeMax: number): void {
    this.framing = framing;
    this.fault = Fault.none;
    this.remaining = framing === Framing.length ? contentLength : 0;
    if (framing !== Framing.chunked) return;
    this.decoder ??= new ChunkedDecoder(this.isResponse);
    this.decoder.reset(limits, sizeMax);
  }

  /** Takes the body bytes in `[start, end)`; chunked ones are compacted in place. */
  read(bytes: Uint8Array, start: number, end: number): BodyState {
    if (this.framing === Framing.chunked) return this.readChunked(bytes, start, end);
    this.dataStart = start;
    const isClose = this.framing === Framing.close;
    const size = isClose ? end - start : Math.min(end - start, this.remaining);
    this.dataEnd = start + size;
    this.position = this.dataEnd;
    if (isClose) return BodyState.more;
    this.remaining -= size;
    return this.remaining === 0 ? BodyState.done : BodyState.more;
  }

  private readChunked(bytes: Uint8Array, start: number, end: number): BodyState {
    const decoder = this.decoder!;
    const state = decoder.decode(bytes, start, end);
    this.dataStart = decoder.dataStart;
    this.dataEnd = decoder.dataEnd;
    this.position = decoder.position;
    this.fault = decoder.fault;
    return state;
  }
}
