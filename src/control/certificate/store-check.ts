/**
 * Store check: a trial before an authority is asked, so that no certificate and no account is lost
 * because there is no place for it.
 */

import { randomBytes } from 'node:crypto';

import type { CertificateStore } from './certificate-store.ts';
import { StoreError } from './certificate-store.ts';

/** As much as a certificate with its key and all that is written around it. */
const TRIAL_SIZE = 10_240;

/** Writes, reads, compares and removes a value. @throws StoreError: it cannot be relied on */
export async function checkStore(store: CertificateStore): Promise<void> {
  const key = `trials/${randomBytes(8).toString('hex')}`;
  const text = randomBytes(TRIAL_SIZE / 2).toString('hex');
  await store.write(key, text);
  let found: string | null;
  try {
    found = await store.read(key);
  } finally {
    await store.remove(key);
  }
  if (found === text) return;
  const message = `the certificate store ${store.location} does not give back what was written`;
  throw new StoreError(`${message}; look at the disk`, 'unavailable');
}
