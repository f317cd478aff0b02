/** HAProxy: one thread, connections to the origin shared by all clients. */

import { certificateFiles, findProgram, missingProgram } from './peer.ts';
import type { Peer, PeerPlan, PeerSetup } from './peer.ts';

function plan(setup: PeerSetup, program: string): PeerPlan | null {
  if (setup.routeCount > 0) return null; // Its maps are one lookup, not one route each.
  const isTls = setup.certificate !== null;
  const bind = isTls ? ` ssl crt ${setup.dir}/site-both.pem ssl-min-ver TLSv1.2` : '';
  const config = `global
  nbthread 1
  no strict-limits
  maxconn 12000
${setup.hasAccessLog ? '  log stdout format raw local0\n' : ''}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 300s
${setup.hasAccessLog ? '  log global\n  option httplog\n' : ''}
frontend web
  bind 127.0.0.1:${setup.port}${bind}
  option forwardfor
  default_backend origin

backend origin
  http-reuse always
  server origin 127.0.0.1:${setup.originPort} pool-max-conn -1
`;
  return {
    files: { 'haproxy.cfg': config, ...certificateFiles(setup) },
    command: [program, '-db', '-f', `${setup.dir}/haproxy.cfg`],
  };
}

/** The HAProxy found on `searchPath`. */
export function haproxyPeer(searchPath: string): Peer {
  const program = findProgram('haproxy', searchPath) ?? 'haproxy';
  return {
    name: 'haproxy',
    missing: () => missingProgram('haproxy', searchPath),
    versionCommand: [program, '-v'],
    plan: (setup) => plan(setup, program),
  };
}
