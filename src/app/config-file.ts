/**
 * Reads configuration from the file system: the one place that gives control/config a world.
 */

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { ConfigSource } from '../control/config/config-source.ts';
import { loadConfig } from '../control/config/load-config.ts';
import type { LoadedConfig } from '../control/config/load-config.ts';

const SOURCE: ConfigSource = {
  readFile(path) {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return null;
    }
  },
  glob(pattern, directory) {
    return globSync(pattern, { cwd: directory })
      .map((path) => join(directory, path))
      .toSorted();
  },
  env: (name) => process.env[name],
};

/** Loads `path` and everything it includes. Never throws for what is in the files. */
export function readConfig(path: string): Promise<LoadedConfig> {
  return Promise.resolve(loadConfig(path, SOURCE));
}

/** Source text of a file, for code frames; empty when it cannot be read. */
export function sourceText(path: string): string {
  return SOURCE.readFile(path) ?? '';
}
