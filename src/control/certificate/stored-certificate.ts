/**
 * Stored certificate: a managed certificate with its key, and how it is kept in a store.
 *
 * D1  key and chain are one value, so that no crash leaves a certificate without its key, or the
 *     old one with the new key.
 * D2  what is known besides (the chosen instant of renewal) is a value of its own that says which
 *     certificate it is about: with any other it is as if there were none.
 * D3  a value that is no certificate with its key is as if it were not there; nothing is deleted.
 */

import { createPrivateKey, createPublicKey } from 'node:crypto';

import type { CertificateEntry } from '../../contract/tls.ts';
import type { CertificateFacts } from '../x509/certificate-reader.ts';
import { fingerprintOf, readCertificate } from '../x509/certificate-reader.ts';
import { readPem } from '../x509/pem.ts';
import type { CertificateStore } from './certificate-store.ts';
import type { CertificateText } from './entry-batch.ts';
import { entryText, packEntries } from './entry-batch.ts';
import type { RenewalPlan } from './renewal-plan.ts';
import { isRenewalPlan, planRenewal } from './renewal-plan.ts';
import { certificateKey, keyPart, metaKey } from './store-keys.ts';

export interface CertificateMeta {
  /** D2: as CertificateEntry.id. */
  readonly id: string;
  /** Unix milliseconds by this machine's clock; 0: not known. */
  readonly obtainedAtMs: number;
  /** Null: nothing is planned yet. */
  readonly plan: RenewalPlan | null;
  /** It was got because a client asked for it, not because the configuration names it. */
  readonly isOnDemand: boolean;
}

export interface StoredCertificate {
  /** Key part of Issuer.key. */
  readonly issuerKey: string;
  /** As `unitPart` makes it of the names. */
  readonly unit: string;
  readonly entry: CertificateEntry;
  readonly meta: CertificateMeta;
}

export interface PlannedCertificate extends StoredCertificate {
  readonly meta: CertificateMeta & { readonly plan: RenewalPlan };
}

const BEGIN_KEY = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/;
const END_KEY = /-----END (?:[A-Z]+ )?PRIVATE KEY-----\r?\n?/;

export const RANK_MANAGED = 1;
export const RANK_INTERNAL = 2;

/** Rank of what an issuer of that key makes. */
export function rankOf(issuerKey: string): number {
  return issuerKey === 'local' ? RANK_INTERNAL : RANK_MANAGED;
}

/**
 * Reads chain and key.
 * @returns null: they are not, or do not belong together
 */
export function certificateTextOf(
  chain: string,
  key: string,
  rank: number,
): CertificateText | null {
  const leaf = readPem(chain).find(({ label }) => label === 'CERTIFICATE')?.der ?? null;
  const facts = leaf === null ? null : readCertificate(leaf);
  const keyDer = readPem(key).find(({ label }) => label.endsWith('PRIVATE KEY'));
  if (facts === null || keyDer === undefined || keyDer.der === null) return null;
  const { keyType, names, notBeforeMs, notAfterMs } = facts;
  if (keyType === 'other' || names.length === 0 || keyDer.isEncrypted) return null;
  if (!holdsKey(facts, keyDer.der) && !isKeyOf(facts, key)) return null;
  const id = fingerprintOf(facts.der);
  return { id, names, keyType, notBeforeMs, notAfterMs, rank, chain, key };
}

