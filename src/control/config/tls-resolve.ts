/**
 * What `plain-http` means for each route, which depends on listeners, certificates and issuers.
 */

import { certificateName } from './certificate-name.ts';
import type { Config, ListenerConfig, RouteConfig } from './config.ts';
import type { TlsName } from './needed-names.ts';
import type { HttpRouteNode } from './route-nodes.ts';

/** Routes as resolved before: the same outcome is the same object. */
export type ResolvedMemory = WeakMap<RouteConfig, RouteConfig>;

/**
 * The routes with `plainHttp` and `httpsPort` as they are.
 * @param nodes of all routes of `config`, whose own are not resolved yet
 */
export function resolvePlainHttp(
  nodes: readonly HttpRouteNode[],
  config: Config,
  names: readonly TlsName[],
  memory: ResolvedMemory,
): RouteConfig[] {
  const secure = config.listeners.filter(({ tls }) => tls !== null);
  if (secure.length === 0 && nodes.every(({ plainHttp }) => plainHttp === 'auto')) {
    return nodes.map(({ route }) => route);
  }
  const served = new Set(names.filter(hasCertificate).map(({ name }) => name));
  return nodes.map(({ route, plainHttp, hosts }) => {
    const listener = httpsListener(route, secure);
    const isServed = hosts !== null && hosts.every((host) => served.has(certificateName(host)));
    const isRedirected = plainHttp === 'auto' ? isServed && listener !== null : false;
    const resolved = plainHttp !== 'auto' ? plainHttp : isRedirected ? 'redirect' : 'serve';
    const port = listener === null ? 443 : publicPortOf(listener);
    if (resolved === 'serve') return route;
    const known = memory.get(route);
    if (known?.plainHttp === resolved && known.httpsPort === port) return known;
    const now: RouteConfig = { ...route, plainHttp: resolved, httpsPort: port };
    memory.set(route, now);
    return now;
  });
}

/** Where a redirect of `route` leads: port 443 if it is there; null: nowhere. */
export function httpsListener(
  { listeners: own }: RouteConfig,
  secure: readonly ListenerConfig[],
): ListenerConfig | null {
  const ways = secure.filter(({ name, kind }) => {
    return kind === 'tcp' && (own === null || own.includes(name));
  });
  return ways.find((listener) => publicPortOf(listener) === 443) ?? ways[0] ?? null;
}

/** Port 0 is one that nobody knows beforehand. */
function publicPortOf({ port, publicPort }: ListenerConfig): number {
  return publicPort ?? (port === 0 ? 443 : port);
}

/** Whether there is a certificate for it, or somebody who will issue one. */
export function hasCertificate({ cover, issuer }: TlsName): boolean {
  return cover !== null || issuer !== null;
}
