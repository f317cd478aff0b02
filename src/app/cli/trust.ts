/**
 * `trust` and `untrust`: put the root of the internal authority into the stores of this machine,
 * and take it out.
 */

import { resolve } from 'node:path';

import { openFileStore } from '../../control/certificate/file-store.ts';
import { AuthorityError, InternalAuthority } from '../../control/certificate/internal-authority.ts';
import { StoreError } from '../../control/certificate/certificate-store.ts';
import { fingerprintOf } from '../../control/x509/certificate-reader.ts';
import { writePem } from '../../control/x509/pem.ts';
import { settingOf } from '../config-file.ts';
import { storageFolder } from '../state-folder.ts';
import { changeNssStores } from '../trust/nss-stores.ts';
import { changeSystemStore } from '../trust/system-store.ts';
import type { TrustedRoot, TrustResult } from '../trust/trusted-root.ts';
import { thisWorld } from '../trust/trust-world.ts';
import { complain } from './admin-client.ts';
import { CONFIG_OPTION, configPath, EXIT_FAILED, EXIT_USAGE, JSON_OPTION } from './command.ts';
import type { Command, CommandOption, OptionValues } from './command.ts';

/** Where a service of the system keeps its state: a person's environment does not say. */
const SERVICE_FOLDER = '/var/lib/proxy-now/storage';

const STORAGE_OPTION: CommandOption = {
  name: 'storage',
  value: 'FOLDER',
  doc: 'Storage folder of the proxy. Default: the one of the configuration, or of `to`.',
};

const ONLY_OPTION: CommandOption = {
  name: 'only',
  value: 'STORES',
  doc: '`system` or `browsers`. Default: both.',
};

export const trustCommand: Command = {
  name: 'trust',
  operands: [],
  summary:
    'Make this machine and its browsers trust the certificates that the proxy makes for local ' +
    'names.',
  options: [
    CONFIG_OPTION,
    STORAGE_OPTION,
    ONLY_OPTION,
    { name: 'print', doc: 'Only print the root as PEM, for other machines.' },
    JSON_OPTION,
  ],
  async run(_operands, values) {
    if (!isOnlyGood(values)) return EXIT_USAGE;
    const roots = await rootsFor(values, true);
    if (roots === null) return EXIT_FAILED;
    if (values.print !== true) return changeStores(roots, values, true);
    process.stdout.write(roots.list.map(({ pem }) => pem).join(''));
    return 0;
  },
};

export const untrustCommand: Command = {
  name: 'untrust',
  operands: [],
  summary: 'Take the root that `trust` installed out again.',
  options: [CONFIG_OPTION, STORAGE_OPTION, ONLY_OPTION, JSON_OPTION],
  async run(_operands, values) {
    if (!isOnlyGood(values)) return EXIT_USAGE;
    const roots = await rootsFor(values, false);
    return roots === null ? EXIT_FAILED : changeStores(roots, values, false);
  },
};

function isOnlyGood({ only }: OptionValues): boolean {
  if (only === undefined || only === 'system' || only === 'browsers') return true;
  complain(`--only: expected system or browsers, found ${String(only)}`);
  return false;
}

interface Roots {
  readonly folder: string;
  readonly list: readonly TrustedRoot[];
}

/** The roots of the first folder that has some; null: there are none, and that has been said. */
async function rootsFor(values: OptionValues, isToBeMade: boolean): Promise<Roots | null> {
  const folders = foldersOf(values);
  if (folders.length === 0) {
    complain('there is no home folder to keep a root in; say --storage FOLDER');
    return null;
  }
  try {
    for (const folder of folders) {
      const list = await readRoots(folder, false).catch((error: unknown) => {
        // What belongs to a service is not everybody's to read, nor everybody's to miss.
        if (folder === SERVICE_FOLDER && error instanceof StoreError) return null;
        throw error;
      });
      if (list !== null) return { folder, list };
    }
    const isSaid = typeof values.storage === 'string';
    if (isToBeMade && (isSaid || thisWorld().isOwnHome)) {
      return { folder: folders[0]!, list: (await readRoots(folders[0]!, true))! };
    }
    complain(`there is no root in ${folders.join(' or ')}; say --storage FOLDER`);
  } catch (error) {
    if (!(error instanceof AuthorityError || error instanceof StoreError)) throw error;
    complain(error.message);
  }
  return null;
}

function foldersOf(values: OptionValues): readonly string[] {
  if (typeof values.storage === 'string') return [resolve(values.storage)];
  const path = configPath(values);
  const setting = settingOf(path, 'storage', 'path', 'auto');
  const own = storageFolder(setting, path);
  if (setting !== 'auto') return own === null ? [] : [own];
  return own === null ? [SERVICE_FOLDER] : [own, SERVICE_FOLDER];
}

/** @returns null: there are none, and none is to be made */
async function readRoots(
  folder: string,
  isToBeMade: boolean,
): Promise<readonly TrustedRoot[] | null> {
  const store = openFileStore({ folder, wallMs, random: () => Math.random(), setTimer: schedule });
  try {
    const authority = new InternalAuthority(store, wallMs);
    const roots = isToBeMade ? await authority.roots() : await authority.existingRoots();
    if (roots === null) return null;
    return roots.map(({ der, subjectCommonName }) => {
      const pem = writePem('CERTIFICATE', der);
      return { name: subjectCommonName, id: fingerprintOf(der), pem };
    });
  } finally {
    await store.close();
  }
}

function changeStores(roots: Roots, values: OptionValues, isTrusted: boolean): number {
  const { only } = values;
  const world = thisWorld();
  const name = isTrusted ? 'trust' : 'untrust';
  const retry = `sudo proxy-now ${name} --storage ${roots.folder}`;
  const results = [
    ...(only === 'browsers' ? [] : [changeSystemStore(world, roots.list, isTrusted, retry)]),
    ...(only === 'system' ? [] : changeNssStores(world, roots.list, isTrusted)),
  ];
  const text =
    values.json === true
      ? JSON.stringify({ roots: roots.list.map(publicRoot), stores: results }, null, 2)
      : trustText(roots, results);
  process.stdout.write(`${text}\n`);
  return exitCodeOf(results);
}

/** Good when something was done or had been, and nothing failed. */
export function exitCodeOf(results: readonly TrustResult[]): number {
  if (results.some(({ outcome }) => outcome === 'failed')) return EXIT_FAILED;
  return results.every(({ outcome }) => outcome === 'skipped') ? EXIT_FAILED : 0;
}

/** The page. */
export function trustText({ list }: Roots, results: readonly TrustResult[]): string {
  const lines = list.map(({ name, id }) => `${name}, SHA-256 ${id}`);
  for (const { store, path, outcome, message } of results) {
    const where = path === '' ? store : `${store} (${path})`;
    lines.push(`  ${outcome.padEnd(9)}  ${where}: ${message}`);
  }
  return lines.join('\n');
}

function publicRoot({ name, id }: TrustedRoot) {
  return { name, id };
}

function wallMs(): number {
  return Date.now();
}

function schedule(delayMs: number, task: () => void): () => void {
  const timer = setTimeout(task, delayMs);
  return () => clearTimeout(timer);
}
