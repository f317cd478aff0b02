/**
 * `version`: what is running.
 */

import { version } from '../version.ts';
import type { Command } from './command.ts';
import { JSON_OPTION } from './command.ts';

export const versionCommand: Command = {
  name: 'version',
  operands: [],
  summary: 'Print the version of Proxy Now and of Node.',
  options: [JSON_OPTION],
  run(_operands, values) {
    const facts = { version: version(), node: process.version, io: ['node'] };
    const text =
      values.json === true
        ? JSON.stringify(facts)
        : `proxy-now ${facts.version} (node ${facts.node})`;
    process.stdout.write(`${text}\n`);
    return Promise.resolve(0);
  },
};
