/**
 * Where accounts are kept between runs. One account per authority and email address.
 *
 * S1  a key is saved before the authority hears of it, so that a process killed in between finds
 *     the same account again and makes no second one.
 */

/** Plain data, with secrets: files of it are for their owner only. */
export interface StoredAccount {
  /** Private key, PEM (PKCS#8). */
  readonly key: string;
  /** Account URL; empty: not registered yet, or not known whether. */
  readonly url: string;
  /** Key that a roll-over under way changes to, PEM; empty: none is. */
  readonly nextKey: string;
  /** URLs given to the authority: `mailto:` and the address. */
  readonly contact: readonly string[];
}

export interface AccountStore {
  /** @param issuerKey as Issuer.key  @param email may be empty */
  load(issuerKey: string, email: string): Promise<StoredAccount | null>;
  /** Whole or not at all, and on disk when it resolves. */
  save(issuerKey: string, email: string, account: StoredAccount): Promise<void>;
  /** Harmless when there is none. */
  remove(issuerKey: string, email: string): Promise<void>;
  /**
   * Runs `run` while nobody else, in this process or another on the same store, is in `withLock`
   * for the same account. `load` inside it sees what the one before has saved.
   */
  withLock<Result>(
    issuerKey: string,
    email: string,
    signal: AbortSignal,
    run: () => Promise<Result>,
  ): Promise<Result>;
}
