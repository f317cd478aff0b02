/**
 * Checks inside one section that need more than one key.
 */

import type { ServiceConfig } from './config.ts';
import { isTcpEndpoint } from './endpoint-url.ts';
import type { Report } from './issue.ts';
import { describe } from './located.ts';
import type { LocatedTable } from './located.ts';
import type { ObserveSpec } from '../../contract/snapshot.ts';

/** Warns of endpoints listed twice; reports cookies that browsers refuse. */
export function lintService(service: ServiceConfig, table: LocatedTable, report: Report): void {
  const endpoints = table.entries.get('endpoints');
  const items = endpoints?.kind === 'array' ? endpoints.items : [];
  const seen = new Set<string>();
  for (const [index, endpoint] of service.endpoints.entries()) {
    const item = items[index];
    if (endpoint.key === '' || item === undefined) continue; // Reported when it was read.
    if (seen.has(endpoint.key)) {
      const url = item.kind === 'table' ? (item.entries.get('url') ?? item) : item;
      report({
        severity: 'warning',
        code: 'PN1204',
        message: `endpoint ${describe(url)} is listed twice`,
        spot: item.spot,
        part: 'value',
        hint: 'for a larger share, give it a weight: { url = "...", weight = 2 }',
      });
    }
    seen.add(endpoint.key);
  }
  if (service.sticky?.sameSite === 'none' && !service.sticky.secure) {
    const sticky = table.entries.get('sticky');
    const sameSite = sticky?.kind === 'table' ? sticky.entries.get('same-site') : undefined;
    report({
      severity: 'error',
      code: 'PN1208',
      message: 'browsers refuse a cookie with `same-site = "none"` that is not secure',
      spot: sameSite?.spot ?? table.spot,
      part: 'value',
      hint: 'add `secure = true`',
    });
  }
}

/** Reports settings of a service that its endpoints cannot have. */
export function lintEndpointKinds(
  { endpoints, healthCheck, tls }: ServiceConfig,
  table: LocatedTable,
  report: Report,
): void {
  const known = endpoints.filter(({ key }) => key !== '');
  const doesNotFit = (key: string, message: string, hint: string): void => {
    const { spot } = table.entries.get(key) ?? table;
    report({ severity: 'error', code: 'PN1208', message, spot, part: 'key', hint });
  };
  const hasTls = endpoints.some(({ isTls }) => isTls);
  if (table.entries.has('tls') && tls === null && known.length > 0 && !hasTls) {
    doesNotFit('tls', 'no endpoint of the service is spoken to over TLS', 'write `https://`');
  }
  if (healthCheck?.kind === 'http' && known.some(isTcpEndpoint)) {
    const hint = 'write `health-check = { kind = "tcp" }`';
    doesNotFit('health-check', 'a `tcp://` endpoint cannot be asked by a request', hint);
  }
}

/** Reports an access log whose format and template do not fit. */
export function lintObserve(observe: ObserveSpec, root: LocatedTable, report: Report): void {
  const section = root.entries.get('observe');
  const accessLog = section?.kind === 'table' ? section.entries.get('access-log') : undefined;
  if (observe.accessLog === null || accessLog?.kind !== 'table') return;
  const template = accessLog.entries.get('template');
  const isTemplate = observe.accessLog.format === 'template';
  if (isTemplate === (template !== undefined)) return;
  report({
    severity: 'error',
    code: 'PN1208',
    message: isTemplate
      ? 'the format `template` needs the key `template`'
      : 'the key `template` needs `format = "template"`',
    spot: (template ?? accessLog).spot,
    part: 'key',
  });
}
