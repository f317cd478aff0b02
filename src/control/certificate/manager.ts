/**
 * Certificate manager: has a certificate for every name that the configuration wants one for, and
 * keeps it. Puts the parts together: the store, the queue of attempts, the watch of renewal
 * windows, what is got on demand, and what is served.
 *
 * N1  what is served stays served until there is something newer, or nobody wants it any more.
 * N2  a configuration never breaks off an order that is still wanted.
 * N3  everything that goes wrong is seen: in the row of the certificate, or as an event.
 */

import { formatDuration } from '../../base/duration.ts';
import type { CertificateUpdate, TicketSecrets, TlsState } from '../../contract/tls.ts';
import type { Config, IssuerConfig } from '../config/config.ts';
import { askPermission } from './ask-permission.ts';
import { AttemptBook } from './attempt-book.ts';
import { AuthorityGate } from './authority-gate.ts';
import { CertificateClock, SETTLE_MS } from './certificate-clock.ts';
import type { CertificateDesk, RenewOutcome, RevokeOutcome } from './certificate-desk.ts';
import type { CertificateEvent } from './certificate-event.ts';
import type { AttemptCount, CertificateRow } from './certificate-row.ts';
import type { CertificateStore } from './certificate-store.ts';
import { entryText } from './entry-batch.ts';
import { FileCertificates } from './file-certificates.ts';
import { cleanStore } from './housekeeping.ts';
import { Inventory } from './inventory.ts';
import { IssueAttempts } from './issue-attempt.ts';
import type { Preflight } from './issue-attempt.ts';
import { IssueQueue } from './issue-queue.ts';
import type { Issuer } from './issuer.ts';
import { IssuerSet } from './issuer-set.ts';
import { JobRunner } from './job-runner.ts';
import type { ManagedCertificate } from './managed-certificate.ts';
import { fetchOcsp } from './ocsp-fetch.ts';
import type { OnDemandOptions } from './on-demand.ts';
import { OnDemandRecords } from './on-demand-records.ts';
import { RecordSet } from './record-set.ts';
import { isMoved } from './renewal-plan.ts';
import type { RenewalPlan } from './renewal-plan.ts';
import { StandIns } from './stand-ins.ts';
import { Stapler } from './stapler.ts';
import {
  loadCertificate,
  loadCertificates,
  removeCertificate,
  saveCertificate,
  saveMeta,
  withPlan,
} from './stored-certificate.ts';
import { StoreWatch } from './store-watch.ts';
import { TicketRotation } from './ticket-rotation.ts';
import { wantedCertificates } from './wanted-certificates.ts';
import { WindowWatch } from './window-watch.ts';

/** After a jump of the clock renewals are spread over so long at most. */
const JUMP_SPREAD_MS = 3_600_000;
const CLEAN_INTERVAL_MS = 3_600_000;
const FIRST_CLEAN_MS = 60_000;
const SAVE_INTERVAL_MS = 30_000;
const FILES = 'files';

export interface CertificateManagerOptions {
  readonly store: CertificateStore;
  readonly createIssuer: (config: IssuerConfig) => Issuer;
  /** To every worker. */
  readonly publish: (update: CertificateUpdate) => void;
  readonly publishSecrets: (secrets: TicketSecrets) => void;
  /** Answers a `certificate-wanted`. */
  readonly settled: (name: string) => void;
  /** Handed over by the process before this one; null: there was none. */
  readonly secrets: TicketSecrets | null;
  readonly onEvent: (event: CertificateEvent) => void;
  /** Null: orders are made without looking first. */
  readonly preflight: Preflight | null;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** Unix milliseconds. */
  readonly wallMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Calls back once after `delayMs`. @returns cancels it */
  readonly setTimer: (delayMs: number, callback: () => void) => () => void;
  /** For tests. */
  readonly ask?: OnDemandOptions['ask'];
}

export class CertificateManager implements CertificateDesk {
  readonly #options: CertificateManagerOptions;
  readonly #clock: CertificateClock;
  readonly #issuers: IssuerSet;
  readonly #records: RecordSet;
  readonly #inventory: Inventory;
  readonly #standIns: StandIns;
  readonly #stapler: Stapler;
  readonly #files = new FileCertificates();
  readonly #gates = new Map<string, AuthorityGate>();
  readonly #book = new AttemptBook();
  readonly #runner: JobRunner;
  readonly #queue: IssueQueue;
  readonly #watch: WindowWatch;
  readonly #storeWatch: StoreWatch;
  readonly #onDemand: OnDemandRecords;
  readonly #tickets: TicketRotation;
  #config: Config | null = null;
  #isLoaded = false;
  #nextCleanMs: number;
  #nextSaveMs = 0;
  #isClosed = false;

