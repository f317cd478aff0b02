/**
 * Written request: the head of an exchange as it goes to the origin, kept for as long as it may be
 * sent again. Holds at most one reference to one chunk.
 */

import type { Endpoint } from '../balance/endpoint.ts';
import type { Chunk } from '../io/backend.ts';
import type { UpstreamConnection } from '../pool/upstream-connection.ts';
import type { Exchange } from './exchange.ts';
import { rehost, writeRequestHead, written } from './request-writer.ts';

export class WrittenRequest {
  private chunk: Chunk | null = null;
  private start = 0;
  private end = 0;
  private readonly exchange: Exchange;

  constructor(exchange: Exchange) {
    this.exchange = exchange;
  }

  /** False once the head was sent in a way that cannot be repeated. */
  get isKept(): boolean {
    return this.chunk !== null;
  }

  /**
   * Writes the head, or adapts the one that is written when this is another attempt: the received
   * head is gone by then.
   * @returns false when there is no memory for it
   */
  prepare(endpoint: Endpoint, passHost: boolean): boolean {
    const previous = this.chunk;
    if (previous !== null && passHost) return true;
    const chunks = this.exchange.plane.backend.chunks;
    const chunk =
      previous === null
        ? writeRequestHead(this.exchange, endpoint)
        : rehost(chunks, previous, this.start, this.end, endpoint);
    this.drop();
    this.chunk = chunk;
    this.start = written.start;
    this.end = written.end;
    return chunk !== null;
  }

  /** Gives the head to `upstream`. @param isRepeatable keep it for another attempt */
  send(upstream: UpstreamConnection, isRepeatable: boolean): void {
    const chunk = this.chunk!;
    if (isRepeatable) this.exchange.plane.backend.chunks.retain(chunk);
    else this.chunk = null; // Its reference goes along.
    upstream.sendHead(chunk, this.start, this.end);
  }

  drop(): void {
    if (this.chunk === null) return;
    this.exchange.plane.backend.chunks.release(this.chunk);
    this.chunk = null;
  }
}
