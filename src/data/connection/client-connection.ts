/**
 * What a listener asks of every connection it has accepted, whatever it carries, and what a
 * connection asks of its listener.
 */

import type { Exchange } from '../exchange/exchange.ts';
import type { LinkedSnapshot } from '../exchange/linked-snapshot.ts';
import type { Idler } from '../overload/idle-sweep.ts';

/** Who keeps count of open connections. */
export interface ConnectionOwner {
  /** The generation that routes exchanges begun from now on … */
  readonly linked: LinkedSnapshot;
  /** … and the owner's place in it. */
  readonly listenerIndex: number;
  /** Each answer is the last one of its connection. */
  readonly isDraining: boolean;
  /** First cell of the listener's metric block. */
  readonly metricBase: number;
  /** The port it listens on; 0 for unix sockets. */
  readonly port: number;
  onConnectionClosed(connection: ClientConnection): void;
}

export interface ClientConnection extends Idler {
  /** What its listener counts it for; empty for unix sockets. */
  readonly peerAddress: string;
  /** Closes when idle; else as soon as that loses no answer. */
  closeIdle(): void;
  /** Gives the client up when it has taken nothing of what is queued for `stalledMs`. */
  closeIfStalled(stalledMs: number): void;
  /** Calls `visit` with the exchange in progress, if there is one. It may end it. */
  visitExchange(visit: (exchange: Exchange) => void): void;
  /** Ends everything now, without an answer. */
  abortNow(): void;
}
