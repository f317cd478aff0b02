/**
 * Where state is kept that outlives the process: the last good configuration, and the certificate
 * store with its keys.
 */

import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/**
 * The folder of `reload.autosave`.
 * @param setting     a folder, `auto` or `off`; folders are relative to the main file
 * @param configPath  the main file; empty when there is none
 * @returns null: nothing is kept
 */
export function autosaveFolder(
  setting: string,
  configPath: string,
  env: { readonly [name: string]: string | undefined } = process.env,
  home: string = homedir(),
): string | null {
  if (setting === 'off' || configPath === '') return null;
  if (setting !== 'auto') return resolve(dirname(configPath), setting);
  return stateFolder(env, home);
}

/**
 * The folder of `storage.path`: one for all configurations of a user, if not said otherwise.
 * @param setting     a folder or `auto`; folders are relative to the main file
 * @param configPath  the main file; empty when there is none
 * @returns null: there is no home to put it into
 */
export function storageFolder(
  setting: string,
  configPath: string,
  env: { readonly [name: string]: string | undefined } = process.env,
  home: string = homedir(),
): string | null {
  if (setting !== 'auto') return resolve(dirname(configPath), setting);
  const state = stateFolder(env, home);
  return state === null ? null : join(state, 'storage');
}

function stateFolder(
  env: { readonly [name: string]: string | undefined },
  home: string,
): string | null {
  // systemd gives a list when a unit has several.
  const state = env.STATE_DIRECTORY?.split(':', 1)[0] ?? '';
  if (state !== '') return state;
  const shared = env.XDG_STATE_HOME ?? '';
  if (shared.startsWith('/')) return join(shared, 'proxy-now'); // Others are to be ignored.
  return home.startsWith('/') && home !== '/' ? join(home, '.local/state/proxy-now') : null;
}
