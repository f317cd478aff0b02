/**
 * One bench run: its scratch folder, its processes, its two cores, its origins.
 *
 * The peer has core 0 for itself; origins, load generators and this process share core 1.
 * Everything a run creates is below one scratch folder, which `end` removes.
 */

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fixedOriginConfig, writeReplies } from './origin/fixed-origin.ts';
import { findProgram } from './peers/peer.ts';
import { freePort, waitForPort } from './ports.ts';
import { ProcessKeeper } from './process-keeper.ts';
import type { KeptProcess, ProcessSpec } from './process-keeper.ts';
import { STREAM_RATE } from './workloads.ts';

/** Where the run's own scripts are. */
const HERE = fileURLToPath(new URL('.', import.meta.url));

/** nginx is the origin even where it is not a peer; taskset and setpriv are in util-linux. */
const TOOLS = ['nginx', 'wrk', 'taskset', 'setpriv'];

const SIGNALS = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const;

/** What a run needs from the world. */
export interface SessionWorld {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Takes progress, one line at a time. */
  readonly say: (line: string) => void;
}

/** Ports of 127.0.0.1: fixed replies, uploads, and uploads read slowly. */
export interface Origins {
  readonly fixed: number;
  readonly upload: number;
  readonly slow: number;
}

/** A program that ran to its end. */
export interface Finished {
  readonly isDone: boolean;
  readonly output: string;
}

export class Session {
  readonly keeper: ProcessKeeper;
  readonly say: (line: string) => void;
  readonly searchPath: string;
  /** Core of the peer and core of everything else; null where there is only one. */
  readonly peerCore: number | null;
  readonly loadCore: number | null;
  readonly #scratch: string;
  #folders = 0;
  #origins: Origins | null = null;

  constructor(world: SessionWorld) {
    this.keeper = new ProcessKeeper(world.env);
    this.say = world.say;
    this.searchPath = world.env['PATH'] ?? '';
    const hasTwoCores = availableParallelism() > 1;
    this.peerCore = hasTwoCores ? 0 : null;
    this.loadCore = hasTwoCores ? 1 : null;
    this.#scratch = mkdtempSync(join(tmpdir(), 'proxy-now-bench-'));
    if (!hasTwoCores) world.say('one core only: peers share it with the load, ratios mislead');
  }

  /**
   * Checks that what every run needs is installed, and leaves the peer's core alone from here on.
   * @throws with the names of all that is not
   */
  prepare(): void {
    const missing = TOOLS.filter((name) => findProgram(name, this.searchPath) === null);
    if (missing.length > 0) throw new Error(`not installed: ${missing.join(', ')}`);
    if (this.loadCore === null) return;
    const args = ['-cp', String(this.loadCore), String(process.pid)];
    execFileSync('taskset', args, { stdio: 'ignore' });
  }

  /** A new empty folder of this run. */
  folder(name: string): string {
    const path = join(this.#scratch, `${this.#folders++}-${name}`);
    mkdirSync(path);
    return path;
  }

  /** Starts a process on the load core, in a folder of its own unless the spec names one. */
  startLoad(spec: Pick<ProcessSpec, 'name' | 'command'> & { dir?: string }): KeptProcess {
    const dir = spec.dir ?? this.folder(spec.name);
    return this.keeper.start({
      name: spec.name,
      command: spec.command,
      core: this.loadCore,
      cwd: dir,
      logPath: join(dir, 'output.log'),
    });
  }

  /** Runs a program on the load core to its end, at most `timeoutMs`. */
  async runLoad(spec: Pick<ProcessSpec, 'name' | 'command'>, timeoutMs: number): Promise<Finished> {
    const kept = this.startLoad(spec);
    const isDone = await this.keeper.finish(kept, timeoutMs);
    return { isDone, output: readFileSync(kept.logPath, 'utf8') };
  }

  /** Command line of one of the bench's own programs, by its path below bench/. */
  ownProgram(path: string, args: readonly (string | number)[]): string[] {
    return [process.execPath, join(HERE, path), ...args.map(String)];
  }

  /** Ports of the origins, which start when first asked for. */
  async origins(): Promise<Origins> {
    if (this.#origins !== null) return this.#origins;
    const nginx = findProgram('nginx', this.searchPath);
    if (nginx === null) throw new Error('the origin needs nginx, which is not installed');
    const [fixed, upload, slow] = [await freePort(), await freePort(), await freePort()];
    const dir = this.folder('origin');
    mkdirSync(join(dir, 'files'));
    writeReplies(dir);
    const config = join(dir, 'nginx.conf');
    writeFileSync(config, fixedOriginConfig(dir, fixed));
    const command = [nginx, '-p', dir, '-c', config];
    await waitForPort(fixed, this.startLoad({ name: 'origin', command, dir }));
    const uploadCommand = this.ownProgram('origin/upload-origin.ts', [upload]);
    await waitForPort(upload, this.startLoad({ name: 'upload-origin', command: uploadCommand }));
    const slowCommand = this.ownProgram('origin/slow-origin.ts', [slow, STREAM_RATE]);
    await waitForPort(slow, this.startLoad({ name: 'slow-origin', command: slowCommand }));
    this.#origins = { fixed, upload, slow };
    return this.#origins;
  }

  /** Ends every process, then removes the scratch folder. */
  async end(): Promise<void> {
    await this.keeper.stopAll();
    rmSync(this.#scratch, { recursive: true, force: true });
  }

  /** The same at once, for signals and crashes. */
  endNow(): void {
    this.keeper.killAll();
    rmSync(this.#scratch, { recursive: true, force: true, maxRetries: 3 });
  }

  /** From now on a signal ends the run at once; the exit code is the shell's for that signal. */
  endOnSignals(): void {
    for (const [name, code] of SIGNALS) {
      process.on(name, () => {
        this.endNow();
        process.exit(code);
      });
    }
  }
}
