/**
 * `check`: every issue of a configuration, at its line and column. Exit code 1 with any error.
 */

import { formatIssues } from '../../control/config/render-issue.ts';
import { readConfig, sourceText } from '../config-file.ts';
import type { Command } from './command.ts';
import { CONFIG_OPTION, configPath, JSON_OPTION } from './command.ts';

export const checkCommand: Command = {
  name: 'check',
  operands: [],
  summary: 'Check a configuration and print every issue with its place.',
  options: [CONFIG_OPTION, JSON_OPTION],
  async run(_operands, values) {
    const path = configPath(values);
    const { config, issues } = await readConfig(path);
    const hasError = config === null || issues.some((issue) => issue.severity === 'error');
    if (values.json === true) {
      process.stdout.write(`${JSON.stringify({ ok: !hasError, issues }, null, 2)}\n`);
    } else if (issues.length === 0) {
      process.stdout.write(`${path}: no issues\n`);
    } else {
      process.stdout.write(formatIssues(issues, sourceText));
    }
    return hasError ? 1 : 0;
  },
};
