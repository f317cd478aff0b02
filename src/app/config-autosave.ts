/**
 * Autosave of the configuration: keeps the last good files where the configuration in force says,
 * which may be another folder after a reload.
 */

import { Autosave } from '../control/apply/autosave.ts';
import type { SavedFile } from '../control/apply/reload-outcome.ts';
import type { Logger } from '../control/admin/logger.ts';
import { autosaveFolder } from './state-folder.ts';

export class ConfigAutosave {
  private readonly configPath: string;
  private readonly logger: Logger;
  private current: { readonly folder: string | null; readonly to: Autosave } | null = null;
  /** Of folders that are no longer used. */
  private pastFailures = 0;

  /** @param configPath the main file; empty when there is none: then nothing is kept */
  constructor(configPath: string, logger: Logger) {
    this.configPath = configPath;
    this.logger = logger;
  }

  /** Attempts that failed so far. */
  get failures(): number {
    return this.pastFailures + (this.current?.to.failures ?? 0);
  }

  /** @param setting `reload.autosave` as it is now */
  save(files: readonly SavedFile[], setting: string): void {
    const folder = autosaveFolder(setting, this.configPath);
    if (this.current?.folder !== folder) {
      this.pastFailures = this.failures;
      const to = new Autosave({
        folder,
        path: this.configPath,
        log: this.logger,
        wallMs: () => Date.now(),
        processId: process.pid,
      });
      this.current = { folder, to };
    }
    void this.current!.to.save(files);
  }
}
