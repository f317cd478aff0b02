/**
 * `import`: certificates, keys and accounts of another proxy into the certificate store.
 */

import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';

import { openFileStore } from '../../control/certificate/file-store.ts';
import { readCaddyFolder } from '../../control/certificate/import-caddy.ts';
import { importState } from '../../control/certificate/import-certificates.ts';
import type { FoundState, ImportLine } from '../../control/certificate/import-certificates.ts';
import { readTraefikFile } from '../../control/certificate/import-traefik.ts';
import { settingOf } from '../config-file.ts';
import { storageFolder } from '../state-folder.ts';
import { complain, plain } from './admin-client.ts';
import { CONFIG_OPTION, configPath, EXIT_FAILED, EXIT_USAGE, JSON_OPTION } from './command.ts';
import type { Command, OptionValues } from './command.ts';

export const importCommand: Command = {
  name: 'import',
  operands: ['caddy|traefik', 'PATH'],
  summary:
    "Take over certificates and accounts from Caddy's data folder or Traefik's acme.json. " +
    'It may be done again.',
  options: [
    CONFIG_OPTION,
    {
      name: 'storage',
      value: 'FOLDER',
      doc: 'Storage folder to import into. Default: the one of the configuration.',
    },
    {
      name: 'directory',
      value: 'URL',
      doc: 'ACME directory that the certificates in acme.json are from, where it does not say.',
    },
    JSON_OPTION,
  ],
  async run([kind = '', path = ''], values) {
    if (kind !== 'caddy' && kind !== 'traefik') {
      complain(`import: expected caddy or traefik, found ${kind}`);
      return EXIT_USAGE;
    }
    const directory = typeof values.directory === 'string' ? values.directory : '';
    if (directory !== '' && !URL.canParse(directory)) {
      complain(`import: --directory: not a URL (${directory})`);
      return EXIT_USAGE;
    }
    const folder = folderOf(values);
    if (folder === null) {
      complain('there is no home folder to keep certificates in; say --storage FOLDER');
      return EXIT_FAILED;
    }
    const found = read(kind, path, directory);
    if (typeof found === 'string') {
      complain(`import: ${found}`);
      return EXIT_FAILED;
    }
    return importInto(folder, found, values.json === true);
  },
};

async function importInto(folder: string, found: FoundState, isJson: boolean): Promise<number> {
  const store = openFileStore({ folder, wallMs, random: () => Math.random(), setTimer });
  try {
    const lines = await importState(store, found, wallMs());
    const text = isJson ? JSON.stringify({ folder, lines }, null, 2) : importText(folder, lines);
    process.stdout.write(`${text}\n`);
    const owner = ownerOf(folder);
    if (process.getuid?.() === 0 && owner > 0) {
      complain(`what was imported belongs to root; run: chown -R ${owner} ${folder}`);
    }
    return lines.some(({ outcome }) => outcome === 'failed') ? EXIT_FAILED : 0;
  } finally {
    await store.close();
  }
}

/** User id that the folder belongs to; -1: not known. */
function ownerOf(folder: string): number {
  try {
    return statSync(folder).uid;
  } catch {
    return -1;
  }
}

/** @returns a sentence when there is nothing to read */
function read(kind: 'caddy' | 'traefik', path: string, directory: string): FoundState | string {
  if (kind === 'caddy') {
    const advice = "name Caddy's data folder, which has `certificates` and `acme` in it";
    return readCaddyFolder(path) ?? `there is nothing of Caddy in ${path}; ${advice}`;
  }
  try {
    const text = readFileSync(path, 'utf8');
    return readTraefikFile(text, directory) ?? `${path} is no acme.json of Traefik`;
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    return `${path} cannot be read (${code === '' ? message : code})`;
  }
}

function folderOf(values: OptionValues): string | null {
  if (typeof values.storage === 'string') return resolve(values.storage);
  const path = configPath(values);
  return storageFolder(settingOf(path, 'storage', 'path', 'auto'), path);
}

/** A line for each, and one for all of them. */
export function importText(folder: string, lines: readonly ImportLine[]): string {
  const rows = lines.map(({ kind, name, from, outcome, message }) => {
    const why = message === '' ? '' : `: ${message}`;
    const row = `${outcome.padEnd(8)}  ${kind.padEnd(11)}  ${name}  (${from})${why}`;
    return plain(row).replaceAll('\n', ' ');
  });
  const count = lines.filter(({ outcome }) => outcome === 'imported').length;
  return [...rows, plain(`${count} of ${lines.length} imported into ${folder}`)].join('\n');
}

function wallMs(): number {
  return Date.now();
}

function setTimer(delayMs: number, callback: () => void): () => void {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
}
