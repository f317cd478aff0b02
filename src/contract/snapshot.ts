/**
 * The snapshot: everything the data plane may know, as immutable plain data.
 *
 * Control compiles one per generation and posts it to every worker (structured clone); a worker
 * links it into closures and swaps one reference. Nothing here changes after publication.
 * Units are in the names: `…Ms` milliseconds, `…Max` inclusive ceilings, sizes in bytes.
 */

import type { BreakerSpec, ConcurrencySpec, OutlierSpec, RetrySpec } from './resilience.ts';
import type { Rule } from './routing.ts';
import type { RouterTables } from './router-tables.ts';
import type { ProxyProtocolVersion, TlsSpec, UpstreamTlsSpec } from './tls.ts';

export const SNAPSHOT_VERSION = 1;

export interface Snapshot {
  readonly version: typeof SNAPSHOT_VERSION;
  readonly generation: number;
  readonly listeners: readonly ListenerSpec[];
  /** In no order that means something: `router.ranks` says which one answers first. */
  readonly routes: readonly RouteSpec[];
  readonly router: RouterTables;
  readonly services: readonly ServiceSpec[];
  readonly transports: readonly TransportSpec[];
  readonly middlewares: readonly MiddlewareSpec[];
  readonly tls: TlsSpec;
  readonly limits: LimitsSpec;
  readonly observe: ObserveSpec;
  readonly drainTimeoutMs: number;
}

export interface ListenerSpec {
  readonly name: string;
  /** `tcp` or `unix`. */
  readonly kind: 'tcp' | 'unix';
  /** Numeric IP for tcp (`::` for all interfaces); socket path for unix. */
  readonly host: string;
  /** 0 for unix. */
  readonly port: number;
  /** CIDR ranges whose forwarded fields are believed. */
  readonly trustedProxies: readonly string[];
  /** Index in `tls.policies`; -1: without TLS. */
  readonly tls: number;
  /**
   * CIDR ranges whose connections begin with a PROXY protocol header (and must); null: none. From
   * all others such a header is no request.
   */
  readonly proxyProtocol: readonly string[] | null;
  /** Stable index of this listener's metric block. */
  readonly metricIndex: number;
}

export interface RouteSpec {
  readonly name: string;
  readonly rule: Rule;
  /** Listener indexes this route serves, or null for all. */
  readonly listeners: readonly number[] | null;
  readonly priority: number;
  /** Index in `services`. */
  readonly service: number;
  /** Indexes in `middlewares`, in order of the chain. */
  readonly middlewares: readonly number[];
  /** When a reload changes the route, its tunnels and streams end after this; -1: they stay. */
  readonly streamsOnChangeMs: number;
  /** What happens to its requests on listeners without TLS. */
  readonly plainHttp: 'serve' | 'redirect' | 'refuse';
  /** Port that a redirect leads to; 443 is left out of the URL. */
  readonly httpsPort: number;
  /** Value of Strict-Transport-Security on listeners with TLS; empty: not sent. */
  readonly hsts: string;
  /** Index in `tls.policies` of what its hosts are to be reached under; -1: of the listener's. */
  readonly tls: number;
  readonly metricIndex: number;
}

export interface MiddlewareSpec {
  readonly name: string;
  readonly kind: string;
  readonly config: unknown;
}

export type BalanceMode = 'round-robin' | 'least-requests' | 'random';

export interface ServiceSpec {
  readonly name: string;
  readonly balance: BalanceMode;
  readonly sticky: StickySpec | null;
  readonly endpoints: readonly EndpointSpec[];
  /** Index in `transports`. */
  readonly transport: number;
  /** True: the client's Host is passed on. False: the endpoint's authority is sent. */
  readonly passHost: boolean;
  readonly outlier: OutlierSpec;
  /** When less of the endpoints than this share are up, health is ignored; 0: never. */
  readonly panicPercent: number;
  readonly retry: RetrySpec;
  readonly breaker: BreakerSpec | null;
  readonly concurrency: ConcurrencySpec;
  /** For endpoints with TLS; null when it has none. */
  readonly tls: UpstreamTlsSpec | null;
  /** Sent ahead on every connection of a passthrough; null: not. */
  readonly proxyProtocol: ProxyProtocolVersion | null;
  readonly metricIndex: number;
}

