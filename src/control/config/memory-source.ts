/**
 * A configuration source held in memory: for a proxy started without a file, and for tests.
 */

import type { ConfigSource } from './config-source.ts';
import { joinPath } from './config-source.ts';

const NO_SUCH_FILE = { problem: 'there is no such file' };

/**
 * @param files text by path
 * @param env   variables; none by default
 * @returns a source whose `glob` knows `*` and `?` inside one path segment
 */
export function memorySource(
  files: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): ConfigSource {
  return {
    readFile: (path) => (Object.hasOwn(files, path) ? files[path]! : NO_SUCH_FILE),
    env: (name) => (Object.hasOwn(env, name) ? env[name]! : undefined),
    glob: (pattern, folder) => {
      const escaped = joinPath(folder, pattern).replace(/[.+^${}()|[\]\\]/g, '\\$&');
      const regex = new RegExp(`^${escaped.replaceAll('*', '[^/]*').replaceAll('?', '[^/]')}$`);
      return Object.keys(files)
        .filter((path) => regex.test(path))
        .toSorted();
    },
  };
}
