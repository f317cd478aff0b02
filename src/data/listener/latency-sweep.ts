/**
 * Latency sweep: compares how fast the endpoints of a service answer, once per second and off the
 * way of requests. The timer is armed only while a service asks for it.
 */

import type { Endpoint } from '../balance/endpoint.ts';
import type { IoBackend, Timer } from '../io/backend.ts';

const SWEEP_INTERVAL_MS = 1_000;

export class LatencySweep {
  private readonly timer: Timer;

  /** @param services endpoints of every service that compares latencies; asked at each sweep */
  constructor(backend: IoBackend, services: () => readonly (readonly Endpoint[])[]) {
    this.timer = backend.timer(() => {
      const compared = services();
      for (const endpoints of compared) compareLatencies(endpoints);
      if (compared.length > 0) this.start();
    });
  }

  /** Sweeps from now on, until a sweep finds no service. */
  start(): void {
    if (!this.timer.isSet) this.timer.set(SWEEP_INTERVAL_MS);
  }

  stop(): void {
    this.timer.clear();
  }
}

/** Holds every endpoint that has a mean against the median of the others'. */
export function compareLatencies(endpoints: readonly Endpoint[]): void {
  const known = endpoints
    .map((endpoint) => ({ endpoint, meanMs: endpoint.outlier.meanLatencyMs() }))
    .filter(({ meanMs }) => meanMs >= 0)
    .toSorted((a, b) => a.meanMs - b.meanMs);
  if (known.length < 2) return;
  // Of an even number the upper of the two in the middle: rather too late than too early.
  const middle = (known.length - 1) >> 1;
  known.forEach(({ endpoint }, index) => {
    const other = known[index <= middle ? middle + 1 : middle]!;
    endpoint.outlier.compareLatency(other.meanMs);
  });
}
