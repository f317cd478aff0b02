/**
 * Internal authority: a root, an intermediate below it, and certificates for names that no public
 * authority gives any for.
 *
 * A1  the root's key is read to sign an intermediate, every 72 days or so, and not kept.
 * A2  what is on disk decides, at every call: nothing is remembered, so that two processes on one
 *     store have one authority.
 * A3  a root that cannot be read is never replaced: people have installed it.
 * A4  a root is followed by another in good time. The new one is also signed by the old one, and
 *     that certificate is sent along: clients that trust either of them go on without a break.
 * Why it has no name constraints: docs/decisions/0020-internal-ca.md
 */

import type { KeyObject } from 'node:crypto';

import { buildCaCertificate, buildLeafCertificate } from '../x509/certificate-builder.ts';
import { readCertificate } from '../x509/certificate-reader.ts';
import type { CertificateFacts } from '../x509/certificate-reader.ts';
import { generateKey, keyFromPem, keyIdentifierOf, keyToPem, spkiOf } from '../x509/keys.ts';
import type { NewKeyType } from '../x509/keys.ts';
import { certificatesOf, writePem } from '../x509/pem.ts';
import type { AuthorityStore } from './authority-store.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const ROOT_LIFETIME_MS = 3_650 * DAY_MS;
export const INTERMEDIATE_LIFETIME_MS = 90 * DAY_MS;
/** What is left of a lifetime when the next one takes over. */
const ROTATE_SHARE = 0.2;
/** Clocks of clients are late by up to this. */
const BACKDATE_MS = HOUR_MS;
/** A root is installed by hand: one that was made while the clock was ahead has to stay good. */
const ROOT_BACKDATE_MS = 365 * DAY_MS;
/** Roots that are kept in the list, the current one included. */
const ROOTS_MAX = 4;

const FOLDER = 'pki/local';
/** Roots that are trusted, the current one first, PEM. */
export const ROOT_FILE = `${FOLDER}/root.crt`;
/** Key, certificate, and certificates that lead to older roots, PEM. */
const INTERMEDIATE_FILE = `${FOLDER}/intermediate.pem`;
const LOCK = 'pki-local';
const ORGANIZATION = 'Proxy Now';

/** The store has an authority that cannot be used; a person has to decide what becomes of it. */
export class AuthorityError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'AuthorityError';
  }
}

export interface LeafOrder {
  /** A-labels, wildcards, addresses. */
  readonly names: readonly string[];
  readonly keyType: NewKeyType;
  /** Made shorter where it would outlive the intermediate. */
  readonly lifetimeMs: number;
}

interface Intermediate {
  readonly facts: CertificateFacts;
  readonly key: KeyObject;
  /** What is sent after the leaf, DER. */
  readonly chain: readonly Uint8Array[];
}

export class InternalAuthority {
  private readonly store: AuthorityStore;
  private readonly nowMs: () => number;

  /** @param nowMs Unix milliseconds */
  constructor(store: AuthorityStore, nowMs: () => number) {
    this.store = store;
    this.nowMs = nowMs;
  }

  /**
   * The roots that clients are to trust, the current one first; makes one if there is none.
   * @throws AuthorityError, and what the store throws
   */
  async roots(): Promise<readonly CertificateFacts[]> {
    const known = await this.readRoots();
    if (known.length > 0) return known;
    return this.store.lock(LOCK, () => this.currentRoots());
  }

  /** The same, but null when there is none yet. */
  async existingRoots(): Promise<readonly CertificateFacts[] | null> {
    const known = await this.readRoots();
    return known.length === 0 ? null : known;
  }

  /**
   * Makes a certificate with a key of its own.
   * @returns PEM texts, the chain leaf first
   * @throws AuthorityError, and what the store throws
   */
  async issue(order: LeafOrder): Promise<{ readonly chain: string; readonly key: string }> {
    const [intermediate, key] = await Promise.all([
      this.intermediate(),
      generateKey(order.keyType),
    ]);
    const { facts } = intermediate;
    const nowMs = this.nowMs();
    const leaf = buildLeafCertificate({
      names: order.names,
      key,
      signer: { certificate: facts.der, key: intermediate.key },
      notBeforeMs: Math.max(nowMs - BACKDATE_MS, facts.notBeforeMs),
      notAfterMs: Math.min(nowMs + order.lifetimeMs, facts.notAfterMs),
    });
    const chain = [leaf, ...intermediate.chain].map((der) => writePem('CERTIFICATE', der));
    return { chain: chain.join(''), key: keyToPem(key) };
  }

  /** Whether `chain` (PEM) leads to a root that is in force. @throws what the store throws */
  async isOurs(chain: string): Promise<boolean> {
    const [, ...above] = certificatesOf(chain);
    const roots = await this.readRoots();
    return above.some((der) => {
      const issuer = readCertificate(der)?.authorityKeyId ?? null;
      return roots.some(({ subjectKeyId }) => isSameId(subjectKeyId, issuer));
    });
  }

  private async intermediate(): Promise<Intermediate> {
    const known = await this.readIntermediate();
    if (known !== null) return known;
    return this.store.lock(LOCK, async () => {
      // Another process may have made it while we waited.
      return (await this.readIntermediate()) ?? this.makeIntermediate();
    });
  }

