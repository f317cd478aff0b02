/**
 * Certificate store: where accounts, orders, certificates and keys outlive the process, shared by
 * every process that uses the same one. Values are texts under keys with `/`; a folder today, and
 * anything that has an atomic write and a lock with a lease later.
 *
 * S1  a write is seen whole or not at all, by other processes too, and is durable when it resolves.
 * S2  of all processes on one store at most one holds a lock, but for one that lost its lease and
 *     has not noticed: whoever writes under a lock asks the lease first.
 * S3  values are for the owner alone.
 */

import type { AuthorityStore } from './authority-store.ts';

/** A lock held by this process. */
export interface Lease {
  /** Grows with every change of the holder. */
  readonly token: number;
  /** Aborted when the lease is lost: somebody else may hold the lock by now. */
  readonly signal: AbortSignal;
  /** Looks at the store. @throws StoreError */
  isHeld(): Promise<boolean>;
  /** Harmless when it is over. Never rejects. */
  release(): Promise<void>;
}

export interface CertificateStore extends AuthorityStore {
  /** Where it is, for messages. */
  readonly location: string;
  /** @returns null: there is none @throws StoreError */
  read(key: string): Promise<string | null>;
  /**
   * Every value whose key begins with `prefix` and `/`.
   * @returns by key; values that cannot be read are left out @throws StoreError
   */
  readAll(prefix: string): Promise<ReadonlyMap<string, string>>;
  /** S1. @throws StoreError; what is there then is the old value or the new one, whole */
  write(key: string, text: string): Promise<void>;
  /** Harmless when there is none. @throws StoreError */
  remove(key: string): Promise<void>;
  /** Waits for the lock. @throws StoreError; the signal's reason when it is aborted */
  acquire(lock: string, signal?: AbortSignal): Promise<Lease>;
  /** @returns null: somebody else holds it @throws StoreError */
  tryAcquire(lock: string): Promise<Lease | null>;
  /** Runs `work` under the lock. @throws as `acquire`, and what `work` throws */
  lock<Result>(
    name: string,
    work: (lease: Lease) => Promise<Result>,
    signal?: AbortSignal,
  ): Promise<Result>;
  /** Takes away what writes left that were cut short long ago. @throws StoreError */
  tidy(): Promise<void>;
  /** Releases every lock. */
  close(): Promise<void>;
}

/** Why a store could not do it. */
export class StoreError extends Error {
  readonly kind: 'full' | 'read-only' | 'denied' | 'unavailable';

  /** @param message one sentence for people that says what to do */
  constructor(message: string, kind: StoreError['kind'], options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreError';
    this.kind = kind;
  }
}

const KEY_PART = /^[a-z0-9_@][a-z0-9_@.+-]*$/;
/** Of one part of a key: what file systems allow, less room for endings. */
export const KEY_PART_SIZE_MAX = 200;

/** True when every part is safe as a name of a file or folder. */
export function isStoreKey(key: string): boolean {
  return key
    .split('/')
    .every((part) => KEY_PART.test(part) && part.length <= KEY_PART_SIZE_MAX + 24);
}
