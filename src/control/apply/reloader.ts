/**
 * Reloader: takes changed files over, all or nothing, one at a time.
 *
 * R1  one reload runs at a time. Calls during one share a single further one, which begins after
 *     it, so that it sees what they saw.
 * R2  whatever happens (an error in a file, a publication that fails, a bug while loading), what
 *     was served before is served on, and the outcome says why. Nothing here rejects or throws.
 * R3  files that are what they were at the last look are not loaded again, with one exception: a
 *     publication that failed may succeed the next time (an address in use becomes free).
 * R4  files that were taken back by a rollback are not tried again until they change; a successor
 *     is told, so that an upgrade does not bring them back.
 * R5  a reload never ends all service: files without any listener (cut off while they were written,
 *     by a full disk perhaps) are rejected while there is one.
 * R6  a rollback goes to the last configuration that passed its window, not to one that was
 *     itself being watched.
 */

import type { Config } from '../config/config.ts';
import type { ConfigSource } from '../config/config-source.ts';
import type { LoadOptions } from '../config/load-config.ts';
import { LoadMemory } from '../config/load-memory.ts';
import { summarizeIssues } from '../config/render-issue.ts';
import { changedRoutes, diffConfigs, needsRestart, summarizeChanges } from './config-diff.ts';
import type { Change } from './config-diff.ts';
import { goodFilesOf, loadWithLastGood, savedFiles } from './last-good-files.ts';
import type { GoodFile, GoodLoad } from './last-good-files.ts';
import type {
  ApplyLog,
  Publication,
  ReloadCause,
  ReloadOutcome,
  ReloadPreview,
  SavedFile,
  TakenBack,
  WatchedInputs,
} from './reload-outcome.ts';
import { logOutcome } from './reload-log.ts';
import type { RollbackGuard } from './rollback.ts';

/** What is served when the reloader is made. */
export interface Served {
  readonly config: Config;
  readonly generation: number;
  /** Its files as they were; empty when nobody knows any more. */
  readonly files: readonly SavedFile[];
  /** What the process before this one took back; absent or null: nothing. */
  readonly takenBack?: TakenBack | null;
}

export interface ReloaderOptions {
  /** Path of the main file, absolute; empty when there is none, and nothing to reload. */
  readonly path: string;
  readonly source: ConfigSource;
  readonly loadOptions?: LoadOptions;
  readonly served: Served;
  /**
   * Brings a configuration to every worker. Resolves with its generation when all have
   * acknowledged it. Rejects with an error whose message says why not; then nothing has changed.
   */
  readonly publish: (publication: Publication) => Promise<number>;
  /** Watches new generations; absent: nobody does. */
  readonly guard?: RollbackGuard;
  /** After every load: what a watcher has to watch, and whether it is still what was loaded. */
  readonly onInputs?: (inputs: WatchedInputs, isCurrent: () => boolean) => void;
  /** After every load that is served: what an autosave has to keep. */
  readonly onGood?: (files: readonly SavedFile[]) => void;
  /** After every reload, whatever its outcome. */
  readonly onOutcome?: (outcome: ReloadOutcome) => void;
  readonly log: ApplyLog;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
}

export interface ReloadCounts {
  readonly applied: number;
  readonly unchanged: number;
  readonly rejected: number;
  readonly rollbacks: number;
}

/** A configuration and the files it is made of. */
interface State {
  readonly config: Config;
  readonly good: ReadonlyMap<string, GoodFile>;
}

/** The last look at the files. */
interface Look {
  readonly isCurrent: () => boolean;
  readonly fingerprint: string;
  readonly outcome: ReloadOutcome;
  /** R3. */
  readonly mayRetry: boolean;
}

type Result = Pick<ReloadOutcome, 'status' | 'message'> & Partial<ReloadOutcome>;

