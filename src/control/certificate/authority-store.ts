/**
 * Authority store: what the internal authority needs of storage. The certificate store gives it,
 * and anything that keeps texts by name can.
 */

export interface AuthorityStore {
  /**
   * @param name path below the storage folder with `/`, such as `pki/local/root.crt`
   * @returns null: there is none
   */
  read(name: string): Promise<string | null>;
  /** Replaces it whole or not at all; for the owner alone (0600, folders 0700). */
  write(name: string, text: string): Promise<void>;
  /** Runs `work` while no other process runs one under that name. */
  lock<Result>(name: string, work: () => Promise<Result>): Promise<Result>;
}
