/**
 * Job runner: makes the attempt of one certificate and draws the conclusions: what is served, what
 * is told, and when the next one comes.
 *
 * J1  a failure changes nothing about what is served.
 * J2  after every attempt there is a next time, unless nobody wants the certificate any more.
 * J3  what the authority says about when comes before the schedule, and holds for it alone.
 */

import { formatDuration } from '../../base/duration.ts';
import type { AttemptBook } from './attempt-book.ts';
import type { CertificateClock } from './certificate-clock.ts';
import type { CertificateEvent } from './certificate-event.ts';
import type { CertificateProblem } from './certificate-row.ts';
import type { AttemptFailure, AttemptOutcome, IssueAttempts } from './issue-attempt.ts';
import { waitOf } from './issue-attempt.ts';
import type { IssueAdvice } from './issuer.ts';
import type { ManagedCertificate } from './managed-certificate.ts';
import { retryDelay } from './retry-schedule.ts';
import type { StoredCertificate } from './stored-certificate.ts';

/** After an attempt that was broken off by us. */
const ABORTED_RETRY_MS = 15_000;
const BUG_RETRY_MS = 10 * 60_000;
/** Waiting for limits: looked at again at least so often. */
const BLOCKED_MAX_MS = 6 * 3_600_000;
/** An authority's certificate that begins longer ago than this was made by another clock. */
const AHEAD_MS = 2 * 86_400_000;
const FIRST_LOOK_MS = 10_000;
const FIRST_LOOK_SPREAD_MS = 10 * 60_000;

export interface JobRunnerOptions {
  readonly attempts: IssueAttempts;
  readonly clock: CertificateClock;
  readonly random: () => number;
  readonly book: AttemptBook;
  readonly onEvent: (event: CertificateEvent) => void;
  /** `record.stored` is another one: serve it. */
  readonly onStored: (record: ManagedCertificate) => void;
}

