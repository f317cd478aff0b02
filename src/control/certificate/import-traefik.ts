/**
 * Reads Traefik's `acme.json`: by resolver an account and its certificates; older files have one
 * account and its certificates at the top.
 */

import { createPrivateKey } from 'node:crypto';

import { issuerKeyOf } from './acme-issuer.ts';
import type {
  FoundAccount,
  FoundCertificate,
  FoundState,
  ImportLine,
} from './import-certificates.ts';

/** Directories by the host of their accounts. */
const DIRECTORIES: { readonly [host: string]: string } = {
  'acme-v02.api.letsencrypt.org': 'https://acme-v02.api.letsencrypt.org/directory',
  'acme-staging-v02.api.letsencrypt.org': 'https://acme-staging-v02.api.letsencrypt.org/directory',
  'acme.zerossl.com': 'https://acme.zerossl.com/v2/DV90',
};

type Json = { readonly [name: string]: unknown };

/**
 * @param text       of the file
 * @param directory  of authorities that the file does not tell; empty: those are skipped
 * @returns null: the text is no `acme.json`
 */
export function readTraefikFile(text: string, directory: string): FoundState | null {
  let file: Json | null;
  try {
    file = objectOf(JSON.parse(text));
  } catch {
    return null;
  }
  if (file === null) return null;
  const isOld = 'Account' in file || 'Certificates' in file;
  const resolvers = isOld ? [['acme', file] as const] : Object.entries(file);
  const certificates: FoundCertificate[] = [];
  const accounts: FoundAccount[] = [];
  const unusable: ImportLine[] = [];
  let count = 0;
  for (const [resolver, value] of resolvers) {
    const state = objectOf(value);
    if (state === null || !('Account' in state || 'Certificates' in state)) continue;
    count++;
    const account = objectOf(state.Account);
    const issuerKey = authorityOf(account, directory);
    const list: readonly unknown[] = Array.isArray(state.Certificates) ? state.Certificates : [];
    if (issuerKey === null) {
      const message = 'its authority is not known; say it with --directory';
      if (account !== null) unusable.push(line('account', resolver, resolver, message));
      for (const one of list) unusable.push(line('certificate', nameOf(one), resolver, message));
      continue;
    }
    const found = account === null ? null : accountOf(account);
    const email = textOf(account?.Email);
    if (found !== null) accounts.push({ issuerKey, email, account: found, from: resolver });
    else if (account !== null) {
      unusable.push(line('account', email, resolver, 'it has no usable key'));
    }
    for (const one of list) {
      const certificate = objectOf(one);
      const chain = decoded(certificate?.certificate);
      const key = decoded(certificate?.key);
      certificates.push({ issuerKey, chain, key, from: `${resolver} ${nameOf(one)}` });
    }
  }
  return count === 0 ? null : { certificates, accounts, unusable };
}

/** As Issuer.key; null: not known. */
function authorityOf(account: Json | null, directory: string): string | null {
  if (directory !== '') return issuerKeyOf(directory);
  const uri = textOf(objectOf(account?.Registration)?.uri);
  if (!URL.canParse(uri)) return null;
  const { host } = new URL(uri);
  return Object.hasOwn(DIRECTORIES, host) ? issuerKeyOf(DIRECTORIES[host]!) : null;
}

function accountOf(account: Json): FoundAccount['account'] | null {
  const registration = objectOf(account.Registration);
  const url = textOf(registration?.uri);
  const contact = objectOf(registration?.body)?.contact;
  const list: readonly unknown[] = Array.isArray(contact) ? contact : [];
  const der = Buffer.from(textOf(account.PrivateKey), 'base64');
  if (url === '') return null;
  for (const type of ['pkcs1', 'sec1', 'pkcs8'] as const) {
    try {
      const key = createPrivateKey({ key: der, format: 'der', type });
      return {
        key: key.export({ type: 'pkcs8', format: 'pem' }) as string,
        url,
        nextKey: '',
        contact: list.filter((one) => typeof one === 'string'),
      };
    } catch {
      // Another form.
    }
  }
  return null;
}

function nameOf(certificate: unknown): string {
  return textOf(objectOf(objectOf(certificate)?.domain)?.main);
}

function line(kind: ImportLine['kind'], name: string, from: string, message: string): ImportLine {
  return { kind, name, from, outcome: 'skipped', message };
}

function decoded(value: unknown): string {
  return Buffer.from(textOf(value), 'base64').toString('latin1');
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function objectOf(value: unknown): Json | null {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Json) : null;
}
