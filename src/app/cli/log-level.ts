/**
 * `log-level`: shows or sets how much the running proxy logs, until its next start or reload.
 */

import { askAdmin, complain, errorOf } from './admin-client.ts';
import { CONFIG_OPTION, EXIT_FAILED, JSON_OPTION, SOCKET_OPTION } from './command.ts';
import type { Command } from './command.ts';

export const logLevelCommand: Command = {
  name: 'log-level',
  operands: ['[LEVEL]'],
  summary: 'Show the level of the process log, or set it: error, warn, info, debug.',
  options: [CONFIG_OPTION, SOCKET_OPTION, JSON_OPTION],
  async run([level], values) {
    const path = '/log-level';
    const reply = await askAdmin(
      values,
      level === undefined ? { method: 'GET', path } : { method: 'PUT', path, body: { level } },
    );
    if (!reply.ok) return reply.exitCode;
    if (reply.status !== 200) {
      complain(`log-level: ${errorOf(reply.value)}`);
      return EXIT_FAILED;
    }
    const current = (reply.value as { level: string }).level;
    process.stdout.write(
      `${values.json === true ? JSON.stringify({ level: current }) : current}\n`,
    );
    return 0;
  },
};
