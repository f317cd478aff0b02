/**
 * nginx, HAProxy and Caddy as subjects, each with its usual reverse proxy configuration and
 * timeouts as small as the tests need. A peer that is not installed is simply absent.
 */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Child } from './child.ts';
import { portsOpen, scratchDirectory, subjectOf, type Link, type Subject } from './subject.ts';

export const PEER_NAMES = ['nginx', 'haproxy', 'caddy'] as const;
export type PeerName = (typeof PEER_NAMES)[number];

const COMMANDS: { readonly [P in PeerName]: readonly string[] } = {
  nginx: ['/usr/sbin/nginx', '/usr/bin/nginx'],
  haproxy: ['/usr/sbin/haproxy', '/usr/bin/haproxy'],
  caddy: ['/usr/bin/caddy', '/usr/local/bin/caddy'],
};

/** Path of the peer's executable, or null when it is not installed. */
export function peerCommand(name: PeerName): string | null {
  return COMMANDS[name].find((file) => fs.existsSync(file)) ?? null;
}

/** First version number in what the peer prints about itself. */
export function peerVersion(name: PeerName): string {
  const command = peerCommand(name);
  if (command === null) return '';
  const args = name === 'caddy' ? ['version'] : ['-v'];
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  return /\d+\.\d+(?:\.\d+)?/.exec(stdout + stderr)?.[0] ?? '';
}

function nginxConfig(links: readonly Link[], directory: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${directory}/${name};`)
    .join(' ');
  const servers = links.map(
    ({ listenPort, originPort }, i) => `
  upstream o${i} { server 127.0.0.1:${originPort}; keepalive 16; }
  server {
    listen 127.0.0.1:${listenPort};
    location / {
      proxy_pass http://o${i};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_connect_timeout 2s;
      proxy_read_timeout 2s;
    }
  }`,
  );
  return `daemon off; worker_processes 1; pid ${directory}/pid; error_log stderr crit; user root;
events { worker_connections 512; }
http {
  access_log off; client_max_body_size 0; ${temporary}
  client_header_timeout 30s; client_body_timeout 30s;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  ${servers.join('')}
}
`;
}

function haproxyConfig(links: readonly Link[]): string {
  const pairs = links.map(
    ({ listenPort, originPort }, i) => `
frontend f${i}
  bind 127.0.0.1:${listenPort}
  default_backend b${i}
backend b${i}
  server s 127.0.0.1:${originPort}`,
  );
  return `global
  maxconn 512
defaults
  mode http
  option forwardfor
  timeout connect 2s
  timeout client 30s
  timeout server 2s
  timeout http-request 30s
${pairs.join('')}
`;
}

function caddyConfig(links: readonly Link[]): string {
  const sites = links.map(
    ({ listenPort, originPort }) => `
http://:${listenPort} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${originPort} {
    transport http {
      dial_timeout 2s
      response_header_timeout 2s
      read_timeout 2s
    }
  }
}`,
  );
  return `{\n  admin off\n  auto_https off\n}\n${sites.join('')}\n`;
}

function launch(name: PeerName, command: string, links: readonly Link[], directory: string): Child {
  const file = path.join(directory, `${name}.conf`);
  if (name === 'nginx') {
    fs.writeFileSync(file, nginxConfig(links, directory));
    return new Child(command, ['-p', directory, '-c', file]);
  }
  if (name === 'haproxy') {
    fs.writeFileSync(file, haproxyConfig(links));
    return new Child(command, ['-db', '-f', file]);
  }
  fs.writeFileSync(file, caddyConfig(links));
  return new Child(command, ['run', '--adapter', 'caddyfile', '--config', file], {
    HOME: directory,
    XDG_CONFIG_HOME: directory,
    XDG_DATA_HOME: directory,
  });
}

/** Starts a peer. @returns null when it is not installed */
export async function startPeer(name: PeerName, links: readonly Link[]): Promise<Subject | null> {
  const command = peerCommand(name);
  if (command === null) return null;
  const directory = scratchDirectory();
  const child = launch(name, command, links, directory);
  const subject = subjectOf(name, peerVersion(name), { child, links, directory });
  try {
    await portsOpen(
      child,
      links.map((link) => link.listenPort),
    );
    return subject;
  } catch (error) {
    await subject.stop();
    throw error;
  }
}
