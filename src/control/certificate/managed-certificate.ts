/**
 * Managed certificate: one that the proxy gets and renews, with all that is known of it. Holds and
 * computes; does nothing by itself.
 *
 * M1  at most one job works on it.
 * M2  what is served stays until there is something newer: no failure takes it away.
 * M3  a certificate that was just obtained is left alone for a sixth of its life, unless its
 *     authority wants otherwise: a wrong clock makes no storm.
 */

import type { CertificateClock } from './certificate-clock.ts';
import type { CertificateProblem, CertificateRow, CertificateState } from './certificate-row.ts';
import type { Issuer } from './issuer.ts';
import type { RenewalPlan } from './renewal-plan.ts';
import { latestRenewal, renewalDue } from './renewal-plan.ts';
import { keyPart } from './store-keys.ts';
import type { StoredCertificate } from './stored-certificate.ts';

const HOUR_MS = 3_600_000;
/** Failures in a row of the first issuer after which the others renew as well. */
const FAILURES_BEFORE_FALLBACK = 3;

export interface ManagedOptions {
  readonly unit: string;
  readonly names: readonly string[];
  readonly isOnDemand: boolean;
}

export class ManagedCertificate {
  readonly unit: string;
  readonly names: readonly string[];
  /** Clients asked for it; no route names it. */
  isOnDemand: boolean;
  /** Name of its row. */
  label: string;
  /** In order of preference; empty: nobody can issue it. */
  issuers: readonly Issuer[] = [];
  stored: StoredCertificate | null = null;
  /** The store did not take it; called when it has. Null: it is stored. */
  unsaved: (() => Promise<void>) | null = null;
  failures = 0;
  problem: CertificateProblem | null = null;
  /** An operator wants it renewed now. */
  isAsked = false;
  /** Its key is not to be trusted any more: no certificate for it is taken from the store. */
  isRevoked = false;
  /** Monotonic milliseconds before which no attempt is made. */
  retryAtMs = 0;
  /** Monotonic milliseconds before which it is not renewed by the clock. */
  restUntilMs = 0;
  /** Monotonic milliseconds: when the authority is asked for the renewal window. */
  lookAtMs = Infinity;
  /** Monotonic milliseconds before which an issuer is not asked for it, by Issuer.key. */
  readonly waits = new Map<string, number>();
  /** Why it waits though it is due; empty: it does not. */
  blocked = '';
  /** M1. */
  job: AbortController | null = null;
  step = '';

  constructor({ unit, names, isOnDemand }: ManagedOptions) {
    this.unit = unit;
    this.names = names;
    this.isOnDemand = isOnDemand;
    this.label = names[0]!;
  }

  /** The issuer that made what is served; null: none, or it is not configured any more. */
  get origin(): Issuer | null {
    const { stored } = this;
    if (stored === null) return null;
    return this.issuers.find(({ key }) => keyPart(key) === stored.issuerKey) ?? null;
  }

  /** There is none, it is not for these names, or of an authority that is not wanted. */
  get isWanting(): boolean {
    const { stored } = this;
    if (stored === null || this.isRevoked || this.origin === null) return true;
    return this.names.some((name) => !stored.entry.names.includes(name));
  }

  /** True when a client cannot be served well with what is there. */
  isPressing(clock: CertificateClock): boolean {
    const { stored } = this;
    return stored === null || this.isRevoked || clock.timeMs() >= stored.entry.notAfterMs;
  }

  /** Issuers that the next attempt may ask, in order. */
  candidates(clock: CertificateClock): readonly Issuer[] {
    const { stored, issuers } = this;
    const isLate = stored !== null && clock.timeMs() >= latestRenewal(stored.entry);
    const isFallback =
      this.isPressing(clock) || isLate || this.failures >= FAILURES_BEFORE_FALLBACK;
    return isFallback ? issuers : issuers.slice(0, 1);
  }

  /** Milliseconds until an attempt is to begin; 0: now; Infinity: none is to. */
  untilAttempt(clock: CertificateClock): number {
    const { stored } = this;
    if (this.issuers.length === 0 || this.job !== null) return Infinity;
    const now = clock.nowMs();
    const retryMs = Math.max(0, this.retryAtMs - now);
    if (this.isAsked) return 0;
    if (stored === null || this.isWanting) return retryMs;
    const plan = stored.meta.plan;
    const dueMs = plan === null ? 0 : renewalDue(stored.entry, plan) - clock.timeMs();
    return Math.max(0, dueMs, retryMs, this.restUntilMs - now);
  }

  /** M3. @param plan who planned the next renewal */
  rest(clock: CertificateClock, obtainedAtMs: number, plan: RenewalPlan): void {
    const { stored } = this;
    if (stored === null) return;
    const agoMs = clock.timeMs() - obtainedAtMs;
    const lifeMs = stored.entry.notAfterMs - stored.entry.notBeforeMs;
    const leastMs = plan.by === 'authority' ? HOUR_MS : Math.max(HOUR_MS, lifeMs / 6);
    // A clock that was set back says nothing about how long ago it was.
    const restMs = agoMs >= 0 && agoMs < leastMs ? Math.min(leastMs - agoMs, lifeMs / 3) : 0;
    this.restUntilMs = clock.nowMs() + restMs;
  }

  /**
   * Its authority says that it is revoked: another one is got at once, but an hour after this one
   * at the soonest. An authority that says so of all that it makes gets no storm of orders.
   */
  revoke(clock: CertificateClock): void {
    const ageMs = clock.timeMs() - (this.stored?.meta.obtainedAtMs ?? 0);
    const restMs = ageMs >= 0 && ageMs < HOUR_MS ? HOUR_MS - ageMs : 0;
    this.isRevoked = true;
    this.retryAtMs = clock.nowMs() + restMs;
  }

  state(clock: CertificateClock): CertificateState {
    const { stored } = this;
    if (stored === null) return this.problem === null ? 'obtaining' : 'missing';
    if (clock.timeMs() >= stored.entry.notAfterMs) return 'expired';
    if (this.problem !== null) return 'failing';
    return this.job !== null || this.untilAttempt(clock) === 0 ? 'renewing' : 'valid';
  }

  row(clock: CertificateClock): CertificateRow {
    const { stored, job } = this;
    const untilMs = this.untilAttempt(clock);
    const plan = stored?.meta.plan ?? null;
    const renewal =
      plan === null
        ? null
        : {
            startMs: plan.startMs,
            endMs: plan.endMs,
            by: plan.by,
            explanationUrl: plan.explanationUrl,
          };
    return {
      name: this.label,
      names: this.names,
      source: 'managed',
      issuer: this.origin?.name ?? stored?.issuerKey ?? '',
      state: this.state(clock),
      id: stored?.entry.id ?? '',
      notBeforeMs: stored?.entry.notBeforeMs ?? 0,
      notAfterMs: stored?.entry.notAfterMs ?? 0,
      renewal,
      nextAttemptMs: Number.isFinite(untilMs) ? Math.round(clock.timeMs() + untilMs) : 0,
      step: job === null ? this.blocked : this.step,
      problem: this.problem,
    };
  }
}