/** Every certificate of a store. @throws StoreError */
export async function loadCertificates(store: CertificateStore): Promise<StoredCertificate[]> {
  const values = await store.readAll('certificates');
  const texts: CertificateText[] = [];
  const found: Omit<StoredCertificate, 'entry'>[] = [];
  let count = 0;
  for (const [key, value] of values) {
    const [, issuerKey, unit, file] = key.split('/');
    if (file === undefined || file !== `${unit}.pem`) continue;
    const text = textOf(value, rankOf(issuerKey!));
    if (text === null) continue;
    const meta = metaOf(values.get(metaKey(issuerKey!, unit!)) ?? null, text.id);
    texts.push(text);
    found.push({ issuerKey: issuerKey!, unit: unit!, meta });
    if (++count % 256 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return packEntries(texts).map((entry, index) => ({ ...found[index]!, entry }));
}

/** One certificate; null: there is none. @throws StoreError */
export async function loadCertificate(
  store: CertificateStore,
  issuerKey: string,
  unit: string,
): Promise<StoredCertificate | null> {
  const value = await store.read(certificateKey(issuerKey, unit));
  const text = value === null ? null : textOf(value, rankOf(keyPart(issuerKey)));
  if (text === null) return null;
  const meta = metaOf(await store.read(metaKey(issuerKey, unit)), text.id);
  return { issuerKey: keyPart(issuerKey), unit, entry: packEntries([text])[0]!, meta };
}

/** With a plan for its renewal: the one it has, or a new one. */
export function withPlan(stored: StoredCertificate, random: () => number): PlannedCertificate {
  const { entry, meta } = stored;
  const plan = meta.plan ?? planRenewal(entry, null, null, random);
  return { ...stored, meta: { ...meta, plan } };
}

/** D1: the key and the chain, then the rest. @throws StoreError */
export async function saveCertificate(
  store: CertificateStore,
  { issuerKey, unit, entry, meta }: StoredCertificate,
): Promise<void> {
  const text = `${ended(entryText(entry.key))}${entryText(entry.chain)}`;
  await store.write(certificateKey(issuerKey, unit), text);
  await saveMeta(store, issuerKey, unit, meta);
}

/** @throws StoreError */
export function saveMeta(
  store: CertificateStore,
  issuerKey: string,
  unit: string,
  meta: CertificateMeta,
): Promise<void> {
  return store.write(metaKey(issuerKey, unit), `${JSON.stringify(meta, null, 2)}\n`);
}

/** @throws StoreError */
export async function removeCertificate(
  store: CertificateStore,
  { issuerKey, unit }: Pick<StoredCertificate, 'issuerKey' | 'unit'>,
): Promise<void> {
  await store.remove(certificateKey(issuerKey, unit));
  await store.remove(metaKey(issuerKey, unit));
}

function textOf(value: string, rank: number): CertificateText | null {
  const begin = BEGIN_KEY.exec(value);
  const end = END_KEY.exec(value);
  if (begin === null || end === null || end.index < begin.index) return null;
  const after = end.index + end[0].length;
  const key = ended(value.slice(begin.index, after));
  return certificateTextOf(value.slice(0, begin.index) + value.slice(after), key, rank);
}

/** D2. */
function metaOf(text: string | null, id: string): CertificateMeta {
  const none = { id, obtainedAtMs: 0, plan: null, isOnDemand: false };
  if (text === null) return none;
  let value: Partial<CertificateMeta> | null;
  try {
    value = JSON.parse(text) as Partial<CertificateMeta> | null;
  } catch {
    return none;
  }
  if (typeof value !== 'object' || value === null) return none;
  const isOnDemand = value.isOnDemand === true;
  if (value.id !== id) return { ...none, isOnDemand };
  return {
    id,
    obtainedAtMs: typeof value.obtainedAtMs === 'number' ? value.obtainedAtMs : 0,
    plan: isRenewalPlan(value.plan) ? value.plan : null,
    isOnDemand,
  };
}

/**
 * True when the public key of the certificate stands in the bytes of the private one, as it does in
 * nearly all forms. Fast: thousands are read at the start.
 */
function holdsKey({ keyType, spki }: CertificateFacts, keyDer: Uint8Array): boolean {
  const key = Buffer.from(keyDer.buffer, keyDer.byteOffset, keyDer.length);
  // The end of an uncompressed point; the end of a modulus, before its exponent.
  if (keyType === 'ecdsa') return key.includes(spki.subarray(-64));
  return keyType === 'rsa' && key.includes(spki.subarray(-69, -5));
}

function isKeyOf({ spki }: CertificateFacts, key: string): boolean {
  try {
    const made = createPublicKey(createPrivateKey(key)).export({ type: 'spki', format: 'der' });
    return made.equals(spki);
  } catch {
    return false;
  }
}

function ended(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}
