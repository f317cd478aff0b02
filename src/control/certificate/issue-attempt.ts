/**
 * Issue attempt: one try to get a certificate, under its lock.
 *
 * A1  under the lock the store is looked at first: what another process has obtained is taken.
 * A2  no authority is asked before the store has shown that it keeps what it is given.
 * A3  a certificate that was issued is never lost: when the store fails after all, it is served
 *     from memory and written later.
 * A4  issuers are asked in order; which one made it is kept, and the next renewal begins with the
 *     first one again.
 */

import type { PreflightFinding } from '../dns/preflight.ts';
import type { AuthorityGate } from './authority-gate.ts';
import type { CertificateClock } from './certificate-clock.ts';
import type { CertificateStore, Lease } from './certificate-store.ts';
import { StoreError } from './certificate-store.ts';
import { entryText, packEntries } from './entry-batch.ts';
import type { IssuedCertificate, Issuer } from './issuer.ts';
import { IssueError } from './issuer.ts';
import type { ManagedCertificate } from './managed-certificate.ts';
import { planRenewal, renewalDue } from './renewal-plan.ts';
import { checkStore } from './store-check.ts';
import { issueLock, keyPart } from './store-keys.ts';
import type { StoredCertificate } from './stored-certificate.ts';
import {
  certificateTextOf,
  loadCertificate,
  rankOf,
  saveCertificate,
  withPlan,
} from './stored-certificate.ts';

/** A store that was just tried is not tried again. */
const CHECK_AGE_MS = 10_000;
/** An order waits no longer for what DNS says; a failure is explained by it all the same. */
const LOOK_WAIT_MS = 3_000;

export interface IssueAttemptOptions {
  readonly store: CertificateStore;
  readonly clock: CertificateClock;
  readonly random: () => number;
  /** By Issuer.key; made on demand. */
  readonly gate: (issuerKey: string) => AuthorityGate;
  /** Calls back once after `delayMs`. @returns cancels it */
  readonly setTimer: (delayMs: number, callback: () => void) => () => void;
  /** Looks for what would make an order fail; null: not. */
  readonly preflight: Preflight | null;
}

/** Never rejects. */
export type Preflight = (
  names: readonly string[],
  issuer: Issuer,
  signal: AbortSignal,
) => Promise<readonly PreflightFinding[]>;

export type AttemptOutcome =
  /** Another process had it already, or had made it meanwhile. */
  | { readonly kind: 'adopted'; readonly stored: StoredCertificate }
  | {
      readonly kind: 'issued';
      readonly stored: StoredCertificate;
      readonly issuer: Issuer;
      /** A3. */
      readonly isSaved: boolean;
      /** As in IssuedCertificate; to be called once it is saved, and called already if it is. */
      readonly settle: () => Promise<void>;
      /** What issuers before it in order said. */
      readonly failures: readonly AttemptFailure[];
    }
  | { readonly kind: 'failed'; readonly failures: readonly AttemptFailure[] }
  /** No issuer may be asked for so long; nobody was. */
  | { readonly kind: 'blocked'; readonly waitMs: number; readonly reason: string };

/** Why an issuer is not asked now, and for how long. */
interface Blocked {
  readonly waitMs: number;
  readonly reason: string;
}

export interface AttemptFailure {
  /** Null: none was asked, the store failed. */
  readonly issuer: Issuer | null;
  readonly error: IssueError;
  /** As in CertificateProblem. */
  readonly type: string;
}

export class IssueAttempts {
  readonly #options: IssueAttemptOptions;
  #checkedAtMs = -Infinity;

  constructor(options: IssueAttemptOptions) {
    this.#options = options;
  }

  /** Never rejects. Breaking off by `signal` is a failure with the advice `aborted`. */
  async run(record: ManagedCertificate, signal: AbortSignal): Promise<AttemptOutcome> {
    const { store } = this.#options;
    record.step = 'waiting for its turn in the store';
    try {
      return await store.lock(
        issueLock(record.unit),
        (lease) => this.#locked(record, lease, AbortSignal.any([signal, lease.signal])),
        signal,
      );
    } catch (error) {
      return { kind: 'failed', failures: [failureOf(null, error, signal)] };
    }
  }

  /** A1, without the lock and without an attempt. @returns null: nothing better is there */
  async find(record: ManagedCertificate): Promise<StoredCertificate | null> {
    try {
      return await this.#adopt(record);
    } catch {
      return null; // The next attempt says what is wrong with the store.
    }
  }

