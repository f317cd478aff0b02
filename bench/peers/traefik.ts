/** Traefik: the binary named by TRAEFIK_BIN or `traefik` on the path, with the file provider. */

import { benchRoutes } from '../bench-routes.ts';
import { certificateFiles, findProgram, missingProgram } from './peer.ts';
import type { Peer, PeerPlan, PeerSetup } from './peer.ts';

function routers(routeCount: number): string {
  if (routeCount === 0) {
    return `[http.routers.all]\nrule = "PathPrefix(\`/\`)"\nservice = "origin"\n`;
  }
  const text = benchRoutes(routeCount).map(
    (route, index) =>
      `[http.routers.route-${index}]\n` +
      `rule = "Host(\`${route.host}\`) && PathPrefix(\`${route.prefix}/\`)"\n` +
      `service = "origin"\n`,
  );
  return text.join('');
}

function plan(setup: PeerSetup, program: string): PeerPlan {
  const log = setup.hasAccessLog ? `[accessLog]\nfilePath = "${setup.dir}/access.log"\n` : '';
  const isTls = setup.certificate !== null;
  const main = `[global]
checkNewVersion = false
sendAnonymousUsage = false
[entryPoints.web]
address = "127.0.0.1:${setup.port}"
${isTls ? '[entryPoints.web.http.tls]\n' : ''}[entryPoints.web.transport.respondingTimeouts]
idleTimeout = "300s"
[providers.file]
filename = "${setup.dir}/dynamic.toml"
[serversTransport]
maxIdleConnsPerHost = 1024
${log}`;
  const pair = `certFile = "${setup.dir}/site.pem"\nkeyFile = "${setup.dir}/site.key"\n`;
  const tls = isTls
    ? `[[tls.certificates]]\n${pair}[tls.stores.default.defaultCertificate]\n${pair}`
    : '';
  const dynamic = `${routers(setup.routeCount)}
${tls}[[http.services.origin.loadBalancer.servers]]
url = "http://127.0.0.1:${setup.originPort}"
`;
  return {
    files: { 'traefik.toml': main, 'dynamic.toml': dynamic, ...certificateFiles(setup) },
    command: [program, `--configFile=${setup.dir}/traefik.toml`],
    env: { GOMAXPROCS: '1' },
  };
}

/** The Traefik at `program`, a path or a name on `searchPath`. */
export function traefikPeer(program: string, searchPath: string): Peer {
  const found = findProgram(program, searchPath) ?? program;
  return {
    name: 'traefik',
    missing: () => missingProgram(program, searchPath),
    versionCommand: [found, 'version'],
    plan: (setup) => plan(setup, found),
  };
}
