/**
 * The snapshot as a worker uses it: names and indexes resolved to objects, once per generation.
 * Swapped by one reference; an exchange keeps the one that routed it.
 */

import type { CidrSet } from '../../base/cidr.ts';
import type {
  LimitsSpec,
  ObserveSpec,
  RouteSpec,
  Snapshot,
  TransportSpec,
} from '../../contract/snapshot.ts';
import type { ProxyProtocolVersion } from '../../contract/tls.ts';
import type { Balancer } from '../balance/balancer.ts';
import type { Candidates } from '../balance/candidates.ts';
import type { Endpoint } from '../balance/endpoint.ts';
import type { Sticky } from '../balance/sticky.ts';
import type { Chain } from '../chain/chain.ts';
import type { Middleware } from '../chain/middleware.ts';
import type { H1Limits } from '../codec/head.ts';
import type { Router } from '../route/router.ts';
import type { ServiceState } from '../service/service-state.ts';
import type { LinkedTls } from '../tls/linked-tls.ts';
import type { LinkedRetry } from './repeat-rule.ts';
import type { HstsLine } from './transport-security.ts';

export interface LinkedSnapshot {
  readonly snapshot: Snapshot;
  readonly generation: number;
  readonly router: Router;
  readonly routes: readonly LinkedRoute[];
  /** As in the snapshot. */
  readonly services: readonly LinkedService[];
  /** Index of the service of each route. */
  readonly routeServices: Int32Array;
  readonly limits: LimitsSpec;
  readonly requestLimits: H1Limits;
  readonly observe: ObserveSpec;
  /** By listener index; null when the listener trusts nobody. */
  readonly trustedProxies: readonly (CidrSet | null)[];
  /** By listener index: whose connections begin with a PROXY header; null: nobody's. */
  readonly proxyPeers: readonly (CidrSet | null)[];
  readonly tls: LinkedTls;
  /** As in `tls.passthroughs` of the snapshot. */
  readonly passthroughs: readonly LinkedRoute[];
}

export interface LinkedRoute {
  readonly name: string;
  readonly service: LinkedService;
  /** As in the spec: what the chain is made of. */
  readonly middlewares: readonly Middleware[];
  /** Null when no middleware would be called. */
  readonly chain: Chain | null;
  /** As in the spec. */
  readonly plainHttp: RouteSpec['plainHttp'];
  readonly httpsPort: number;
  /** Null: not sent. */
  readonly hsts: HstsLine | null;
  /** As in the spec. */
  readonly tls: number;
  /** First cell of the route's metric block. */
  readonly metricBase: number;
}

export interface LinkedService {
  readonly name: string;
  readonly balancer: Balancer;
  readonly candidates: Candidates;
  readonly sticky: Sticky | null;
  readonly endpoints: readonly Endpoint[];
  readonly transport: TransportSpec;
  readonly passHost: boolean;
  /** As in the spec. */
  readonly proxyProtocol: ProxyProtocolVersion | null;
  readonly retry: LinkedRetry;
  /** 1 for response statuses that count as faults. */
  readonly faultStatuses: Uint8Array;
  /** Somebody wants to know how long endpoints take to answer. */
  readonly isTimed: boolean;
  /** What outlives generations. */
  readonly state: ServiceState;
  readonly metricBase: number;
}
