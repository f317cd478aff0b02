/** Proxy Now from this checkout: one worker, the `node` backend, everything else as by default. */

import { fileURLToPath } from 'node:url';
import { benchRoutes } from '../bench-routes.ts';
import { certificateFiles, isExecutable } from './peer.ts';
import type { Peer, PeerPlan, PeerSetup } from './peer.ts';

/** The launcher of this checkout. */
export const PROXY_NOW = fileURLToPath(new URL('../../bin/proxy-now', import.meta.url));

function routes(routeCount: number): string {
  if (routeCount === 0) return `[routes.all]\npath = "/*"\nservice = "origin"\n`;
  const text = benchRoutes(routeCount).map(
    (route, index) =>
      `[routes.route-${index}]\nhost = "${route.host}"\npath = "${route.prefix}/*"\n` +
      `service = "origin"\n`,
  );
  return text.join('');
}

/** Paths are relative to the configuration. */
const TLS = `tls = "default"

[certificates.site]
cert = "site.pem"
key = "site.key"
`;

function plan(setup: PeerSetup): PeerPlan {
  const log = `[observe.access-log]\npath = "${setup.dir}/access.log"\nformat = "common"\n`;
  const config = `io = "node"
workers = 1

[listeners.web]
address = "127.0.0.1:${setup.port}"
${setup.certificate === null ? '' : TLS}
[admin]
address = "127.0.0.1:${setup.adminPort}"

${setup.hasAccessLog ? log : ''}
[services.origin]
endpoints = ["http://127.0.0.1:${setup.originPort}"]

${routes(setup.routeCount)}`;
  return {
    files: { 'proxy-now.toml': config, ...certificateFiles(setup) },
    command: [PROXY_NOW, 'run', '-c', `${setup.dir}/proxy-now.toml`],
  };
}

/** Proxy Now. */
export function proxyNowPeer(): Peer {
  return {
    name: 'proxy-now',
    missing: () => (isExecutable(PROXY_NOW) ? null : 'bin/proxy-now is not there'),
    versionCommand: [PROXY_NOW, 'version'],
    plan,
  };
}