  async #locked(
    record: ManagedCertificate,
    lease: Lease,
    signal: AbortSignal,
  ): Promise<AttemptOutcome> {
    const found = await this.#adopt(record);
    if (found !== null) return { kind: 'adopted', stored: found };
    await this.#checkStore();
    const { clock } = this.#options;
    const failures: AttemptFailure[] = [];
    let blocked: Blocked | null = null;
    for (const issuer of record.candidates(clock)) {
      const refusal = refusalOf(issuer, record.names);
      if (refusal !== null) {
        failures.push({ issuer, error: refusal, type: 'unsupported' });
        continue;
      }
      const outcome = await this.#order(record, issuer, signal);
      if ('waitMs' in outcome) {
        if (blocked === null || outcome.waitMs < blocked.waitMs) blocked = outcome;
        continue;
      }
      if (!('error' in outcome)) return this.#keep(record, issuer, outcome, { lease, failures });
      failures.push(outcome);
      if (outcome.error.advice === 'aborted') break;
    }
    if (failures.length === 0 && blocked !== null) return { kind: 'blocked', ...blocked };
    return { kind: 'failed', failures };
  }

  /** One issuer. Never rejects. */
  async #order(
    record: ManagedCertificate,
    issuer: Issuer,
    signal: AbortSignal,
  ): Promise<IssuedCertificate | AttemptFailure | Blocked> {
    const { clock } = this.#options;
    const { names, stored } = record;
    const closed = this.#blocked(record, issuer);
    if (closed !== null) return closed;
    const look = this.#look(record, issuer, signal);
    const certain = (await this.#orLate(look)).filter(({ isCertain }) => isCertain);
    if (certain.length > 0) {
      const error = new IssueError(messages(certain), { advice: 'fix' });
      return { issuer, error, type: 'preflight' };
    }
    // Others have begun while this one looked.
    const blocked = this.#blocked(record, issuer);
    if (blocked !== null) return blocked;
    const gate = this.#options.gate(issuer.key);
    const isReplacing = isReplacement(record, issuer);
    // Also one that was revoked: an order that ended with it is not gone on with.
    const isKnown = stored?.issuerKey === keyPart(issuer.key);
    const replaces = isKnown ? entryText(stored.entry.chain) : null;
    record.step = `ordering from ${issuer.name}`;
    const ticket = gate.begin(names, isReplacing, clock.nowMs());
    try {
      const onStep = (step: string): void => {
        record.step = step;
      };
      const issued = await issuer.issue({ names, replaces }, { signal, onStep });
      gate.end(ticket, null, 0, clock.nowMs());
      return issued;
    } catch (thrown) {
      const failure = failureOf(issuer, thrown, signal);
      gate.end(ticket, failure.error, waitOf(failure.error, clock), clock.nowMs());
      return withHints(failure, await look);
    }
  }

  /** Null: an order may begin now. */
  #blocked(record: ManagedCertificate, issuer: Issuer): Blocked | null {
    const { clock } = this.#options;
    const nowMs = clock.nowMs();
    const gate = this.#options.gate(issuer.key);
    const closedMs = gate.closedFor(nowMs);
    const budgetMs = gate.budgetWait(record.names, isReplacement(record, issuer), nowMs);
    const ownMs = (record.waits.get(issuer.key) ?? 0) - nowMs;
    const waitMs = Math.max(closedMs, budgetMs, ownMs);
    if (waitMs <= 0) return null;
    return { waitMs, reason: waitMs === closedMs ? CLOSED : waitMs === ownMs ? TOLD : LIMITED };
  }

  /** What stands in the way, where an order is likely to fail. */
  async #look(
    record: ManagedCertificate,
    issuer: Issuer,
    signal: AbortSignal,
  ): Promise<readonly PreflightFinding[]> {
    const { preflight } = this.#options;
    const isTrusted = record.stored !== null && record.failures === 0;
    if (preflight === null || issuer.kind !== 'acme' || isTrusted) return [];
    record.step = 'looking at DNS before the order';
    return preflight(record.names, issuer, signal);
  }

  /** Nothing when it takes too long. */
  async #orLate(look: Promise<readonly PreflightFinding[]>): Promise<readonly PreflightFinding[]> {
    const late = Promise.withResolvers<readonly PreflightFinding[]>();
    const cancel = this.#options.setTimer(LOOK_WAIT_MS, () => late.resolve([]));
    try {
      return await Promise.race([look, late.promise]);
    } finally {
      cancel();
    }
  }

  /** A3. */
  async #keep(
    record: ManagedCertificate,
    issuer: Issuer,
    issued: IssuedCertificate,
    { lease, failures }: { lease: Lease; failures: readonly AttemptFailure[] },
  ): Promise<AttemptOutcome> {
    const { clock, store, random } = this.#options;
    const text = certificateTextOf(issued.chain, issued.key, rankOf(keyPart(issuer.key)));
    if (text === null || !record.names.every((name) => text.names.includes(name))) {
      const message = `${issuer.name} gave a certificate that is not for the names that were asked`;
      const error = new IssueError(message, { advice: 'retry' });
      return { kind: 'failed', failures: [...failures, { issuer, error, type: 'internal' }] };
    }
    const stored: StoredCertificate = {
      issuerKey: keyPart(issuer.key),
      unit: record.unit,
      entry: packEntries([text])[0]!,
      meta: {
        id: text.id,
        obtainedAtMs: clock.timeMs(),
        plan: planRenewal(text, null, null, random),
        isOnDemand: record.isOnDemand,
      },
    };
    record.step = 'storing the certificate';
    let isSaved = true;
    const settle = issued.settle ?? (() => Promise.resolve());
    try {
      // Somebody who took the lock over may have stored one: it is as good.
      if (!(await lease.isHeld())) {
        const other = await this.#adopt(record);
        if (other !== null) return { kind: 'adopted', stored: other };
      }
      await saveCertificate(store, stored);
      await settle();
    } catch {
      isSaved = false;
    }
    return { kind: 'issued', stored, issuer, isSaved, settle, failures };
  }

  /** A1. The best that the store has and that is not due itself. @throws StoreError */
  async #adopt(record: ManagedCertificate): Promise<StoredCertificate | null> {
    const { store, clock, random } = this.#options;
    if (record.isRevoked || record.unsaved !== null) return null;
    for (const issuer of record.candidates(clock)) {
      const found = await loadCertificate(store, issuer.key, record.unit);
      if (found === null || found.entry.id === record.stored?.entry.id) continue;
      if (!record.names.every((name) => found.entry.names.includes(name))) continue;
      const planned = withPlan(found, random);
      if (clock.timeMs() < renewalDue(found.entry, planned.meta.plan)) return planned;
    }
    return null;
  }

  /** A2. @throws StoreError */
  async #checkStore(): Promise<void> {
    const { store, clock } = this.#options;
    if (clock.nowMs() - this.#checkedAtMs < CHECK_AGE_MS) return;
    await checkStore(store);
    this.#checkedAtMs = clock.nowMs();
  }
}