  constructor(options: CertificateManagerOptions) {
    const { store, random, setTimer, preflight } = options;
    this.#options = options;
    const clock = new CertificateClock(options);
    this.#clock = clock;
    this.#issuers = new IssuerSet(options.createIssuer);
    this.#records = new RecordSet(clock, random);
    this.#standIns = new StandIns(this.#records, clock);
    this.#stapler = new Stapler({
      ...options,
      fetch: fetchOcsp,
      onRevoked: (id) => this.#onRevoked(id),
    });
    this.#inventory = new Inventory((update) => this.#stapler.take(update));
    this.#tickets = new TicketRotation(options.secrets, setTimer, options.publishSecrets);
    this.#nextCleanMs = clock.nowMs() + FIRST_CLEAN_MS;
    const gate = (key: string): AuthorityGate => this.#gate(key);
    this.#runner = new JobRunner({
      attempts: new IssueAttempts({ store, clock, random, gate, preflight, setTimer }),
      clock,
      random,
      book: this.#book,
      onEvent: options.onEvent,
      onStored: (record) => this.#onStored(record),
    });
    const records = (): Iterable<ManagedCertificate> => this.#records.all;
    this.#queue = new IssueQueue({
      clock,
      gate,
      setTimer,
      records,
      run: (record) => this.#run(record),
      onLook: () => this.#look(),
    });
    this.#watch = new WindowWatch({
      clock,
      random,
      records,
      onPlan: (record, plan, before) => this.#onPlan(record, plan, before),
      onAnswer: () => this.#queue.wake(),
    });
    const adopt = (record: ManagedCertificate): Promise<void> => this.#runner.adopt(record);
    this.#storeWatch = new StoreWatch({ clock, records, adopt });
    this.#onDemand = new OnDemandRecords({
      clock,
      random,
      setTimer,
      ask: options.ask ?? askPermission,
      settled: options.settled,
      records: this.#records,
      issuers: this.#issuers,
      onWanted: () => this.#queue.wake(),
      onTrouble: (name, message) => this.#trouble(name, message),
    });
  }

  /**
   * Loads the store; with a configuration what is wanted of it is served at once. Never rejects: a
   * store that cannot be read is an event, and attempts find out when it can be again.
   */
  async start(): Promise<void> {
    try {
      this.#records.load(await loadCertificates(this.#options.store));
    } catch (error) {
      this.#trouble('', textOf(error));
    }
    for (const { entry, issuerKey } of this.#records.loaded) {
      if (issuerKey !== 'local') this.#clock.learn(entry.notBeforeMs);
    }
    const behindMs = this.#clock.behindMs;
    if (behindMs > SETTLE_MS) {
      this.#trouble('', `the system clock is at least ${roundText(behindMs)} behind; set it`);
    }
    this.#isLoaded = true;
    this.#tickets.start();
    if (this.#config !== null) this.configure(this.#config);
  }

  /**
   * Takes a configuration that is applied; also before `start`, so that the first workers have the
   * certificates from files and from the store.
   */
  configure(config: Config): void {
    this.#config = config;
    const changes = new Map<string, readonly StoredEntry[]>();
    changes.set(FILES, this.#files.configure(config.certificates));
    if (!this.#isLoaded) return this.#inventory.set(changes);
    this.#issuers.configure(config.issuers);
    const wanted = wantedCertificates(config);
    const fresh: ManagedCertificate[] = [];
    for (const { unit, label, names, issuers } of wanted.values()) {
      const named = this.#issuers.named(issuers);
      const wish = { unit, label, names, issuers: named, isOnDemand: false };
      const { record, isNew } = this.#records.want(wish);
      record.isOnDemand = false;
      if (isNew) fresh.push(record);
      if (named.length === 0) record.problem = this.#nobody(names);
    }
    fresh.push(...this.#onDemand.configure(config.issuers, wanted));
    for (const record of fresh) changes.set(record.unit, entriesOf(record));
    for (const unit of this.#unwanted(wanted)) {
      this.#records.drop(unit);
      changes.set(unit, []);
    }
    changes.set(...this.#standIns.choose());
    this.#inventory.set(changes);
    this.#queue.wake();
  }

  /** What a worker that starts has to know, besides challenges. */
  get state(): Omit<TlsState, 'challenges'> {
    const certificates = this.#stapler.stapled(this.#inventory.entries);
    return { certificates, ticketSecrets: this.#tickets.secrets };
  }

  /** A client waits for a certificate that may be got on demand; `settled` answers. */
  wanted(name: string, peerAddress: string): void {
    this.#onDemand.wanted(name, peerAddress);
  }

  rows(): readonly CertificateRow[] {
    const rows = [...this.#files.rows(this.#clock.timeMs())];
    for (const record of this.#records.all) rows.push(record.row(this.#clock));
    rows.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    // A node and a name may be called the same.
    const seen = new Map<string, number>();
    return rows.map((row) => {
      const count = (seen.get(row.name) ?? 0) + 1;
      seen.set(row.name, count);
      return count === 1 ? row : { ...row, name: `${row.name} (${count})` };
    });
  }

  attempts(): readonly AttemptCount[] {
    return this.#book.counts;
  }

  renew(name: string): RenewOutcome {
    const record = this.#records.find(name);
    if (record === null) return this.#missing(name);
    if (record.job !== null) return 'under-way';
    record.isAsked = true;
    record.waits.clear();
    this.#queue.wake();
    return 'started';
  }

  async revoke(name: string, reason: number): Promise<RevokeOutcome> {
    const record = this.#records.find(name);
    if (record === null) return { status: this.#missing(name) };
    const { stored, origin } = record;
    if (stored === null) return { status: 'failed', message: 'there is no certificate yet' };
    if (origin === null) {
      const message = `its issuer ${stored.issuerKey} is not configured any more; add it again`;
      return { status: 'failed', message };
    }
    const { chain, key } = stored.entry;
    try {
      const signal = AbortSignal.timeout(REVOKE_TIMEOUT_MS);
      await origin.revoke(entryText(chain), entryText(key), reason, signal);
    } catch (error) {
      return { status: 'failed', message: textOf(error) };
    }
    this.#options.onEvent({ kind: 'revoked', name: record.label, issuer: origin.name });
    this.#records.forget(stored);
    await removeCertificate(this.#options.store, stored).catch((error: unknown) => {
      this.#trouble(record.label, textOf(error));
    });
    if (record.stored === stored) record.isRevoked = true;
    record.isAsked = true;
    this.#queue.wake();
    return { status: 'revoked' };
  }

  /** Ends all attempts; orders under way are gone on with by the next process. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#queue.close();
    this.#watch.close();
    this.#stapler.close();
    this.#onDemand.close();
    this.#tickets.close();
    await this.#runner.close(this.#records.all);
    await this.#saveLate();
    await this.#options.store.close();
  }

  #gate(key: string): AuthorityGate {
    let gate = this.#gates.get(key);
    if (gate === undefined) this.#gates.set(key, (gate = new AuthorityGate(key)));
    return gate;
  }

  #unwanted(wanted: ReadonlyMap<string, unknown>): string[] {
    const gone = [...this.#records.all].filter((record) => {
      return !wanted.has(record.unit) && !this.#onDemand.isWanted(record);
    });
    return gone.map(({ unit }) => unit);
  }

  async #run(record: ManagedCertificate): Promise<void> {
    const mayRun = await this.#onDemand.mayRun(record);
    const isDropped = this.#records.get(record.unit) !== record;
    if (isDropped) return this.#onDemand.ran(record);
    if (mayRun) {
      await this.#runner.run(record);
      this.#onDemand.ran(record);
      return;
    }
    if (!record.isOnDemand) return; // A route names it by now: nobody's permission is needed.
    this.#records.drop(record.unit);
    this.#inventory.set(new Map([[record.unit, []]]));
  }

  #onStored(record: ManagedCertificate): void {
    this.#records.remember(record.stored!);
    if (this.#records.get(record.unit) !== record) return; // Dropped while it was under way.
    const change = [record.unit, entriesOf(record)] as const;
    this.#inventory.set(new Map([change, ...this.#standIns.chooseAgain()]));
  }

  /** Its responder says so. It is served until there is another one. */
  #onRevoked(id: string): void {
    for (const record of this.#records.all) {
      if (record.stored?.entry.id !== id) continue;
      const issuer = record.origin?.name ?? record.stored.issuerKey;
      this.#options.onEvent({ kind: 'revoked', name: record.label, issuer });
      record.revoke(this.#clock);
      return this.#queue.wake();
    }
    this.#trouble('', `the certificate ${id} from files was revoked by its authority; replace it`);
  }

  #onPlan(record: ManagedCertificate, plan: RenewalPlan, before: RenewalPlan): void {
    const { store, onEvent } = this.#options;
    const stored = record.stored!;
    this.#records.remember(stored);
    record.rest(this.#clock, stored.meta.obtainedAtMs, plan);
    saveMeta(store, stored.issuerKey, record.unit, stored.meta).catch((error: unknown) => {
      this.#trouble(record.label, textOf(error));
    });
    if (!isMoved(before, plan)) return;
    const issuer = record.origin?.name ?? stored.issuerKey;
    const { chosenMs: _, ...renewal } = plan;
    onEvent({ kind: 'window-moved', name: record.label, issuer, renewal });
  }

  /** Before each look of the queue. */
  #look(): void {
    const jumpMs = this.#clock.look();
    if (jumpMs !== 0) this.#onJump(jumpMs);
    this.#watch.look();
    this.#storeWatch.look();
    this.#inventory.set(new Map(this.#standIns.chooseAgain()));
    const nowMs = this.#clock.nowMs();
    if (nowMs >= this.#nextSaveMs) {
      this.#nextSaveMs = nowMs + SAVE_INTERVAL_MS;
      void this.#saveLate();
    }
    if (nowMs < this.#nextCleanMs || !this.#clock.isSettled) return;
    this.#nextCleanMs = nowMs + CLEAN_INTERVAL_MS;
    void this.#clean();
  }

  /** Nothing hurries: a clock that jumps may jump back, and all at once would be a storm. */
  #onJump(jumpMs: number): void {
    const { random } = this.#options;
    const nowMs = this.#clock.nowMs();
    const spreadMs = Math.min(JUMP_SPREAD_MS, this.#records.size * 1_000);
    for (const record of this.#records.all) {
      const restMs = nowMs + SETTLE_MS + random() * spreadMs;
      record.restUntilMs = Math.max(record.restUntilMs, restMs);
    }
    const where = jumpMs > 0 ? 'forward' : 'back';
    const text = roundText(Math.abs(jumpMs));
    this.#trouble('', `the system clock jumped ${where} by ${text}, or the machine slept`);
  }

  /** Certificates that the store did not take when they were issued. */
  async #saveLate(): Promise<void> {
    const { store, random } = this.#options;
    for (const record of this.#records.all) {
      const { stored } = record;
      const settle = record.unsaved;
      if (settle === null || stored === null) continue;
      try {
        // Another process may have been luckier meanwhile.
        const there = await loadCertificate(store, stored.issuerKey, record.unit);
        const isLater = there !== null && there.entry.notAfterMs > stored.entry.notAfterMs;
        if (!isLater) await saveCertificate(store, stored);
        else if (record.stored === stored) this.#runner.take(record, withPlan(there, random));
      } catch {
        return; // The others would fare no better.
      }
      if (record.unsaved === settle) record.unsaved = null;
      await settle();
    }
  }

  async #clean(): Promise<void> {
    const isWanted = (unit: string): boolean => this.#records.get(unit) !== undefined;
    try {
      await cleanStore(this.#options.store, this.#clock.timeMs(), isWanted);
    } catch (error) {
      if (!this.#isClosed) this.#trouble('', textOf(error));
    }
  }

  #missing(name: string): 'not-managed' | 'unknown' {
    const isFile = this.#files.rows(0).some((row) => row.name === name) || this.#files.has(name);
    return isFile ? 'not-managed' : 'unknown';
  }

  #nobody(names: readonly string[]): CertificateRow['problem'] {
    const message = `no issuer is for ${names.join(', ')}; add one whose names and challenges fit`;
    const atMs = Math.round(this.#clock.timeMs());
    return { atMs, type: 'internal', message, advice: 'fix', failures: 0 };
  }

  #trouble(name: string, message: string): void {
    this.#options.onEvent({ kind: 'trouble', name, message });
  }
}

const REVOKE_TIMEOUT_MS = 60_000;

function entriesOf({ stored }: ManagedCertificate): readonly StoredEntry[] {
  return stored === null ? [] : [stored.entry];
}

type StoredEntry = TlsState['certificates'][number];

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function roundText(durationMs: number): string {
  return formatDuration(Math.max(60_000, Math.round(durationMs / 60_000) * 60_000));
}
