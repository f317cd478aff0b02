/**
 * `drain` and `undrain`: takes an endpoint out of traffic and back in, without a file.
 */

import type { HealthRow } from '../../control/probe/health-board.ts';
import { askAdmin, complain, errorOf, plain } from './admin-client.ts';
import { CONFIG_OPTION, EXIT_FAILED, EXIT_USAGE, JSON_OPTION, SOCKET_OPTION } from './command.ts';
import type { Command, OptionValues } from './command.ts';

const OPTIONS = [
  { name: 'service', value: 'NAME', doc: 'Only in this service. Default: in every one.' },
  CONFIG_OPTION,
  SOCKET_OPTION,
  JSON_OPTION,
];

export const drainCommand: Command = {
  name: 'drain',
  operands: ['[endpoint]', 'URL'],
  summary: 'Take an endpoint out of traffic: no new clients, those bound by a cookie stay.',
  options: OPTIONS,
  run: (operands, values) => setDraining('drain', operands, values),
};

export const undrainCommand: Command = {
  name: 'undrain',
  operands: ['[endpoint]', 'URL'],
  summary: 'Take an endpoint back into traffic.',
  options: OPTIONS,
  run: (operands, values) => setDraining('undrain', operands, values),
};

async function setDraining(
  verb: 'drain' | 'undrain',
  operands: readonly string[],
  values: OptionValues,
): Promise<number> {
  const [word, url] = operands.length === 2 ? operands : ['endpoint', operands[0]];
  if (word !== 'endpoint') {
    complain(`${verb}: expected ${verb} endpoint URL, found ${verb} ${operands.join(' ')}`);
    return EXIT_USAGE;
  }
  const service = typeof values.service === 'string' ? { service: values.service } : {};
  const reply = await askAdmin(values, {
    method: 'POST',
    path: `/endpoints/${verb}`,
    body: { endpoint: url, ...service },
  });
  if (!reply.ok) return reply.exitCode;
  if (reply.status !== 200) {
    complain(`${verb}: ${errorOf(reply.value)}`);
    return EXIT_FAILED;
  }
  if (values.json === true) {
    process.stdout.write(`${JSON.stringify(reply.value, null, 2)}\n`);
    return 0;
  }
  const { endpoints } = reply.value as { endpoints: readonly HealthRow[] };
  for (const row of endpoints) {
    process.stdout.write(plain(`${row.service}  ${row.endpoint}  ${row.state}\n`));
  }
  return 0;
}
