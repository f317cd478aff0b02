/**
 * Reads what Caddy keeps in its data folder: `certificates/<issuer>/<name>/<name>.crt` and `.key`,
 * `acme/<issuer>/users/<email>/<user>.json` and `.key`.
 */

import { createPrivateKey } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type {
  FoundAccount,
  FoundCertificate,
  FoundState,
  ImportLine,
} from './import-certificates.ts';

/**
 * Reads only.
 * @param folder Caddy's data folder, or one like it
 * @returns null: there is nothing of Caddy in it
 */
export function readCaddyFolder(folder: string): FoundState | null {
  const authorities = foldersIn(join(folder, 'certificates'));
  const directories = foldersIn(join(folder, 'acme'));
  if (authorities.length + directories.length === 0) return null;
  const certificates: FoundCertificate[] = [];
  const accounts: FoundAccount[] = [];
  const unusable: ImportLine[] = [];
  for (const issuerKey of authorities) {
    for (const name of foldersIn(join(folder, 'certificates', issuerKey))) {
      const from = join('certificates', issuerKey, name);
      const chain = textAt(join(folder, from, `${name}.crt`));
      const key = textAt(join(folder, from, `${name}.key`));
      if (chain !== null && key !== null) certificates.push({ issuerKey, chain, key, from });
      else unusable.push(skipped('certificate', name, from, 'it has no certificate or no key'));
    }
  }
  for (const issuerKey of directories) {
    for (const user of foldersIn(join(folder, 'acme', issuerKey, 'users'))) {
      const from = join('acme', issuerKey, 'users', user);
      const account = accountIn(join(folder, from));
      if (account === null) unusable.push(skipped('account', user, from, 'it has no usable key'));
      else accounts.push({ issuerKey, email: user === 'default' ? '' : user, account, from });
    }
  }
  return { certificates, accounts, unusable };
}

/** The registration and the key; what they are called depends on the address. */
function accountIn(folder: string): FoundAccount['account'] | null {
  const files = filesIn(folder);
  const registration = files.find((file) => file.endsWith('.json'));
  const keyFile = files.find((file) => file.endsWith('.key'));
  const keyText = keyFile === undefined ? null : textAt(join(folder, keyFile));
  if (registration === undefined || keyText === null) return null;
  try {
    const text = textAt(join(folder, registration)) ?? '';
    const { location, contact } = JSON.parse(text) as { location?: unknown; contact?: unknown };
    if (typeof location !== 'string' || location === '') return null;
    const key = createPrivateKey(keyText).export({ type: 'pkcs8', format: 'pem' }) as string;
    const list: readonly unknown[] = Array.isArray(contact) ? contact : [];
    const contacts = list.filter((one) => typeof one === 'string');
    return { key, url: location, nextKey: '', contact: contacts };
  } catch {
    return null;
  }
}

function skipped(
  kind: ImportLine['kind'],
  name: string,
  from: string,
  message: string,
): ImportLine {
  return { kind, name, from, outcome: 'skipped', message };
}

function foldersIn(folder: string): string[] {
  return entriesIn(folder, true);
}

function filesIn(folder: string): string[] {
  return entriesIn(folder, false);
}

/** Sorted; empty when the folder is not there. */
function entriesIn(folder: string, areFolders: boolean): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    const found = entries.filter((entry) => entry.isDirectory() === areFolders);
    return found.map(({ name }) => name).toSorted();
  } catch {
    return [];
  }
}

function textAt(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
