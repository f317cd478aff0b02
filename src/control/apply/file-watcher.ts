/**
 * File watcher: says when the files of a configuration may have changed.
 *
 * W1  folders are watched, not files: an editor that renames a new file over the old one, and a
 *     symbolic link that is swapped (as Kubernetes does with `..data`), are seen like a plain
 *     write. Every folder with a link on the way to a file is watched too.
 * W2  events only ask to look; what decides is a signature of all files (device, inode, size,
 *     times) and of what every include pattern matches. What else happens in a folder is ignored.
 * W3  without any event, files are looked at every `pollMs`: network file systems send none, and a
 *     folder may be replaced under its watch. Where there are so many files that a look takes
 *     long, less often: looking takes a hundredth of the time at most.
 * W4  changes close together are one; a folder in which something is always written does not hold
 *     a reload up for longer than `DEBOUNCE_TIMES` debounce times, or a second.
 * W5  nothing changes unseen between the load and the watch: `watch` is told how to ask whether
 *     what was loaded is still current, and asks once the signature is taken.
 * W6  a watch that fails is a warning, and polling goes on.
 */

import { lstatSync, readlinkSync, statSync, watch as watchFs } from 'node:fs';
import type { Stats } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import type { ConfigSource } from '../config/config-source.ts';
import type { ApplyLog, Schedule, WatchedInputs } from './reload-outcome.ts';

export interface FileWatcherOptions {
  /** Changes closer together than this are one. */
  readonly debounceMs: number;
  /** How often files are looked at without an event. Default: 2 s. */
  readonly pollMs?: number;
  /** As in ConfigSource. */
  readonly glob: ConfigSource['glob'];
  readonly onChange: () => void;
  readonly log: ApplyLog;
  readonly schedule: Schedule;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  /** Default: that of the system. */
  readonly watchFolder?: WatchFolder;
}

/** @returns ends the watch. Throws when the folder cannot be watched. */
export type WatchFolder = (
  folder: string,
  onEvent: () => void,
  onError: (error: Error) => void,
) => () => void;

const POLL_MS = 2_000;
/** W3. */
const LOOK_SHARE = 100;
/** W4. */
const DEBOUNCE_TIMES = 10;
const DEBOUNCE_MAX_MS = 1_000;
/** Folders watched at a time; files of further ones are polled. */
const FOLDERS_MAX = 256;
/** Links followed on the way to a file, as in Linux. */
const LINKS_MAX = 40;

interface Watch {
  /** Device and inode: a folder that was replaced is another one. */
  readonly identity: string;
  readonly close: () => void;
}

export class FileWatcher {
  readonly #options: FileWatcherOptions;
  readonly #watchFolder: WatchFolder;
  readonly #watches = new Map<string, Watch>();
  readonly #warned = new Set<string>();
  #inputs: WatchedInputs = { files: [], globs: [] };
  #debounceMs: number;
  #signature = '';
  /** How long the last look without an event took. */
  #lookMs = 0;
  /** When the first of the changes that are waiting was seen; -1: none is. */
  #firstMs = -1;
  #cancelLook: () => void = () => {};
  #cancelPoll: () => void = () => {};
  #isClosed = false;

  constructor(options: FileWatcherOptions) {
    this.#options = options;
    this.#watchFolder = options.watchFolder ?? watchFolder;
    this.#debounceMs = options.debounceMs;
  }

