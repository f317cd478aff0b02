/**
 * Candidates: the endpoints of a service that may be chosen now, laid out as a schedule in which
 * each has its share. Made again when health, weights or a slow start change; balancers and
 * sticky sessions of every generation with the same endpoints read the same object.
 *
 * C1  the schedule has the endpoints that are up and not draining; in a panic, those that are not
 *     draining.
 * C2  a panic: less than `panicPercent` of the endpoints that are not draining are up.
 */

import type { Endpoint } from './endpoint.ts';
import { weightedSchedule } from './weighted-schedule.ts';

export class Candidates {
  /** All of the service, in order of configuration. */
  readonly endpoints: readonly Endpoint[];
  /** What balancers choose from; empty when the service has nobody to offer. */
  schedule: readonly Endpoint[] = [];
  /** Health is ignored because too few endpoints are up. */
  isPanic = false;
  /** Distinct endpoints in the schedule. */
  availableCount = 0;
  private panicPercent: number;

  constructor(endpoints: readonly Endpoint[], panicPercent: number) {
    this.endpoints = endpoints;
    this.panicPercent = panicPercent;
    this.refresh();
  }

  /** Settings of a new generation. Weights are those of the endpoints. */
  configure(panicPercent: number): void {
    this.panicPercent = panicPercent;
    this.refresh();
  }

  /** Lays the schedule out again. */
  refresh(): void {
    const present = this.endpoints.filter((endpoint) => !endpoint.isDraining);
    const up = present.filter((endpoint) => endpoint.isUp);
    this.isPanic = up.length * 100 < this.panicPercent * present.length;
    const chosen = this.isPanic ? present : up;
    const places = weightedSchedule(chosen.map((endpoint) => endpoint.rampedWeight));
    this.schedule = places.map((index) => chosen[index]!);
    this.availableCount = chosen.length;
  }

  /** Whether a client bound to `endpoint` may still be sent there. */
  isReachable(endpoint: Endpoint): boolean {
    return endpoint.isUp || (this.isPanic && !endpoint.isDraining);
  }
}
