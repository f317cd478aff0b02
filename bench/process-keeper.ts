/**
 * Starts every process of a bench run and ends every one of them.
 *
 * K1  a child gets a session of its own, so a Ctrl-C reaches only the harness, which then ends
 *     the children in order; and the kernel ends a child whose harness was killed.
 * K2  `stop` returns after the whole process tree is gone, by force where asking did not help.
 * K3  `killAll` is synchronous: it may run while this process is exiting.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { readProcesses, readUsage, selectTree } from './procfs.ts';

/** What to start. */
export interface ProcessSpec {
  readonly name: string;
  readonly command: readonly string[];
  /** Core to pin to, or null to leave placement to the kernel. */
  readonly core: number | null;
  /** Folder to run in. */
  readonly cwd: string;
  /** File that takes stdout and stderr. */
  readonly logPath: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A process the keeper answers for. */
export interface KeptProcess {
  readonly name: string;
  readonly pid: number;
  readonly logPath: string;
  readonly child: ChildProcess;
}

const STOP_TIMEOUT_MS = 5000;
const KILL_TIMEOUT_MS = 5000;
const POLL_MS = 20;

/** True while the process neither exited nor failed to start. */
export function isRunning(kept: KeptProcess): boolean {
  return kept.child.exitCode === null && kept.child.signalCode === null;
}

/** The last lines a process wrote, for messages. Empty when it wrote nothing. */
export function logTail(kept: KeptProcess, lineCount = 25): string {
  return readFileSync(kept.logPath, 'utf8').trimEnd().split('\n').slice(-lineCount).join('\n');
}

/** `command` pinned to `core` and tied to the life of this process. */
export function wrapCommand(command: readonly string[], core: number | null): string[] {
  const pin = core === null ? [] : ['taskset', '-c', String(core)];
  return ['setpriv', '--pdeathsig', 'TERM', '--', ...pin, ...command];
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Already gone, which is what was wanted.
  }
}

/** Owns the children of one bench run. */
export class ProcessKeeper {
  readonly #kept = new Set<KeptProcess>();
  readonly #env: Readonly<Record<string, string | undefined>>;

  /** Children see `env` and what their spec adds to it. */
  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
  }

  /**
   * Starts a process; it may still fail later, which `isRunning` tells.
   * @throws when it cannot be started at all
   */
  start(spec: ProcessSpec): KeptProcess {
    const log = openSync(spec.logPath, 'a');
    const [file, ...args] = wrapCommand(spec.command, spec.core);
    const child = spawn(file!, args, {
      cwd: spec.cwd,
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...this.#env, ...spec.env },
    });
    closeSync(log);
    child.on('error', () => {}); // Reported through the missing pid below.
    if (child.pid === undefined) throw new Error(`${spec.name}: cannot start ${file}`);
    const kept = { name: spec.name, pid: child.pid, logPath: spec.logPath, child };
    this.#kept.add(kept);
    return kept;
  }

  /** Waits for a process to end by itself; ends it when `timeoutMs` passes. True: status 0. */
  async finish(kept: KeptProcess, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (isRunning(kept) && performance.now() < deadline) await delay(POLL_MS);
    const isDone = kept.child.exitCode === 0;
    await this.stop(kept);
    return isDone;
  }

  /** Ends a process and its descendants (K2). Harmless when they are gone. */
  async stop(kept: KeptProcess): Promise<void> {
    const { pids } = readUsage(kept.pid);
    if (isRunning(kept)) signal(kept.pid, 'SIGTERM');
    const asked = performance.now();
    while (anyAlive(pids) && performance.now() - asked < STOP_TIMEOUT_MS) await delay(POLL_MS);
    for (const pid of pids) if (anyAlive([pid])) signal(pid, 'SIGKILL');
    const killed = performance.now();
    while (anyAlive(pids) && performance.now() - killed < KILL_TIMEOUT_MS) await delay(POLL_MS);
    this.#kept.delete(kept);
  }

  /** Ends everything in the order last started, first stopped. */
  async stopAll(): Promise<void> {
    for (const kept of [...this.#kept].toReversed()) await this.stop(kept);
  }

  /** Ends everything now, without waiting (K3). */
  killAll(): void {
    const stats = readProcesses();
    for (const kept of this.#kept) {
      for (const stat of selectTree(stats, kept.pid)) signal(stat.pid, 'SIGKILL');
    }
    this.#kept.clear();
  }
}

/** A zombie is not alive: its parent just has not asked for it yet. */
function anyAlive(pids: readonly number[]): boolean {
  return pids.some((pid) => {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
      return text[text.lastIndexOf(')') + 2] !== 'Z';
    } catch {
      return false;
    }
  });
}
