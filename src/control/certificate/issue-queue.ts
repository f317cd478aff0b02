/**
 * Issue queue: when which certificate gets its attempt.
 *
 * Q1  certificates that are missing or over come before renewals, renewals by their end.
 * Q2  attempts of one authority run side by side up to the limit of its gate; another authority's
 *     do not wait for them.
 * Q3  it looks at everything at least every `LOOK_MAX_MS`, so that a clock that was changed, or a
 *     machine that slept, is noticed soon.
 */

import type { AuthorityGate } from './authority-gate.ts';
import type { CertificateClock } from './certificate-clock.ts';
import type { ManagedCertificate } from './managed-certificate.ts';

/** Q3. */
export const LOOK_MAX_MS = 30_000;
/** Between two looks at least, so that many changes at once cost one. */
const LOOK_MIN_MS = 20;

export interface IssueQueueOptions {
  readonly clock: CertificateClock;
  readonly gate: (issuerKey: string) => AuthorityGate;
  /** Calls back once after `delayMs`. @returns cancels it */
  readonly setTimer: (delayMs: number, callback: () => void) => () => void;
  readonly records: () => Iterable<ManagedCertificate>;
  /** Makes the attempt; sets and clears `job`. Never rejects. */
  readonly run: (record: ManagedCertificate) => Promise<void>;
  /** Before each look. */
  readonly onLook: () => void;
}

export class IssueQueue {
  readonly #options: IssueQueueOptions;
  /** Due certificates by the authority that is asked first, the most urgent one last. */
  #lanes = new Map<string, ManagedCertificate[]>();
  #cancelTimer: () => void = () => {};
  #timerAtMs = Infinity;
  #isClosed = false;

  constructor(options: IssueQueueOptions) {
    this.#options = options;
  }

  /** Something has changed: look again, soon. */
  wake(): void {
    this.#lookIn(LOOK_MIN_MS);
  }

  /** No further attempt begins. */
  close(): void {
    this.#isClosed = true;
    this.#cancelTimer();
    this.#lanes.clear();
  }

  #lookIn(delayMs: number): void {
    if (this.#isClosed) return;
    const { clock, setTimer } = this.#options;
    const atMs = clock.nowMs() + delayMs;
    if (atMs >= this.#timerAtMs) return;
    this.#cancelTimer();
    this.#timerAtMs = atMs;
    this.#cancelTimer = setTimer(delayMs, () => {
      this.#timerAtMs = Infinity;
      this.#look();
    });
  }

  #look(): void {
    const { clock, records, onLook } = this.#options;
    onLook();
    let soonestMs = LOOK_MAX_MS;
    const due: ManagedCertificate[] = [];
    for (const record of records()) {
      const untilMs = record.untilAttempt(clock);
      if (untilMs === 0) due.push(record);
      else soonestMs = Math.min(soonestMs, untilMs);
    }
    const ranks = new Map(due.map((record) => [record, rankOf(record, clock)]));
    due.sort((a, b) => ranks.get(b)! - ranks.get(a)!);
    this.#lanes = Map.groupBy(due, (record) => record.candidates(clock)[0]!.key);
    this.#start();
    this.#lookIn(Math.max(LOOK_MIN_MS, soonestMs));
  }

  /** Q2. */
  #start(): void {
    const { clock, gate } = this.#options;
    for (const [key, lane] of this.#lanes) {
      const authority = gate(key);
      while (authority.hasRoom) {
        const record = lane.pop();
        if (record === undefined) break;
        // Much may have changed since it was found to be due.
        if (record.untilAttempt(clock) === 0) void this.#run(record, authority);
      }
    }
  }

  async #run(record: ManagedCertificate, authority: AuthorityGate): Promise<void> {
    authority.enter();
    try {
      await this.#options.run(record);
    } finally {
      authority.leave();
      // Its own next time; what else is due waits in its lane already.
      const untilMs = record.untilAttempt(this.#options.clock);
      this.#lookIn(Math.min(LOOK_MAX_MS, Math.max(LOOK_MIN_MS, untilMs)));
      if (!this.#isClosed) this.#start();
    }
  }
}

/** Q1: lower ones first; a client that waits comes before all. */
function rankOf(record: ManagedCertificate, clock: CertificateClock): number {
  if (record.isPressing(clock)) return record.isOnDemand ? -1 : 0;
  return record.isWanting ? 1 : record.stored!.entry.notAfterMs;
}
