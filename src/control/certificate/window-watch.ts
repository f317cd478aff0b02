/**
 * Window watch: asks authorities when they want their certificates renewed (RFC 9773), and finds
 * out that way that one was revoked.
 *
 * W1  a few questions at a time; thousands of certificates are spread over hours.
 * W2  a question that fails is asked again in an hour, or when the authority says; it changes
 *     nothing.
 * W3  a window that stays the same changes nothing; one that moves is chosen in anew and reported.
 */

import type { CertificateClock } from './certificate-clock.ts';
import { entryText } from './entry-batch.ts';
import type { Issuer, RenewalWindow } from './issuer.ts';
import { IssueError } from './issuer.ts';
import type { ManagedCertificate } from './managed-certificate.ts';
import type { RenewalPlan } from './renewal-plan.ts';
import { planRenewal } from './renewal-plan.ts';

/** W1. */
const LOOKS_MAX = 4;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** When the authority says nothing about the certificate. */
const SILENT_LOOK_MS = 6 * HOUR_MS;
/** Share of a delay by which it is longer, at random. */
const JITTER = 0.1;

export interface WindowWatchOptions {
  readonly clock: CertificateClock;
  readonly random: () => number;
  readonly records: () => Iterable<ManagedCertificate>;
  /** There is another plan; `record` has it already. */
  readonly onPlan: (record: ManagedCertificate, plan: RenewalPlan, before: RenewalPlan) => void;
  /** A question was answered: more may be asked. */
  readonly onAnswer: () => void;
}

export class WindowWatch {
  readonly #options: WindowWatchOptions;
  readonly #stop = new AbortController();
  readonly #asked = new Set<ManagedCertificate>();

  constructor(options: WindowWatchOptions) {
    this.#options = options;
  }

  /** Asks what is due. */
  look(): void {
    const { clock, records } = this.#options;
    if (this.#stop.signal.aborted || this.#asked.size >= LOOKS_MAX) return;
    const nowMs = clock.nowMs();
    for (const record of records()) {
      if (this.#asked.size >= LOOKS_MAX) return;
      const origin = record.origin;
      if (record.lookAtMs > nowMs || record.job !== null || origin === null) continue;
      if (!this.#asked.has(record)) void this.#ask(record, origin);
    }
  }

  close(): void {
    this.#stop.abort();
  }

  async #ask(record: ManagedCertificate, issuer: Issuer): Promise<void> {
    const { clock, random, onAnswer } = this.#options;
    const { entry } = record.stored!;
    this.#asked.add(record);
    let delayMs = HOUR_MS;
    try {
      const window = await issuer.renewalWindow(entryText(entry.chain), this.#stop.signal);
      delayMs = window === null ? SILENT_LOOK_MS : window.nextLookMs - clock.wallMs();
      // It may have been renewed while the answer was under way.
      if (record.stored?.entry === entry) this.#plan(record, window);
    } catch (error) {
      if (error instanceof IssueError && error.retryAtMs > 0) {
        delayMs = error.retryAtMs - clock.wallMs();
      }
    }
    const usableMs = Number.isFinite(delayMs) ? delayMs : HOUR_MS;
    const boundedMs = Math.min(DAY_MS, lifeOf(entry) / 20, Math.max(60_000, usableMs));
    record.lookAtMs = clock.nowMs() + boundedMs * (1 + JITTER * random());
    this.#asked.delete(record);
    if (!this.#stop.signal.aborted) onAnswer();
  }

  /** W3. */
  #plan(record: ManagedCertificate, window: RenewalWindow | null): void {
    const stored = record.stored!;
    const before = stored.meta.plan;
    const { random, onPlan } = this.#options;
    const plan = planRenewal(stored.entry, window, before, random);
    if (plan === before) return;
    record.stored = { ...stored, meta: { ...stored.meta, plan } };
    onPlan(record, plan, before ?? plan);
  }
}

function lifeOf({ notBeforeMs, notAfterMs }: { notBeforeMs: number; notAfterMs: number }): number {
  return Math.max(60_000, notAfterMs - notBeforeMs);
}