  /** Null: there is none that should sign. A damaged one is made anew, nobody has installed it. */
  private async readIntermediate(): Promise<Intermediate | null> {
    const text = await this.store.read(INTERMEDIATE_FILE);
    if (text === null) return null;
    const chain = certificatesOf(text);
    const facts = chain[0] === undefined ? null : readCertificate(chain[0]);
    const key = keyFromPem(text);
    if (facts === null || key === null || !isKeyOf(facts, key)) return null;
    const isDue = this.isDue(facts) || facts.notBeforeMs > this.nowMs();
    if (isDue) return null;
    const [root] = await this.readRoots();
    // Of a root that was deleted.
    if (root === undefined || !isSameId(root.subjectKeyId, facts.authorityKeyId)) return null;
    return { facts, key, chain };
  }

  private async makeIntermediate(): Promise<Intermediate> {
    const roots = await this.currentRoots();
    const root = roots[0]!;
    const signer = { certificate: root.der, key: await this.rootKey(root) };
    const key = await generateKey('ecdsa-p256');
    const nowMs = this.nowMs();
    const der = buildCaCertificate({
      commonName: `Proxy Now Intermediate ${shortId(key)}`,
      organization: ORGANIZATION,
      key,
      pathLength: 0,
      signer,
      notBeforeMs: nowMs - BACKDATE_MS,
      notAfterMs: Math.min(nowMs + INTERMEDIATE_LIFETIME_MS, root.notAfterMs),
    });
    const chain = [der];
    const cross = await this.crossCertificate(signer.key, root, roots[1]);
    if (cross !== null) chain.push(cross);
    const certificates = chain.map((each) => writePem('CERTIFICATE', each)).join('');
    await this.store.write(INTERMEDIATE_FILE, `${keyToPem(key)}${certificates}`);
    return { facts: readCertificate(der)!, key, chain };
  }

  /** A4. The new root's name and key, signed by the old root; null: nobody can. */
  private async crossCertificate(
    key: KeyObject,
    root: CertificateFacts,
    older: CertificateFacts | undefined,
  ): Promise<Uint8Array | null> {
    if (older === undefined || older.notAfterMs <= this.nowMs()) return null;
    const olderKey = await this.readRootKey(older);
    if (olderKey === null) return null;
    return buildCaCertificate({
      commonName: root.subjectCommonName,
      organization: ORGANIZATION,
      key,
      pathLength: 1,
      signer: { certificate: older.der, key: olderKey },
      notBeforeMs: root.notBeforeMs,
      notAfterMs: Math.min(root.notAfterMs, older.notAfterMs),
    });
  }

  /** Within the lock. The roots, with a new one in front when it is time. */
  private async currentRoots(): Promise<readonly CertificateFacts[]> {
    const known = await this.readRoots();
    const [current] = known;
    if (current !== undefined && !this.isDue(current)) return known;
    const key = await generateKey('ecdsa-p256');
    const nowMs = this.nowMs();
    const der = buildCaCertificate({
      commonName: `Proxy Now Local Authority ${shortId(key)}`,
      organization: ORGANIZATION,
      key,
      pathLength: 2, // A root that follows, and an intermediate below that one.
      signer: null,
      notBeforeMs: nowMs - ROOT_BACKDATE_MS,
      notAfterMs: nowMs + ROOT_LIFETIME_MS,
    });
    const root = readCertificate(der)!;
    // The key first: a certificate without its key would be an authority that cannot sign.
    await this.store.write(keyFile(root), keyToPem(key));
    const roots = [root, ...known.filter((old) => old.notAfterMs > nowMs)].slice(0, ROOTS_MAX);
    const text = roots.map((each) => writePem('CERTIFICATE', each.der)).join('');
    await this.store.write(ROOT_FILE, text);
    return roots;
  }

  /** Empty: there is no root file. @throws AuthorityError (A3) */
  private async readRoots(): Promise<readonly CertificateFacts[]> {
    const text = await this.store.read(ROOT_FILE);
    if (text === null) return [];
    const roots = certificatesOf(text).map((der) => readCertificate(der));
    const good = roots.filter((root) => root !== null && root.isCa && root.subjectKeyId !== null);
    if (good.length === 0 || good.length < roots.length) throw unusable(ROOT_FILE);
    return good as CertificateFacts[];
  }

  /** A1. @throws AuthorityError */
  private async rootKey(root: CertificateFacts): Promise<KeyObject> {
    const key = await this.readRootKey(root);
    if (key === null) throw unusable(keyFile(root));
    return key;
  }

  private async readRootKey(root: CertificateFacts): Promise<KeyObject | null> {
    const text = await this.store.read(keyFile(root));
    const key = text === null ? null : keyFromPem(text);
    return key === null || !isKeyOf(root, key) ? null : key;
  }

  private isDue({ notBeforeMs, notAfterMs, isSelfSigned }: CertificateFacts): boolean {
    const backdate = isSelfSigned ? ROOT_BACKDATE_MS : BACKDATE_MS;
    const lifetime = notAfterMs - notBeforeMs - backdate;
    return this.nowMs() > notAfterMs - lifetime * ROTATE_SHARE;
  }
}

function keyFile(root: CertificateFacts): string {
  return `${FOLDER}/root-${hex(root.subjectKeyId!).slice(0, 16)}.key`;
}

function shortId(key: KeyObject): string {
  return hex(keyIdentifierOf(spkiOf(key))).slice(0, 8);
}

function isKeyOf(facts: CertificateFacts, key: KeyObject): boolean {
  return isSameId(spkiOf(key), facts.spki);
}

function isSameId(left: Uint8Array | null, right: Uint8Array | null): boolean {
  return left !== null && right !== null && hex(left) === hex(right);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function unusable(file: string): AuthorityError {
  return new AuthorityError(
    `${file} of the internal authority is missing or cannot be read: put it back, or delete ` +
      `${FOLDER} from the storage folder and run \`proxy-now trust\` again`,
  );
}
