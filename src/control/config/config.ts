/**
 * The validated configuration: named nodes, references by name, every default resolved.
 *
 * Plain data. Units are those of the snapshot: milliseconds, bytes, seconds where it says so.
 * Every reference names an existing node. control/compile turns it into a Snapshot.
 */

import type {
  BalanceMode,
  LimitsSpec,
  ObserveSpec,
  StickySpec,
  TransportSpec,
} from '../../contract/snapshot.ts';
import type { Rule } from '../../contract/routing.ts';
import type { EndpointUrl } from './endpoint-url.ts';
import type { ListenerAddress } from './listener-address.ts';
import type { RankedRoute } from './specificity.ts';

export interface Config {
  readonly io: 'auto' | 'node';
  readonly workers: number | 'auto';
  readonly drainTimeoutMs: number;
  /** Each kind in order of declaration. */
  readonly listeners: readonly ListenerConfig[];
  /** In order of declaration; `compareRoutes` sorts by precedence. */
  readonly routes: readonly RouteConfig[];
  readonly services: readonly ServiceConfig[];
  /** Always has `default`. */
  readonly transports: readonly TransportConfig[];
  readonly middlewares: readonly MiddlewareConfig[];
  readonly limits: LimitsSpec;
  readonly observe: ObserveSpec;
  readonly admin: AdminConfig;
}

export interface ListenerConfig extends ListenerAddress {
  readonly name: string;
  /** Addresses and CIDR ranges, valid. */
  readonly trustedProxies: readonly string[];
}

export interface RouteConfig extends RankedRoute {
  readonly name: string;
  readonly rule: Rule;
  /** Listener names; null for all listeners. */
  readonly listeners: readonly string[] | null;
  readonly service: string;
  /** In order of the chain. */
  readonly middlewares: readonly string[];
  /** File of the declaration, for explanations. */
  readonly file: string;
}

export interface ServiceConfig {
  readonly name: string;
  readonly endpoints: readonly EndpointConfig[];
  readonly balance: BalanceMode;
  readonly sticky: StickySpec | null;
  readonly passHost: boolean;
  readonly transport: string;
}

export interface EndpointConfig extends EndpointUrl {
  readonly weight: number;
}

export type TransportConfig = TransportSpec;

export interface MiddlewareConfig {
  readonly name: string;
  readonly kind: string;
  /** As the kind's schema decodes it. */
  readonly config: unknown;
}

export interface AdminConfig {
  /** Null when the admin listener is off. */
  readonly address: ListenerAddress | null;
}
