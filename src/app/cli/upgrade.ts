/**
 * `upgrade`: has a new process take over from the running one, without losing a request.
 */

import { askAdmin, complain, errorOf } from './admin-client.ts';
import { CONFIG_OPTION, EXIT_FAILED, JSON_OPTION, SOCKET_OPTION } from './command.ts';
import type { Command } from './command.ts';

export const upgradeCommand: Command = {
  name: 'upgrade',
  operands: [],
  summary: 'Replace the running process by a new one, of the version that is installed now.',
  options: [CONFIG_OPTION, SOCKET_OPTION, JSON_OPTION],
  async run(_operands, values) {
    const reply = await askAdmin(values, { method: 'POST', path: '/upgrade' });
    if (!reply.ok) return reply.exitCode;
    const isDone = reply.status === 200;
    if (values.json === true) process.stdout.write(`${JSON.stringify(reply.value, null, 2)}\n`);
    else if (isDone) process.stdout.write('upgraded: the new process serves, the old one drains\n');
    else complain(errorOf(reply.value));
    return isDone ? 0 : EXIT_FAILED;
  },
};
