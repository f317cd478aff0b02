/**
 * Peers in front of three endpoints that fail, each with the means it has: active checks every
 * 200 ms where there are any (HAProxy, Caddy), retries on another endpoint, and otherwise their
 * defaults.
 */

import { peerCommand, type PeerName } from '../../support/peers.ts';

export interface EndpointPorts {
  readonly port: number;
  readonly directory: string;
  /** Of the service behind `/all/`, in order. */
  readonly all: readonly number[];
  /** Of the one behind `/one/`. */
  readonly one: number;
}

export interface EndpointPeer {
  readonly name: PeerName;
  readonly fileName: string;
  render(ports: EndpointPorts): string;
  /** Arguments after the command. */
  args(file: string, directory: string): readonly string[];
}

const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

const nginx: EndpointPeer = {
  name: 'nginx',
  fileName: 'nginx.conf',
  args: (file, directory) => ['-p', directory, '-c', file],
  render: ({ port, directory, all, one }) => `daemon off; worker_processes 2; user root;
pid ${directory}/pid; error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off; ${TEMPORARY.map((name) => `${name}_temp_path ${directory}/${name};`).join(' ')}
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $connection_upgrade;
  upstream all { ${all.map((to) => `server 127.0.0.1:${to};`).join(' ')} keepalive 64; }
  upstream one { server 127.0.0.1:${one}; keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    location /all/ { proxy_pass http://all; }
    location /one/ { proxy_pass http://one; }
  }
}
`,
};

const haproxy: EndpointPeer = {
  name: 'haproxy',
  fileName: 'haproxy.cfg',
  args: (file) => ['-W', '-db', '-f', file],
  render: ({ port, all, one }) => `global
  nbthread 2
  maxconn 4096
defaults
  mode http
  option redispatch
  retries 3
  timeout connect 5s
  timeout client 75s
  timeout server 60s
  timeout tunnel 1h
  timeout check 300ms
frontend web
  bind 127.0.0.1:${port}
  use_backend one if { path_beg /one/ }
  default_backend all
backend all
  retry-on conn-failure empty-response
  http-request disable-l7-retry if METH_POST
  option httpchk GET /check?size=1
  default-server check inter 200ms fall 2 rise 2 slowstart 2s
${all.map((to, i) => `  server s${i} 127.0.0.1:${to}\n`).join('')}
backend one
  server s 127.0.0.1:${one}
`,
};

const caddy: EndpointPeer = {
  name: 'caddy',
  fileName: 'Caddyfile',
  args: (file) => ['run', '--adapter', 'caddyfile', '--config', file],
  render: ({ port, all, one }) => `{
  admin off
  auto_https off
  log {
    level ERROR
  }
}
http://:${port} {
  bind 127.0.0.1
  handle /one/* {
    reverse_proxy 127.0.0.1:${one}
  }
  handle {
    reverse_proxy ${all.map((to) => `127.0.0.1:${to}`).join(' ')} {
      lb_policy round_robin
      lb_try_duration 2s
      health_uri /check?size=1
      health_interval 200ms
      health_timeout 300ms
    }
  }
}
`,
};

/** Those that are installed. */
export function endpointPeers(): EndpointPeer[] {
  return [nginx, haproxy, caddy].filter(({ name }) => peerCommand(name) !== null);
}
