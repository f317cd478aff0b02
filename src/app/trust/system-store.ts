/**
 * The system's store of trust: a folder and a program that reads it, by kind of system; a keychain
 * on macOS.
 */

import { join } from 'node:path';

import { rootFileName } from './trusted-root.ts';
import type { TrustedRoot, TrustResult } from './trusted-root.ts';
import type { TrustWorld } from './trust-world.ts';

interface SystemStore {
  readonly folder: string;
  readonly extension: string;
  readonly program: string;
  readonly args: readonly string[];
}

/** The first whose folder exists is meant. */
const STORES: readonly SystemStore[] = [
  // Red Hat, Fedora.
  {
    folder: '/etc/pki/ca-trust/source/anchors',
    extension: '.pem',
    program: 'update-ca-trust',
    args: ['extract'],
  },
  // Debian, Ubuntu, Alpine.
  {
    folder: '/usr/local/share/ca-certificates',
    extension: '.crt',
    program: 'update-ca-certificates',
    args: [],
  },
  // Arch.
  {
    folder: '/etc/ca-certificates/trust-source/anchors',
    extension: '.crt',
    program: 'trust',
    args: ['extract-compat'],
  },
  // SUSE.
  {
    folder: '/usr/share/pki/trust/anchors',
    extension: '.pem',
    program: 'update-ca-certificates',
    args: [],
  },
];

const NAME = 'the system';
const KEYCHAIN = '/Library/Keychains/System.keychain';

/** Installs `roots`, or removes them. @param retry command to use as root, for sentences */
export function changeSystemStore(
  world: TrustWorld,
  roots: readonly TrustedRoot[],
  isTrusted: boolean,
  retry: string,
): TrustResult {
  if (world.platform === 'darwin') return changeKeychain(world, roots, isTrusted, retry);
  const store = STORES.find(({ folder }) => world.isFolder(folder));
  if (store === undefined || !world.has(store.program)) {
    const text = 'the system has no store of trust that is known here; install the package';
    return result('', 'skipped', `${text} ca-certificates, or add the root of --print yourself`);
  }
  const { folder, extension, program, args } = store;
  const present = new Set(world.list(folder));
  const files = roots.map((root) => ({ root, name: rootFileName(root, extension) }));
  const due = files.filter(({ name }) => present.has(name) !== isTrusted);
  if (due.length === 0) {
    return isTrusted
      ? result(folder, 'present', 'the system trusts the root already')
      : result(folder, 'absent', 'the system does not have the root');
  }
  if (!world.isWritable(folder)) {
    return result(folder, 'skipped', `the system's store needs root: ${retry}`);
  }
  try {
    for (const { root, name } of due) {
      if (isTrusted) world.write(join(folder, name), root.pem);
      else world.remove(join(folder, name));
    }
  } catch (error) {
    return result(folder, 'failed', `the system's store cannot be changed: ${textOf(error)}`);
  }
  const { code, output } = world.run(program, args);
  if (code !== 0) {
    const last = output.split('\n').at(-1) ?? '';
    return result(folder, 'failed', `${program} failed: ${last || 'it says no reason'}`);
  }
  return isTrusted
    ? result(folder, 'installed', 'programs that use the system store, such as curl, trust it now')
    : result(folder, 'removed', 'the system does not trust it any more');
}

function changeKeychain(
  world: TrustWorld,
  roots: readonly TrustedRoot[],
  isTrusted: boolean,
  retry: string,
): TrustResult {
  const due = roots.filter(({ name }) => {
    const args = ['find-certificate', '-c', name, KEYCHAIN];
    return (world.run('security', args).code === 0) !== isTrusted;
  });
  if (due.length === 0) {
    return isTrusted
      ? result(KEYCHAIN, 'present', 'the system trusts the root already')
      : result(KEYCHAIN, 'absent', 'the system does not have the root');
  }
  for (const root of due) {
    const { code, output } = isTrusted
      ? world.withFile(root.pem, (file) => {
          const args = ['add-trusted-cert', '-d', '-r', 'trustRoot', '-k', KEYCHAIN, file];
          return world.run('security', args);
        })
      : world.run('security', ['delete-certificate', '-c', root.name, '-t', KEYCHAIN]);
    if (code !== 0) {
      return result(KEYCHAIN, 'failed', `the keychain refused (${output}): ${retry}`);
    }
  }
  return isTrusted
    ? result(KEYCHAIN, 'installed', 'Safari and all that use the keychain trust it now')
    : result(KEYCHAIN, 'removed', 'the system does not trust it any more');
}

function result(path: string, outcome: TrustResult['outcome'], message: string): TrustResult {
  return { store: NAME, path, outcome, message };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
