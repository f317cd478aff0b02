/**
 * `to`: a whole proxy in one line, without a file.
 */

import { loadConfig } from '../../control/config/load-config.ts';
import type { Command } from './command.ts';
import { serve } from './run.ts';

const FILE = 'command line';

export const toCommand: Command = {
  name: 'to',
  operands: ['ENDPOINT'],
  summary: 'Proxy everything to one endpoint: a port, host:port, http:// URL or unix:/path.',
  options: [
    { name: 'listen', short: 'l', value: 'ADDRESS', doc: 'Where to listen. Default: :8080.' },
  ],
  async run([endpoint = ''], values) {
    const listen = typeof values.listen === 'string' ? values.listen : ':8080';
    const text = oneLineConfig(endpointUrl(endpoint), listen);
    const { config, issues } = await loadConfig(FILE, {
      readFile: (path) => (path === FILE ? text : { problem: 'there are no files' }),
      glob: () => [],
      env: () => undefined,
    });
    for (const issue of issues) {
      const found = issue.found === undefined ? '' : ` (${issue.found})`;
      process.stderr.write(`proxy-now: ${issue.message}${found}\n`);
    }
    return config === null ? 1 : serve({ config, files: [] }, '');
  },
};

/** `3000` and `host:3000` become URLs; anything else is left to the configuration's checks. */
export function endpointUrl(endpoint: string): string {
  if (/^\d+$/.test(endpoint)) return `http://127.0.0.1:${endpoint}`;
  // Whatever has a scheme is judged by the configuration's checks, which name the ones there are.
  if (endpoint.includes('://') || endpoint.startsWith('unix:')) return endpoint;
  return `http://${endpoint}`;
}

function oneLineConfig(endpoint: string, listen: string): string {
  return `
[listeners.web]
address = ${JSON.stringify(listen)}
[routes.all]
service = "all"
[services.all]
endpoints = [${JSON.stringify(endpoint)}]
[admin]
address = "off"
socket = "off"
`;
}
