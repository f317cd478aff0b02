/**
 * Record set: the managed certificates that are wanted now, each with the best that the store has
 * for it.
 *
 * E1  a configuration that still wants a certificate keeps its record: what is served, what failed,
 *     the order under way (N2 of the manager).
 * E2  what is not wanted any more is kept in mind until the process ends: a route that comes back
 *     finds its certificate.
 * E3  a failure is remembered as well: a name that comes and goes with its route is not tried more
 *     often for that.
 */

import { matchesName } from '../config/certificate-name.ts';
import type { CertificateClock } from './certificate-clock.ts';
import type { Issuer } from './issuer.ts';
import { ManagedCertificate } from './managed-certificate.ts';
import type { ManagedOptions } from './managed-certificate.ts';
import { keyPart } from './store-keys.ts';
import type { StoredCertificate } from './stored-certificate.ts';
import { withPlan } from './stored-certificate.ts';

/** What one record is to be. */
export interface RecordWish extends ManagedOptions {
  readonly label: string;
  readonly issuers: readonly Issuer[];
}

const HOUR_MS = 3_600_000;
/** First questions for renewal windows: so long after the start, and this far apart. */
const FIRST_LOOK_MS = 5_000;
const LOOK_GAP_MS = 2_000;
const LOOK_SPREAD_MAX_MS = 6 * HOUR_MS;
/** E3. */
const RESTING_MAX = 10_000;

export class RecordSet {
  readonly #clock: CertificateClock;
  readonly #random: () => number;
  readonly #records = new Map<string, ManagedCertificate>();
  /** E3: what is not wanted now, the oldest first. */
  readonly #resting = new Map<string, ManagedCertificate>();
  /** All that is known of the store, by unit. */
  readonly #units = new Map<string, StoredCertificate[]>();

  constructor(clock: CertificateClock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  get all(): Iterable<ManagedCertificate> {
    return this.#records.values();
  }

  get size(): number {
    return this.#records.size;
  }

  get(unit: string): ManagedCertificate | undefined {
    return this.#records.get(unit);
  }

  /** What the store has, before the first wish. */
  load(certificates: readonly StoredCertificate[]): void {
    for (const stored of certificates) this.remember(stored);
  }

  /** All that is known of the store. */
  get loaded(): readonly StoredCertificate[] {
    return [...this.#units.values()].flat();
  }

  /** Certificates of the store that were got on demand. */
  get onDemand(): readonly StoredCertificate[] {
    return this.loaded.filter(({ meta }) => meta.isOnDemand);
  }

  remember(stored: StoredCertificate): void {
    const others = this.#units.get(stored.unit) ?? [];
    const rest = others.filter(({ issuerKey }) => issuerKey !== stored.issuerKey);
    this.#units.set(stored.unit, [...rest, stored]);
  }

  forget({ unit, issuerKey }: StoredCertificate): void {
    const rest = (this.#units.get(unit) ?? []).filter((one) => one.issuerKey !== issuerKey);
    if (rest.length === 0) this.#units.delete(unit);
    else this.#units.set(unit, rest);
  }

  /** E1. @returns the record; `isNew`: there was none */
  want(wish: RecordWish): { readonly record: ManagedCertificate; readonly isNew: boolean } {
    const known = this.#records.get(wish.unit);
    const former = known ?? this.#resting.get(wish.unit);
    const record = former ?? new ManagedCertificate(wish);
    record.label = wish.label;
    const before = record.issuers;
    record.issuers = wish.issuers;
    if (known === undefined) {
      this.#resting.delete(wish.unit);
      this.#records.set(wish.unit, record);
      record.isOnDemand = wish.isOnDemand;
      record.stored = this.#best(record);
      this.#plan(record);
    }
    if (former !== undefined && !isSame(before, wish.issuers)) {
      // What failed may have been put right: nobody wants to wait for hours after that.
      record.failures = 0;
      record.retryAtMs = 0;
      record.problem = null;
    }
    return { record, isNew: known === undefined };
  }

  /** @returns false: there was none */
  drop(unit: string): boolean {
    const record = this.#records.get(unit);
    if (record === undefined) return false;
    record.job?.abort(new Error('the certificate is not wanted any more'));
    this.#records.delete(unit);
    // What clients ask for has a memory of its own.
    if (record.isOnDemand || record.failures + record.waits.size === 0) return true;
    this.#resting.set(unit, record);
    const oldest = this.#resting.keys().next();
    if (this.#resting.size > RESTING_MAX && oldest.done !== true) {
      this.#resting.delete(oldest.value);
    }
    return true;
  }

  /** By label, by one of its names, or by a name that a wildcard of it is for; null: none. */
  find(name: string): ManagedCertificate | null {
    for (const record of this.all) if (record.label === name) return record;
    for (const record of this.all) if (record.names.includes(name)) return record;
    for (const record of this.all) {
      if (record.names.some((pattern) => matchesName(pattern, name))) return record;
    }
    return null;
  }

  /** Of an authority that is wanted, the one that ends last; else of any. */
  #best(record: ManagedCertificate): StoredCertificate | null {
    const found = (this.#units.get(record.unit) ?? []).filter(({ entry }) =>
      record.names.every((name) => entry.names.includes(name)),
    );
    const keys = record.issuers.map(({ key }) => keyPart(key));
    const wanted = found.filter(({ issuerKey }) => keys.includes(issuerKey));
    const from = wanted.length > 0 ? wanted : found;
    return from.toSorted((a, b) => b.entry.notAfterMs - a.entry.notAfterMs)[0] ?? null;
  }

  #plan(record: ManagedCertificate): void {
    const { stored } = record;
    if (stored === null) return;
    const clock = this.#clock;
    const planned = withPlan(stored, this.#random);
    record.stored = planned;
    record.rest(clock, stored.meta.obtainedAtMs, planned.meta.plan);
    const spreadMs = Math.min(LOOK_SPREAD_MAX_MS, this.#units.size * LOOK_GAP_MS);
    record.lookAtMs = clock.nowMs() + FIRST_LOOK_MS + this.#random() * spreadMs;
  }
}

function isSame(before: readonly Issuer[], after: readonly Issuer[]): boolean {
  return before.length === after.length && before.every((issuer, index) => issuer === after[index]);
}
