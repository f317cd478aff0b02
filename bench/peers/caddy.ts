/** Caddy: GOMAXPROCS=1, no admin endpoint, an idle pool as large as the load needs. */

import { certificateFiles, findProgram, missingProgram } from './peer.ts';
import type { Peer, PeerPlan, PeerSetup } from './peer.ts';

function plan(setup: PeerSetup, program: string): PeerPlan | null {
  if (setup.routeCount > 0) return null; // Each of its routes would have a pool of its own.
  const log = setup.hasAccessLog ? `\n  log {\n    output file ${setup.dir}/access.log\n  }` : '';
  const isTls = setup.certificate !== null;
  const tls = isTls ? `\n  tls ${setup.dir}/site.pem ${setup.dir}/site.key` : '';
  const config = `{
  admin off
  auto_https off
  servers {
    protocols h1
  }
}
${isTls ? 'https' : 'http'}://:${setup.port} {
  bind 127.0.0.1${log}${tls}
  reverse_proxy 127.0.0.1:${setup.originPort} {
    transport http {
      keepalive_idle_conns 1024
      keepalive_idle_conns_per_host 1024
      compression off
    }
  }
}
`;
  return {
    files: { Caddyfile: config, ...certificateFiles(setup) },
    command: [program, 'run', '--adapter', 'caddyfile', '--config', `${setup.dir}/Caddyfile`],
    env: { GOMAXPROCS: '1', XDG_DATA_HOME: setup.dir, XDG_CONFIG_HOME: setup.dir },
  };
}

/** The Caddy found on `searchPath`. */
export function caddyPeer(searchPath: string): Peer {
  const program = findProgram('caddy', searchPath) ?? 'caddy';
  return {
    name: 'caddy',
    missing: () => missingProgram('caddy', searchPath),
    versionCommand: [program, 'version'],
    plan: (setup) => plan(setup, program),
  };
}
