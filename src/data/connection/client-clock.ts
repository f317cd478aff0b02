/**
 * Client clock: what a client connection waits for, and for how long. One timer per connection;
 * changing what is waited for re-arms it, which the wheel does without work.
 */

import type { LimitsSpec } from '../../contract/snapshot.ts';
import type { Plane } from '../exchange/plane.ts';
import type { Connection, Timer } from '../io/backend.ts';

/** What is due from the client. */
export const Wait = {
  none: 0,
  head: 1,
  keepAlive: 2,
  body: 3,
  write: 4,
  linger: 5,
  /** A sign of life of the exchange, after the client has ended its side. */
  progress: 6,
} as const;
export type Wait = (typeof Wait)[keyof typeof Wait];

/** Longest time a closing connection discards what the client still sends. */
const LINGER_MS = 5_000;
/**
 * A client that has ended its side may have only half-closed, or be gone: TCP does not tell. It
 * gets its answer when that comes soon; an origin works at most this long for nobody.
 */
const HALF_CLOSED_MS = 900;

export class ClientClock {
  /** A timer that fires when this is `none` finds nothing to do. */
  wait: Wait = Wait.none;
  private readonly plane: Plane;
  private readonly timer: Timer;
  /** What the kernel had taken when the wait for a slow reader began. */
  private takenSize = 0;
  private takenAtMs = 0;

  /** @param onOverdue called with what did not come in time */
  constructor(plane: Plane, onOverdue: (wait: Wait) => void) {
    this.plane = plane;
    this.timer = plane.backend.timer(() => {
      if (this.wait !== Wait.none) onOverdue(this.wait);
    });
  }

  start(wait: Wait): void {
    this.wait = wait;
    if (wait !== Wait.none) this.timer.set(timeoutOf(wait, this.plane.linked.limits));
  }

  /** Starts to wait for the client to take what is queued on `connection`. */
  startWrite(connection: Connection): void {
    this.takenSize = connection.takenSize;
    this.takenAtMs = this.plane.backend.nowMs();
    this.start(Wait.write);
  }

  /** Slow but steady is fine: whether any byte was taken since `startWrite`. */
  hasTaken(connection: Connection): boolean {
    return connection.takenSize > this.takenSize;
  }

  /** True when it has waited for a reader for `stalledMs`; `hasTaken` tells whether in vain. */
  isStalled(stalledMs: number): boolean {
    return this.wait === Wait.write && this.plane.backend.nowMs() - this.takenAtMs >= stalledMs;
  }

  /** How long it has waited. */
  get waitedMs(): number {
    if (this.wait === Wait.none) return 0;
    return timeoutOf(this.wait, this.plane.linked.limits) - this.timer.remainingMs;
  }

  stop(): void {
    this.wait = Wait.none;
    this.timer.clear();
  }
}

function timeoutOf(wait: Wait, limits: LimitsSpec): number {
  switch (wait) {
    case Wait.head:
      return limits.headTimeoutMs;
    case Wait.keepAlive:
      return limits.keepAliveTimeoutMs;
    case Wait.body:
      return limits.bodyProgressTimeoutMs;
    case Wait.write:
      return limits.writeProgressTimeoutMs;
    case Wait.progress:
      return HALF_CLOSED_MS;
    default:
      return LINGER_MS;
  }
}
