/**
 * A child process of a test: output captured, waited for, and ended even when the test fails.
 *
 * Every child is killed when this process exits, so a crashed test file leaves nothing behind.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { until, within } from './wait.ts';
import { processTree } from './process-tree.ts';

const OUTPUT_MAX = 1_000_000;
const running = new Set<Child>();

process.on('exit', () => {
  for (const child of running) child.killTree();
});

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Child {
  readonly #process: ChildProcess;
  readonly exited: Promise<ChildExit>;
  exit: ChildExit | null = null;
  /** stdout and stderr in order of arrival, bounded. */
  output = '';

  constructor(command: string, args: readonly string[], env: Record<string, string> = {}) {
    this.#process = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    const append = (bytes: Buffer): void => {
      if (this.output.length < OUTPUT_MAX) this.output += bytes.toString('utf8');
    };
    this.#process.stdout?.on('data', append);
    this.#process.stderr?.on('data', append);
    running.add(this);
    this.exited = new Promise((resolve) => {
      const done = (exit: ChildExit): void => {
        running.delete(this);
        this.exit = exit;
        resolve(exit);
      };
      this.#process.once('error', (error) => {
        this.output += String(error);
        done({ code: -1, signal: null });
      });
      this.#process.once('exit', (code, signal) => done({ code, signal }));
    });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** Waits until the output matches. @throws with the output when the child ends or is late */
  async ready(pattern: RegExp, timeoutMs = 10_000): Promise<void> {
    try {
      await until(
        () => pattern.test(this.output) || this.exit !== null,
        String(pattern),
        timeoutMs,
      );
    } catch (error) {
      throw new Error(`${String(error)}\n${this.output}`, { cause: error });
    }
    if (!pattern.test(this.output)) throw new Error(`ended before ready:\n${this.output}`);
  }

  /** Kills the child and everything it started, now. */
  killTree(): void {
    if (this.exit !== null || this.pid < 0) return;
    for (const pid of processTree(this.pid).toReversed()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Already gone.
      }
    }
  }

  /** SIGTERM, then SIGKILL to the whole tree after `graceMs`. */
  async stop(graceMs = 3_000): Promise<ChildExit> {
    if (this.exit !== null) return this.exit;
    this.signal('SIGTERM');
    try {
      return await within(this.exited, 'exit after SIGTERM', graceMs);
    } catch {
      this.killTree();
      return this.exited;
    }
  }
}
