/**
 * An endpoint as the data plane sees it: its pool, its load, its identity. Lives as long as its
 * key is configured, across generations.
 */

import type { EndpointSpec } from '../../contract/snapshot.ts';
import type { EndpointPool } from '../pool/endpoint-pool.ts';

export class Endpoint {
  spec: EndpointSpec;
  readonly pool: EndpointPool;
  /** Attempts in progress; what least-requests compares. */
  inFlight = 0;
  /** Opaque value of a sticky cookie that names this endpoint. */
  readonly stickyKey: string;
  /** First cell of this endpoint's metric block. */
  metricBase: number;
  /** `Host: authority\r\n` for services that do not pass the client's host on. */
  readonly hostLine: Uint8Array;

  constructor(
    spec: EndpointSpec,
    pool: EndpointPool,
    stickyKey: string,
    metricBase: number,
    hostLine: Uint8Array,
  ) {
    this.spec = spec;
    this.pool = pool;
    this.stickyKey = stickyKey;
    this.metricBase = metricBase;
    this.hostLine = hostLine;
  }
}
