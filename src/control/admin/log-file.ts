/**
 * Log file: appends lines asynchronously, in order, with bounded memory.
 *
 * L1  never blocks the caller: one write is in flight, the rest waits in a queue of at most
 *     `queueSizeMax` bytes; what does not fit is dropped and its lines are counted.
 * L2  lines stay whole: a short write is continued; after a failed one the next write starts on a
 *     line of its own.
 * L3  `reopen` (for log rotation) keeps order: queued lines before it go where they were going.
 *     If the new file cannot be opened, the old one stays in use and `onProblem` says so.
 * L4  a FIFO nobody reads costs dropped lines, not a stalled thread: files are opened
 *     non-blocking and a full pipe is tried again later.
 */

import type { LogSink } from '../../contract/access-log.ts';
import type { LogFileSystem } from './log-file-system.ts';

export interface LogFileOptions {
  /** File path, or `stdout`. */
  readonly path: string;
  readonly fileSystem: LogFileSystem;
  /** Bytes that may wait. */
  readonly queueSizeMax?: number;
  /** Calls `task` once, later. Injected so that tests need not wait. */
  readonly later: (delayMs: number, task: () => void) => void;
  /** Told once per kind of trouble until a write succeeds again. Constant rate: never per line. */
  readonly onProblem: (message: string, code: string) => void;
}

/** Default of `queueSizeMax`. */
export const LOG_QUEUE_SIZE_MAX = 4 * 1_024 * 1_024;
/** Pause before a full pipe, or a file that failed to open, is tried again. */
export const LOG_RETRY_MS = 100;

interface Entry {
  readonly bytes: Uint8Array;
  readonly done: () => void;
}

const NOTHING = (): void => {};
const ENCODER = new TextEncoder();
const LINE_FEED = 0x0a;
const NEWLINE = new Uint8Array([LINE_FEED]);

export class LogFile implements LogSink {
  readonly #options: LogFileOptions;
  readonly #queueSizeMax: number;
  readonly #queue: Entry[] = [];
  #queueSize = 0;
  /** Bytes of the first queued entry that are written. */
  #offset = 0;
  #fd = -1;
  #isBusy = false;
  #isReopenDue = true;
  /** True when the file ends in the middle of a line. */
  #isTorn = false;
  #isClosed = false;
  #problem = '';
  #droppedLines = 0;
  #writtenBytes = 0;
  #idleWaiters: (() => void)[] = [];

  /** Opens the file in the background; lines may be written at once. */
  constructor(options: LogFileOptions) {
    this.#options = options;
    this.#queueSizeMax = options.queueSizeMax ?? LOG_QUEUE_SIZE_MAX;
    this.#step();
  }

  /** Lines dropped so far: queue full, or the file could not be written. */
  get droppedLines(): number {
    return this.#droppedLines;
  }

  /** Bytes handed to the kernel so far. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** See `LogSink`. Lines that arrive after `close` are dropped. */
  write(bytes: Uint8Array, done: () => void = NOTHING): void {
    if (bytes.length === 0) return done();
    if (this.#isClosed || this.#queueSize + bytes.length > this.#queueSizeMax) {
      this.#droppedLines += countLines(bytes, 0);
      return done();
    }
    this.#queue.push({ bytes, done });
    this.#queueSize += bytes.length;
    this.#step();
  }

  /** Appends one line of text, newline included. */
  writeText(line: string): void {
    this.write(ENCODER.encode(line));
  }

  /** Opens the path anew before the next write, as after a rotation. Harmless for stdout. */
  reopen(): void {
    this.#isReopenDue = true;
    this.#step();
  }

  /** Resolves when nothing is queued or in flight. */
  idle(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /**
   * Takes no more lines, writes what is queued for at most `timeoutMs`, closes the file.
   * Lines still queued then are dropped and counted.
   */
  async close(timeoutMs: number): Promise<void> {
    this.#isClosed = true;
    const timeout = new Promise<void>((resolve) => this.#options.later(timeoutMs, resolve));
    await Promise.race([this.idle(), timeout]);
    while (this.#queue.length > 0) this.#drop();
    // A call in flight closes the file itself when it returns.
    if (!this.#isBusy) this.#closeFile();
  }

  /** Starts the next thing to do, if nothing is in flight. */
  #step(): void {
    if (this.#isBusy) return;
    if (this.#isClosed && this.#queue.length === 0) return this.#closeFile();
    if (this.#isReopenDue) return this.#open();
    if (this.#queue.length > 0) this.#writeNext();
  }

  #open(): void {
    this.#isBusy = true;
    this.#isReopenDue = false;
    this.#options.fileSystem.open(this.#options.path, (code, fd) => {
      this.#isBusy = false;
      if (code === null) {
        if (this.#fd !== fd) this.#closeFile();
        this.#fd = fd;
        this.#isTorn = false;
        this.#problem = '';
        return this.#step();
      }
      this.#report('cannot be opened', code);
      if (this.#fd !== -1) return this.#step();
      // Without any file the queue fills and drops (L1) until one can be opened.
      this.#isReopenDue = true;
      this.#retryLater();
    });
  }

  #writeNext(): void {
    const entry = this.#queue[0]!;
    const isMending = this.#isTorn;
    const rest = this.#offset === 0 ? entry.bytes : entry.bytes.subarray(this.#offset);
    this.#isBusy = true;
    this.#options.fileSystem.write(this.#fd, isMending ? NEWLINE : rest, (code, written) => {
      this.#isBusy = false;
      if (this.#queue[0] !== entry) return this.#step(); // Dropped by `close` meanwhile.
      if (code === 'EAGAIN') {
        this.#report('is not read fast enough', code);
        return this.#retryLater();
      }
      if (code !== null) return this.#fail(code);
      this.#writtenBytes += written;
      if (isMending) {
        this.#isTorn = written === 0;
        return this.#writeNext();
      }
      this.#offset += written;
      if (this.#offset < entry.bytes.length) return this.#writeNext();
      this.#problem = '';
      this.#shift();
      this.#step();
    });
  }

  #fail(code: string): void {
    this.#report('cannot be written', code);
    if (this.#offset > 0) this.#isTorn = this.#queue[0]!.bytes[this.#offset - 1] !== LINE_FEED;
    this.#drop();
    this.#step();
  }

  #retryLater(): void {
    this.#isBusy = true;
    this.#options.later(LOG_RETRY_MS, () => {
      this.#isBusy = false;
      this.#step();
    });
  }

  #drop(): void {
    this.#droppedLines += countLines(this.#queue[0]!.bytes, this.#offset);
    this.#shift();
  }

  #shift(): void {
    const entry = this.#queue.shift()!;
    this.#queueSize -= entry.bytes.length;
    this.#offset = 0;
    entry.done();
    if (this.#queue.length > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }

  #closeFile(): void {
    if (this.#fd !== -1) this.#options.fileSystem.close(this.#fd);
    this.#fd = -1;
  }

  #report(what: string, code: string): void {
    if (this.#problem === code) return;
    this.#problem = code;
    this.#options.onProblem(`log ${this.#options.path} ${what}`, code);
  }
}

function countLines(bytes: Uint8Array, start: number): number {
  let lines = 0;
  for (let i = start; i < bytes.length; i++) {
    if (bytes[i] === LINE_FEED) lines++;
  }
  return lines;
}
