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
import type {
  KeyType,
  ProxyProtocolVersion,
  TlsPolicySpec,
  UpstreamTlsSpec,
} from '../../contract/tls.ts';
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
  readonly storage: StorageConfig;
  /** Each kind in order of declaration. */
  readonly listeners: readonly ListenerConfig[];
  /** In order of declaration; a stable sort by `compareRoutes` gives precedence. */
  readonly routes: readonly RouteConfig[];
  readonly services: readonly ServiceConfig[];
  /** Always has `default`. */
  readonly transports: readonly TransportConfig[];
  readonly middlewares: readonly MiddlewareConfig[];
  /** Always has `default`. */
  readonly tls: readonly TlsPolicyConfig[];
  readonly passthroughs: readonly PassthroughConfig[];
  readonly certificates: readonly CertificateConfig[];
  /** In order of preference. Always has one of kind `internal`, the last one if not declared. */
  readonly issuers: readonly IssuerConfig[];
  readonly limits: LimitsConfig;
  readonly observe: ObserveSpec;
  readonly admin: AdminConfig;
}

export interface LimitsConfig extends LimitsSpec {
  /** As in TlsSpec. */
  readonly handshakesPerAddressMax: number;
}

export interface ListenerConfig extends ListenerAddress {
  readonly name: string;
  /** Addresses and CIDR ranges, valid. */
  readonly trustedProxies: readonly string[];
  /** Name of a TLS policy; null: without TLS. */
  readonly tls: string | null;
  /** Port under which clients reach it; null: its own. */
  readonly publicPort: number | null;
  /** As in ListenerSpec. */
  readonly proxyProtocol: readonly string[] | null;
}

export interface RouteConfig extends RankedRoute {
  readonly name: string;
  readonly rule: Rule;
  /** Listener names; null for all listeners. */
  readonly listeners: readonly string[] | null;
  /** As in RouteSpec. */
  readonly streamsOnChangeMs: number;
  /** Name of the TLS policy of its hosts; null: that of the listener. */
  readonly tls: string | null;
  /** As in RouteSpec, with `auto` resolved. */
  readonly plainHttp: 'serve' | 'redirect' | 'refuse';
  readonly httpsPort: number;
  /** As in RouteSpec. */
  readonly hsts: string;
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
  /** Null: no endpoint has TLS. */
  readonly tls: UpstreamTlsSpec | null;
  readonly proxyProtocol: ProxyProtocolVersion | null;
}

/** Connections passed on unopened, by the name in the ClientHello. */
export interface PassthroughConfig {
  readonly name: string;
  /** Names, `*.` and a name, or `*`. */
  readonly hosts: readonly string[];
  readonly listeners: readonly string[] | null;
  readonly service: string;
  readonly streamsOnChangeMs: number;
  readonly file: string;
}

/** As in TlsPolicySpec, but for the default certificate, which is a name. */
export interface TlsPolicyConfig extends Omit<TlsPolicySpec, 'defaultCertificate'> {
  /** Name in `certificates`; null: none is named. */
  readonly defaultCertificate: string | null;
}

/** Certificates from files, or names that are to have one. */
export interface CertificateConfig {
  readonly name: string;
  /** Read from files, checked: they fit and can be parsed. Empty for a managed one. */
  readonly pairs: readonly CertificatePair[];
  /** Names of one managed certificate: A-labels, `*.` wildcards, addresses. Empty for files. */
  readonly names: readonly string[];
  /** Issuer of a managed one; null: by the names. */
  readonly issuer: string | null;
}

export interface CertificatePair {
  /** PEM texts. */
  readonly chain: string;
  readonly key: string;
  /** As in CertificateEntry. */
  readonly id: string;
  readonly names: readonly string[];
  readonly keyType: KeyType;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** File of the chain, for messages. */
  readonly file: string;
}

export type ChallengeKind = 'http-01' | 'tls-alpn-01' | 'dns-01';
export type IssuedKeyType = 'ecdsa-p256' | 'ecdsa-p384' | 'rsa-2048' | 'rsa-4096';

export interface IssuerConfig {
  readonly name: string;
  readonly kind: 'acme' | 'internal';
  /** URL of the ACME directory; empty for an internal one. */
  readonly directory: string;
  /** Empty: none is given to the authority. */
  readonly email: string;
  /** External account binding (RFC 8555 §7.3.4); the key is base64url. */
  readonly eab: { readonly keyId: string; readonly hmacKey: string } | null;
  /** PEM texts of what is trusted when talking to the authority; empty: well-known ones. */
  readonly cas: readonly string[];
  /** Empty: the authority's choice, but `shortlived` for addresses where it is offered. */
  readonly profile: string;
  readonly keyType: IssuedKeyType;
  /** In order of preference; what a name cannot use is left out. */
  readonly challenges: readonly ChallengeKind[];
  readonly dns: DnsChallengeConfig | null;
  /** Common name of the root wanted in the chain; empty: the authority's first chain. */
  readonly preferredChain: string;
  /** Patterns of names it is for; null: every public one (acme), every other one (internal). */
  readonly names: readonly string[] | null;
  readonly onDemand: OnDemandConfig | null;
  /** Life of certificates of an internal issuer. */
  readonly lifetimeMs: number;
}

export interface DnsChallengeConfig {
  readonly provider:
    | 'webhook'
    | 'exec'
    | 'rfc2136'
    | 'cloudflare'
    | 'route53'
    | 'digitalocean'
    | 'hetzner'
    | 'ovh'
    | 'acme-dns';
  /** Keys and secrets of the provider, by TOML key, checked against its table. */
  readonly settings: { readonly [key: string]: string };
  /** `host:port` of resolvers asked for zones and propagation; empty: the system's. */
  readonly resolvers: readonly string[];
  readonly propagationTimeoutMs: number;
  /** Wait before the first look. */
  readonly propagationDelayMs: number;
  /** False: the authority is told without looking. */
  readonly checkPropagation: boolean;
  readonly ttlSeconds: number;
}

/** Certificates got while the client waits. */
export interface OnDemandConfig {
  /** Names it may be: patterns; never empty. */
  readonly names: readonly string[];
  /** URL asked for permission, `?domain=` added; empty: the patterns alone decide. */
  readonly ask: string;
  /** New names an hour, whole process. */
  readonly perHourMax: number;
}

export interface StorageConfig {
  /** Folder of accounts, certificates and keys: a path, or `auto`. */
  readonly path: string;
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
  /**
   * What a change over TCP must bring as bearer token. Null: no change over TCP, unless clients
   * show certificates.
   */
  readonly token: string | null;
  /** How TLS is spoken on the TCP address; null: it is not. */
  readonly tls: AdminTlsConfig | null;
}

export interface AdminTlsConfig {
  /** Name of a certificate with exactly one pair. */
  readonly certificate: string;
  /** PEM texts. Not empty: every client must show a certificate of one of these authorities. */
  readonly clientCa: readonly string[];
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
