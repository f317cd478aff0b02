/**
 * What `run` starts with: the files as they are, or their last good version when that was asked for
 * and they have an error.
 */

import { isAbsolute, join, matchesGlob, resolve } from 'node:path';

import { readAutosave } from '../control/apply/autosave.ts';
import { goodFilesOf, loadWithLastGood, savedFiles } from '../control/apply/last-good-files.ts';
import type { SavedFile } from '../control/apply/reload-outcome.ts';
import type { Config } from '../control/config/config.ts';
import type { ConfigSource } from '../control/config/config-source.ts';
import { loadConfig } from '../control/config/load-config.ts';
import type { LoadedConfig } from '../control/config/load-config.ts';
import { FILE_LOAD_OPTIONS, FILE_SOURCE, settingOf } from './config-file.ts';
import { autosaveFolder } from './state-folder.ts';

export interface StartConfig {
  readonly config: Config;
  /** With absolute paths, the main file first. */
  readonly files: readonly SavedFile[];
}

/** The good files of a load, as a proxy process is handed them. */
export function loadedFiles({ files }: LoadedConfig): readonly SavedFile[] {
  return files.flatMap(({ path, isGood, text }) =>
    isGood && text !== null ? [{ path: resolve(path), text }] : [],
  );
}

/** True when what is on disk has an error, in whatever file. */
export function hasError({ config, issues }: LoadedConfig): boolean {
  return config === null || issues.some((issue) => issue.severity === 'error');
}

/**
 * The last good version of the configuration at `path`: of its broken included files, or of all
 * when the main file is broken.
 * @returns what to start with and when it was saved (milliseconds since 1970), or why there is none
 */
export async function lastGoodConfig(
  path: string,
): Promise<(StartConfig & { readonly savedAtMs: number }) | { readonly problem: string }> {
  const main = resolve(path);
  const folder = autosaveFolder(settingOf(main, 'reload', 'autosave', 'auto'), main);
  if (folder === null) return { problem: 'nothing is saved: reload.autosave is off' };
  const saved = await readAutosave(folder, main);
  if ('problem' in saved) return saved;
  const { savedAtMs } = saved;
  const mixed = await loadWithLastGood(
    main,
    FILE_SOURCE,
    goodFilesOf(saved.files),
    FILE_LOAD_OPTIONS,
  );
  if (mixed.config !== null) {
    return { config: mixed.config, files: savedFiles(mixed.good), savedAtMs };
  }
  const texts = await configOfTexts(main, saved.files);
  if ('problem' in texts) {
    return { problem: `what was saved cannot be used either: ${texts.problem}` };
  }
  return { ...texts, savedAtMs };
}

/**
 * The configuration that `files` are, whatever is on disk by now.
 * @param main  absolute path of the main file, which is one of them
 * @returns why there is none when they have an error
 */
export async function configOfTexts(
  main: string,
  files: readonly SavedFile[],
): Promise<StartConfig | { readonly problem: string }> {
  if (files.length === 0) return { problem: 'nobody knows the files any more' };
  const loaded = await loadConfig(main, sourceOfTexts(main, files), FILE_LOAD_OPTIONS);
  const { config, issues } = loaded;
  const problem = issues.find((issue) => issue.severity === 'error')?.message ?? '';
  return config === null ? { problem } : { config, files: loadedFiles(loaded) };
}

/** Texts instead of files; variables, `${file:}` and certificates are those of now. */
function sourceOfTexts(main: string, files: readonly SavedFile[]): ConfigSource {
  const texts = new Map(files.map(({ path, text }) => [path, text]));
  return {
    readFile: (path) => texts.get(path) ?? FILE_SOURCE.readFile(path),
    glob: (pattern, folder, user) => {
      if (user !== undefined) return FILE_SOURCE.glob(pattern, folder); // Certificates.
      const whole = isAbsolute(pattern) ? pattern : join(folder, pattern);
      const paths = [...texts.keys()].filter((path) => path !== main && matchesGlob(path, whole));
      return paths.toSorted();
    },
    env: (name) => FILE_SOURCE.env(name),
  };
}
