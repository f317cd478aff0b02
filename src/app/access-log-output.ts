/**
 * Access log output: the file that the configuration names now. Workers' lines go to whichever
 * that is when they arrive.
 */

import { nodeLogFileSystem } from '../control/admin/log-file-system.ts';
import { LogFile } from '../control/admin/log-file.ts';
import type { Logger } from '../control/admin/logger.ts';

/** How long the lines of a file that is no longer used may take to leave. */
const CLOSE_MS = 2_000;

export class AccessLogOutput {
  private readonly logger: Logger;
  private path: string | null = null;
  private file: LogFile | null = null;
  /** Of files that are no longer used. */
  private droppedBefore = 0;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  /** Lines that could not be written. */
  get droppedLines(): number {
    return this.droppedBefore + (this.file?.droppedLines ?? 0);
  }

  /** @param path file, or `stdout`; null: there is no access log */
  use(path: string | null): void {
    if (path === this.path) return;
    void this.close();
    this.path = path;
    if (path === null) return;
    this.file = new LogFile({
      path,
      fileSystem: nodeLogFileSystem,
      later: (delayMs, task) => void setTimeout(task, delayMs),
      onProblem: (message, code) => this.logger.error(message, { code }),
    });
  }

  /** Takes whole lines; `done` gives `bytes` back. */
  write(bytes: Uint8Array, done: () => void): void {
    if (this.file === null) done();
    else this.file.write(bytes, done);
  }

  /** For log rotation: opens the path anew. */
  reopen(): void {
    this.file?.reopen();
  }

  /** Resolves when everything is written, or after a while. */
  async close(): Promise<void> {
    const { file } = this;
    this.path = null;
    this.file = null;
    if (file === null) return;
    await file.close(CLOSE_MS);
    this.droppedBefore += file.droppedLines;
  }
}