export class Reloader {
  readonly #options: ReloaderOptions;
  readonly #startConfig: Config;
  /** So that what did not change is neither decoded nor compared again. */
  readonly #memory = new LoadMemory();
  readonly #counts = { applied: 0, unchanged: 0, rejected: 0, rollbacks: 0 };
  #served: State;
  /** R6. */
  #proven: State;
  #generation: number;
  #look: Look | null = null;
  /** R4. */
  #takenBack: TakenBack | null;
  #lastApplied: ReloadOutcome | null = null;
  /** Ends when everything asked for so far has. */
  #tail: Promise<unknown> = Promise.resolve();
  /** Asked for and not begun. */
  #pending: Promise<ReloadOutcome> | null = null;
  #isClosed = false;

  constructor(options: ReloaderOptions) {
    const { config, generation, files, takenBack = null } = options.served;
    this.#options = options;
    this.#startConfig = config;
    this.#served = { config, good: goodFilesOf(files) };
    this.#proven = this.#served;
    this.#generation = generation;
    this.#takenBack = takenBack;
    this.#configureGuard();
  }

  /** What is served. */
  get config(): Config {
    return this.#served.config;
  }

  get generation(): number {
    return this.#generation;
  }

  /** True while the files on disk are what is served: no error, nothing rejected or taken back. */
  get isGood(): boolean {
    if (this.#look === null) return true;
    const { status, issues, badFiles } = this.#look.outcome;
    const hasError = badFiles.length > 0 || issues.some((issue) => issue.severity === 'error');
    return status !== 'rejected' && !hasError;
  }

  /** Files of what is served, as they were when they were good; what a successor is handed. */
  get files(): readonly SavedFile[] {
    return savedFiles(this.#served.good);
  }

  /** What the last look at the files led to, of looks that found something new; null: none yet. */
  get lastOutcome(): ReloadOutcome | null {
    return this.#look?.outcome ?? null;
  }

  /** The last applied one; null when none was. */
  get lastApplied(): ReloadOutcome | null {
    return this.#lastApplied;
  }

  /** What was taken back and has not changed since; what a successor is handed. */
  get takenBack(): TakenBack | null {
    return this.#takenBack;
  }

  get counts(): ReloadCounts {
    return { ...this.#counts };
  }

  /** Loads the files and publishes what they say (R1, R2). Never rejects. */
  reload(cause: ReloadCause): Promise<ReloadOutcome> {
    this.#pending ??= this.#enqueue(() => {
      this.#pending = null;
      return this.#guarded(cause, (startMs) => this.#reload(cause, startMs));
    });
    return this.#pending;
  }

  /** What a reload would do now, after those asked for. Changes nothing. Never rejects. */
  preview(): Promise<ReloadPreview> {
    return this.#enqueue(() => this.#preview());
  }

  /**
   * Takes back what is served now: publishes the last configuration that passed its window, and
   * remembers that the files are bad. Never rejects; the outcome is `rejected` when it cannot be
   * published, and `unchanged` when a reload that was under way has replaced it already.
   */
  rollBack(reason: string): Promise<ReloadOutcome> {
    const bad = this.#served.config;
    return this.#enqueue(() =>
      this.#guarded('rollback', (startMs) => this.#rollBack(bad, reason, startMs)),
    );
  }

  /** No further reload begins; for a process that stops. */
  close(): void {
    this.#isClosed = true;
    this.#options.guard?.close();
  }

