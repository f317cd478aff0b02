/**
 * Wait queue: attempts waiting for a connection of one endpoint, first come first served, each
 * with a deadline. Cold: only reached when an endpoint is at its connection limit.
 */

import { Fault } from '../../contract/fault.ts';
import type { IoBackend, Timer } from '../io/backend.ts';
import type { AttemptEvents } from './attempt-events.ts';

interface Waiter {
  readonly attempt: AttemptEvents;
  readonly deadlineMs: number;
}

export class WaitQueue {
  private readonly backend: IoBackend;
  private readonly timer: Timer;
  private readonly waiters: Waiter[] = [];
  private readonly onExpired: () => void;

  /** @param onExpired called after attempts have left because their time was over */
  constructor(backend: IoBackend, onExpired: () => void) {
    this.backend = backend;
    this.onExpired = onExpired;
    this.timer = backend.timer(() => this.expire());
  }

  get count(): number {
    return this.waiters.length;
  }

  /** Adds at the end. Past `timeoutMs` the attempt gets `onLeaseFault(queueTimeout)`. */
  add(attempt: AttemptEvents, timeoutMs: number): void {
    this.waiters.push({ attempt, deadlineMs: this.backend.nowMs() + timeoutMs });
    if (!this.timer.isSet) this.timer.set(timeoutMs);
  }

  /** Takes the one that has waited longest; null when nobody waits. */
  shift(): AttemptEvents | null {
    const waiter = this.waiters.shift();
    return waiter === undefined ? null : waiter.attempt;
  }

  /** @returns false when the attempt was not waiting */
  remove(attempt: AttemptEvents): boolean {
    const index = this.waiters.findIndex((waiter) => waiter.attempt === attempt);
    if (index < 0) return false;
    this.waiters.splice(index, 1);
    return true;
  }

  private expire(): void {
    const nowMs = this.backend.nowMs();
    while (this.waiters.length > 0 && this.waiters[0]!.deadlineMs <= nowMs) {
      this.waiters.shift()!.attempt.onLeaseFault(Fault.queueTimeout);
    }
    const first = this.waiters[0];
    if (first !== undefined) this.timer.set(Math.max(first.deadlineMs - nowMs, 1));
    this.onExpired();
  }
}
