/** Caddy as a contender: two threads, reloaded through its administration API. */

import fs from 'node:fs';
import path from 'node:path';
import { Child } from '../../support/child.ts';
import { peerCommand, peerVersion } from '../../support/peers.ts';
import { adminRequest, type Contender } from './contender.ts';
import { planGeneration, type Layout } from './layout.ts';

function handle(prefix: string, ports: readonly number[]): string {
  const targets = ports.map((port) => `127.0.0.1:${port}`).join(' ');
  return `  handle ${prefix}/* {\n    reverse_proxy ${targets}\n  }\n`;
}

function render(layout: Layout, generation: number): string {
  const plan = planGeneration(layout, generation);
  const second = plan.hasSecondListener ? `, http://:${layout.secondPort}` : '';
  const routes = [
    handle('/stable', plan.stable),
    handle('/ws', [layout.a]),
    handle('/gen', [plan[plan.genService]]),
    handle(plan.ownPrefix, [layout.a]),
  ];
  return `{
  admin 127.0.0.1:${layout.adminPort}
  auto_https off
  log {
    level ERROR
  }
}
http://:${layout.port}${second} {
  bind 127.0.0.1
${routes.join('')}  handle {
    respond 404
  }
}
`;
}

export const caddy: Contender = {
  name: 'caddy',
  fileName: 'Caddyfile',
  command: () => peerCommand('caddy'),
  version: () => peerVersion('caddy'),
  render,
  start: (command, { directory }) =>
    new Child(
      command,
      ['run', '--adapter', 'caddyfile', '--config', path.join(directory, caddy.fileName)],
      {
        HOME: directory,
        XDG_CONFIG_HOME: directory,
        XDG_DATA_HOME: directory,
        GOMAXPROCS: '2',
      },
    ),
  async reload(_child, layout) {
    const text = fs.readFileSync(path.join(layout.directory, caddy.fileName), 'utf8');
    await adminRequest(layout.adminPort, 'POST', '/load', { type: 'text/caddyfile', text });
  },
  mainPid: (child) => child.pid,
};
