/**
 * `run`: serves a configuration until it is told to stop.
 */

import { formatIssues } from '../../control/config/render-issue.ts';
import type { Config } from '../../control/config/config.ts';
import { readConfig, sourceText } from '../config-file.ts';
import { Supervisor } from '../supervisor.ts';
import type { Command } from './command.ts';
import { CONFIG_OPTION, configPath } from './command.ts';

export const runCommand: Command = {
  name: 'run',
  operands: [],
  summary: 'Serve a configuration. SIGTERM drains, a second one aborts, SIGUSR1 reopens logs.',
  options: [CONFIG_OPTION],
  async run(_operands, values) {
    const { config, issues } = await readConfig(configPath(values));
    if (issues.length > 0) process.stderr.write(formatIssues(issues, sourceText));
    if (config === null) return 1;
    return serve(config);
  },
};

/** Starts the supervisor. @returns null while it runs, or an exit code */
export function serve(config: Config): number | null {
  const supervisor = new Supervisor({ config, onExit: (code) => process.exit(code) });
  try {
    supervisor.start();
    return null;
  } catch (error) {
    process.stderr.write(`proxy-now: ${(error as Error).message}\n`);
    return 1;
  }
}
