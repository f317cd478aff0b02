/**
 * What a listener gives to the acceptance of a connection, and what it gets back.
 *
 * O1  exactly one of `onSecure`, `onPlain`, `onPassthrough` and `onGone` is called per acceptance,
 *     once, and it is its last call. After the first three the connection belongs to the owner,
 *     who sets its `events` inside the call; after `onGone` the connection is closed.
 * O2  none is called from inside a method of the acceptance but `abort` and `makeRoom`, which call
 *     `onGone`.
 */

import type { CidrSet } from '../../base/cidr.ts';
import type { Fault } from '../../contract/fault.ts';
import type { Chunk } from '../io/backend.ts';
import type { Acceptance } from './acceptance.ts';
import type { LinkedPassthrough, ListenerTls } from './linked-tls.ts';

/** All fields are read when they are needed: they may change with a reload. */
export interface AcceptanceOwner {
  /** Of the current generation; null: the listener has no TLS. */
  readonly listenerTls: ListenerTls | null;
  /**
   * Whose connections begin with a PROXY header, and must; null: nobody's. Where it is not null,
   * those of unix sockets, which have no address, must as well.
   */
  readonly proxyPeers: CidrSet | null;
  /** First cell of the listener's metric block. */
  readonly metricBase: number;
  /** How long a PROXY header may take where the listener has no TLS policy. */
  readonly headTimeoutMs: number;
  /** Fingerprints are wanted for a log. */
  readonly wantsFingerprint: boolean;
  /** The handshake has ended: `connection.tls` says how. Nothing has been read yet. */
  onSecure(acceptance: Acceptance): void;
  /**
   * No TLS here. `chunk.bytes[start, end)` is what came behind the PROXY header, perhaps nothing;
   * borrowed for the call. The connection reads.
   */
  onPlain(acceptance: Acceptance, chunk: Chunk, start: number, end: number): void;
  /**
   * To be passed on as it is: `chunk.bytes[start, end)` is all that came, from the first byte of
   * the ClientHello on; borrowed for the call. The connection reads.
   */
  onPassthrough(
    acceptance: Acceptance,
    passthrough: LinkedPassthrough,
    chunk: Chunk,
    start: number,
    end: number,
  ): void;
  /**
   * The connection is closed, and nobody else has had it.
   * @param fault why; already counted. `Fault.none`: it came and went without a byte, or its
   *        handshake was the answer to a challenge
   */
  onGone(acceptance: Acceptance, fault: Fault): void;
}
