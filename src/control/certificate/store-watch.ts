/**
 * Store watch: looks into the store for certificates that could not be got here. Of several
 * machines on one store another one may have got them, or an operator has imported them.
 *
 * O1  a certificate that waits for its next attempt is served within a minute or so of being
 *     stored, not when its own attempt comes.
 * O2  it reads at most `READS_MAX` values a time; thousands take their turns.
 */

import type { CertificateClock } from './certificate-clock.ts';
import type { ManagedCertificate } from './managed-certificate.ts';

export const WATCH_INTERVAL_MS = 60_000;
/** O2. */
const READS_MAX = 100;

export interface StoreWatchOptions {
  readonly clock: CertificateClock;
  readonly records: () => Iterable<ManagedCertificate>;
  /** Takes what the store has for it, if that is better than what is served. Never rejects. */
  readonly adopt: (record: ManagedCertificate) => Promise<void>;
}

export class StoreWatch {
  readonly #options: StoreWatchOptions;
  #nextMs = 0;
  #isLooking = false;
  /** O2: those that had their turn. */
  #done = new WeakSet<ManagedCertificate>();

  constructor(options: StoreWatchOptions) {
    this.#options = options;
  }

  /** May be called often. */
  look(): void {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs < this.#nextMs || this.#isLooking) return;
    this.#nextMs = nowMs + WATCH_INTERVAL_MS;
    this.#isLooking = true;
    void this.#read(nowMs).finally(() => (this.#isLooking = false));
  }

  async #read(nowMs: number): Promise<void> {
    const { records, adopt } = this.#options;
    // After a failure, or while a limit is waited for.
    const waiting = [...records()].filter((one) => one.job === null && one.retryAtMs > nowMs);
    const left = waiting.filter((one) => !this.#done.has(one));
    if (left.length === 0) this.#done = new WeakSet();
    const turn = (left.length === 0 ? waiting : left).slice(0, READS_MAX);
    for (const record of turn) {
      this.#done.add(record);
      await adopt(record);
    }
  }
}
