/**
 * Autosave: keeps the last good files on disk, for a start when the files themselves are bad.
 *
 * A1  a copy is whole or not there: it is written beside its place, synced, and renamed.
 * A2  only its owner may read it. Values of `${file:}` are not in it.
 * A3  a disk that is full, or a folder that may not be written, costs a warning and a count; what
 *     was saved before stays.
 */

import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import type { ApplyLog, SavedFile } from './reload-outcome.ts';

export interface AutosaveOptions {
  /** Folder of the copies; made when it is missing. Null: nothing is kept. */
  readonly folder: string | null;
  /** Absolute path of the main file. */
  readonly path: string;
  readonly log: ApplyLog;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
  /** Tells apart processes that save at the same time. */
  readonly processId: number;
}

/** What was saved. */
export interface SavedConfig {
  /** Absolute path of the main file. */
  readonly path: string;
  /** Milliseconds since 1970. */
  readonly savedAtMs: number;
  /** The main file first. */
  readonly files: readonly SavedFile[];
}

const VERSION = 1;

export class Autosave {
  readonly #options: AutosaveOptions;
  #failures = 0;
  /** The problem of the last attempt, so that it is told once. */
  #problem = '';
  #savedText = '';
  #next: readonly SavedFile[] | null = null;
  #running: Promise<void> | null = null;

  constructor(options: AutosaveOptions) {
    this.#options = options;
  }

  /** Failed attempts so far. */
  get failures(): number {
    return this.#failures;
  }

  /** Keeps `files`; the newest of several calls wins. Resolves when it is done; never rejects. */
  save(files: readonly SavedFile[]): Promise<void> {
    this.#next = files;
    this.#running ??= this.#run().finally(() => (this.#running = null));
    return this.#running;
  }

  async #run(): Promise<void> {
    for (let files = this.#next; files !== null; files = this.#next) {
      this.#next = null;
      await this.#write(files);
    }
  }

  async #write(files: readonly SavedFile[]): Promise<void> {
    const { folder, path, log, processId } = this.#options;
    const text = JSON.stringify(files);
    if (folder === null || files.length === 0 || text === this.#savedText) return;
    const file = autosavePath(folder, path);
    const saved = { version: VERSION, path, savedAtMs: this.#options.wallMs(), files };
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeWhole(file, JSON.stringify(saved), processId);
      this.#savedText = text;
      this.#problem = '';
    } catch (error) {
      this.#failures++;
      const problem = (error as Error).message;
      if (problem !== this.#problem) {
        log.warn('the last good configuration could not be kept on disk', { file, problem });
      }
      this.#problem = problem;
    }
  }
}

/** Where the copy of a configuration is. */
export function autosavePath(folder: string, path: string): string {
  const hash = createHash('sha256').update(path).digest('hex').slice(0, 8);
  return join(folder, `${basename(path)}-${hash}.json`);
}

/**
 * Reads what was saved of the configuration at `path`.
 * @returns the copy, or why there is none
 */
export async function readAutosave(
  folder: string,
  path: string,
): Promise<SavedConfig | { readonly problem: string }> {
  const file = autosavePath(folder, path);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { problem: code === 'ENOENT' ? `nothing was saved in ${file}` : message };
  }
  const saved = parseSaved(text);
  return saved ?? { problem: `${file} is not what was saved` };
}

function parseSaved(text: string): SavedConfig | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { version, path, savedAtMs, files } = value as Record<string, unknown>;
  if (version !== VERSION || typeof path !== 'string' || typeof savedAtMs !== 'number') return null;
  if (!Array.isArray(files) || !files.every(isSavedFile) || files.length === 0) return null;
  return { path, savedAtMs, files };
}

function isSavedFile(value: unknown): value is SavedFile {
  if (typeof value !== 'object' || value === null) return false;
  const { path, text } = value as Record<string, unknown>;
  return typeof path === 'string' && typeof text === 'string';
}

/** A1, A2. */
async function writeWhole(file: string, text: string, processId: number): Promise<void> {
  const temporary = `${file}.${processId}.tmp`;
  await rm(temporary, { force: true });
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(file));
}

/** Makes the rename last. Some file systems cannot; the copy is good all the same. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // Nothing to do.
  }
}
