/**
 * Every command, in the order of the help text.
 */

import { certsCommand } from './certs.ts';
import { checkCommand } from './check.ts';
import type { Command } from './command.ts';
import { drainCommand, undrainCommand } from './drain.ts';
import { explainCommand } from './explain.ts';
import { importCommand } from './import.ts';
import { logLevelCommand } from './log-level.ts';
import { diffCommand, reloadCommand } from './reload.ts';
import { runCommand } from './run.ts';
import { statusCommand } from './status.ts';
import { toCommand } from './to.ts';
import { trustCommand, untrustCommand } from './trust.ts';
import { upgradeCommand } from './upgrade.ts';
import { versionCommand } from './version.ts';

export const COMMANDS: readonly Command[] = [
  runCommand,
  toCommand,
  checkCommand,
  explainCommand,
  statusCommand,
  certsCommand,
  diffCommand,
  reloadCommand,
  drainCommand,
  undrainCommand,
  trustCommand,
  untrustCommand,
  importCommand,
  upgradeCommand,
  logLevelCommand,
  versionCommand,
];
