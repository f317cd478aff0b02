/**
 * What an upstream connection tells the attempt that leases it. Implemented by the exchange.
 */

import type { Fault } from '../../contract/fault.ts';
import type { ResponseHead } from '../codec/head.ts';
import type { Chunk } from '../io/backend.ts';
import type { UpstreamConnection } from './upstream-connection.ts';

export interface AttemptEvents {
  /** A connection for this attempt; the attempt now owns the lease until it ends. */
  onLease(connection: UpstreamConnection): void;
  /** No connection could be had. Nothing was sent. */
  onLeaseFault(fault: Fault): void;
  /** The head object into which this attempt's response is parsed. */
  readonly responseHead: ResponseHead;
  /** True for HEAD: the response has no body (RFC 9112 §6.3). */
  readonly isHeadRequest: boolean;
  /** True when this request asked for an upgrade that may be granted. */
  readonly wantsUpgrade: boolean;
  /** A 1xx response other than 101, valid during the call. */
  onInterim(head: ResponseHead): void;
  /**
   * The final response head (or 101), valid during the call. `available` body bytes are at hand;
   * `onResponseBody` follows in the same callback, even for an empty body.
   */
  onResponseHead(head: ResponseHead, available: number): void;
  /**
   * Decoded body bytes, borrowed for the call; may be empty. `isEnd` once, with the last of them:
   * the lease has ended, the connection must not be used any more, and `onResponseEnd` follows.
   */
  onResponseBody(chunk: Chunk, start: number, end: number, isEnd: boolean): void;
  /** The response is complete and the connection is back in its pool or closed. */
  onResponseEnd(): void;
  /** The upstream connection takes request bytes again. */
  onUpstreamWritable(): void;
  /** Bytes of an upgraded connection. */
  onTunnelReadable(chunk: Chunk, start: number, end: number): void;
  /** The origin ended its side of an upgraded connection. */
  onTunnelEnd(): void;
  /** The attempt failed; the lease has ended and the connection is gone. */
  onAttemptFault(fault: Fault): void;
}
