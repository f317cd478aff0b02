/**
 * A timer on the virtual clock: exact to the millisecond, where the real wheel is coarse.
 */

import type { Timer } from '../backend.ts';
import type { SimWorld } from './sim-world.ts';

export class SimTimer implements Timer {
  isSet = false;
  #deadlineMs = 0;
  /** Time of the event that will look at this timer; Infinity when there is none. */
  #eventAtMs = Infinity;
  readonly #world: SimWorld;
  readonly #onTimer: () => void;

  constructor(world: SimWorld, onTimer: () => void) {
    this.#world = world;
    this.#onTimer = onTimer;
  }

  set(delayMs: number): void {
    this.isSet = true;
    this.#deadlineMs = this.#world.nowMs + Math.max(0, delayMs);
    if (this.#deadlineMs < this.#eventAtMs) this.#look(this.#deadlineMs);
  }

  get remainingMs(): number {
    return this.isSet ? this.#deadlineMs - this.#world.nowMs : 0;
  }

  clear(): void {
    this.isSet = false;
  }

  #look(atMs: number): void {
    this.#eventAtMs = atMs;
    this.#world.at(atMs, () => {
      if (this.#eventAtMs !== atMs) return; // An earlier one took over.
      this.#eventAtMs = Infinity;
      if (!this.isSet) return;
      if (this.#deadlineMs > atMs) {
        this.#look(this.#deadlineMs);
        return;
      }
      this.isSet = false;
      this.#onTimer();
    });
  }
}
