/**
 * Slow starts of a worker: endpoints that came back get their share in steps. One timer for all
 * of them, armed only while one is under way.
 */

import type { Endpoint } from '../balance/endpoint.ts';
import { RAMP_STEPS } from '../balance/endpoint.ts';
import type { IoBackend, Timer } from '../io/backend.ts';

/** Shortest time between two steps of anything: laying out a large service's schedule costs. */
const STEP_MIN_MS = 20;

interface Ramp {
  readonly startMs: number;
  readonly stepMs: number;
}

export class SlowStarts {
  private readonly backend: IoBackend;
  /** Called with the endpoints whose share has grown. */
  private readonly onStep: (endpoints: readonly Endpoint[]) => void;
  private readonly timer: Timer;
  private readonly ramps = new Map<Endpoint, Ramp>();

  constructor(backend: IoBackend, onStep: (endpoints: readonly Endpoint[]) => void) {
    this.backend = backend;
    this.onStep = onStep;
    this.timer = backend.timer(() => this.step());
  }

  /** @param durationMs until the full share; 0: at once */
  begin(endpoint: Endpoint, durationMs: number): void {
    this.end(endpoint);
    if (durationMs <= 0) return;
    endpoint.ramp(1);
    this.ramps.set(endpoint, { startMs: this.backend.nowMs(), stepMs: durationMs / RAMP_STEPS });
    this.arm();
  }

  /** The endpoint has its full share, or is gone. */
  end(endpoint: Endpoint): void {
    endpoint.ramp(RAMP_STEPS);
    this.ramps.delete(endpoint);
    if (this.ramps.size === 0) this.timer.clear();
  }

  private step(): void {
    const grown: Endpoint[] = [];
    const now = this.backend.nowMs();
    for (const [endpoint, { startMs, stepMs }] of this.ramps) {
      const step = Math.min(RAMP_STEPS, Math.max(1, Math.floor((now - startMs) / stepMs)));
      if (step === RAMP_STEPS) this.ramps.delete(endpoint);
      if (step === endpoint.rampStep) continue;
      endpoint.ramp(step);
      grown.push(endpoint);
    }
    this.arm();
    if (grown.length > 0) this.onStep(grown);
  }

  private arm(): void {
    if (this.ramps.size === 0) return;
    const now = this.backend.nowMs();
    let delayMs = Infinity;
    for (const [endpoint, { startMs, stepMs }] of this.ramps) {
      delayMs = Math.min(delayMs, startMs + (endpoint.rampStep + 1) * stepMs - now);
    }
    this.timer.set(Math.max(STEP_MIN_MS, delayMs));
  }
}
