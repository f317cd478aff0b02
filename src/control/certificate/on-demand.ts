/**
 * On demand: certificates that are got while a client waits in its handshake.
 *
 * O1  a name is one flight: who wants it meanwhile waits for the same one.
 * O2  every `wanted` is answered by `settled`, whatever comes of it.
 * O3  nobody is asked about a name before the patterns allow it, and no authority before the
 *     permission does.
 * O4  what was denied or failed is not asked again for a while; a client and the whole process
 *     have budgets for new names; all tables are bounded.
 */

import type { OnDemandConfig } from '../config/config.ts';
import { isAddressName, isWildcardName, matchesName } from '../config/certificate-name.ts';
import type { Permission, PermissionQuestion } from './ask-permission.ts';
import type { CertificateClock } from './certificate-clock.ts';
import { registeredDomain } from './registered-domain.ts';
import { retryDelay } from './retry-schedule.ts';
import { SlidingBudget } from './sliding-budget.ts';

/** O4. */
export const FLIGHTS_MAX = 64;
export const ANSWERS_MAX = 10_000;
/** Names an hour of one client address (a /64 for IPv6) that come to nothing. */
export const VAIN_NAMES_MAX = 20;
const HOUR_MS = 3_600_000;
const NAME =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)+$/;

/** An issuer that serves names on demand. */
export interface OnDemandIssuer {
  readonly name: string;
  readonly config: OnDemandConfig;
}

export interface OnDemandOptions {
  readonly clock: CertificateClock;
  readonly random: () => number;
  readonly ask: (question: PermissionQuestion, signal: AbortSignal) => Promise<Permission>;
  /** Gets the certificate. @returns true: it is served now. Never rejects */
  readonly obtain: (name: string, issuers: readonly string[]) => Promise<boolean>;
  /** True when a certificate for the name is served already. */
  readonly isServed: (name: string) => boolean;
  readonly settled: (name: string) => void;
  /** Something that a person should know, in one sentence. */
  readonly onTrouble: (name: string, message: string) => void;
}

interface Answer {
  isAllowed: boolean;
  /** Monotonic milliseconds. */
  untilMs: number;
  failures: number;
}

export class OnDemand {
  readonly #options: OnDemandOptions;
  readonly #stop = new AbortController();
  readonly #flights = new Set<string>();
  readonly #answers = new Map<string, Answer>();
  readonly #perClient = new SlidingBudget(VAIN_NAMES_MAX, HOUR_MS);
  readonly #perIssuer = new Map<string, SlidingBudget>();
  #issuers: readonly OnDemandIssuer[] = [];

  constructor(options: OnDemandOptions) {
    this.#options = options;
  }

  /** Answers and budgets stay. */
  configure(issuers: readonly OnDemandIssuer[]): void {
    for (const { name, config } of issuers) {
      const before = this.#issuers.find((issuer) => issuer.name === name);
      if (before?.config.perHourMax === config.perHourMax) continue;
      this.#perIssuer.set(name, new SlidingBudget(config.perHourMax, HOUR_MS, 1));
    }
    this.#issuers = issuers;
  }

  /** Issuers that serve the name on demand, in order. */
  issuersFor(name: string): readonly OnDemandIssuer[] {
    if (isWildcardName(name) || !(NAME.test(name) || isAddressName(name))) return [];
    return this.#issuers.filter(({ config }) =>
      config.names.some((pattern) => matchesName(pattern, name)),
    );
  }

  /** O1, O2. */
  wanted(name: string, peerAddress: string): void {
    if (this.#flights.has(name)) return;
    if (this.#flights.size >= FLIGHTS_MAX || this.#stop.signal.aborted) {
      this.#options.settled(name);
      return;
    }
    this.#flights.add(name);
    const flight = this.#fly(name, peerAddress).catch((error: unknown) => {
      this.#options.onTrouble(name, `it failed unexpectedly: ${String(error)}`);
    });
    void flight.then(() => {
      this.#flights.delete(name);
      this.#options.settled(name);
    });
  }

  /** Whether a certificate that was got on demand may be renewed. */
  async mayRenew(name: string): Promise<boolean> {
    const issuer = this.issuersFor(name)[0];
    if (issuer === undefined) return false;
    const answer = await this.#permission(name, '', issuer);
    // No answer at all is no reason to let a certificate end.
    return answer === 'yes' || answer === 'unknown';
  }

  close(): void {
    this.#stop.abort();
  }

  async #fly(name: string, peerAddress: string): Promise<void> {
    const { clock, isServed } = this.#options;
    if (isServed(name)) return;
    const issuers = this.issuersFor(name);
    const issuer = issuers[0];
    if (issuer === undefined) return;
    const known = this.#answers.get(name);
    if (known?.isAllowed === false && known.untilMs > clock.nowMs()) return;
    const client = registeredDomain(peerAddress);
    if (this.#perClient.wait(client, clock.nowMs()) > 0) return;
    const isObtained = await this.#obtain(name, peerAddress, issuers);
    if (!isObtained) this.#perClient.take(client, clock.nowMs());
  }

  async #obtain(
    name: string,
    peerAddress: string,
    issuers: readonly OnDemandIssuer[],
  ): Promise<boolean> {
    const { clock, obtain, onTrouble } = this.#options;
    const issuer = issuers[0]!;
    if ((await this.#permission(name, peerAddress, issuer)) !== 'yes') return false;
    const budget = this.#perIssuer.get(issuer.name)!;
    if (budget.wait('', clock.nowMs()) > 0) {
      const message = `${issuer.name} has had its new names of this hour; raise per-hour`;
      onTrouble(name, message);
      return false;
    }
    budget.take('', clock.nowMs());
    const isObtained = await obtain(
      name,
      issuers.map((one) => one.name),
    );
    this.#note(name, isObtained);
    return isObtained;
  }

  async #permission(
    name: string,
    peerAddress: string,
    { name: issuer, config }: OnDemandIssuer,
  ): Promise<'yes' | 'no' | 'unknown'> {
    const { clock, ask, onTrouble } = this.#options;
    if (config.ask === '') return 'yes';
    const known = this.#answers.get(name);
    const isKnown = known !== undefined && known.failures === 0 && known.untilMs > clock.nowMs();
    if (isKnown) return known.isAllowed ? 'yes' : 'no';
    const answer = await ask({ url: config.ask, name, peerAddress }, this.#stop.signal);
    const { isAllowed, holdsMs, problem } = answer;
    const failures = known?.failures ?? 0;
    this.#remember(name, { isAllowed, untilMs: clock.nowMs() + holdsMs, failures });
    if (problem === '') return isAllowed ? 'yes' : 'no';
    onTrouble(name, `the permission of ${issuer} could not be asked for: ${problem}`);
    return 'unknown';
  }

  /** O4: a name that fails is left alone for longer each time. */
  #note(name: string, isObtained: boolean): void {
    const { clock, random } = this.#options;
    if (isObtained) {
      this.#answers.delete(name);
      return;
    }
    const failures = (this.#answers.get(name)?.failures ?? 0) + 1;
    const delayMs = retryDelay({ advice: 'fix', failures, remainingMs: 0, waitMs: 0 }, random);
    this.#remember(name, { isAllowed: false, untilMs: clock.nowMs() + delayMs, failures });
  }

  #remember(name: string, answer: Answer): void {
    this.#answers.delete(name);
    this.#answers.set(name, answer);
    if (this.#answers.size <= ANSWERS_MAX) return;
    for (const oldest of this.#answers.keys()) {
      this.#answers.delete(oldest);
      return;
    }
  }
}
