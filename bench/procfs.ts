/**
 * Process accounting from Linux procfs: CPU time and resident memory of a process tree.
 *
 * CPU time of a tree is user + system time of every process in it, all threads included, plus
 * what each has collected from children that already ended. A child that ends between two
 * readings therefore moves from its own row into its parent's and is counted exactly once.
 */

import { readdirSync, readFileSync } from 'node:fs';

/** The kernel's USER_HZ: procfs reports CPU time in hundredths of a second on every Linux ABI. */
export const TICKS_PER_SECOND = 100;

/** Page size of the machines this runs on; procfs reports resident memory in pages. */
export const PAGE_SIZE = 4096;

/** One line of /proc/PID/stat, only what is used here. */
export interface ProcessStat {
  readonly pid: number;
  readonly parentPid: number;
  /** User + system ticks of the process and of its children that ended and were waited for. */
  readonly cpuTicks: number;
  readonly residentPages: number;
}

/**
 * Reads one line of /proc/PID/stat (proc(5)). The command name stands in parentheses and may
 * hold spaces and parentheses itself, so fields are counted from the last `)`.
 * @returns null when the line is not of that form
 */
export function parseStat(text: string): ProcessStat | null {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 1 || close < open) return null;
  const fields = text.slice(close + 2).split(' ');
  // Fields after the name begin with number 3 (state) of proc(5).
  const field = (number: number): number => Number(fields[number - 3]);
  const stat = {
    pid: Number(text.slice(0, open)),
    parentPid: field(4),
    cpuTicks: field(14) + field(15) + field(16) + field(17),
    residentPages: field(24),
  };
  return Object.values(stat).every(Number.isFinite) ? stat : null;
}

/** The rows of `root` and of everything below it; empty when `root` is not among `stats`. */
export function selectTree(stats: readonly ProcessStat[], root: number): ProcessStat[] {
  const tree = stats.filter((stat) => stat.pid === root);
  // The list grows while it is walked: breadth first.
  for (const parent of tree) {
    for (const stat of stats) {
      if (stat.parentPid === parent.pid && stat.pid !== root) tree.push(stat);
    }
  }
  return tree;
}

/** Every process of this machine that can be read now. */
export function readProcesses(): ProcessStat[] {
  const stats: ProcessStat[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    let stat: ProcessStat | null = null;
    try {
      stat = parseStat(readFileSync(`/proc/${name}/stat`, 'latin1'));
    } catch {
      continue; // It ended between the listing and the reading.
    }
    if (stat !== null) stats.push(stat);
  }
  return stats;
}

/** What a process tree has used up to now. */
export interface TreeUsage {
  readonly pids: readonly number[];
  readonly cpuSeconds: number;
  /** Sum over the processes; pages they share count once for each. */
  readonly residentBytes: number;
}

/** Adds up the rows of one tree. */
export function sumUsage(tree: readonly ProcessStat[]): TreeUsage {
  let ticks = 0;
  let pages = 0;
  for (const stat of tree) {
    ticks += stat.cpuTicks;
    pages += stat.residentPages;
  }
  return {
    pids: tree.map((stat) => stat.pid),
    cpuSeconds: ticks / TICKS_PER_SECOND,
    residentBytes: pages * PAGE_SIZE,
  };
}

/** Usage of `root` and its descendants; no pids when it does not run. */
export function readUsage(root: number): TreeUsage {
  return sumUsage(selectTree(readProcesses(), root));
}

/** Bytes in the `Pss:` line of /proc/PID/smaps_rollup; 0 when there is none. */
export function parseProportional(text: string): number {
  const match = /^Pss: +(\d+) kB$/m.exec(text);
  return match === null ? 0 : Number(match[1]) * 1024;
}

/** Proportional share of memory of some processes together; those that ended count as 0. */
export function readProportional(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    try {
      sum += parseProportional(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'));
    } catch {
      continue; // It ended, or belongs to someone else.
    }
  }
  return sum;
}
