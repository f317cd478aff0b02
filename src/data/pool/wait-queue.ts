/**
 * Wait queue: attempts waiting for a connection of one endpoint, or exchanges for a place at their
 * service, first come first served, each with a deadline. Cold: only reached at a limit.
 */

import type { IoBackend, Timer } from '../io/backend.ts';

interface Waiter<Item> {
  readonly item: Item;
  readonly deadlineMs: number;
}

export class WaitQueue<Item> {
  private readonly backend: IoBackend;
  private readonly timer: Timer;
  private readonly waiters: Waiter<Item>[] = [];
  private readonly giveUp: (item: Item) => void;
  private readonly onExpired: () => void;
  /** When the timer fires; only while it is set. */
  private timerAtMs = 0;

  /**
   * @param giveUp    called with each item whose time is over; it has left the queue
   * @param onExpired called after all of them have left
   */
  constructor(backend: IoBackend, giveUp: (item: Item) => void, onExpired: () => void) {
    this.backend = backend;
    this.giveUp = giveUp;
    this.onExpired = onExpired;
    this.timer = backend.timer(() => this.expire());
  }

  get count(): number {
    return this.waiters.length;
  }

  /** Adds at the end. Past `timeoutMs` it is given up. */
  add(item: Item, timeoutMs: number): void {
    const deadlineMs = this.backend.nowMs() + timeoutMs;
    this.waiters.push({ item, deadlineMs });
    if (this.timer.isSet && deadlineMs >= this.timerAtMs) return;
    this.timerAtMs = deadlineMs;
    this.timer.set(timeoutMs);
  }

  /** Takes the one that has waited longest; null when nobody waits. */
  shift(): Item | null {
    const waiter = this.waiters.shift();
    return waiter === undefined ? null : waiter.item;
  }

  /** @returns false when it was not waiting */
  remove(item: Item): boolean {
    const index = this.waiters.findIndex((waiter) => waiter.item === item);
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
      this.giveUp(waiter.item);
    }
    this.onExpired();
    if (this.waiters.length === 0) return;
    this.timerAtMs = this.waiters.reduce((at, one) => Math.min(at, one.deadlineMs), Infinity);
    this.timer.set(Math.max(this.timerAtMs - nowMs, 1));
  }
}
