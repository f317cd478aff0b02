/** The command line of the bench. Pure: a list of arguments in, options or an issue out. */

import { parseArgs } from 'node:util';
import type { ExtraPeer } from './peers/command.ts';
import { WORKLOADS } from './workloads.ts';

export interface BenchOptions {
  readonly workloads: readonly string[];
  /** Names of built-in peers; extra peers always run. */
  readonly peers: readonly string[];
  readonly extraPeers: readonly ExtraPeer[];
  readonly rounds: number;
  readonly seconds: number;
  readonly isJson: boolean;
  readonly isSaved: boolean;
  readonly isHelp: boolean;
}

export const PEER_NAMES = ['nginx', 'haproxy', 'caddy', 'traefik', 'proxy-now'] as const;

const ROUNDS_MAX = 100;
const SECONDS_MAX = 600;

export const USAGE = `npm run bench -- [options]
  --only NAMES      workloads, comma separated: ${WORKLOADS.map((one) => one.name).join(' ')}
  --peers NAMES     peers, comma separated: ${PEER_NAMES.join(' ')}
  --peer NAME='COMMAND'   one more peer; {port}, {origin}, {admin} and {dir} are filled in
  --rounds N        rounds of each workload, every peer once in each (default 5)
  --seconds N       seconds of load per peer and round (default 4)
  --short           2 rounds of 2 seconds of a and d1m
  --json            the rows as JSON instead of the table
  --save            write bench/results/latest.json too
Environment: TRAEFIK_BIN names a Traefik binary.
`;

function readList(text: string, known: readonly string[], what: string): string[] {
  const names = text.split(',').filter((name) => name !== '');
  for (const name of names) {
    if (!known.includes(name)) {
      throw new Error(`no ${what} is called '${name}'; there are: ${known.join(', ')}`);
    }
  }
  return names;
}

function readCount(text: string, max: number, what: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new Error(`--${what} takes a whole number from 1 to ${max}, not '${text}'`);
  }
  return value;
}

function readExtra(text: string): ExtraPeer {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1)
    throw new Error(`--peer takes NAME='COMMAND', not '${text}'`);
  const name = text.slice(0, at);
  if ((PEER_NAMES as readonly string[]).includes(name)) {
    throw new Error(`--peer cannot be called '${name}': that peer is built in`);
  }
  return { name, command: text.slice(at + 1) };
}

/**
 * Reads the arguments after the script's name.
 * @throws with one line for the user when they make no sense
 */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      peers: { type: 'string', default: PEER_NAMES.join(',') },
      peer: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      short: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const known = WORKLOADS.map((one) => one.name);
  const only = values.only ?? (values.short ? 'a,d1m' : known.join(','));
  return {
    workloads: readList(only, known, 'workload'),
    peers: readList(values.peers, PEER_NAMES, 'peer'),
    extraPeers: values.peer.map(readExtra),
    rounds: readCount(values.rounds ?? (values.short ? '2' : '5'), ROUNDS_MAX, 'rounds'),
    seconds: readCount(values.seconds ?? (values.short ? '2' : '4'), SECONDS_MAX, 'seconds'),
    isJson: values.json,
    isSaved: values.save,
    isHelp: values.help,
  };
}