export class JobRunner {
  readonly #options: JobRunnerOptions;
  readonly #running = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: JobRunnerOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async run(record: ManagedCertificate): Promise<void> {
    const job = new AbortController();
    record.job = job;
    record.isAsked = false;
    record.blocked = '';
    const work = this.#work(record, job.signal);
    this.#running.add(work);
    try {
      await work;
    } catch (error) {
      // A bug of ours ends one attempt, not the proxy.
      record.retryAtMs = this.#options.clock.nowMs() + BUG_RETRY_MS;
      this.#trouble(record, `the attempt failed unexpectedly: ${String(error)}`);
    } finally {
      this.#running.delete(work);
      record.job = null;
      record.step = '';
    }
  }

  /** Takes what another process has stored, if that is better. Never rejects. */
  async adopt(record: ManagedCertificate): Promise<void> {
    const before = record.stored;
    const found = await this.#options.attempts.find(record);
    if (found === null || record.job !== null || record.stored !== before) return;
    this.take(record, found);
    this.#forget(record);
  }

  /** Breaks off what is under way, orders to be gone on with; resolves when all has ended. */
  async close(records: Iterable<ManagedCertificate>): Promise<void> {
    this.#isClosed = true;
    for (const { job } of records) job?.abort(new Error('the proxy ends'));
    await Promise.all(this.#running);
  }

  async #work(record: ManagedCertificate, signal: AbortSignal): Promise<void> {
    const { attempts, clock } = this.#options;
    const startMs = clock.nowMs();
    const isFirst = record.stored === null;
    const outcome = await attempts.run(record, signal);
    switch (outcome.kind) {
      case 'issued':
        return this.#issued(record, outcome, isFirst, clock.nowMs() - startMs);
      case 'adopted':
        this.take(record, outcome.stored);
        return this.#forget(record);
      case 'blocked':
        record.blocked = outcome.reason;
        record.retryAtMs = clock.nowMs() + Math.min(outcome.waitMs + 1_000, BLOCKED_MAX_MS);
        return;
      case 'failed':
        return this.#failed(record, outcome.failures, isFirst);
    }
  }

  /** Serves `stored` from now on. */
  take(record: ManagedCertificate, stored: StoredCertificate): void {
    const { clock, random, onStored } = this.#options;
    record.stored = stored;
    record.isRevoked = false;
    const { plan, obtainedAtMs } = stored.meta;
    if (plan !== null) record.rest(clock, obtainedAtMs, plan);
    record.lookAtMs = clock.nowMs() + FIRST_LOOK_MS + random() * FIRST_LOOK_SPREAD_MS;
    onStored(record);
  }

  #issued(
    record: ManagedCertificate,
    outcome: Extract<AttemptOutcome, { kind: 'issued' }>,
    isFirst: boolean,
    tookMs: number,
  ): void {
    const { clock, book, onEvent } = this.#options;
    const { stored, issuer, isSaved, settle, failures } = outcome;
    const operation = isFirst ? 'obtain' : 'renew';
    for (const failure of failures) {
      if (failure.issuer !== null) book.count(failure.issuer.name, operation, failure.type);
      const problem = this.#problemOf([failure], 1);
      const name = failure.issuer?.name ?? '';
      onEvent({
        kind: 'failed',
        name: record.label,
        issuer: name,
        problem,
        servedUntilMs: servedUntil(record),
        nextAttemptMs: 0,
      });
      this.#obey(record, failure);
    }
    book.count(issuer.name, operation, 'success');
    record.unsaved = isSaved ? null : settle;
    this.take(record, stored);
    this.#forget(record);
    const { names, notBeforeMs, notAfterMs } = stored.entry;
    const kind = isFirst ? 'obtained' : 'renewed';
    onEvent({ kind, name: record.label, names, issuer: issuer.name, notAfterMs, tookMs });
    if (!isSaved) this.#trouble(record, UNSAVED);
    if (issuer.kind !== 'acme') return;
    const aheadMs = clock.wallMs() - notBeforeMs;
    if (aheadMs > AHEAD_MS) {
      const text = formatDuration(Math.floor(aheadMs / 60_000) * 60_000);
      this.#trouble(record, `the system clock is ${text} ahead of ${issuer.name}; set it`);
    }
    clock.learn(notBeforeMs);
  }

  #failed(record: ManagedCertificate, failures: readonly AttemptFailure[], isFirst: boolean): void {
    const { clock, random, book, onEvent } = this.#options;
    if (failures.some(({ error }) => error.advice === 'aborted')) {
      record.retryAtMs = clock.nowMs() + ABORTED_RETRY_MS;
      return;
    }
    record.failures++;
    const operation = isFirst ? 'obtain' : 'renew';
    const fallbackName = record.issuers[0]?.name ?? '';
    for (const failure of failures) {
      book.count(failure.issuer?.name ?? fallbackName, operation, failure.type);
      this.#obey(record, failure);
    }
    const remainingMs = Math.max(0, (record.stored?.entry.notAfterMs ?? 0) - clock.timeMs());
    const delays = failures.map(({ error, type }) => {
      const waitMs = waitOf(error, clock);
      // A store that was full is written to again as soon as there may be room.
      const count = type === 'storage' ? Math.min(record.failures, 4) : record.failures;
      return retryDelay({ advice: error.advice, failures: count, remainingMs, waitMs }, random);
    });
    const delayMs = Math.min(...delays);
    record.retryAtMs = clock.nowMs() + delayMs;
    record.problem = this.#problemOf(failures, record.failures);
    onEvent({
      kind: 'failed',
      name: record.label,
      issuer: failures[0]?.issuer?.name ?? fallbackName,
      problem: record.problem,
      servedUntilMs: servedUntil(record),
      nextAttemptMs: this.#isClosed ? 0 : Math.round(clock.timeMs() + delayMs),
    });
  }

  /** J3. */
  #obey(record: ManagedCertificate, { issuer, error }: AttemptFailure): void {
    const { clock } = this.#options;
    const waitMs = waitOf(error, clock);
    if (issuer === null || waitMs === 0) return;
    record.waits.set(issuer.key, clock.nowMs() + waitMs);
  }

  #forget(record: ManagedCertificate): void {
    record.failures = 0;
    record.problem = null;
    record.retryAtMs = 0;
    record.waits.clear();
  }

  #problemOf(failures: readonly AttemptFailure[], count: number): CertificateProblem {
    const first = failures[0];
    const isOne = failures.length === 1;
    const message = failures.map(({ issuer, error }) => {
      return isOne || issuer === null ? error.message : `${issuer.name}: ${error.message}`;
    });
    return {
      atMs: Math.round(this.#options.clock.timeMs()),
      type: first?.type ?? 'internal',
      message: message.join('; '),
      advice: adviceOf(failures),
      failures: count,
    };
  }

  #trouble(record: ManagedCertificate, message: string): void {
    this.#options.onEvent({ kind: 'trouble', name: record.label, message });
  }
}

const UNSAVED =
  'the certificate is served, but the store did not take it; make room, or it is lost at the end';

/** The kindest of them: another attempt may help if it may with one issuer. */
function adviceOf(failures: readonly AttemptFailure[]): IssueAdvice {
  const given = failures.map(({ error }) => error.advice);
  return given.includes('retry') ? 'retry' : given.includes('wait') ? 'wait' : 'fix';
}

function servedUntil({ stored }: ManagedCertificate): number {
  return stored?.entry.notAfterMs ?? 0;
}
