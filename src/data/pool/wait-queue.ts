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
  /** When the timer fires; only while it is set. */
  private timerAtMs = 0;

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
    const deadlineMs = this.backend.nowMs() + timeoutMs;
    this.waiters.push({ attempt, deadlineMs });
    if (this.timer.isSet && deadlineMs >= this.timerAtMs) return;
    this.timerAtMs = deadlineMs;
    this.timer.set(timeoutMs);
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

  /** Mostly the first ones; a new generation may have brought a shorter timeout. */
  private expire(): void {
    const nowMs = this.backend.nowMs();
    for (const waiter of this.waiters.filter(({ deadlineMs }) => deadlineMs <= nowMs)) {
      const index = this.waiters.indexOf(waiter);
      if (index < 0) continue; // It has left meanwhile.
      this.waiters.splice(index, 1);
      waiter.attempt.onLeaseFault(Fault.queueTimeout);
    }
    this.onExpired();
    if (this.waiters.length === 0) return;
    this.timerAtMs = Math.min(...this.waiters.map(({ deadlineMs }) => deadlineMs));
    this.timer.set(Math.max(this.timerAtMs - nowMs, 1));
  }
}
