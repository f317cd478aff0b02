/**
 * Balancers: choose an endpoint for an attempt. Weighted choice is a table laid out at link time,
 * so that a choice costs the same for any number of endpoints.
 */

import type { BalanceMode } from '../../contract/snapshot.ts';
import type { Endpoint } from './endpoint.ts';
import { weightedSchedule } from './weighted-schedule.ts';

export interface Balancer {
  /**
   * @param avoid an endpoint that has just failed; chosen again only when there is no other
   * @returns null when the service has no endpoint
   */
  pick(avoid: Endpoint | null): Endpoint | null;
}

/**
 * Links the balancer of one service.
 * @param random uniform in [0, 1)
 * @param position where round-robin goes on after a reload
 */
export function linkBalancer(
  mode: BalanceMode,
  endpoints: readonly Endpoint[],
  random: () => number,
  position: Position,
): Balancer {
  const schedule = weightedSchedule(endpoints.map((endpoint) => endpoint.spec.weight)).map(
    (index) => endpoints[index]!,
  );
  switch (mode) {
    case 'round-robin':
      return new RoundRobin(schedule, position);
    case 'random':
      return new RandomChoice(schedule, random);
    case 'least-requests':
      return new LeastRequests(schedule, random);
  }
}

/** Round-robin's place in the schedule; kept by key across generations. */
export class Position {
  value = 0;
}

/** Weighted round-robin over the interleaved schedule. */
class RoundRobin implements Balancer {
  private readonly schedule: readonly Endpoint[];
  private readonly position: Position;

  constructor(schedule: readonly Endpoint[], position: Position) {
    this.schedule = schedule;
    this.position = position;
  }

  pick(avoid: Endpoint | null): Endpoint | null {
    const count = this.schedule.length;
    if (count === 0) return null;
    for (let tries = 0; tries < count; tries++) {
      const index = this.position.value % count;
      this.position.value = index + 1;
      const endpoint = this.schedule[index]!;
      if (endpoint !== avoid) return endpoint;
    }
    return avoid;
  }
}

/** A weighted draw. */
class RandomChoice implements Balancer {
  private readonly schedule: readonly Endpoint[];
  private readonly random: () => number;

  constructor(schedule: readonly Endpoint[], random: () => number) {
    this.schedule = schedule;
    this.random = random;
  }

  pick(avoid: Endpoint | null): Endpoint | null {
    const count = this.schedule.length;
    if (count === 0) return null;
    const start = Math.floor(this.random() * count);
    return firstOther(this.schedule, start, avoid);
  }
}

/** Two weighted draws, the less loaded wins ("power of two choices"). */
class LeastRequests implements Balancer {
  private readonly schedule: readonly Endpoint[];
  private readonly random: () => number;

  constructor(schedule: readonly Endpoint[], random: () => number) {
    this.schedule = schedule;
    this.random = random;
  }

  pick(avoid: Endpoint | null): Endpoint | null {
    const count = this.schedule.length;
    if (count === 0) return null;
    const first = firstOther(this.schedule, Math.floor(this.random() * count), avoid)!;
    const second = firstOther(this.schedule, Math.floor(this.random() * count), first)!;
    if (second === avoid) return first;
    const isFirstLighter =
      first.inFlight * second.spec.weight <= second.inFlight * first.spec.weight;
    return isFirstLighter ? first : second;
  }
}

/** The first endpoint from `start` on that is not `avoid`; `avoid` when there is no other. */
function firstOther(
  schedule: readonly Endpoint[],
  start: number,
  avoid: Endpoint | null,
): Endpoint | null {
  const count = schedule.length;
  for (let step = 0; step < count; step++) {
    const endpoint = schedule[(start + step) % count]!;
    if (endpoint !== avoid) return endpoint;
  }
  return avoid;
}
