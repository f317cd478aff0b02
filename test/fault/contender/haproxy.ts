/** HAProxy as a contender: master and worker, two threads, reloaded by SIGUSR2. */

import path from 'node:path';
import { Child } from '../../support/child.ts';
import { peerCommand, peerVersion } from '../../support/peers.ts';
import { firstChild, type Contender } from './contender.ts';
import { planGeneration, type Layout } from './layout.ts';

function backend(name: string, ports: readonly number[]): string {
  const servers = ports.map((port, i) => `  server s${i} 127.0.0.1:${port}\n`).join('');
  return `backend ${name}\n${servers}\n`;
}

const use = (prefix: string, name: string): string =>
  `  use_backend ${name} if { path_beg ${prefix}/ }\n`;

function render(layout: Layout, generation: number): string {
  const plan = planGeneration(layout, generation);
  const second = plan.hasSecondListener ? `  bind 127.0.0.1:${layout.secondPort}\n` : '';
  const uses = [
    use('/stable', 'stable'),
    use('/ws', 'ws'),
    use('/gen', plan.genService),
    use(plan.ownPrefix, 'ws'),
  ];
  const backends = [
    backend('stable', plan.stable),
    backend('ws', [layout.a]),
    backend('left', [plan.left]),
    backend('right', [plan.right]),
  ];
  return `global
  nbthread 2
  maxconn 4096
  stats socket ${layout.directory}/haproxy.sock mode 600 level admin expose-fd listeners
defaults
  mode http
  option forwardfor
  option redispatch
  retries 3
  timeout connect 5s
  timeout client 75s
  timeout server 60s
  timeout tunnel 1h
frontend web
  bind 127.0.0.1:${layout.port}
${second}${uses.join('')}
${backends.join('')}`;
}

export const haproxy: Contender = {
  name: 'haproxy',
  fileName: 'haproxy.cfg',
  command: () => peerCommand('haproxy'),
  version: () => peerVersion('haproxy'),
  render,
  start: (command, { directory }) =>
    new Child(command, ['-W', '-db', '-f', path.join(directory, haproxy.fileName)]),
  async reload(child) {
    child.signal('SIGUSR2');
  },
  mainPid: firstChild,
};
