/**
 * Authority gate: whether an authority may be bothered with one more order now. One per authority,
 * whatever issuers lead to it.
 *
 * G1  at most `ORDERS_MAX` orders are under way at a time.
 * G2  after failures in a row that are the authority's own, it is left alone: a minute, doubling
 *     to an hour, or as long as it says. Then one order tries; its success opens the gate.
 * G3  limits that an authority has published are kept by our own count, so that they are not run
 *     into; certificates that replace another by its renewal window do not count there. Beyond a
 *     limit one order in a while finds out whether the authority allows more: it may have granted
 *     that, or our guess of a registered domain is too wide.
 */

import type { IssueError } from './issuer.ts';
import { registeredDomain } from './registered-domain.ts';
import { SlidingBudget } from './sliding-budget.ts';

/** G1. */
export const ORDERS_MAX = 8;
/** Failures in a row that close the gate. */
export const FAILURES_MAX = 4;
const CLOSED_MIN_MS = 60_000;
const CLOSED_MAX_MS = 3_600_000;
/** How soon to look again while one order finds out whether the authority is well. */
const PROBE_MS = 5_000;
const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;
/** G3: between two orders beyond a limit. */
export const TRIAL_GAP_MS = 600_000;

interface PublishedLimits {
  /** Orders of an account within three hours. */
  readonly orders: number;
  /** Certificates of a registered domain within a week. */
  readonly perDomain: number;
  /** Certificates for exactly the same names within a week. */
  readonly perNames: number;
}

/** By beginning of the key of an issuer. Let's Encrypt's, as of August 2026. */
const PUBLISHED: readonly (readonly [prefix: string, limits: PublishedLimits])[] = [
  ['acme-v02.api.letsencrypt.org', { orders: 300, perDomain: 50, perNames: 5 }],
];

/** An order under way; from `begin` to `end`. */
export interface OrderTicket {
  /** Limits that it is beyond. */
  readonly beyond: readonly string[];
}

export class AuthorityGate {
  #running = 0;
  #failures = 0;
  #closings = 0;
  #closedUntilMs = 0;
  #isProbing = false;
  readonly #budgets: { readonly [kind in LimitKind]: SlidingBudget } | null;
  /** G3: when one more may be tried, by limit. Monotonic milliseconds. */
  readonly #trials = new Map<string, number>();

  /** @param key as Issuer.key */
  constructor(key: string) {
    const limits = PUBLISHED.find(([prefix]) => key.startsWith(prefix))?.[1];
    this.#budgets =
      limits === undefined
        ? null
        : {
            orders: new SlidingBudget(limits.orders, 3 * HOUR_MS, 1),
            domain: new SlidingBudget(limits.perDomain, WEEK_MS),
            names: new SlidingBudget(limits.perNames, WEEK_MS),
          };
  }

  /** G1. */
  get hasRoom(): boolean {
    return this.#running < ORDERS_MAX;
  }

  /** G2. @param nowMs monotonic @returns milliseconds until an order may begin; 0: now */
  closedFor(nowMs: number): number {
    if (nowMs < this.#closedUntilMs) return this.#closedUntilMs - nowMs;
    return this.#isProbing ? PROBE_MS : 0;
  }

  /** G1: a job that is about to order begins; `leave` must follow. */
  enter(): void {
    this.#running++;
  }

  leave(): void {
    this.#running--;
  }

  /** G3. @returns milliseconds until an order for `names` is within the limits; 0: now */
  budgetWait(names: readonly string[], isReplacing: boolean, nowMs: number): number {
    let longestMs = 0;
    for (const { budget, key, id } of this.#limitsFor(names, isReplacing)) {
      const waitMs = budget.wait(key, nowMs);
      const trialMs = (this.#trials.get(id) ?? -Infinity) - nowMs;
      longestMs = Math.max(longestMs, Math.min(waitMs, Math.max(0, trialMs)));
    }
    return longestMs;
  }

  /** An order begins; `end` must follow. */
  begin(names: readonly string[], isReplacing: boolean, nowMs: number): OrderTicket {
    if (this.#closings > 0) this.#isProbing = true;
    const beyond: string[] = [];
    for (const { budget, key, id } of this.#limitsFor(names, isReplacing)) {
      if (budget.wait(key, nowMs) > 0) beyond.push(id);
      budget.take(key, nowMs);
      if (budget.wait(key, nowMs) > 0 && !this.#isLifted(id)) this.#try(id, nowMs + TRIAL_GAP_MS);
    }
    return { beyond };
  }

  /**
   * An order has ended.
   * @param error   null: with a certificate
   * @param waitMs  how long the authority wants to be left alone; 0: it did not say
   */
  end({ beyond }: OrderTicket, error: IssueError | null, waitMs: number, nowMs: number): void {
    this.#isProbing = false;
    if (error?.advice === 'aborted') return;
    if (error === null) for (const id of beyond) this.#try(id, LIFTED_MS);
    // It is true for all that the limit is about.
    else if (waitMs > 0) for (const id of beyond) this.#try(id, nowMs + waitMs);
    // A name that cannot be validated says nothing about the authority: it answered.
    if (error === null || error.advice === 'fix') {
      this.#failures = 0;
      this.#closings = 0;
      return;
    }
    this.#failures++;
    const isUnavailable = error.problem?.status === 503;
    if (isUnavailable && waitMs > 0) this.#closeFor(waitMs, nowMs);
    else if (this.#closings > 0 || this.#failures >= FAILURES_MAX) {
      const backoffMs = Math.min(CLOSED_MAX_MS, CLOSED_MIN_MS * 2 ** this.#closings);
      this.#closeFor(Math.max(backoffMs, Math.min(waitMs, CLOSED_MAX_MS)), nowMs);
    }
  }

  #closeFor(durationMs: number, nowMs: number): void {
    this.#closings++;
    this.#closedUntilMs = Math.max(this.#closedUntilMs, nowMs + durationMs);
  }

  #limitsFor(names: readonly string[], isReplacing: boolean): readonly Limit[] {
    const budgets = this.#budgets;
    if (budgets === null) return [];
    const limit = (kind: LimitKind, key: string): Limit => {
      return { budget: budgets[kind], key, id: `${kind} ${key}` };
    };
    if (isReplacing) return [limit('orders', '')];
    const domains = new Set(names.map(registeredDomain));
    return [
      limit('orders', ''),
      limit('names', names.join(' ')),
      ...[...domains].map((domain) => limit('domain', domain)),
    ];
  }

  #isLifted(id: string): boolean {
    return this.#trials.get(id) === LIFTED_MS;
  }

  #try(id: string, atMs: number): void {
    this.#trials.delete(id);
    this.#trials.set(id, atMs);
    if (this.#trials.size <= TRIALS_MAX) return;
    for (const oldest of this.#trials.keys()) {
      this.#trials.delete(oldest);
      return;
    }
  }
}

type LimitKind = 'orders' | 'domain' | 'names';

interface Limit {
  readonly budget: SlidingBudget;
  readonly key: string;
  readonly id: string;
}

const TRIALS_MAX = 10_000;
/** The authority allows more than it has published. */
const LIFTED_MS = -1;
