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
import type {
  BreakerSpec,
  ConcurrencySpec,
  OutlierSpec,
  RetrySpec,
  StatusRange,
} from '../../contract/resilience.ts';
import type { Rule } from '../../contract/routing.ts';
import type { EndpointUrl } from './endpoint-url.ts';
import type { ListenerAddress } from './listener-address.ts';
import type { RankedRoute } from './specificity.ts';

export interface Config {
  readonly io: 'auto' | 'node';
  readonly workers: number | 'auto';
  readonly drainTimeoutMs: number;
  /** How long the proxy says that it is not ready before it stops to accept. */
  readonly drainDelayMs: number;
  readonly reload: ReloadConfig;
  /** Each kind in order of declaration. */
  readonly listeners: readonly ListenerConfig[];
  /** In order of declaration; a stable sort by `compareRoutes` gives precedence. */
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
  /** As in RouteSpec. */
  readonly streamsOnChangeMs: number;
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
  /** Null: endpoints are not asked, only watched. */
  readonly healthCheck: HealthCheckConfig | null;
  readonly outlier: OutlierSpec;
  readonly panicPercent: number;
  readonly slowStartMs: number;
  readonly retry: RetrySpec;
  readonly breaker: BreakerSpec | null;
  readonly concurrency: ConcurrencySpec;
}

/** Active health checks of a service's endpoints. */
export interface HealthCheckConfig {
  readonly kind: 'http' | 'tcp';
  /** Path and query. */
  readonly path: string;
  readonly method: 'GET' | 'HEAD' | 'OPTIONS';
  /** Null: the endpoint's authority. */
  readonly host: string | null;
  /** Null: the endpoint's own. */
  readonly port: number | null;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly statuses: readonly StatusRange[];
  /** Text that the response must contain; null for any. */
  readonly body: string | null;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly upCount: number;
  readonly downCount: number;
  readonly initial: 'up' | 'down';
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
  /** Unix socket of the commands: a path, `auto` for one made of the file's path, `off`. */
  readonly socket: string;
  /** What a change over TCP must bring as bearer token; null: no change over TCP. */
  readonly token: string | null;
}

export interface ReloadConfig {
  /** Reload when a file changes. */
  readonly watch: boolean;
  /** Changes closer together than this are one. */
  readonly debounceMs: number;
  /** Where the last good files are kept: a folder, `auto`, or `off`. */
  readonly autosave: string;
  /** How long a new generation is watched; 0: not. */
  readonly rollbackWindowMs: number;
  /** Share of failing requests at which it is taken back, in percent. */
  readonly rollbackFaultPercent: number;
}