const CLOSED = 'the authority is left alone for a while after failures of its own';
const TOLD = 'the authority wants no order for these names before then';
const LIMITED = 'one more would be above the limits that the authority has published';

/** How long the authority wants to be left alone, in milliseconds; 0: it did not say. */
export function waitOf({ retryAtMs }: IssueError, clock: CertificateClock): number {
  return retryAtMs === 0 ? 0 : Math.max(0, retryAtMs - clock.wallMs());
}

/** An order that names the certificate it replaces: only its own authority knows that one. */
function isReplacement({ stored, isRevoked }: ManagedCertificate, issuer: Issuer): boolean {
  return stored !== null && !isRevoked && stored.issuerKey === keyPart(issuer.key);
}

function refusalOf(issuer: Issuer, names: readonly string[]): IssueError | null {
  for (const name of names) {
    const refusal = issuer.refusal(name);
    if (refusal !== null) return new IssueError(refusal, { advice: 'fix' });
  }
  return null;
}

function failureOf(issuer: Issuer | null, thrown: unknown, signal: AbortSignal): AttemptFailure {
  if (thrown instanceof IssueError) {
    return { issuer, error: thrown, type: thrown.problem?.type ?? 'internal' };
  }
  if (signal.aborted) {
    const error = new IssueError('the attempt was broken off', { advice: 'aborted' });
    return { issuer, error, type: 'aborted' };
  }
  if (thrown instanceof StoreError) {
    const error = new IssueError(thrown.message, { advice: 'retry', cause: thrown });
    return { issuer, error, type: 'storage' };
  }
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const error = new IssueError(`the attempt failed unexpectedly: ${text}`, {
    advice: 'retry',
    cause: thrown,
  });
  return { issuer, error, type: 'internal' };
}

function withHints(failure: AttemptFailure, hints: readonly PreflightFinding[]): AttemptFailure {
  if (hints.length === 0) return failure;
  const { advice, retryAtMs, problem, message } = failure.error;
  const error = new IssueError(`${message} (also: ${messages(hints)})`, {
    advice,
    retryAtMs,
    problem,
    cause: failure.error,
  });
  return { ...failure, error };
}

function messages(findings: readonly PreflightFinding[]): string {
  return findings.map(({ message }) => message).join('; ');
}
