/**
 * A child process of a test: output captured, waited for, and ended even when the test fails.
 *
 * Every child is killed when this process exits, so a crashed test file leaves nothing behind.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { until, within } from './wait.ts';
import { processTree } from './process-tree.ts';

const OUTPUT_MAX = 1_000_000;
const running = new Set<Child>();

process.on('exit', () => {
  for (const child of running) child.killTree();
});

/** Ends this process, and so its children, when it is told to; for programs, not for tests. */
export function endOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => process.exit(1));
  }
}

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ChildOptions {
  /** `write` needs it; without it the child has no standard input. */
  readonly hasInput?: boolean;
  /** Called with each whole line of standard output; such lines are not kept in `output`. */
  readonly onLine?: (line: string) => void;
}

export class Child {
  readonly #process: ChildProcess;
  readonly exited: Promise<ChildExit>;
  exit: ChildExit | null = null;
  /** stdout and stderr in order of arrival, bounded. */
  output = '';

  constructor(
    command: string,
    args: readonly string[],
    env: Record<string, string> = {},
    options: ChildOptions = {},
  ) {
    this.#process = spawn(command, args, {
      stdio: [options.hasInput === true ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    const append = (bytes: Buffer): void => {
      if (this.output.length < OUTPUT_MAX) this.output += bytes.toString('utf8');
    };
    const { onLine } = options;
    const { stdout } = this.#process;
    if (onLine === undefined) stdout?.on('data', append);
    else if (stdout !== null) createInterface({ input: stdout }).on('line', onLine);
    this.#process.stdin?.on('error', () => undefined); // It has ended: `exited` says so.
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

  /** Writes a line to the child's standard input. */
  write(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
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
