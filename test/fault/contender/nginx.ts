/** nginx as a contender: two workers, `nginx -s reload` (SIGHUP to the master). */

import path from 'node:path';
import { Child } from '../../support/child.ts';
import { peerCommand, peerVersion } from '../../support/peers.ts';
import { type Contender } from './contender.ts';
import { planGeneration, type Layout } from './layout.ts';

function upstream(name: string, ports: readonly number[]): string {
  const servers = ports.map((port) => `server 127.0.0.1:${port};`).join(' ');
  return `  upstream ${name} { ${servers} keepalive 64; }\n`;
}

const location = (prefix: string, name: string): string =>
  `    location ${prefix}/ { proxy_pass http://${name}; }\n`;

function render(layout: Layout, generation: number): string {
  const plan = planGeneration(layout, generation);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${layout.directory}/${name};`)
    .join(' ');
  const second = plan.hasSecondListener ? `    listen 127.0.0.1:${layout.secondPort};\n` : '';
  const upstreams = [
    upstream('stable', plan.stable),
    upstream('ws', [layout.a]),
    upstream('left', [plan.left]),
    upstream('right', [plan.right]),
  ];
  const locations = [
    location('/stable', 'stable'),
    location('/ws', 'ws'),
    location('/gen', plan.genService),
    location(plan.ownPrefix, 'ws'),
  ];
  return `daemon off; worker_processes 2; pid ${layout.directory}/pid; error_log stderr crit;
user root;
events { worker_connections 4096; }
http {
  access_log off; client_max_body_size 0; ${temporary}
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $connection_upgrade;
${upstreams.join('')}
  server {
    listen 127.0.0.1:${layout.port};
${second}${locations.join('')}    location / { return 404; }
  }
}
`;
}

export const nginx: Contender = {
  name: 'nginx',
  fileName: 'nginx.conf',
  command: () => peerCommand('nginx'),
  version: () => peerVersion('nginx'),
  render,
  start: (command, { directory }) =>
    new Child(command, ['-p', directory, '-c', path.join(directory, nginx.fileName)]),
  async reload(child) {
    child.signal('SIGHUP');
  },
  mainPid: (child) => child.pid,
};
