/**
 * The file system as the file store needs it: few calls, each of which may fail on its own. Tests
 * put failures between any two of them.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, stat, unlink, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** All of them reject with Node's errors. */
export interface StoreFileSystem {
  readText(path: string): Promise<string>;
  /** For many files at once: much faster than one promise for each. Throws Node's errors. */
  readTextNow(path: string): string;
  listNow(folder: string): readonly FolderEntry[];
  list(folder: string): Promise<readonly FolderEntry[]>;
  /** Creates a file for its owner alone; on disk when it resolves. EEXIST when there is one. */
  create(path: string, text: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Makes names in it durable. */
  syncFolder(folder: string): Promise<void>;
  /** With all folders above, for their owner alone; durable when it resolves. */
  makeFolder(folder: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Sets the time of its last change to now. */
  touch(path: string, wallMs: number): Promise<void>;
  /** Time of the last change, in Unix milliseconds. */
  changedAt(path: string): Promise<number>;
}

export const NODE_FILE_SYSTEM: StoreFileSystem = {
  readText: (path) => readFile(path, 'utf8'),
  readTextNow: (path) => readFileSync(path, 'utf8'),
  listNow: (folder) =>
    readdirSync(folder, { withFileTypes: true }).map((entry) => ({
      name: entry.name,
      isFolder: entry.isDirectory(),
    })),
  async list(folder) {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }));
  },
  async create(path, text) {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  },
  rename,
  syncFolder,
  async makeFolder(folder) {
    // The topmost folder that was made; undefined when all were there.
    const first = await mkdir(folder, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    const top = dirname(first);
    for (let at = dirname(folder); at.length >= top.length; at = dirname(at)) {
      await syncFolder(at);
      if (at === dirname(at)) break;
    }
  },
  remove: unlink,
  touch: (path, wallMs) => utimes(path, wallMs / 1_000, wallMs / 1_000),
  changedAt: async (path) => (await stat(path)).mtimeMs,
};

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Walks `folder` now; a folder that is not there has no files. Throws Node's errors. */
export function* filesBelow(files: StoreFileSystem, folder: string): Generator<string> {
  let entries: readonly FolderEntry[];
  try {
    entries = files.listNow(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  for (const { name, isFolder } of entries) {
    const path = join(folder, name);
    if (isFolder) yield* filesBelow(files, path);
    else yield path;
  }
}

/** Node's code of an error, such as `ENOENT`; empty: it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
