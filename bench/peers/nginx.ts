/** nginx: one worker process, kept-alive connections to the origin. */

import { benchRoutes } from '../bench-routes.ts';
import { certificateFiles, findProgram, missingProgram } from './peer.ts';
import type { Peer, PeerPlan, PeerSetup } from './peer.ts';

/** Lines every nginx of the harness needs, the origin included, to run in a folder of its own. */
export function nginxBase(dir: string): string {
  // A worker of another user could not enter the scratch folder.
  const user = process.getuid?.() === 0 ? 'user root;\n' : '';
  return `${user}daemon off;
master_process on;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log error;
events { worker_connections 16000; }
`;
}

/** `http` lines for the same: temporary files stay in `dir`, connections stay open. */
export function nginxHttpBase(dir: string): string {
  return `  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  keepalive_requests 100000000;
  keepalive_timeout 300s;
  client_max_body_size 0;
`;
}

const FORWARD = `proxy_pass http://origin;`;

function listenLines(setup: PeerSetup): string {
  if (setup.certificate === null) return `listen 127.0.0.1:${setup.port};`;
  return `listen 127.0.0.1:${setup.port} ssl;
    ssl_certificate ${setup.dir}/site.pem;
    ssl_certificate_key ${setup.dir}/site.key;
    ssl_protocols TLSv1.2 TLSv1.3;`;
}

function locations(setup: PeerSetup): string {
  const proxy = `    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_request_buffering off;
${setup.isLongStream ? '    proxy_max_temp_file_size 0;\n' : ''}`;
  const listen = listenLines(setup);
  if (setup.routeCount === 0) {
    return `  server {\n    ${listen}\n${proxy}    location / { ${FORWARD} }\n  }\n`;
  }
  const byHost = Map.groupBy(benchRoutes(setup.routeCount), (route) => route.host);
  const servers = [...byHost].map(([host, routes]) => {
    const parts = routes.map((route) => `    location ${route.prefix}/ { ${FORWARD} }\n`);
    return `  server {\n    ${listen}\n    server_name ${host};\n${parts.join('')}  }\n`;
  });
  return `${proxy}${servers.join('')}`;
}

function plan(setup: PeerSetup, program: string): PeerPlan {
  const log = setup.hasAccessLog
    ? `access_log ${setup.dir}/access.log combined;`
    : 'access_log off;';
  const config = `${nginxBase(setup.dir)}http {
${nginxHttpBase(setup.dir)}  ${log}
  server_names_hash_max_size 65536;
  upstream origin {
    server 127.0.0.1:${setup.originPort};
    keepalive 256;
    keepalive_requests 100000000;
  }
${locations(setup)}}
`;
  return {
    files: { 'nginx.conf': config, ...certificateFiles(setup) },
    command: [program, '-p', setup.dir, '-c', `${setup.dir}/nginx.conf`],
  };
}

/** The nginx found on `searchPath`. */
export function nginxPeer(searchPath: string): Peer {
  const program = findProgram('nginx', searchPath) ?? 'nginx';
  return {
    name: 'nginx',
    missing: () => missingProgram('nginx', searchPath),
    versionCommand: [program, '-v'],
    plan: (setup) => plan(setup, program),
  };
}
