/**
 * Discarded response: takes the place of an attempt whose answer nobody wants, so that its
 * connection can be used again. An answer that is too long costs the connection instead, and so
 * does one that others would have to wait for.
 */

import type { ResponseHead } from '../codec/head.ts';
import type { Chunk } from '../io/backend.ts';
import type { AttemptEvents } from './attempt-events.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { UpstreamConnection } from './upstream-connection.ts';

/** Body bytes read for nothing: more would cost more than a new connection. */
const DISCARD_SIZE_MAX = 16_384;

export class DiscardedResponse implements AttemptEvents {
  readonly responseHead: ResponseHead;
  readonly isHeadRequest = false;
  readonly wantsUpgrade = false;
  private readonly connection: UpstreamConnection;
  private readonly pool: EndpointPool;
  private size = 0;

  /** @param head of the response; parsed, and not looked at any more */
  constructor(connection: UpstreamConnection, pool: EndpointPool, head: ResponseHead) {
    this.connection = connection;
    this.pool = pool;
    this.responseHead = head;
  }

  onResponseBody(_chunk: Chunk, start: number, end: number, isEnd: boolean): void {
    this.size += end - start;
    const isTooMuch = this.size > DISCARD_SIZE_MAX || this.pool.queueCount > 0;
    if (!isEnd && isTooMuch) this.connection.abort();
  }

  // Nothing else concerns anybody.

  onLease(): void {}
  onLeaseFault(): void {}
  onInterim(): void {}
  onResponseHead(): void {}
  onResponseEnd(): void {}
  onUpstreamWritable(): void {}
  onTunnelReadable(): void {}
  onTunnelEnd(): void {}
  onAttemptFault(): void {}
}
