/**
 * Balancers: choose an endpoint for an attempt. Weighted choice is a table laid out beforehand
 * (candidates.ts), so that a choice costs the same for any number of endpoints and any health.
 */

import type { BalanceMode } from '../../contract/snapshot.ts';
import type { Candidates } from './candidates.ts';
import type { Endpoint } from './endpoint.ts';

/** For a first attempt. */
export const NONE_TRIED: readonly Endpoint[] = [];

export interface Balancer {
  /**
   * @param tried endpoints this exchange has tried; chosen again only when there is no other. At
   *     most as many as an exchange has attempts; only read
   * @returns null when the service has no candidate
   */
  pick(tried: readonly Endpoint[]): Endpoint | null;
}

/**
 * Links the balancer of one service. It follows what becomes of `candidates`.
 * @param random uniform in [0, 1)
 * @param position where round-robin goes on after a reload
 */
export function linkBalancer(
  mode: BalanceMode,
  candidates: Candidates,
  random: () => number,
  position: Position,
): Balancer {
  switch (mode) {
    case 'round-robin':
      return new RoundRobin(candidates, position);
    case 'random':
      return new RandomChoice(candidates, random);
    case 'least-requests':
      return new LeastRequests(candidates, random);
  }
}

/** Round-robin's place in the schedule; kept by key across generations. */
export class Position {
  value = 0;
}

/** Weighted round-robin over the interleaved schedule. */
class RoundRobin implements Balancer {
  private readonly candidates: Candidates;
  private readonly position: Position;

  constructor(candidates: Candidates, position: Position) {
    this.candidates = candidates;
    this.position = position;
  }

  pick(tried: readonly Endpoint[]): Endpoint | null {
    const { schedule } = this.candidates;
    const count = schedule.length;
    if (count === 0) return null;
    let index = this.position.value;
    if (index >= count) index %= count;
    if (tried.length > 0) index = firstUntried(schedule, index, tried);
    this.position.value = index + 1;
    return schedule[index]!;
  }
}

/** A weighted draw. */
class RandomChoice implements Balancer {
  private readonly candidates: Candidates;
  private readonly random: () => number;

  constructor(candidates: Candidates, random: () => number) {
    this.candidates = candidates;
    this.random = random;
  }

  pick(tried: readonly Endpoint[]): Endpoint | null {
    const { schedule } = this.candidates;
    const count = schedule.length;
    if (count === 0) return null;
    return schedule[firstUntried(schedule, Math.floor(this.random() * count), tried)]!;
  }
}

/** Two weighted draws, the less loaded wins ("power of two choices"). */
class LeastRequests implements Balancer {
  private readonly candidates: Candidates;
  private readonly random: () => number;

  constructor(candidates: Candidates, random: () => number) {
    this.candidates = candidates;
    this.random = random;
  }

  pick(tried: readonly Endpoint[]): Endpoint | null {
    const { schedule } = this.candidates;
    const count = schedule.length;
    if (count === 0) return null;
    const first = schedule[firstUntried(schedule, Math.floor(this.random() * count), tried)]!;
    const second = schedule[firstOther(schedule, Math.floor(this.random() * count), first)]!;
    if (isTried(tried, second)) return first;
    const isFirstLighter =
      first.inFlight * second.rampedWeight <= second.inFlight * first.rampedWeight;
    return isFirstLighter ? first : second;
  }
}

/** Index of the first place from `start` on whose endpoint was not tried; `start` if all were. */
function firstUntried(
  schedule: readonly Endpoint[],
  start: number,
  tried: readonly Endpoint[],
): number {
  if (tried.length === 0) return start;
  const count = schedule.length;
  for (let step = 0; step < count; step++) {
    const index = (start + step) % count;
    if (!isTried(tried, schedule[index]!)) return index;
  }
  return start;
}

/** Index of the first place from `start` on with another endpoint; `start` if there is none. */
function firstOther(schedule: readonly Endpoint[], start: number, avoid: Endpoint): number {
  const count = schedule.length;
  for (let step = 0; step < count; step++) {
    const index = (start + step) % count;
    if (schedule[index]! !== avoid) return index;
  }
  return start;
}

function isTried(tried: readonly Endpoint[], endpoint: Endpoint): boolean {
  for (let i = 0; i < tried.length; i++) if (tried[i] === endpoint) return true;
  return false;
}
