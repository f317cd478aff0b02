/**
 * Health of endpoints as it crosses the planes. Control decides (probes, reports of outliers,
 * operators) and tells every worker the same; workers report what they notice.
 */

/**
 * `up`: may be chosen. `down`: failed its checks or was ejected; chosen only in a panic.
 * `draining`: an operator takes it out; only sticky clients still reach it.
 * `out`: nobody reaches it, not even in a panic: it waits for its first good check, or is both
 * draining and down.
 */
export type EndpointState = 'up' | 'down' | 'draining' | 'out';

export interface EndpointHealth {
  /** Service name and `EndpointSpec.key`: the identity across generations. */
  readonly service: string;
  readonly endpoint: string;
  readonly state: EndpointState;
  /** Back from `down`: its share grows to the full one over this time; 0: at once. */
  readonly slowStartMs: number;
}

export type OutlierCause = 'consecutive-faults' | 'fault-share' | 'latency';

/** What a worker saw an endpoint do. */
export interface OutlierReport {
  readonly service: string;
  readonly endpoint: string;
  readonly cause: OutlierCause;
}

/** Identity of an endpoint in maps of either plane. */
export function endpointId(service: string, endpoint: string): string {
  return `${service}\n${endpoint}`;
}
