/**
 * What a reload asks and answers: plain data, shown by the admin API and the commands as it is.
 */

import type { Issue } from '../config/issue.ts';
import type { Config } from '../config/config.ts';
import type { Change } from './config-diff.ts';

/** Who asked. `start`: the first look at the files by a process that was handed a configuration. */
export type ReloadCause = 'start' | 'file' | 'signal' | 'api' | 'rollback';

/**
 * `applied`: every worker serves it. `unchanged`: the files say what is served already.
 * `rejected`: what was served before still is.
 */
export type ReloadStatus = 'applied' | 'unchanged' | 'rejected';

export interface ReloadOutcome {
  readonly status: ReloadStatus;
  readonly cause: ReloadCause;
  /** What serves after it. */
  readonly generation: number;
  /** What is different from what was served before; of a rejected one, what would have been. */
  readonly changes: readonly Change[];
  /** Settings that differ and take effect only with `proxy-now upgrade`. */
  readonly needsRestart: readonly string[];
  /** Every issue of the files as they are on disk, warnings among them. */
  readonly issues: readonly Issue[];
  /** Included files with an error: their last good version is served, or nothing of them. */
  readonly badFiles: readonly BadFile[];
  /** One sentence for people. */
  readonly message: string;
  /** The issues as text with code frames; empty when there is none. May show what files contain. */
  readonly report: string;
  /** From the cause to the last acknowledgement. */
  readonly tookMs: number;
  /** When it ended, milliseconds since 1970. */
  readonly atMs: number;
}

/** What a reload would do. */
export type ReloadPreview = Pick<
  ReloadOutcome,
  'status' | 'changes' | 'needsRestart' | 'issues' | 'badFiles' | 'message' | 'report'
>;

export interface BadFile {
  readonly path: string;
  /** `last-good`: its last good version is served; `left-out`: it never was good. */
  readonly serves: 'last-good' | 'left-out';
}

/** Files that a rollback took back. */
export interface TakenBack {
  /** Of the files as they were then. */
  readonly fingerprint: string;
  /** For people: why. */
  readonly reason: string;
}

/** A configuration file as it was when it was last good. */
export interface SavedFile {
  readonly path: string;
  readonly text: string;
}

/** What `publish` is asked to bring to every worker. */
export interface Publication {
  readonly config: Config;
  /** Routes whose tunnels and streams follow `streams-on-change`. */
  readonly changedRoutes: readonly string[];
  readonly changes: readonly Change[];
  readonly cause: ReloadCause;
}

/** What a configuration was made of. */
export interface WatchedInputs {
  /** Every file asked for, `${file:}` included, there or not. */
  readonly files: readonly string[];
  /** Every include pattern with the folder it is relative to. */
  readonly globs: readonly { readonly pattern: string; readonly folder: string }[];
}

/** Where events of this room are told; the process log is one. */
export interface ApplyLog {
  info(message: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
  warn(message: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
  error(message: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
}

/** Calls `task` once after `delayMs`. @returns cancels it; harmless afterwards */
export type Schedule = (delayMs: number, task: () => void) => () => void;
