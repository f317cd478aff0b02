/**
 * Locks in a folder: one file per holder, named by the lock and a token that grows.
 *
 * L1  who wants a lock creates a file that was not there and then looks: with any other file that
 *     is not known to be dead it withdraws. Of two that do so at once, one sees the other at least.
 * L2  a holder is dead when its process is gone (same machine), or when nothing has changed about
 *     its file in `DEAD_LOOKS` looks in a row. Clocks are not compared: a holder on a machine with
 *     another time, or whose time jumps, is not taken for dead.
 * L3  a holder that finds its file gone has lost the lock, and says so by the lease's signal.
 */

import { join } from 'node:path';

import type { Lease } from './certificate-store.ts';
import type { LockOwner } from './lock-owner.ts';
import { isSameOwner, readOwner } from './lock-owner.ts';
import type { StoreFileSystem } from './store-file-system.ts';
import { codeOf } from './store-file-system.ts';

/** Between two signs of life of a holder. */
export const BEAT_INTERVAL_MS = 3_000;
/** Between two looks of one that waits. */
export const LOOK_INTERVAL_MS = 500;
/** Looks without a change after which a holder is dead: five beats that did not come. */
export const DEAD_LOOKS = 30;

export interface FileLocksOptions {
  readonly folder: string;
  readonly files: StoreFileSystem;
  readonly owner: LockOwner;
  /** Null: cannot be told from here. */
  readonly isAlive: (owner: LockOwner) => boolean | null;
  readonly wallMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Calls back once after `delayMs`. @returns cancels it */
  readonly setTimer: (delayMs: number, callback: () => void) => () => void;
}

/** A file of a lock as it was seen. */
interface Seen {
  readonly file: string;
  readonly token: number;
  readonly changedMs: number;
  looks: number;
}

export class FileLocks {
  readonly #options: FileLocksOptions;
  /** Ends of the last that waits in this process, by lock: others queue behind it. */
  readonly #tails = new Map<string, Promise<void>>();
  readonly #held = new Set<FileLease>();

  constructor(options: FileLocksOptions) {
    this.#options = options;
  }

