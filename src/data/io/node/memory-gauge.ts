/**
 * Memory gauge: how much of the memory that this process may use is in use, as the kernel's
 * out-of-memory killer counts it (cgroups v1 and v2, the tightest limit on the way to the root).
 *
 * G1  files are opened once and read in place afterwards: a gauge that needs a descriptor would
 *     fail when it matters.
 * G2  nothing throws: what cannot be read counts as no limit.
 * G3  page cache that the kernel can drop is not in use. Asking for it is the expensive part, so it
 *     is asked for only from `DETAIL_SHARE` on.
 * G4  others in the same group count only while this process has a part in it worth shedding:
 *     refusing requests because a neighbour leaks would help nobody.
 */

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';

/** Above any machine's memory: how cgroup v1 says "no limit". */
const UNLIMITED = 2 ** 60;
const PAGE_SIZE = 4_096;
const DETAIL_SHARE = 0.7;
/** Part of the limit that this process must hold itself for the rest to count. */
const OWN_SHARE_MIN = 0.25;

interface Group {
  readonly limit: number;
  readonly usage: number;
  readonly stat: number;
  /** Name in the stat file of page cache not used for a while. */
  readonly cacheKey: string;
}

export interface MemoryGaugeOptions {
  readonly processPath?: string;
  readonly cgroupPath?: string;
}

export class MemoryGauge {
  readonly #groups: readonly Group[];
  readonly #ownPages: number;
  readonly #buffer = Buffer.allocUnsafeSlow(16_384);

  constructor({
    processPath = '/proc/self',
    cgroupPath = '/sys/fs/cgroup',
  }: MemoryGaugeOptions = {}) {
    this.#groups = openGroups(processPath, cgroupPath);
    this.#ownPages = open(join(processPath, 'statm'));
  }

  /** Used part of the tightest limit, 0 without one; 1 is where the kernel starts to kill. */
  share(): number {
    let most = 0;
    for (const group of this.#groups) most = Math.max(most, this.#shareOf(group));
    return most;
  }

  /** Resident memory of this process in bytes, 0 when unknown. Needs no descriptor. */
  residentSize(): number {
    const [, pages] = this.#read(this.#ownPages).split(' ');
    return Number(pages ?? 0) * PAGE_SIZE;
  }

  #shareOf(group: Group): number {
    const limit = Number.parseInt(this.#read(group.limit), 10); // `max` is not a number.
    if (!(limit > 0 && limit < UNLIMITED)) return 0;
    const usage = Number.parseInt(this.#read(group.usage), 10);
    if (!(usage > limit * DETAIL_SHARE)) return usage > 0 ? usage / limit : 0;
    const own = this.residentSize();
    if (own < limit * OWN_SHARE_MIN) return own / limit;
    const cached = new RegExp(`^${group.cacheKey} (\\d+)`, 'm').exec(this.#read(group.stat));
    return Math.max(usage - Number(cached?.[1] ?? 0), 0) / limit;
  }

  #read(fd: number): string {
    if (fd < 0) return '';
    try {
      const size = readSync(fd, this.#buffer, 0, this.#buffer.length, 0);
      return this.#buffer.toString('latin1', 0, size);
    } catch {
      return '';
    }
  }
}

function openGroups(processPath: string, cgroupPath: string): Group[] {
  let lines: string[];
  try {
    lines = readFileSync(join(processPath, 'cgroup'), 'utf8').split('\n');
  } catch {
    return [];
  }
  const entries = lines.map((line) => /^\d+:([^:]*):(.*)$/.exec(line));
  const first = entries.find((entry) => entry?.[1]?.split(',').includes('memory'));
  if (first) {
    return openPath(join(cgroupPath, 'memory'), first[2]!, (folder) => ({
      limit: open(join(folder, 'memory.limit_in_bytes')),
      usage: open(join(folder, 'memory.usage_in_bytes')),
      stat: open(join(folder, 'memory.stat')),
      cacheKey: 'total_inactive_file',
    }));
  }
  const second = entries.find((entry) => entry?.[1] === '');
  return openPath(cgroupPath, second?.[2] ?? '/', (folder) => ({
    limit: open(join(folder, 'memory.max')),
    usage: open(join(folder, 'memory.current')),
    stat: open(join(folder, 'memory.stat')),
    cacheKey: 'inactive_file',
  }));
}

/**
 * The groups from `path` up that have a limit now. In a container the path may be the host's and
 * not exist here; the mount's root is the container's own group then.
 */
function openPath(root: string, path: string, openGroup: (folder: string) => Group): Group[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '..');
  const groups: Group[] = [];
  for (let depth = names.length; depth >= 0; depth--) {
    const group = openGroup(join(root, ...names.slice(0, depth)));
    const isOurs = groups.length === 0; // Its limit may come later.
    if (group.limit >= 0 && group.usage >= 0 && (isOurs || hasLimit(group))) groups.push(group);
    else for (const fd of [group.limit, group.usage, group.stat]) if (fd >= 0) closeSync(fd);
  }
  return groups;
}

function hasLimit(group: Group): boolean {
  const text = Buffer.alloc(32);
  const size = readSync(group.limit, text, 0, text.length, 0);
  const limit = Number.parseInt(text.toString('latin1', 0, size), 10);
  return limit > 0 && limit < UNLIMITED;
}

/** @returns a descriptor, or -1 */
function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch {
    return -1;
  }
}
