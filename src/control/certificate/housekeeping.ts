/**
 * Housekeeping of a certificate store: once a day, by one of its processes, what nobody needs any
 * more is taken away.
 *
 * H1  a certificate goes 14 days after its end, unless this process still wants one for its names.
 *     One that is no longer wanted is not renewed, so it goes as well: its name may come back
 *     until then without a new order.
 * H2  an order under way goes 14 days after its last step: no authority keeps one that long.
 */

import type { CertificateStore } from './certificate-store.ts';
import { orderSavedAt } from './acme-stores.ts';
import { isStapleOver } from './stapler.ts';
import { loadCertificates, removeCertificate } from './stored-certificate.ts';

const DAY_MS = 86_400_000;
/** H1, H2. */
export const KEEP_MS = 14 * DAY_MS;
const LAST = 'last_clean.json';

export interface Cleaning {
  readonly certificates: number;
  readonly orders: number;
}

/**
 * @param isWanted by the unit of a certificate
 * @returns null: it was not the time, or another process does it
 * @throws StoreError
 */
export async function cleanStore(
  store: CertificateStore,
  nowMs: number,
  isWanted: (unit: string) => boolean,
): Promise<Cleaning | null> {
  if (await isRecent(store, nowMs)) return null;
  const lease = await store.tryAcquire('storage_clean');
  if (lease === null) return null;
  try {
    if (await isRecent(store, nowMs)) return null;
    let certificates = 0;
    for (const stored of await loadCertificates(store)) {
      const isOver = nowMs > stored.entry.notAfterMs + KEEP_MS;
      if (!isOver || isWanted(stored.unit)) continue;
      await removeCertificate(store, stored);
      certificates++;
    }
    let orders = 0;
    for (const [key, text] of await store.readAll('acme')) {
      if (!key.includes('/orders/') || nowMs < orderSavedAt(text) + KEEP_MS) continue;
      await store.remove(key);
      orders++;
    }
    for (const [key, text] of await store.readAll('ocsp')) {
      if (isStapleOver(text, nowMs)) await store.remove(key);
    }
    for (const key of (await store.readAll('trials')).keys()) await store.remove(key);
    await store.tidy();
    await store.write(LAST, `${JSON.stringify({ atMs: nowMs })}\n`);
    return { certificates, orders };
  } finally {
    await lease.release();
  }
}

/** A time to come is of a clock that was wrong: not recent. */
async function isRecent(store: CertificateStore, nowMs: number): Promise<boolean> {
  const text = await store.read(LAST);
  if (text === null) return false;
  try {
    const { atMs } = JSON.parse(text) as { readonly atMs?: unknown };
    return typeof atMs === 'number' && atMs <= nowMs && nowMs - atMs < DAY_MS;
  } catch {
    return false;
  }
}
