/**
 * The file system as the file store needs it: few calls, each of which may fail on its own. Tests
 * put failures between any two of them.
 */

import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import {
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
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
  /**
   * Creates a file with all of its text at once: nobody ever sees it empty. EEXIST when there is
   * one. It need not outlive the machine.
   */
  claim(path: string, text: string): Promise<void>;
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
  claim,
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
  async changedAt(path) {
    // Opening it makes a network file system look at the server; `stat` alone may be a minute old.
    const file = await open(path, 'r');
    try {
      return (await file.stat()).mtimeMs;
    } finally {
      await file.close();
    }
  },
};

async function claim(path: string, text: string): Promise<void> {
  const draft = join(dirname(path), `.${randomUUID()}.tmp`);
  try {
    await writeFile(draft, text, { flag: 'wx', mode: 0o600 });
    await link(draft, path);
  } catch (error) {
    if (!NO_LINKS.has(codeOf(error))) throw error;
    await writeFile(path, text, { flag: 'wx', mode: 0o600 });
  } finally {
    await unlink(draft).catch(() => {});
  }
}

/** File systems that know no second name of a file. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** Folders that cannot be synced: not on that file system, or they may not be read. */
const NO_SYNC = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'EISDIR', 'EPERM', 'EACCES']);

async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!NO_SYNC.has(codeOf(error))) throw error;
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
