/**
 * The client's side of one exchange, whatever the protocol: an HTTP/1.1 connection implements it
 * for one exchange at a time, an HTTP/2 or HTTP/3 stream will for its only one.
 */

import type { Fault } from '../../contract/fault.ts';
import type { ResponseHead } from '../codec/head.ts';
import type { Chunk } from '../io/backend.ts';
import type { UpstreamConnection } from '../pool/upstream-connection.ts';
import type { AccessRecord } from '../record/access-record.ts';
import type { ClientPeer } from './client-peer.ts';
import type { LinkedSnapshot } from './linked-snapshot.ts';

/** A passthrough: it has no request, only a begin. */
export interface TunnelOpening {
  /** `upstream` takes the bytes of the client as they are from now on, and the client may go on. */
  openTunnel(upstream: UpstreamConnection): void;
  /** Fills in what the access log says of it, where that is not what it says of a request. */
  describe(record: AccessRecord): void;
}

export interface ClientStream {
  /** The generation that routes the next exchange to begin. */
  readonly linked: LinkedSnapshot;
  /** The client as `linked` sees it; read both together. */
  readonly peer: ClientPeer;
  /** True when every byte of the request has been read and passed on. */
  readonly isRequestComplete: boolean;
  /** Bytes sent for this exchange so far, heads and framing included. */
  readonly sentBytes: number;
  /** Allows the client to send the body it announced with `Expect: 100-continue`. */
  sendContinue(): void;
  /** Relays a 1xx response. */
  sendInterim(head: ResponseHead): void;
  /**
   * Writes the response head, framed for this client, and gathers it; `sendBody` follows at once.
   * @param available body bytes at hand, so that head and body can leave together
   * @param extraFields complete field lines to add, or empty
   * @returns why nothing was sent: the head does not fit, or memory is exhausted; else `Fault.none`
   */
  sendHead(head: ResponseHead, available: number, extraFields: string): Fault;
  /**
   * Sends decoded body bytes, framed for this client.
   * @returns false for backpressure: pause the origin until `Exchange.onClientWritable`
   */
  sendBody(chunk: Chunk, start: number, end: number, isEnd: boolean): boolean;
  /**
   * Sends a complete response of the proxy's own.
   * @param mustClose true when nothing more may be read from this client's connection
   */
  sendOwn(
    status: number,
    contentType: string,
    body: string,
    extraFields: string,
    mustClose: boolean,
  ): void;
  /** Sends the 101 head: from now on bytes are relayed as they are. */
  sendUpgrade(head: ResponseHead): boolean;
  sendTunnel(chunk: Chunk, start: number, end: number): boolean;
  endTunnel(): void;
  /** Stops and goes on reading the request body (or tunnel bytes). */
  pauseRequest(): void;
  resumeRequest(): void;
  /**
   * The exchange is over and recycled after this call. The stream goes on with the next request,
   * or closes when it must.
   */
  finish(): void;
  /** Ends the stream so that the client cannot take the response for complete. */
  abort(fault: Fault): void;
}
