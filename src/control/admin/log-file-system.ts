/**
 * The three file calls a log file needs, and their Node form. Errors are codes, not objects.
 */

import { close, constants, fstat, open, write } from 'node:fs';

export interface LogFileSystem {
  /**
   * Opens for appending, creating the file (mode 0640). `stdout` means the process's own.
   * @param done called later with a null code and the descriptor, or an error code such as EACCES
   */
  open(path: string, done: (code: string | null, fd: number) => void): void;
  /** Writes some of `bytes`. @param done called later with a null code and how many */
  write(fd: number, bytes: Uint8Array, done: (code: string | null, written: number) => void): void;
  /** Closes; failures are ignored. Never closes stdout. */
  close(fd: number): void;
}

const STDOUT = 1;
const APPEND = constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | constants.O_NONBLOCK;

/** The real file system. */
export const nodeLogFileSystem: LogFileSystem = {
  open(path, done) {
    if (path === 'stdout') return openStdout(done);
    open(path, APPEND, 0o640, (error, fd) => done(codeOf(error), error === null ? fd : -1));
  },
  write(fd, bytes, done) {
    write(fd, bytes, (error, written) => done(codeOf(error), error === null ? written : 0));
  },
  close(fd) {
    if (fd > 2) close(fd, () => {});
  },
};

/**
 * A pipe is opened a second time, non-blocking, so that a reader that stops reading cannot hold a
 * thread of the pool. Files and terminals are written through descriptor 1: reopening a file
 * would append past what others write at that descriptor's own offset.
 */
function openStdout(done: (code: string | null, fd: number) => void): void {
  fstat(STDOUT, (error, stat) => {
    if (error !== null || !stat.isFIFO()) return done(null, STDOUT);
    const flags = constants.O_WRONLY | constants.O_NONBLOCK;
    open('/proc/self/fd/1', flags, (failure, fd) => done(null, failure === null ? fd : STDOUT));
  });
}

function codeOf(error: { code?: string } | null): string | null {
  return error === null ? null : (error.code ?? 'UNKNOWN');
}
