/**
 * What a person sees when the proxy is up: what listens where, and what each route leads to.
 */

import type { Snapshot } from '../contract/snapshot.ts';
import type { Config } from '../control/config/config.ts';
import { formatRule } from '../control/config/rule-format.ts';
import { version } from './version.ts';

/** Routes listed one by one; more are counted. */
const ROUTES_SHOWN = 20;

export function startupLines(
  config: Config,
  snapshot: Snapshot,
  ports: { readonly [listener: string]: number },
  adminPort: number,
): string[] {
  const lines = [`proxy-now ${version()} is ready`];
  for (const listener of snapshot.listeners) {
    const port = ports[listener.name] || listener.port;
    const isAny = listener.host === '::' || listener.host === '0.0.0.0';
    const host = isAny ? 'localhost' : bracketed(listener.host);
    const scheme = listener.tls === -1 ? 'http' : 'https';
    const where =
      listener.kind === 'unix' ? `unix:${listener.host}` : `${scheme}://${host}:${port}`;
    lines.push(`  listener ${listener.name}  ${where}${isAny ? ' (all interfaces)' : ''}`);
  }
  for (const route of snapshot.routes.slice(0, ROUTES_SHOWN)) {
    const service = snapshot.services[route.service]!;
    const endpoints = service.endpoints.map((endpoint) => endpoint.key).join(', ');
    lines.push(`  route ${route.name}  ${formatRule(route.rule)}  ->  ${endpoints}`);
  }
  for (const { name, hosts, service } of snapshot.tls.passthroughs.slice(0, ROUTES_SHOWN)) {
    const endpoints = snapshot.services[service]!.endpoints.map(({ key }) => key).join(', ');
    lines.push(`  route ${name}  ${hosts.join(', ')}, passed through  ->  ${endpoints}`);
  }
  const { routes, tls } = snapshot;
  const hidden =
    Math.max(0, routes.length - ROUTES_SHOWN) + Math.max(0, tls.passthroughs.length - ROUTES_SHOWN);
  if (hidden > 0) lines.push(`  and ${hidden} more routes`);
  if (adminPort > 0) {
    const { address, tls: adminTls } = config.admin;
    const scheme = adminTls === null ? 'http' : 'https';
    lines.push(`  admin  ${scheme}://${bracketed(address!.host)}:${adminPort}/metrics`);
  }
  return lines;
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
