/**
 * Reads configuration from the file system: the one place that gives control/config a world.
 */

import { globSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';

import { certificateCheck } from '../control/certificate/certificate-pair.ts';
import { readConfigFiles } from '../control/config/config-files.ts';
import type { ConfigSource, Unreadable } from '../control/config/config-source.ts';
import { loadConfig } from '../control/config/load-config.ts';
import type { LoadedConfig, LoadOptions } from '../control/config/load-config.ts';

/** No configuration is that large; a device that never ends would fill the memory. */
const FILE_SIZE_MAX = 64 * 1024 * 1024;

const PROBLEMS: { readonly [code: string]: string } = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is not a directory',
  ELOOP: 'its symbolic links form a circle',
  EMFILE: 'this process has too many open files',
  ENFILE: 'the system has too many open files',
  EIO: 'the disk failed',
};

/** Nothing is there that could be listed. */
const ABSENT_CODES: readonly string[] = ['ENOENT', 'ENOTDIR'];

/** The file system and the environment of this process. */
export const FILE_SOURCE: ConfigSource = {
  readFile(path) {
    try {
      const stat = statSync(path);
      if (stat.isDirectory()) return { problem: PROBLEMS.EISDIR! };
      // Opening a pipe would wait for its writer, and nothing else would happen meanwhile.
      if (!stat.isFile()) return { problem: 'it is not a regular file' };
      if (stat.size > FILE_SIZE_MAX) return { problem: 'it is larger than 64 MiB' };
      return readFileSync(path, 'utf8');
    } catch (error) {
      return unreadable(error);
    }
  },
  glob(pattern, directory) {
    if (SIMPLE_PATTERN.test(pattern)) return listFolder(pattern, directory);
    const paths = globSync(pattern, { cwd: directory });
    const problem = listingProblem(pattern, directory);
    if (problem !== null) return problem;
    return paths.map((path) => (isAbsolute(path) ? path : join(directory, path))).toSorted();
  },
  env: (name) => process.env[name],
};

/** Stars and question marks in the last part alone: one folder, to be listed once. */
const SIMPLE_PATTERN = /^(?:[^*?[\]{}()!+@\\]*\/)?(?!\*\*$)(?=.*[*?])[^/[\]{}()!+@\\]+$/;

/** As `globSync` does it for such a pattern, but ten times as fast for a folder of thousands. */
function listFolder(pattern: string, directory: string): string[] | Unreadable {
  const slash = pattern.lastIndexOf('/') + 1;
  const folder = pattern.slice(0, slash);
  const name = pattern.slice(slash).replace(/[.+^$|]/g, '\\$&');
  const hidden = name.startsWith('\\.') ? '' : '(?!\\.)';
  const regex = new RegExp(`^${hidden}${name.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's');
  try {
    const names = readdirSync(resolve(directory, folder)).filter((one) => regex.test(one));
    const place = isAbsolute(folder) ? folder : join(directory, folder);
    return names.map((one) => join(place, one)).toSorted();
  } catch (error) {
    const isAbsent = ABSENT_CODES.includes((error as NodeJS.ErrnoException).code!);
    return isAbsent ? [] : unreadable(error);
  }
}

/** To `globSync` a folder that cannot be listed is an empty one; all it includes would be gone. */
function listingProblem(pattern: string, directory: string): Unreadable | null {
  const parts = pattern.split('/');
  for (const [index, part] of parts.entries()) {
    const parent = parts.slice(0, index).join('/') || (pattern.startsWith('/') ? '/' : '.');
    if (!isPattern(part) && !isPattern(parent)) continue;
    const folders = isPattern(parent) ? globSync(parent, { cwd: directory }) : [parent];
    for (const folder of folders) {
      try {
        if (isPattern(part)) readdirSync(resolve(directory, folder));
        else statSync(resolve(directory, folder, part));
      } catch (error) {
        if (!ABSENT_CODES.includes((error as NodeJS.ErrnoException).code!))
          return unreadable(error);
      }
    }
  }
  return null;
}

function isPattern(path: string): boolean {
  return /[*?[{]/.test(path);
}

/** How configurations are loaded everywhere: certificates are judged, by the clock of the wall. */
export const FILE_LOAD_OPTIONS: LoadOptions = {
  certificateCheck: certificateCheck(() => Date.now()),
};

/** Loads `path` and everything it includes. Never throws for what is in the files. */
export function readConfig(path: string): Promise<LoadedConfig> {
  return loadConfig(path, FILE_SOURCE, FILE_LOAD_OPTIONS);
}

/**
 * One text of the main file, for those who cannot wait until the file has no error.
 * @returns `fallback` when it is not there or is no text
 */
export function settingOf(path: string, section: string, key: string, fallback: string): string {
  const { files } = readConfigFiles(path, FILE_SOURCE);
  const table = files[0]?.tree.entries.get(section);
  const value = table?.kind === 'table' ? table.entries.get(key) : undefined;
  return value?.kind === 'string' && !value.isBroken ? value.text : fallback;
}

/** Source text of a file, for code frames; empty when it cannot be read. */
export function sourceText(path: string): string {
  const text = FILE_SOURCE.readFile(path);
  return typeof text === 'string' ? text : '';
}

function unreadable(error: unknown): Unreadable {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return { problem: PROBLEMS[code] ?? message };
}
