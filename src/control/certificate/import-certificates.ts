/**
 * Import: certificates, keys and accounts of another proxy into a certificate store, so that a
 * change of proxy costs no order.
 *
 * I1  doing it again changes nothing.
 * I2  what the store has already and is as good stays; nothing is taken away.
 * I3  every certificate and account that was found is reported, whatever came of it.
 */

import type { StoredAccount } from '../acme/account-store.ts';
import { accountStore } from './acme-stores.ts';
import type { CertificateStore } from './certificate-store.ts';
import { StoreError } from './certificate-store.ts';
import type { CertificateText } from './entry-batch.ts';
import { packEntries } from './entry-batch.ts';
import { issueLock, keyPart, unitPart } from './store-keys.ts';
import {
  certificateTextOf,
  loadCertificate,
  rankOf,
  saveCertificate,
} from './stored-certificate.ts';

export interface FoundCertificate {
  /** As Issuer.key. */
  readonly issuerKey: string;
  /** PEM. */
  readonly chain: string;
  readonly key: string;
  /** What it is called where it was found. */
  readonly from: string;
}

export interface FoundAccount {
  readonly issuerKey: string;
  /** May be empty. */
  readonly email: string;
  readonly account: StoredAccount;
  readonly from: string;
}

/** What another proxy left behind. */
export interface FoundState {
  readonly certificates: readonly FoundCertificate[];
  readonly accounts: readonly FoundAccount[];
  /** What could not be made sense of. */
  readonly unusable: readonly ImportLine[];
}

export interface ImportLine {
  readonly kind: 'certificate' | 'account';
  /** A name of the certificate, or the email address. */
  readonly name: string;
  readonly from: string;
  /** `present`: the same was there; `kept`: one as good or better was. */
  readonly outcome: 'imported' | 'present' | 'kept' | 'skipped' | 'failed';
  /** One sentence; empty: the outcome says it all. */
  readonly message: string;
}

/**
 * Never rejects: a store that fails is a line with `failed`, and the end of it.
 * @param nowMs Unix milliseconds
 */
export async function importState(
  store: CertificateStore,
  found: FoundState,
  nowMs: number,
): Promise<ImportLine[]> {
  const lines: ImportLine[] = [...found.unusable];
  for (const account of found.accounts) {
    const name = account.email === '' ? 'default' : account.email;
    const line = { kind: 'account' as const, name, from: account.from };
    lines.push({ ...line, ...(await tried(() => importAccount(store, account))) });
  }
  for (const one of found.certificates) {
    const line = { kind: 'certificate' as const, from: one.from };
    const text = certificateTextOf(one.chain, one.key, rankOf(keyPart(one.issuerKey)));
    if (text === null) {
      const message = 'it is no certificate with its key';
      lines.push({ ...line, name: one.from, outcome: 'skipped', message });
      continue;
    }
    for (const names of unitsOf(text)) {
      const result = await tried(() => importCertificate(store, one, { text, names, nowMs }));
      lines.push({ ...line, name: names.join(', '), ...result });
    }
  }
  return lines;
}

type Result = Pick<ImportLine, 'outcome' | 'message'>;

/**
 * Every name has a certificate of its own here, unless the configuration puts some together: the
 * imported one stands for both.
 */
function unitsOf({ names }: CertificateText): readonly (readonly string[])[] {
  const single = names.map((name) => [name]);
  return names.length === 1 ? single : [...single, names.toSorted()];
}

async function importCertificate(
  store: CertificateStore,
  { issuerKey }: FoundCertificate,
  { text, names, nowMs }: { text: CertificateText; names: readonly string[]; nowMs: number },
): Promise<Result> {
  if (issuerKey === 'local') {
    const message = 'an internal authority made it; that of this proxy makes another one';
    return { outcome: 'skipped', message };
  }
  if (text.notAfterMs <= nowMs) return { outcome: 'skipped', message: 'it is over' };
  const unit = unitPart(names);
  return store.lock(issueLock(unit), async () => {
    const there = await loadCertificate(store, issuerKey, unit);
    if (there?.entry.id === text.id) return { outcome: 'present', message: '' };
    if (there !== null && there.entry.notAfterMs >= text.notAfterMs) {
      return { outcome: 'kept', message: 'the store has one that ends later' };
    }
    const entry = packEntries([text])[0]!;
    const meta = { id: text.id, obtainedAtMs: 0, plan: null, isOnDemand: false };
    await saveCertificate(store, { issuerKey: keyPart(issuerKey), unit, entry, meta });
    return { outcome: 'imported', message: '' };
  });
}

async function importAccount(
  store: CertificateStore,
  { issuerKey, email, account }: FoundAccount,
): Promise<Result> {
  const accounts = accountStore(store);
  const signal = new AbortController().signal;
  return accounts.withLock(issuerKey, email, signal, async () => {
    const there = await accounts.load(issuerKey, email);
    if (there !== null && there.key === account.key) return { outcome: 'present', message: '' };
    if (there !== null) {
      return { outcome: 'kept', message: 'the store has another account there' };
    }
    await accounts.save(issuerKey, email, account);
    return { outcome: 'imported', message: '' };
  });
}

async function tried(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { outcome: 'failed', message: error.message };
  }
}
