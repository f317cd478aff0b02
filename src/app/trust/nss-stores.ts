/**
 * NSS databases: what Chromium (on Linux) and Firefox trust. They belong to the user, and
 * `certutil` changes them.
 */

import { dirname, join } from 'node:path';

import type { TrustedRoot, TrustResult } from './trusted-root.ts';
import type { TrustWorld } from './trust-world.ts';

interface Database {
  readonly store: 'Chromium' | 'Firefox';
  readonly folder: string;
  /** Chromium reads it when it appears; a profile of Firefox is Firefox's to make. */
  readonly isToBeMade: boolean;
}

const FIREFOX_PROFILES = [
  '.mozilla/firefox/*/cert9.db',
  'snap/firefox/common/.mozilla/firefox/*/cert9.db',
  '.var/app/org.mozilla.firefox/.mozilla/firefox/*/cert9.db',
  'Library/Application Support/Firefox/Profiles/*/cert9.db',
];
const CHROMIUM = '.pki/nssdb';
const CHROMIUM_SNAP = 'snap/chromium/current/.pki/nssdb';

/** Installs `roots` into every database of the user, or removes them. */
export function changeNssStores(
  world: TrustWorld,
  roots: readonly TrustedRoot[],
  isTrusted: boolean,
): readonly TrustResult[] {
  const databases = databasesOf(world);
  if (databases.length === 0) return [];
  if (!world.isOwnHome) {
    // What root makes in it nobody else could change; and its links may lead anywhere.
    const message = `${world.home} is not root's: run this again as its owner for the browsers`;
    return databases.map(({ store, folder }) => {
      return { store, path: folder, outcome: 'skipped', message };
    });
  }
  if (!world.has('certutil')) {
    const message =
      'browsers keep their own lists, and certutil changes them: install libnss3-tools ' +
      '(nss-tools, nss) and run this again';
    return databases.map(({ store, folder }) => {
      return { store, path: folder, outcome: 'skipped', message };
    });
  }
  return databases.map((database) => change(world, database, roots, isTrusted));
}

function databasesOf(world: TrustWorld): readonly Database[] {
  const { home, platform } = world;
  const found: Database[] = [];
  // Elsewhere Chromium asks the system.
  if (platform === 'linux') {
    found.push({ store: 'Chromium', folder: join(home, CHROMIUM), isToBeMade: true });
    const snap = join(home, CHROMIUM_SNAP);
    if (world.isFolder(snap)) found.push({ store: 'Chromium', folder: snap, isToBeMade: false });
  }
  for (const pattern of FIREFOX_PROFILES) {
    for (const file of world.find(join(home, pattern))) {
      found.push({ store: 'Firefox', folder: dirname(file), isToBeMade: false });
    }
  }
  return found;
}

function change(
  world: TrustWorld,
  { store, folder, isToBeMade }: Database,
  roots: readonly TrustedRoot[],
  isTrusted: boolean,
): TrustResult {
  const result = (outcome: TrustResult['outcome'], message: string): TrustResult => {
    return { store, path: folder, outcome, message };
  };
  const run = (args: readonly string[], input = '') =>
    world.run('certutil', ['-d', `sql:${folder}`, ...args], input);
  const hasDatabase = world.list(folder).includes('cert9.db');
  if (!hasDatabase) {
    if (!isTrusted || !isToBeMade) return result('absent', `${store} does not have the root`);
    try {
      world.makeFolder(folder);
    } catch (error) {
      return result('failed', `${folder} cannot be made: ${textOf(error)}`);
    }
    const { code, output } = run(['-N', '--empty-password']);
    if (code !== 0) return result('failed', `certutil made no database: ${output}`);
  }
  const due = roots.filter(({ name }) => (run(['-L', '-n', name]).code === 0) !== isTrusted);
  if (due.length === 0) {
    return isTrusted
      ? result('present', `${store} trusts the root already`)
      : result('absent', `${store} does not have the root`);
  }
  for (const { name, pem } of due) {
    const args = isTrusted ? ['-A', '-a', '-t', 'C,,', '-n', name] : ['-D', '-n', name];
    const { code, output } = run(args, isTrusted ? pem : '');
    if (code !== 0) return result('failed', `certutil failed: ${output || 'it says no reason'}`);
  }
  return isTrusted
    ? result('installed', `${store} trusts it after its next start`)
    : result('removed', `${store} does not trust it after its next start`);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
