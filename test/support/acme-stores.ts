/**
 * Account and order stores in memory. Everything goes through JSON, as it does on a disk; what is
 * saved stays when the client that saved it is gone.
 */

import type { AccountStore, StoredAccount } from '../../src/control/acme/account-store.ts';
import type { OrderState } from '../../src/control/acme/order-state.ts';
import type { OrderStore } from '../../src/control/acme/order-store.ts';

/** What a store throws at the moment at which the process is killed. */
export class Killed extends Error {
  constructor() {
    super('killed');
    this.name = 'Killed';
  }
}

/** `before` the write nothing of it is on the disk, `after` it all of it. */
export type KillMoment = 'before' | 'after';

export class MemoryStores {
  /** JSON by key. */
  readonly texts = new Map<string, string>();
  /** Writes so far. */
  writes = 0;
  /** Number of the write at which everything ends, from 1; 0: never. */
  killAt = 0;
  killMoment: KillMoment = 'before';
  /** Once it is killed, nothing is written any more. */
  isKilled = false;
  readonly accounts: AccountStore;
  readonly orders: OrderStore;
  readonly #locks = new Map<string, Promise<unknown>>();

  constructor() {
    this.accounts = {
      load: (issuerKey, email) => this.#load<StoredAccount>(`account ${issuerKey} ${email}`),
      save: (issuerKey, email, account) => this.#save(`account ${issuerKey} ${email}`, account),
      remove: (issuerKey, email) => this.#remove(`account ${issuerKey} ${email}`),
      withLock: (issuerKey, email, _signal, run) => this.#lock(`${issuerKey} ${email}`, run),
    };
    this.orders = {
      load: (issuerKey, id) => this.#load<OrderState>(`order ${issuerKey} ${id}`),
      save: (issuerKey, id, state) => this.#save(`order ${issuerKey} ${id}`, state),
      remove: (issuerKey, id) => this.#remove(`order ${issuerKey} ${id}`),
    };
  }

  /** The process is back: what is on the disk is there. */
  revive(): void {
    this.isKilled = false;
    this.killAt = 0;
    this.#locks.clear();
  }

  /** Keys that begin with `prefix`. */
  keys(prefix: string): string[] {
    return [...this.texts.keys()].filter((key) => key.startsWith(prefix));
  }

  #load<Value>(key: string): Promise<Value | null> {
    if (this.isKilled) return Promise.reject(new Killed());
    const text = this.texts.get(key);
    return Promise.resolve(text === undefined ? null : (JSON.parse(text) as Value));
  }

  #save(key: string, value: object): Promise<void> {
    return this.#write(() => this.texts.set(key, JSON.stringify(value)));
  }

  #remove(key: string): Promise<void> {
    return this.#write(() => this.texts.delete(key));
  }

  async #write(change: () => unknown): Promise<void> {
    if (this.isKilled) throw new Killed();
    this.writes++;
    const isLast = this.writes === this.killAt;
    if (!isLast || this.killMoment === 'after') change();
    if (!isLast) return;
    this.isKilled = true;
    throw new Killed();
  }

  #lock<Result>(key: string, run: () => Promise<Result>): Promise<Result> {
    const before = this.#locks.get(key) ?? Promise.resolve();
    const result = before.then(run);
    this.#locks.set(
      key,
      result.catch(() => undefined),
    );
    return result;
  }
}