  /** @throws Node's errors; the signal's reason */
  async acquire(name: string, signal?: AbortSignal): Promise<Lease> {
    const release = await this.#queue(name, signal);
    try {
      const seen = new Map<string, Seen>();
      for (;;) {
        signal?.throwIfAborted();
        const lease = await this.#attempt(name, seen, release);
        if (lease !== null) return lease;
        await this.#wait(LOOK_INTERVAL_MS * (0.75 + 0.5 * this.#options.random()), signal);
      }
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * Null: somebody else holds it, and has given a sign of life; to see one takes a few seconds.
   * @throws Node's errors
   */
  async tryAcquire(name: string): Promise<Lease | null> {
    if (this.#tails.has(name)) return null;
    const release = await this.#queue(name);
    try {
      const seen = new Map<string, Seen>();
      for (let looks = 1; ; looks++) {
        const lease = await this.#attempt(name, seen, release);
        if (lease !== null) return lease;
        const isHeld = [...seen.values()].some((other) => other.looks < looks);
        if (isHeld || looks > 2 * DEAD_LOOKS) break;
        await this.#wait(LOOK_INTERVAL_MS);
      }
      release();
      return null;
    } catch (error) {
      release();
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#held].map((lease) => lease.release()));
  }

  /** In this process one after the other, without files. @returns lets the next one go on */
  async #queue(name: string, signal?: AbortSignal): Promise<() => void> {
    const before = this.#tails.get(name) ?? Promise.resolve();
    const turn = Promise.withResolvers<void>();
    const tail = before.then(() => turn.promise);
    this.#tails.set(name, tail);
    const next = (): void => {
      if (this.#tails.get(name) === tail) this.#tails.delete(name);
      turn.resolve();
    };
    try {
      await orAborted(before, signal);
    } catch (error) {
      void before.then(next);
      throw error;
    }
    return next;
  }

  /** L1. @param seen what was seen before, kept up to date */
  async #attempt(
    name: string,
    seen: Map<string, Seen>,
    onRelease: () => void,
  ): Promise<FileLease | null> {
    const { folder, files, owner } = this.#options;
    const others = await this.#look(name, seen);
    const dead: Seen[] = [];
    for (const other of others) {
      if (!(await this.#isDead(other))) return null;
      dead.push(other);
    }
    const token = Math.max(0, ...others.map((other) => other.token)) + 1;
    const file = `${name}.${token}.lock`;
    try {
      await this.#create(join(folder, file), JSON.stringify(owner));
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return null;
      throw error;
    }
    const lease = new FileLease({ ...this.#options, name, file, token, onRelease });
    const rivals = await this.#listFiles(name);
    const isFree = rivals.every((one) => one === file || dead.some((old) => old.file === one));
    if (!isFree) {
      await lease.withdraw();
      return null;
    }
    for (const old of dead) await files.remove(join(folder, old.file)).catch(() => {});
    this.#held.add(lease);
    lease.start(() => this.#held.delete(lease));
    return lease;
  }

  async #create(path: string, text: string): Promise<void> {
    const { folder, files } = this.#options;
    try {
      await files.claim(path, text);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      await files.makeFolder(folder);
      await files.claim(path, text);
    }
  }

  async #look(name: string, seen: Map<string, Seen>): Promise<Seen[]> {
    const { folder, files } = this.#options;
    const found: Seen[] = [];
    for (const file of await this.#listFiles(name)) {
      let changedMs: number;
      try {
        changedMs = await files.changedAt(join(folder, file));
      } catch (error) {
        if (codeOf(error) === 'ENOENT') continue; // Released since.
        throw error;
      }
      const before = seen.get(file);
      const one =
        before?.changedMs === changedMs
          ? before
          : { file, token: tokenOf(name, file)!, changedMs, looks: 0 };
      one.looks++;
      found.push(one);
    }
    seen.clear();
    for (const one of found) seen.set(one.file, one);
    return found;
  }

  /** L2. */
  async #isDead(seen: Seen): Promise<boolean> {
    if (seen.looks > DEAD_LOOKS) return true;
    const { folder, files, isAlive } = this.#options;
    const text = await files.readText(join(folder, seen.file)).catch(() => '');
    const owner = readOwner(text);
    return owner !== null && isAlive(owner) === false;
  }

  async #listFiles(name: string): Promise<string[]> {
    const { folder, files } = this.#options;
    try {
      const entries = await files.list(folder);
      return entries.map((entry) => entry.name).filter((file) => tokenOf(name, file) !== null);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  #wait(delayMs: number, signal?: AbortSignal): Promise<void> {
    const timer = Promise.withResolvers<void>();
    const cancel = this.#options.setTimer(delayMs, timer.resolve);
    return orAborted(timer.promise, signal).finally(cancel);
  }
}

/** @returns null: not a file of that lock */
function tokenOf(name: string, file: string): number | null {
  if (!file.startsWith(`${name}.`) || !file.endsWith('.lock')) return null;
  const text = file.slice(name.length + 1, -'.lock'.length);
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : null;
}

interface FileLeaseOptions extends FileLocksOptions {
  readonly name: string;
  readonly file: string;
  readonly token: number;
  readonly onRelease: () => void;
}

class FileLease implements Lease {
  readonly #options: FileLeaseOptions;
  readonly #lost = new AbortController();
  #cancelBeat: () => void = () => {};
  #onEnd: () => void = () => {};
  #isOver = false;
  #missed = 0;

  constructor(options: FileLeaseOptions) {
    this.#options = options;
  }

  get token(): number {
    return this.#options.token;
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  start(onEnd: () => void): void {
    this.#onEnd = onEnd;
    this.#schedule();
  }

  async isHeld(): Promise<boolean> {
    if (this.#isOver || this.#lost.signal.aborted) return false;
    const { files, folder, file, owner } = this.#options;
    const text = await files.readText(join(folder, file)).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return '';
      throw error;
    });
    const found = readOwner(text);
    const isOurs = found !== null && isSameOwner(found, owner);
    if (!isOurs) this.#lose();
    return isOurs;
  }

  async release(): Promise<void> {
    if (this.#isOver) return;
    const isLost = this.#lost.signal.aborted;
    this.#end();
    if (!isLost) await this.withdraw();
    this.#options.onRelease();
  }

  async withdraw(): Promise<void> {
    const { files, folder, file } = this.#options;
    // What cannot be removed gives no more signs of life.
    await files.remove(join(folder, file)).catch(() => {});
  }

  #schedule(): void {
    this.#cancelBeat = this.#options.setTimer(BEAT_INTERVAL_MS, () => void this.#beat());
  }

  async #beat(): Promise<void> {
    const { files, folder, file, wallMs } = this.#options;
    try {
      await files.touch(join(folder, file), wallMs());
      this.#missed = 0;
    } catch (error) {
      this.#missed++;
      // Others take it over after as many looks.
      const isLost = codeOf(error) === 'ENOENT' || this.#missed >= 4;
      if (isLost) return this.#lose();
    }
    if (!this.#isOver) this.#schedule();
  }

  /** L3. */
  #lose(): void {
    if (this.#isOver) return;
    this.#cancelBeat();
    this.#lost.abort(new Error(`the lock ${this.#options.name} was taken over`));
  }

  #end(): void {
    this.#isOver = true;
    this.#cancelBeat();
    this.#onEnd();
  }
}

function orAborted<Value>(promise: Promise<Value>, signal?: AbortSignal): Promise<Value> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
