/**
 * Memory and descriptors of a process and all its descendants, read from /proc.
 *
 * A process that ends while it is read counts as zero; nothing here throws for that.
 */

import fs from 'node:fs';

export interface TreeUsage {
  readonly processCount: number;
  /** Resident set, bytes, all processes together. */
  readonly rssSize: number;
  /** Open descriptors, all processes together. */
  readonly descriptorCount: number;
  /** User plus system time in clock ticks (1/100 s), of children that have ended too. */
  readonly cpuTicks: number;
}

const PAGE_SIZE = 4_096;

function parentOf(pid: number): number {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return -1;
  }
}

/** `root` and everything it started, directly or not. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of fs.readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const parent = parentOf(pid);
    const list = children.get(parent);
    if (list === undefined) children.set(parent, [pid]);
    else list.push(pid);
  }
  const tree = [root];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i]!) ?? []));
  return tree;
}

function rssOf(pid: number): number {
  try {
    return Number(fs.readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * PAGE_SIZE;
  } catch {
    return 0;
  }
}

function descriptorsOf(pid: number): number {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

function ticksOf(pid: number): number {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  } catch {
    return 0;
  }
}

/** Sums over `root` and its descendants at this moment. */
export function treeUsage(root: number): TreeUsage {
  let rssSize = 0;
  let descriptorCount = 0;
  let cpuTicks = 0;
  const tree = processTree(root);
  for (const pid of tree) {
    rssSize += rssOf(pid);
    descriptorCount += descriptorsOf(pid);
    cpuTicks += ticksOf(pid);
  }
  return { processCount: tree.length, rssSize, descriptorCount, cpuTicks };
}
