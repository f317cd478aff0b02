/**
 * On-demand records: the managed certificates that clients have asked for, as far as they are
 * different from all others: they come with a client, and go when their permission does.
 */

import type { IssuerConfig } from '../config/config.ts';
import type { CertificateClock } from './certificate-clock.ts';
import type { IssuerSet } from './issuer-set.ts';
import type { ManagedCertificate } from './managed-certificate.ts';
import { OnDemand } from './on-demand.ts';
import type { OnDemandOptions } from './on-demand.ts';
import type { RecordSet } from './record-set.ts';
import { SlidingBudget } from './sliding-budget.ts';
import { unitPart } from './store-keys.ts';

/** Certificates got on demand that are kept in memory and renewed. */
export const ON_DEMAND_MAX = 10_000;
/** Lines an hour about one kind of trouble. */
const TOLD_MAX = 3;
const HOUR_MS = 3_600_000;
/** A client is not kept longer. */
export const CLIENT_WAIT_MS = 180_000;

export interface OnDemandRecordsOptions {
  readonly clock: CertificateClock;
  readonly random: () => number;
  readonly setTimer: (delayMs: number, callback: () => void) => () => void;
  readonly ask: OnDemandOptions['ask'];
  readonly settled: OnDemandOptions['settled'];
  readonly onTrouble: OnDemandOptions['onTrouble'];
  readonly records: RecordSet;
  readonly issuers: IssuerSet;
  /** There is a record that waits for its first attempt. */
  readonly onWanted: (record: ManagedCertificate) => void;
}

export class OnDemandRecords {
  readonly #options: OnDemandRecordsOptions;
  readonly #onDemand: OnDemand;
  readonly #told = new SlidingBudget(TOLD_MAX, HOUR_MS, 100);
  /** Clients that wait, by unit of the record they wait for. */
  readonly #waiting = new Map<string, () => void>();

  constructor(options: OnDemandRecordsOptions) {
    this.#options = options;
    const { clock, random, ask, settled, records } = options;
    this.#onDemand = new OnDemand({
      clock,
      random,
      ask,
      settled,
      onTrouble: (name, message) => this.#trouble(name, message),
      obtain: (name, issuers) => this.#obtain(name, issuers),
      isServed: (name) => (records.get(unitPart([name]))?.stored ?? null) !== null,
    });
  }

  /** @returns records that are new: those of the store that may still be served on demand */
  configure(
    issuers: readonly IssuerConfig[],
    wanted: ReadonlyMap<string, unknown>,
  ): ManagedCertificate[] {
    this.#onDemand.configure(
      issuers.flatMap(({ name, onDemand }) =>
        onDemand === null ? [] : [{ name, config: onDemand }],
      ),
    );
    const { records } = this.#options;
    const names = new Set<string>();
    for (const { entry } of records.onDemand)
      if (entry.names.length === 1) names.add(entry.names[0]!);
    for (const record of records.all) if (record.isOnDemand) names.add(record.names[0]!);
    const fresh: ManagedCertificate[] = [];
    for (const name of names) {
      const able = this.#onDemand.issuersFor(name).map((issuer) => issuer.name);
      if (wanted.has(unitPart([name])) || able.length === 0) continue;
      if (records.size >= wanted.size + ON_DEMAND_MAX) break;
      const { record, isNew } = this.#want(name, able);
      if (isNew) fresh.push(record);
    }
    return fresh;
  }

  /** True while a client may still ask for it. */
  isWanted({ isOnDemand, names }: ManagedCertificate): boolean {
    return isOnDemand && this.#onDemand.issuersFor(names[0]!).length > 0;
  }

  /** As `OnDemand.wanted`. */
  wanted(name: string, peerAddress: string): void {
    this.#onDemand.wanted(name, peerAddress);
  }

  /** Before an attempt: whether there may be one still. Others than on demand always may. */
  async mayRun(record: ManagedCertificate): Promise<boolean> {
    if (!record.isOnDemand || record.stored === null) return true;
    record.job = new AbortController(); // Asking takes time, and nobody else may begin meanwhile.
    try {
      return await this.#onDemand.mayRenew(record.names[0]!);
    } finally {
      record.job = null;
    }
  }

  /** After an attempt: whoever waits for the record hears of it. */
  ran({ unit }: ManagedCertificate): void {
    this.#waiting.get(unit)?.();
  }

  close(): void {
    this.#onDemand.close();
    for (const done of this.#waiting.values()) done();
  }

  #want(name: string, issuers: readonly string[]): ReturnType<RecordSet['want']> {
    return this.#options.records.want({
      unit: unitPart([name]),
      label: name,
      names: [name],
      issuers: this.#options.issuers.named(issuers),
      isOnDemand: true,
    });
  }

  /** @returns true: it is served now */
  async #obtain(name: string, issuers: readonly string[]): Promise<boolean> {
    const { records, clock } = this.#options;
    const known = records.get(unitPart([name]));
    const count = [...records.all].filter(({ isOnDemand }) => isOnDemand).length;
    if (known === undefined && count >= ON_DEMAND_MAX) {
      this.#trouble(name, `there are ${ON_DEMAND_MAX} certificates on demand; no more are got`);
      return false;
    }
    const record = known ?? this.#want(name, issuers).record;
    const isComing = record.job !== null || record.untilAttempt(clock) === 0;
    if (record.stored === null && isComing) await this.#attempt(record);
    if (record.stored !== null) return true;
    // Its next attempt comes with the next client, if at all.
    if (record.isOnDemand && record.job === null) records.drop(record.unit);
    return false;
  }

  /** Clients can make as many names up as they like: of one kind of trouble a few are told. */
  #trouble(name: string, message: string): void {
    const { clock, onTrouble } = this.#options;
    const nowMs = clock.nowMs();
    if (this.#told.wait(message, nowMs) > 0) return;
    this.#told.take(message, nowMs);
    onTrouble(name, message);
  }

  /** Resolves after the next attempt, or when it takes too long. */
  #attempt(record: ManagedCertificate): Promise<void> {
    const { setTimer, onWanted } = this.#options;
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        this.#waiting.delete(record.unit);
        resolve();
      };
      const cancel = setTimer(CLIENT_WAIT_MS, done);
      this.#waiting.set(record.unit, done);
      onWanted(record);
    });
  }
}
