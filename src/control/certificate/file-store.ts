/**
 * File store: a folder that holds a certificate store.
 *
 * F1  a value is written to a file beside it, synced, and renamed: at any moment a crash leaves the
 *     old value or the new one.
 * F2  files are 0600 and folders 0700.
 * F3  a key never leads out of the folder.
 */

import { randomUUID } from 'node:crypto';
import { dirname, join, relative, sep } from 'node:path';

import { assert } from '../../base/assert.ts';
import type { CertificateStore, Lease } from './certificate-store.ts';
import { isStoreKey, StoreError } from './certificate-store.ts';
import { FileLocks } from './file-locks.ts';
import type { FileLocksOptions } from './file-locks.ts';
import { isOwnerAlive, thisOwner } from './lock-owner.ts';
import type { StoreFileSystem } from './store-file-system.ts';
import { codeOf, filesBelow, NODE_FILE_SYSTEM } from './store-file-system.ts';

/** Files read before others get a turn. */
const READ_BATCH = 256;
/** Older files of writes that were cut short are nobody's any more. */
const LEFTOVER_AGE_MS = 86_400_000;
const LEFTOVER = '.tmp';

export interface FileStoreOptions extends Pick<FileLocksOptions, 'wallMs' | 'random' | 'setTimer'> {
  /** Absolute path; made when it is first written to. */
  readonly folder: string;
  /** For tests. */
  readonly files?: StoreFileSystem;
  readonly isAlive?: FileLocksOptions['isAlive'];
}

/** Opens the store in a folder; nothing is read or written yet. */
export function openFileStore(options: FileStoreOptions): CertificateStore {
  return new FileStore(options);
}

class FileStore implements CertificateStore {
  readonly location: string;
  readonly #files: StoreFileSystem;
  readonly #wallMs: () => number;
  readonly #locks: FileLocks;

  constructor(options: FileStoreOptions) {
    const { folder, files = NODE_FILE_SYSTEM, isAlive = isOwnerAlive } = options;
    const { wallMs, random, setTimer } = options;
    this.location = folder;
    this.#files = files;
    this.#wallMs = wallMs;
    this.#locks = new FileLocks({
      folder: join(folder, 'locks'),
      files,
      owner: thisOwner(randomUUID()),
      isAlive,
      wallMs,
      random,
      setTimer,
    });
  }

  async read(key: string): Promise<string | null> {
    try {
      return await this.#files.readText(this.#path(key));
    } catch (error) {
      if (isMissing(error)) return null;
      throw this.#error(error, 'read');
    }
  }

  async readAll(prefix: string): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    let count = 0;
    try {
      for (const path of filesBelow(this.#files, this.#path(prefix))) {
        const key = relative(this.location, path).split(sep).join('/');
        if (!isStoreKey(key)) continue; // Leftovers, and what is not ours.
        const text = this.#tryReadNow(path);
        if (text !== null) found.set(key, text);
        if (++count % READ_BATCH === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    } catch (error) {
      throw this.#error(error, 'read');
    }
    return found;
  }

  async write(key: string, text: string): Promise<void> {
    const path = this.#path(key);
    const folder = dirname(path);
    const draft = join(folder, `.${randomUUID()}${LEFTOVER}`);
    try {
      await this.#create(draft, text);
      await this.#files.rename(draft, path);
    } catch (error) {
      await this.#files.remove(draft).catch(() => {});
      throw this.#error(error, 'write');
    }
    try {
      await this.#files.syncFolder(folder);
    } catch (error) {
      throw this.#error(error, 'write');
    }
  }

  async remove(key: string): Promise<void> {
    try {
      await this.#files.remove(this.#path(key));
    } catch (error) {
      if (!isMissing(error)) throw this.#error(error, 'write');
    }
  }

  async acquire(lock: string, signal?: AbortSignal): Promise<Lease> {
    assert(isStoreKey(lock) && !lock.includes('/'), 'a lock has a safe name');
    try {
      return await this.#locks.acquire(lock, signal);
    } catch (error) {
      throw signal?.aborted === true ? error : this.#error(error, 'lock');
    }
  }

  async tryAcquire(lock: string): Promise<Lease | null> {
    assert(isStoreKey(lock) && !lock.includes('/'), 'a lock has a safe name');
    try {
      return await this.#locks.tryAcquire(lock);
    } catch (error) {
      throw this.#error(error, 'lock');
    }
  }

  async lock<Result>(
    name: string,
    work: (lease: Lease) => Promise<Result>,
    signal?: AbortSignal,
  ): Promise<Result> {
    const lease = await this.acquire(name, signal);
    try {
      return await work(lease);
    } finally {
      await lease.release();
    }
  }

  async tidy(): Promise<void> {
    try {
      for (const path of filesBelow(this.#files, this.location)) {
        if (!path.endsWith(LEFTOVER)) continue;
        const changedMs = await this.#files.changedAt(path).catch(() => Infinity);
        const isOld = Math.abs(this.#wallMs() - changedMs) > LEFTOVER_AGE_MS;
        if (isOld) await this.#files.remove(path).catch(() => {});
      }
    } catch (error) {
      throw this.#error(error, 'read');
    }
  }

  close(): Promise<void> {
    return this.#locks.close();
  }

  async #create(path: string, text: string): Promise<void> {
    try {
      await this.#files.create(path, text);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      await this.#files.makeFolder(dirname(path));
      await this.#files.create(path, text);
    }
  }

  #tryReadNow(path: string): string | null {
    try {
      return this.#files.readTextNow(path);
    } catch {
      return null;
    }
  }

  /** F3. */
  #path(key: string): string {
    assert(isStoreKey(key), 'a key has safe parts');
    return join(this.location, ...key.split('/'));
  }

  #error(error: unknown, doing: 'read' | 'write' | 'lock'): StoreError {
    const code = codeOf(error);
    const at = `the certificate store ${this.location}`;
    const options = { cause: error };
    switch (code) {
      case 'ENOSPC':
      case 'EDQUOT':
        return new StoreError(`${at} is full; make room on the disk`, 'full', options);
      case 'EROFS':
        return new StoreError(`${at} is read-only; mount it for writing`, 'read-only', options);
      case 'EACCES':
      case 'EPERM':
        return new StoreError(`${at} denies access; let the proxy own it`, 'denied', options);
      default: {
        const text = code === '' && error instanceof Error ? error.message : code;
        const message = `${at} does not let itself be ${PAST[doing]} (${text}); look at the disk`;
        return new StoreError(message, 'unavailable', options);
      }
    }
  }
}

const PAST = { read: 'read', write: 'written', lock: 'locked' } as const;

function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';
}
