/**
 * `run`: serves a configuration until it is told to stop.
 */

import { resolve } from 'node:path';

import { formatIssues } from '../../control/config/render-issue.ts';
import { readConfig, sourceText } from '../config-file.ts';
import { hasError, lastGoodConfig, loadedFiles } from '../start-config.ts';
import type { StartConfig } from '../start-config.ts';
import { Supervisor } from '../supervisor.ts';
import type { Command } from './command.ts';
import { CONFIG_OPTION, configPath, EXIT_FAILED } from './command.ts';

export const runCommand: Command = {
  name: 'run',
  operands: [],
  summary:
    'Serve a configuration. SIGTERM drains, a second one aborts, SIGHUP reloads, SIGUSR1 reopens ' +
    'logs, SIGUSR2 upgrades.',
  options: [
    CONFIG_OPTION,
    {
      name: 'last-good',
      doc: 'Start from what was last served when the files have an error.',
    },
  ],
  async run(_operands, values) {
    const path = configPath(values);
    const loaded = await readConfig(path);
    process.stderr.write(formatIssues(loaded.issues, sourceText));
    if (values['last-good'] === true && hasError(loaded)) return serveLastGood(path);
    const { config } = loaded;
    if (config === null) {
      const isKept = 'config' in (await lastGoodConfig(path));
      if (isKept) process.stderr.write('proxy-now: run --last-good starts from what was served\n');
      return EXIT_FAILED;
    }
    return serve({ config, files: loadedFiles(loaded) }, resolve(path));
  },
};

async function serveLastGood(path: string): Promise<number | null> {
  const start = await lastGoodConfig(path);
  if ('problem' in start) {
    process.stderr.write(`proxy-now: --last-good: ${start.problem}\n`);
    return EXIT_FAILED;
  }
  const when = new Date(start.savedAtMs).toISOString();
  process.stderr.write(
    `proxy-now: the files have errors; starting from their last good version, saved ${when}\n`,
  );
  return serve(start, resolve(path));
}

/**
 * Starts the supervisor.
 * @param path of the main file, absolute; empty when the configuration has none
 * @returns null: it runs, and ends the process itself
 */
export function serve({ config, files }: StartConfig, path: string): number | null {
  new Supervisor({ config, files, configPath: path, onExit }).start();
  return null;
}

function onExit(code: number): void {
  process.exit(code);
}
