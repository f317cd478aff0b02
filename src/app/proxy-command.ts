/**
 * How a proxy process is started: by the code and the Node of this process, or, for an upgrade,
 * by what the launcher finds on disk now.
 */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { Command } from './proxy-child.ts';

/** The role, as first argument of the program. */
export const PROXY_PROCESS = 'proxy-process';
/** The launcher says here as what it was called; a link in it may lead elsewhere by now. */
const LAUNCHER_VARIABLE = 'PROXY_NOW_LAUNCHER';

export function currentCommand(): Command {
  const entry = fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url),
  );
  return { file: process.execPath, args: [...process.execArgv, entry, PROXY_PROCESS] };
}

/** @param current what runs now, for a program that was not started by its launcher */
export function upgradeCommand(current: Command): Command {
  const launcher = process.env[LAUNCHER_VARIABLE];
  if (launcher === undefined || !existsSync(launcher)) return current;
  return { file: launcher, args: [PROXY_PROCESS] };
}
