/**
 * The snapshot as a worker uses it: names and indexes resolved to objects, once per generation.
 * Swapped by one reference; an exchange keeps the one that routed it.
 */

import type { CidrSet } from '../../base/cidr.ts';
import type { LimitsSpec, ObserveSpec, Snapshot, TransportSpec } from '../../contract/snapshot.ts';
import type { Balancer } from '../balance/balancer.ts';
import type { Endpoint } from '../balance/endpoint.ts';
import type { Sticky } from '../balance/sticky.ts';
import type { Chain } from '../chain/chain.ts';
import type { H1Limits } from '../codec/head.ts';
import type { Router } from '../route/router.ts';

export interface LinkedSnapshot {
  readonly snapshot: Snapshot;
  readonly generation: number;
  readonly router: Router;
  readonly routes: readonly LinkedRoute[];
  readonly limits: LimitsSpec;
  readonly requestLimits: H1Limits;
  readonly observe: ObserveSpec;
  /** By listener index; null when the listener trusts nobody. */
  readonly trustedProxies: readonly (CidrSet | null)[];
}

export interface LinkedRoute {
  readonly name: string;
  readonly service: LinkedService;
  /** Null when no middleware would be called. */
  readonly chain: Chain | null;
  /** First cell of the route's metric block. */
  readonly metricBase: number;
}

export interface LinkedService {
  readonly name: string;
  readonly balancer: Balancer;
  readonly sticky: Sticky | null;
  readonly endpoints: readonly Endpoint[];
  readonly transport: TransportSpec;
  readonly passHost: boolean;
  readonly metricBase: number;
}
