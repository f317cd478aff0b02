/**
 * Who holds a lock: a process of a machine, told apart from a later one with the same number.
 */

import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface LockOwner {
  /** Of one open store: random. */
  readonly id: string;
  /** Within it process numbers mean the same: boot of a machine, and container. */
  readonly scope: string;
  readonly processId: number;
  /** When the process started, in a form of the system; empty: not known. */
  readonly started: string;
}

/** @param id random text */
export function thisOwner(id: string): LockOwner {
  const processId = process.pid;
  return { id, scope: processScope(), processId, started: startOf(processId) ?? '' };
}

/** @returns null: it runs elsewhere, nothing can be said */
export function isOwnerAlive(owner: LockOwner): boolean | null {
  if (owner.scope !== processScope()) return null;
  try {
    process.kill(owner.processId, 0);
  } catch (error) {
    // It is there, but of another user: EPERM.
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
  }
  const started = startOf(owner.processId);
  return started === null || owner.started === '' || started === owner.started;
}

/** @returns null: the text is no owner */
export function readOwner(text: string): LockOwner | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return null;
    const { id, scope, processId, started } = value as Partial<Record<string, unknown>>;
    if (typeof id !== 'string' || typeof scope !== 'string') return null;
    if (typeof processId !== 'number' || !(processId > 0)) return null;
    if (typeof started !== 'string') return null;
    return { id, scope, processId, started };
  } catch {
    return null;
  }
}

export function isSameOwner(one: LockOwner, other: LockOwner): boolean {
  return one.id === other.id;
}

let scope = '';

function processScope(): string {
  if (scope !== '') return scope;
  const boot = attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  const container = attempt(() => readlinkSync('/proc/self/ns/pid'));
  scope = boot === null || container === null ? `host ${hostname()}` : `${boot} ${container}`;
  return scope;
}

/** Field 22 of `stat`; the name of the program before it may hold anything. */
function startOf(processId: number): string | null {
  const stat = attempt(() => readFileSync(`/proc/${processId}/stat`, 'utf8'));
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

function attempt(read: () => string): string | null {
  try {
    return read();
  } catch {
    return null;
  }
}
