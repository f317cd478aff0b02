/**
 * Upstream TLS settings of one worker: a context per service, and what each of its pools connects
 * with, so that both outlive the generations that do not change them.
 *
 * U1  settings that are the same are the same object: pools keep their connections.
 * U2  a context that cannot be built is reported once, and its endpoints fail until the service
 *     says something else: a certificate that should be verified is never skipped.
 */

import { isSame } from '../../base/is-same.ts';
import type { EndpointSpec, ServiceSpec } from '../../contract/snapshot.ts';
import type { UpstreamTlsSpec } from '../../contract/tls.ts';
import type { IoBackend, TlsContext } from '../io/backend.ts';
import type { PoolTls } from '../pool/endpoint-pool.ts';

/** What is offered by ALPN, so that an origin of many protocols speaks this one. */
const ALPN = ['http/1.1'];

/** Nothing says how: better no connection than one that nobody has verified (U2). */
const UNUSABLE: PoolTls = { client: null };

interface ServiceTls {
  readonly spec: UpstreamTlsSpec;
  /** Null: it cannot be built. */
  readonly context: TlsContext | null;
  /** By name asked for. */
  readonly pools: Map<string, PoolTls>;
}

export class UpstreamTlsSettings {
  private readonly backend: IoBackend;
  private readonly report: (message: string) => void;
  private readonly services = new Map<string, ServiceTls>();

  /** @param report called with a sentence for the log */
  constructor(backend: IoBackend, report: (message: string) => void) {
    this.backend = backend;
    this.report = report;
  }

  /** What connections to that endpoint are made with; null: without TLS. */
  poolTls(service: ServiceSpec, endpoint: EndpointSpec): PoolTls | null {
    if (!endpoint.isTls) return null;
    if (service.tls === null) return UNUSABLE;
    const { context, pools } = this.serviceTls(service.name, service.tls);
    const serverName = serverNameOf(service.tls, endpoint);
    const known = pools.get(serverName);
    if (known !== undefined) return known;
    const client = context === null ? null : { context, serverName, alpn: ALPN };
    const made: PoolTls = { client };
    pools.set(serverName, made);
    return made;
  }

  /** Forgets services that are gone, and names that none of their endpoints has any more. */
  retain(services: readonly ServiceSpec[]): void {
    const gone = new Set(this.services.keys());
    for (const { name, tls, endpoints } of services) {
      gone.delete(name);
      const pools = this.services.get(name)?.pools;
      if (tls === null || pools === undefined) continue;
      const names = new Set(endpoints.map((endpoint) => serverNameOf(tls, endpoint)));
      for (const serverName of pools.keys()) if (!names.has(serverName)) pools.delete(serverName);
    }
    for (const name of gone) this.services.delete(name);
  }

  private serviceTls(name: string, spec: UpstreamTlsSpec): ServiceTls {
    const known = this.services.get(name);
    if (known !== undefined && isSame(known.spec, spec)) return known;
    const { verify, cas, cert, key, pins, minVersion } = spec;
    const built = this.backend.clientTls({ verify, cas, cert, key, pins, minVersion });
    if (typeof built === 'string') this.report(`TLS of service ${name} cannot be set up: ${built}`);
    const context = typeof built === 'string' ? null : built;
    const made: ServiceTls = { spec, context, pools: new Map() };
    this.services.set(name, made);
    return made;
  }
}

function serverNameOf(tls: UpstreamTlsSpec, { host }: EndpointSpec): string {
  return tls.serverName === '' ? host : tls.serverName;
}