  async #preview(): Promise<ReloadPreview> {
    if (this.#options.path === '') return { ...NOTHING, ...NO_FILE };
    try {
      const load = await this.#load();
      const refusal = this.#refusal(load);
      if (load.config === null || refusal !== null) return { ...describe(load), ...refusal! };
      const changes = diffConfigs(this.#served.config, load.config);
      const status = changes.length === 0 ? 'unchanged' : 'applied';
      const message =
        status === 'unchanged'
          ? 'a reload would change nothing'
          : `a reload would change: ${summarizeChanges(changes)}`;
      const restart = needsRestart(this.#startConfig, load.config);
      return { ...describe(load), status, changes, needsRestart: restart, message };
    } catch (error) {
      return { ...NOTHING, status: 'rejected', message: errorText(error) };
    }
  }

  /** @param task never rejects */
  #enqueue<Answer>(task: () => Promise<Answer>): Promise<Answer> {
    const result = this.#tail.then(task);
    this.#tail = result;
    return result;
  }

  /** R2. */
  async #guarded(
    cause: ReloadCause,
    task: (startMs: number) => Promise<ReloadOutcome>,
  ): Promise<ReloadOutcome> {
    const startMs = this.#options.nowMs();
    const wasGood = this.isGood;
    let outcome: ReloadOutcome;
    try {
      outcome = this.#isClosed
        ? this.#outcome(cause, startMs, { status: 'rejected', message: 'the proxy is stopping' })
        : await task(startMs);
    } catch (error) {
      const message = `the reload failed: ${errorText(error)}`;
      outcome = this.#outcome(cause, startMs, { status: 'rejected', message });
    }
    this.#counts[outcome.status]++;
    logOutcome(this.#options.log, outcome);
    if (!wasGood && this.isGood && outcome.status === 'unchanged') {
      this.#options.log.info('the files are good again, and what is served');
    }
    this.#options.onOutcome?.(outcome);
    return outcome;
  }

  async #reload(cause: ReloadCause, startMs: number): Promise<ReloadOutcome> {
    if (this.#options.path === '') return this.#outcome(cause, startMs, NO_FILE);
    const look = this.#look;
    if (look !== null && !look.mayRetry && look.isCurrent())
      return this.#again(look, cause, startMs);
    const load = await this.#load();
    this.#options.onInputs?.(load.inputs, load.isCurrent);
    if (load.fingerprint !== this.#takenBack?.fingerprint) this.#takenBack = null;
    const { config } = load;
    const refusal = this.#refusal(load);
    if (config === null || refusal !== null) {
      return this.#looked(load, this.#outcome(cause, startMs, refusal!, load));
    }
    const before = this.#served.config;
    const changes = diffConfigs(before, config);
    if (changes.length === 0) {
      this.#serve({ config: before, good: load.good });
      const result = { status: 'unchanged', message: 'the files say what is served' } as const;
      return this.#looked(load, this.#outcome(cause, startMs, result, load));
    }
    const problem = await this.#publish(before, config, changes, cause);
    const restart = needsRestart(this.#startConfig, config);
    if (problem !== null) {
      const result = { status: 'rejected', message: problem, changes } as const;
      return this.#looked(load, this.#outcome(cause, startMs, result, load), true);
    }
    this.#serve({ config, good: load.good });
    const outcome = this.#outcome(
      cause,
      startMs,
      { status: 'applied', message: appliedText(changes), changes, needsRestart: restart },
      load,
    );
    this.#lastApplied = outcome;
    this.#watch();
    return this.#looked(load, outcome);
  }

  async #rollBack(before: Config, reason: string, startMs: number): Promise<ReloadOutcome> {
    if (before !== this.#served.config) {
      const message = 'another configuration was applied meanwhile';
      return this.#outcome('rollback', startMs, { status: 'unchanged', message });
    }
    const target = this.#proven;
    const changes = diffConfigs(before, target.config);
    const problem = await this.#publish(before, target.config, changes, 'rollback');
    if (problem !== null) {
      const message = `the configuration before could not be brought back: ${problem}`;
      return this.#outcome('rollback', startMs, { status: 'rejected', message, changes });
    }
    this.#serve(target);
    this.#counts.rollbacks++;
    const message = `taken back, the configuration before serves again: ${reason}`;
    const outcome = this.#outcome('rollback', startMs, { status: 'applied', message, changes });
    this.#lastApplied = outcome;
    if (this.#look !== null) {
      const { fingerprint, isCurrent } = this.#look;
      const { badFiles, issues, report } = this.#look.outcome;
      this.#takenBack = { fingerprint, reason };
      const message = takenBackText(reason);
      const files = { badFiles, issues, report, status: 'rejected', message } as const;
      this.#look = { isCurrent, fingerprint, outcome: { ...outcome, ...files }, mayRetry: false };
    }
    return outcome;
  }

  #load(): Promise<GoodLoad> {
    const { path, source, loadOptions } = this.#options;
    const options = { memory: this.#memory, ...loadOptions };
    return loadWithLastGood(path, source, this.#served.good, options);
  }

  /** @returns null when the load may be served (R4, R5) */
  #refusal({ config, issues, fingerprint }: GoodLoad): Result | null {
    if (fingerprint === this.#takenBack?.fingerprint) {
      return { status: 'rejected', message: takenBackText(this.#takenBack.reason) };
    }
    if (config === null) {
      const text = `the configuration has ${summarizeIssues(issues)}`;
      return { status: 'rejected', message: `${text}; what was served is served on` };
    }
    if (config.listeners.length > 0 || this.#served.config.listeners.length === 0) return null;
    const message = 'the files have no listener any more; to end all service, stop the proxy';
    return { status: 'rejected', message };
  }

  /** @returns why it failed, or null */
  async #publish(
    before: Config,
    config: Config,
    changes: readonly Change[],
    cause: ReloadCause,
  ): Promise<string | null> {
    const routes = changedRoutes(before, config);
    try {
      const publication = { config, changes, changedRoutes: routes, cause };
      this.#generation = await this.#options.publish(publication);
      return null;
    } catch (error) {
      return errorText(error);
    }
  }

  #serve(state: State): void {
    this.#served = state;
    this.#configureGuard();
    this.#options.onGood?.(savedFiles(state.good));
  }

  #configureGuard(): void {
    const { rollbackWindowMs, rollbackFaultPercent } = this.#served.config.reload;
    this.#options.guard?.configure({
      windowMs: rollbackWindowMs,
      faultPercent: rollbackFaultPercent,
    });
  }

  /** R6. */
  #watch(): void {
    const { guard } = this.#options;
    const state = this.#served;
    if (guard === undefined) this.#proven = state;
    else {
      guard.begin({
        onBad: (reason) => void this.rollBack(reason),
        onPassed: () => (this.#proven = state),
      });
    }
  }

  #looked(load: GoodLoad, outcome: ReloadOutcome, mayRetry = false): ReloadOutcome {
    this.#look = { isCurrent: load.isCurrent, fingerprint: load.fingerprint, outcome, mayRetry };
    return outcome;
  }

  /** The files are what they were. */
  #again(look: Look, cause: ReloadCause, startMs: number): ReloadOutcome {
    const { outcome } = look;
    const isRejected = outcome.status === 'rejected';
    const message = isRejected ? outcome.message : 'the files have not changed';
    return {
      ...outcome,
      ...this.#outcome(cause, startMs, { status: isRejected ? 'rejected' : 'unchanged', message }),
      changes: isRejected ? outcome.changes : [],
      needsRestart: outcome.needsRestart,
      issues: outcome.issues,
      badFiles: outcome.badFiles,
      report: outcome.report,
    };
  }

  #outcome(
    cause: ReloadCause,
    startMs: number,
    result: Result,
    load: GoodLoad | null = null,
  ): ReloadOutcome {
    const { nowMs, wallMs } = this.#options;
    return {
      ...NOTHING,
      ...(load === null ? {} : describe(load)),
      ...result,
      cause,
      generation: this.#generation,
      tookMs: nowMs() - startMs,
      atMs: wallMs(),
    };
  }
}

const NO_FILE = { status: 'unchanged', message: 'there is no file to reload' } as const;

const NOTHING = { changes: [], needsRestart: [], issues: [], badFiles: [], report: '' };

function describe(load: GoodLoad): typeof NOTHING & Pick<GoodLoad, 'issues' | 'badFiles'> {
  const { issues, badFiles, report } = load;
  return { ...NOTHING, issues, badFiles, report } as never;
}

function appliedText(changes: readonly Change[]): string {
  return `applied: ${summarizeChanges(changes)}`;
}

function takenBackText(reason: string): string {
  return `taken back (${reason}); these files are not tried again until they change`;
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