export interface StickySpec {
  /** Cookie name, a token. The value is an opaque endpoint key. */
  readonly cookie: string;
  readonly secure: boolean;
  readonly httpOnly: boolean;
  readonly sameSite: 'lax' | 'strict' | 'none' | '';
  /** Seconds; 0 for a session cookie. */
  readonly maxAgeSeconds: number;
}

export interface EndpointSpec {
  /** Identity across generations: scheme, host and port, or unix path. */
  readonly key: string;
  readonly kind: 'tcp' | 'unix';
  /** Name or numeric address; path for unix. */
  readonly host: string;
  readonly port: number;
  /** Requests go over TLS. */
  readonly isTls: boolean;
  /**
   * Host field value when `passHost` is false: `host`, or `host:port` when the port is not the
   * scheme's own.
   */
  readonly authority: string;
  readonly weight: number;
  readonly metricIndex: number;
}

export interface TransportSpec {
  readonly name: string;
  readonly connectTimeoutMs: number;
  readonly responseHeadTimeoutMs: number;
  /** Longest silence of a response body, or of a request body that the origin should take. */
  readonly progressTimeoutMs: number;
  /** Longest silence of an upgraded connection; 0 for none. */
  readonly tunnelIdleTimeoutMs: number;
  /** Longest whole exchange; 0 for none. */
  readonly totalTimeoutMs: number;
  /** How long an idle connection is kept. */
  readonly idleTimeoutMs: number;
  readonly queueTimeoutMs: number;
  /** Open connections per endpoint per worker. */
  readonly connectionsMax: number;
  /** Idle connections kept per endpoint per worker. */
  readonly idleConnectionsMax: number;
  /** Exchanges waiting per endpoint per worker. */
  readonly queueMax: number;
  /** How often a name is resolved again. */
  readonly resolveIntervalMs: number;
}

export interface LimitsSpec {
  readonly headSizeMax: number;
  readonly fieldCountMax: number;
  readonly targetSizeMax: number;
  readonly bodySizeMax: number;
  /** Chunk extension bytes of one message, all chunks together. */
  readonly chunkExtensionSizeMax: number;
  readonly trailerSizeMax: number;
  readonly responseHeadSizeMax: number;
  readonly responseFieldCountMax: number;
  readonly interimResponsesMax: number;
  /** From the first byte of a head (or accept) to its end. */
  readonly headTimeoutMs: number;
  /** Longest silence while a request body is due. */
  readonly bodyProgressTimeoutMs: number;
  /** Longest time without the client taking a byte of the response. */
  readonly writeProgressTimeoutMs: number;
  /** Idle time between exchanges. */
  readonly keepAliveTimeoutMs: number;
  /** Exchanges per client connection; 0 for no limit. */
  readonly keepAliveExchangesMax: number;
  /** Client connections of the whole process; 0: derived from the open file limit. */
  readonly connectionsMax: number;
  /** Client connections per client address, whole process; 0: three quarters of the above. */
  readonly connectionsPerAddressMax: number;
  /** Slab memory per worker. */
  readonly bufferSizeMax: number;
  /** What happens to `%2F` and `%5C` in a path. */
  readonly encodedSlash: 'keep' | 'reject';
  /** Hops through this proxy (counted in Via) after which a request is answered with 508. */
  readonly viaHopsMax: number;
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

export interface ObserveSpec {
  readonly logLevel: LogLevel;
  readonly accessLog: AccessLogSpec | null;
  /** Error bodies as JSON instead of plain text. */
  readonly jsonErrors: boolean;
  /** Also send the RFC 7239 Forwarded field to endpoints. */
  readonly forwardedHeader: boolean;
}

export interface AccessLogSpec {
  /** File path, or `stdout`. */
  readonly path: string;
  readonly format: 'json' | 'common' | 'template';
  /** Only for `template`. */
  readonly template: string;
}
