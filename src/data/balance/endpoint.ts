/**
 * An endpoint as the data plane sees it: its pool, its load, its health, its identity. Lives as
 * long as its key is configured, across generations.
 */

import type { EndpointState } from '../../contract/health.ts';
import type { EndpointSpec } from '../../contract/snapshot.ts';
import type { OutlierDetector } from '../outlier/outlier-detector.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';

/** Steps of a slow start: its share grows by one of so many parts at a time. */
export const RAMP_STEPS = 10;

export interface EndpointParts {
  readonly spec: EndpointSpec;
  readonly pool: EndpointPool;
  readonly outlier: OutlierDetector;
  readonly stickyKey: string;
  readonly metricBase: number;
  readonly hostLine: Uint8Array;
}

export class Endpoint {
  /** Set by `configure`. */
  spec: EndpointSpec;
  readonly pool: EndpointPool;
  /** Told of every answer and fault of the endpoint. */
  readonly outlier: OutlierDetector;
  /** Attempts in progress; what least-requests compares. */
  inFlight = 0;
  /** Control's word: it answers. False: chosen only in a panic. */
  isUp = true;
  /** Takes no new clients, not even in a panic. Clients bound to it still reach it while up. */
  isDraining = false;
  /** Part of its share it gets, of `RAMP_STEPS`; less only during a slow start. Set by `ramp`. */
  rampStep = RAMP_STEPS;
  /** Weight times that part: what balancers go by. */
  rampedWeight: number;
  /** Opaque value of a sticky cookie that names this endpoint. */
  readonly stickyKey: string;
  /** First cell of this endpoint's metric block. */
  metricBase: number;
  /** `Host: authority\r\n` for services that do not pass the client's host on. */
  readonly hostLine: Uint8Array;

  constructor(parts: EndpointParts) {
    this.spec = parts.spec;
    this.rampedWeight = parts.spec.weight * RAMP_STEPS;
    this.pool = parts.pool;
    this.outlier = parts.outlier;
    this.stickyKey = parts.stickyKey;
    this.metricBase = parts.metricBase;
    this.hostLine = parts.hostLine;
  }

  /** Settings of a new generation. */
  configure(spec: EndpointSpec): void {
    this.spec = spec;
    this.rampedWeight = spec.weight * this.rampStep;
  }

  /** @param step of `RAMP_STEPS` */
  ramp(step: number): void {
    this.rampStep = step;
    this.rampedWeight = this.spec.weight * step;
  }

  /** Takes control's word. What it means for choices: Candidates.refresh. */
  setState(state: EndpointState): void {
    const wasUp = this.isUp;
    this.isUp = state === 'up' || state === 'draining';
    this.isDraining = state === 'draining' || state === 'out';
    if (!this.isUp) this.outlier.mute();
    else if (!wasUp) this.outlier.reset();
  }
}
