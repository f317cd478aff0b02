/** Proxy Now as a contender: two workers, reloaded by SIGHUP. */

import fs from 'node:fs';
import path from 'node:path';
import { Child } from '../../support/child.ts';
import { PROXY_BINARY, proxyExists } from '../../support/proxy.ts';
import { firstChild, type Contender } from './contender.ts';
import { planGeneration, type Layout } from './layout.ts';

function service(name: string, ports: readonly number[]): string {
  const urls = ports.map((port) => `"http://127.0.0.1:${port}"`).join(', ');
  return `[services.${name}]\nendpoints = [${urls}]\n\n`;
}

function route(name: string, prefix: string, service: string): string {
  return `[routes.${name}]\npath = "${prefix}/*"\nservice = "${service}"\n\n`;
}

function render(layout: Layout, generation: number): string {
  const plan = planGeneration(layout, generation);
  const second = plan.hasSecondListener
    ? `[listeners.second]\naddress = "127.0.0.1:${layout.secondPort}"\n\n`
    : '';
  return (
    `io = "node"\nworkers = 2\ndrain-timeout = "${layout.drainSeconds}s"\n\n` +
    `[reload]\nwatch = false\nautosave = "off"\n\n` +
    `[admin]\naddress = "127.0.0.1:${layout.adminPort}"\n` +
    `socket = "${layout.directory}/admin.sock"\n\n` +
    `[listeners.web]\naddress = "127.0.0.1:${layout.port}"\n\n${second}` +
    route('stable', '/stable', 'stable') +
    route('ws', '/ws', 'ws') +
    route('gen', '/gen', plan.genService) +
    route('own', plan.ownPrefix, 'ws') +
    service('stable', plan.stable) +
    service('ws', [layout.a]) +
    service('left', [plan.left]) +
    service('right', [plan.right])
  );
}

export const proxyNow: Contender = {
  name: 'proxy-now',
  fileName: 'proxy-now.toml',
  command: () => (proxyExists() ? PROXY_BINARY : null),
  version() {
    const file = new URL('../../../package.json', import.meta.url);
    return (JSON.parse(fs.readFileSync(file, 'utf8')) as { readonly version: string }).version;
  },
  render,
  start: (command, layout) =>
    new Child(command, ['run', '-c', path.join(layout.directory, proxyNow.fileName)]),
  async reload(child) {
    child.signal('SIGHUP');
  },
  async upgrade(child) {
    child.signal('SIGUSR2');
  },
  mainPid: firstChild,
};