  /**
   * Watches these from now on, instead of what was watched before.
   * @param isCurrent whether they are still what was loaded (W5)
   */
  watch(inputs: WatchedInputs, isCurrent: () => boolean): void {
    if (this.#isClosed) return;
    this.#inputs = inputs;
    this.#watchFolders();
    this.#signature = this.#sign();
    this.#cancelPoll();
    this.#schedulePoll();
    if (!isCurrent()) {
      this.#signature = '';
      this.#noticed();
    }
  }

  /** Takes over another debounce time. */
  setDebounce(debounceMs: number): void {
    this.#debounceMs = debounceMs;
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelLook();
    this.#cancelPoll();
    for (const { close } of this.#watches.values()) close();
    this.#watches.clear();
  }

  /** W4: looks when it has been quiet for a while, or has not been for too long. */
  #noticed(): void {
    if (this.#isClosed) return;
    const nowMs = this.#options.nowMs();
    if (this.#firstMs < 0) this.#firstMs = nowMs;
    const latestMs = this.#firstMs + Math.max(this.#debounceMs * DEBOUNCE_TIMES, DEBOUNCE_MAX_MS);
    const delayMs = Math.min(this.#debounceMs, Math.max(0, latestMs - nowMs));
    this.#cancelLook();
    this.#cancelLook = this.#options.schedule(delayMs, () => this.#look());
  }

  #look(): void {
    this.#firstMs = -1;
    this.#watchFolders();
    const signature = this.#sign();
    if (signature === this.#signature) return;
    this.#signature = signature;
    this.#options.onChange();
  }

  #schedulePoll(): void {
    const { pollMs = POLL_MS, nowMs, schedule } = this.#options;
    this.#cancelPoll = schedule(Math.max(pollMs, this.#lookMs * LOOK_SHARE), () => {
      const startMs = nowMs();
      this.#watchFolders();
      // Not at once: what is being written now is read when it has been quiet for a while.
      if (this.#firstMs < 0 && this.#sign() !== this.#signature) this.#noticed();
      this.#lookMs = nowMs() - startMs;
      this.#schedulePoll();
    });
  }

  /** W2. Never empty. */
  #sign(): string {
    const lines = this.#inputs.files.map(signFile);
    for (const { pattern, folder } of this.#inputs.globs) {
      const paths = this.#options.glob(pattern, folder);
      lines.push(`${pattern}: ${Array.isArray(paths) ? paths.join(' ') : paths.problem}`);
    }
    return `${lines.join('\n')}\n`;
  }

  /** Opens and closes watches until they fit the inputs and the folders there are. */
  #watchFolders(): void {
    const wanted = foldersOf(this.#inputs);
    for (const [folder, { identity, close }] of this.#watches) {
      if (wanted.has(folder) && identityOf(folder) === identity) continue;
      close();
      this.#watches.delete(folder);
    }
    for (const folder of wanted) {
      if (!this.#watches.has(folder)) this.#open(folder);
    }
  }

  #open(folder: string): void {
    const identity = identityOf(folder);
    if (identity === '') return; // Not there (yet): the poll finds it.
    if (this.#watches.size >= FOLDERS_MAX) return this.#warn('', `over ${FOLDERS_MAX} folders`);
    try {
      const close = this.#watchFolder(
        folder,
        () => this.#noticed(),
        (error) => {
          this.#watches.get(folder)?.close();
          // The entry stays, so that a watch that fails again and again is not opened again.
          this.#watches.set(folder, { identity, close: () => {} });
          this.#warn(folder, error.message);
        },
      );
      this.#watches.set(folder, { identity, close });
    } catch (error) {
      this.#watches.set(folder, { identity, close: () => {} });
      this.#warn(folder, (error as Error).message);
    }
  }

  /** W6, once for each folder. */
  #warn(folder: string, problem: string): void {
    if (this.#warned.has(folder)) return;
    this.#warned.add(folder);
    const fields = { folder, problem };
    this.#options.log.warn('a folder cannot be watched; its files are looked at instead', fields);
  }
}

function watchFolder(
  folder: string,
  onEvent: () => void,
  onError: (error: Error) => void,
): () => void {
  const watcher = watchFs(folder, { persistent: false }, onEvent);
  watcher.on('error', onError);
  return () => watcher.close();
}

function signFile(path: string): string {
  try {
    const stat = statSync(path, { bigint: true });
    const { dev, ino, size, mtimeNs, ctimeNs } = stat;
    return `${path}: ${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    return `${path}: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`;
  }
}

/** Empty when the folder is not there. */
function identityOf(folder: string): string {
  try {
    const stat = statSync(folder, { bigint: true });
    return stat.isDirectory() ? `${stat.dev} ${stat.ino}` : '';
  } catch {
    return '';
  }
}

function foldersOf({ files, globs }: WatchedInputs): ReadonlySet<string> {
  const folders = new Set<string>();
  const seen = new Set<string>();
  for (const path of files) {
    // Of the many files of one folder, only those that are links lie elsewhere.
    const folder = dirname(resolve(path));
    const isKnown = seen.has(folder);
    seen.add(folder);
    if (!isKnown || lstatOf(path)?.isSymbolicLink() === true) addFolders(folders, path);
  }
  for (const { pattern, folder } of globs) {
    // Any name stands for the files of the pattern's folder.
    addFolders(folders, join(fixedFolder(pattern, folder), '_'));
  }
  return folders;
}

/** The part of a pattern's folder that is no pattern. */
function fixedFolder(pattern: string, folder: string): string {
  const special = pattern.search(/[*?[{(!]/);
  const fixed = special < 0 ? pattern : pattern.slice(0, special);
  return resolve(folder, fixed.slice(0, fixed.lastIndexOf('/') + 1));
}

/** W1: adds every folder whose entries decide what `path` is. */
function addFolders(folders: Set<string>, path: string): void {
  let target = resolve(path);
  for (let links = 0; links < LINKS_MAX; links++) {
    const link = firstLink(target);
    if (link === null) break;
    folders.add(dirname(link));
    try {
      target = join(resolve(dirname(link), readlinkSync(link)), target.slice(link.length));
    } catch {
      return; // Gone meanwhile: its folder is watched.
    }
  }
  folders.add(dirname(target));
}

/** The first part of a path that is a symbolic link, as a path; null when there is none. */
function firstLink(path: string): string | null {
  for (let end = path.indexOf('/', 1); ; end = path.indexOf('/', end + 1)) {
    const part = end < 0 ? path : path.slice(0, end);
    const stat = lstatOf(part);
    if (stat === null) return null;
    if (stat.isSymbolicLink()) return part;
    if (end < 0) return null;
  }
}

function lstatOf(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch {
    return null;
  }
}
