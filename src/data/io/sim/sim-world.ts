/**
 * What every part of a simulation shares: the virtual clock, the one source of randomness, and
 * the rules of the network.
 */

import { Prng } from '../../../base/prng.ts';
import { EventQueue } from './event-queue.ts';

/** Rules of the network. All chances are per operation, in [0, 1]. */
export interface SimNetworkOptions {
  /** One way, in milliseconds; drawn anew for each segment, order is kept. */
  readonly latencyMinMs: number;
  readonly latencyMaxMs: number;
  /** Bytes a sender may have under way and unread before its writes queue. */
  readonly windowSize: number;
  /** That a segment or a read is cut at a random place. */
  readonly splitChance: number;
  /** That a write is taken only in part although there is room. */
  readonly partialWriteChance: number;
  /** That bytes arrive in the shared chunk (as with `node`) and not in one of their own. */
  readonly sharedChance: number;
}

export const NETWORK_DEFAULTS: SimNetworkOptions = {
  latencyMinMs: 0.1,
  latencyMaxMs: 1,
  windowSize: 65_536,
  splitChance: 0.2,
  partialWriteChance: 0.1,
  sharedChance: 0.5,
};

/** A run of more events than this is a livelock. */
const EVENTS_MAX = 20_000_000;

export class SimWorld {
  nowMs = 0;
  readonly prng: Prng;
  /** A test may change the rules on the way. */
  readonly network: { -readonly [K in keyof SimNetworkOptions]: SimNetworkOptions[K] };
  readonly #events = new EventQueue();
  readonly #deferred: (() => void)[] = [];

  constructor(seed: number, network: Partial<SimNetworkOptions>) {
    this.prng = new Prng(seed);
    this.network = { ...NETWORK_DEFAULTS, ...network };
  }

  /** Events to come, timers included. */
  get eventCount(): number {
    return this.#events.count;
  }

  latencyMs(): number {
    const { latencyMinMs, latencyMaxMs } = this.network;
    return latencyMinMs + this.prng.next() * (latencyMaxMs - latencyMinMs);
  }

  /** Runs `task` as an event of its own, at `atMs` or now if that is past. */
  at(atMs: number, task: () => void): void {
    this.#events.add(Math.max(atMs, this.nowMs), task);
  }

  /** Runs `task` as the next event. */
  soon(task: () => void): void {
    this.#events.add(this.nowMs, task);
  }

  /** Runs `task` behind the current event, before the next one. */
  defer(task: () => void): void {
    this.#deferred.push(task);
  }

  /** Runs everything due in the next `ms` milliseconds, in order, and moves the clock there. */
  advanceMs(ms: number): void {
    const endMs = this.nowMs + ms;
    this.#runDeferred();
    for (let count = 0; this.#events.nextAtMs <= endMs; count++) {
      if (count > EVENTS_MAX) throw new Error('the simulation does not come to rest');
      this.step();
    }
    this.nowMs = endMs;
  }

  /** Runs the next event and moves the clock to it. @returns false when there is none */
  step(): boolean {
    this.#runDeferred();
    const atMs = this.#events.nextAtMs;
    const task = this.#events.take();
    if (task === null) return false;
    this.nowMs = Math.max(this.nowMs, atMs);
    task();
    this.#runDeferred();
    return true;
  }

  #runDeferred(): void {
    for (let task = this.#deferred.shift(); task !== undefined; task = this.#deferred.shift()) {
      task();
    }
  }
}
