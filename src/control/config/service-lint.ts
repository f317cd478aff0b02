/**
 * Services and those who use them: both must mean the same by an endpoint.
 */

import type { Config, ServiceConfig } from './config.ts';
import { isTcpEndpoint } from './endpoint-url.ts';
import type { Report } from './issue.ts';
import type { Graph } from './reference-lint.ts';

/** Reports routes with a service for connections, and passthroughs with one for requests. */
export function lintUses(config: Config, graph: Graph, report: Report): void {
  const services = new Map(config.services.map((service) => [service.name, service]));
  const add = (route: string, message: string, hint: string): void => {
    const table = graph.tables.routes.get(route)!;
    const spot = (table.entries.get('service') ?? table).spot;
    report({ severity: 'error', code: 'PN1212', message, spot, part: 'value', hint });
  };
  for (const { name, service } of config.routes) {
    const used = services.get(service);
    const tcp = used?.endpoints.find(isTcpEndpoint);
    if (tcp !== undefined) {
      const hint = 'requests go to `http://` and `https://` endpoints';
      add(name, `\`${service}\` has the endpoint ${tcp.key}, which takes no requests`, hint);
    } else if (used !== undefined && used.proxyProtocol !== null) {
      const hint = 'the PROXY protocol is for connections that are passed through';
      add(name, `\`${service}\` has \`proxy-protocol\`, which requests cannot carry`, hint);
    }
  }
  for (const { name, service } of config.passthroughs) {
    const http = services.get(service)?.endpoints.find(takesRequests);
    if (http === undefined) continue;
    const hint = 'connections are passed on to `tcp://` and `unix:` endpoints';
    add(name, `\`${service}\` has the endpoint ${http.key}, which takes requests`, hint);
  }
}

function takesRequests(endpoint: ServiceConfig['endpoints'][number]): boolean {
  return endpoint.kind === 'tcp' && endpoint.key !== '' && !isTcpEndpoint(endpoint);
}
