/**
 * Every command, in the order of the help text.
 */

import { checkCommand } from './check.ts';
import type { Command } from './command.ts';
import { explainCommand } from './explain.ts';
import { runCommand } from './run.ts';
import { toCommand } from './to.ts';
import { versionCommand } from './version.ts';

export const COMMANDS: readonly Command[] = [
  runCommand,
  toCommand,
  checkCommand,
  explainCommand,
  versionCommand,
];
