/**
 * Accounts and orders of ACME authorities in a certificate store.
 */

import type { AccountStore, StoredAccount } from '../acme/account-store.ts';
import type { OrderState } from '../acme/order-state.ts';
import { ORDER_STATE_VERSION } from '../acme/order-state.ts';
import type { OrderStore } from '../acme/order-store.ts';
import type { CertificateStore } from './certificate-store.ts';
import { accountKey, keyPart, orderKey } from './store-keys.ts';

/** All calls reject with StoreError. */
export function accountStore(store: CertificateStore): AccountStore {
  return {
    async load(issuerKey, email) {
      return accountOf(await store.read(accountKey(issuerKey, email)));
    },
    save: (issuerKey, email, account) =>
      store.write(accountKey(issuerKey, email), `${JSON.stringify(account, null, 2)}\n`),
    remove: (issuerKey, email) => store.remove(accountKey(issuerKey, email)),
    withLock: (issuerKey, email, signal, run) =>
      store.lock(keyPart(`account_${issuerKey}_${email}`), () => run(), signal),
  };
}

/**
 * All calls reject with StoreError.
 * @param wallMs Unix milliseconds: orders that nobody goes on with are removed some day
 */
export function orderStore(store: CertificateStore, wallMs: () => number): OrderStore {
  return {
    async load(issuerKey, id) {
      const state = parse(await store.read(orderKey(issuerKey, id)))?.state;
      if (typeof state !== 'object' || state === null) return null;
      const { version, names } = state as Partial<OrderState>;
      const isOrder = version === ORDER_STATE_VERSION && Array.isArray(names);
      return isOrder ? (state as OrderState) : null;
    },
    save: (issuerKey, id, state) =>
      store.write(orderKey(issuerKey, id), JSON.stringify({ savedAtMs: wallMs(), state })),
    remove: (issuerKey, id) => store.remove(orderKey(issuerKey, id)),
  };
}

/** When an order was saved, in Unix milliseconds; 0: not known. */
export function orderSavedAt(text: string): number {
  const savedAtMs = parse(text)?.savedAtMs;
  return typeof savedAtMs === 'number' ? savedAtMs : 0;
}

function accountOf(text: string | null): StoredAccount | null {
  const value = parse(text);
  if (typeof value?.key !== 'string' || typeof value.url !== 'string') return null;
  const { key, url, nextKey, contact } = value;
  return {
    key,
    url,
    nextKey: typeof nextKey === 'string' ? nextKey : '',
    contact: Array.isArray(contact) ? contact.filter((one) => typeof one === 'string') : [],
  };
}

/** @returns null: it is no object */
function parse(text: string | null): { readonly [name: string]: unknown } | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? (value as { readonly [name: string]: unknown }) : null;
  } catch {
    return null;
  }
}
