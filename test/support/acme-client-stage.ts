/**
 * An ACME issuer as the proxy has it, with stores in memory and challenge servers of its own, for
 * tests against Pebble and the fake authority.
 */

import { AcmeIssuer } from '../../src/control/certificate/acme-issuer.ts';
import { NodeAcmeHttp } from '../../src/control/certificate/acme-http.ts';
import type { AcmeClock } from '../../src/control/acme/acme-http.ts';
import type { DnsSteps } from '../../src/control/certificate/acme-solvers.ts';
import type { ChallengeBoard, IssuedCertificate } from '../../src/control/certificate/issuer.ts';
import type { IssuerConfig } from '../../src/control/config/config.ts';
import type { MemoryStores } from './acme-stores.ts';
import { delay } from './wait.ts';

/** Longest real time that a wait of the tested clock takes. */
const WAIT_MAX_MS = 5;

/** Time that passes as fast as it is waited for, beginning now. */
export class FastClock implements AcmeClock {
  /** Milliseconds ahead of the system. */
  #aheadMs = 0;
  /** Every wait, in order. */
  readonly waits: number[] = [];

  nowMs(): number {
    return Date.now() + this.#aheadMs;
  }

  /** As a clock that is set. */
  jump(byMs: number): void {
    this.#aheadMs += byMs;
  }

  async wait(durationMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.waits.push(durationMs);
    await delay(Math.min(durationMs, WAIT_MAX_MS));
    this.#aheadMs += Math.max(0, durationMs - WAIT_MAX_MS);
  }
}

export interface AcmeClientStageOptions {
  readonly directory: string;
  readonly stores: MemoryStores;
  readonly board: ChallengeBoard;
  readonly clock: AcmeClock;
  readonly dns?: DnsSteps;
  /** PEM of what is trusted instead of the well-known authorities. */
  readonly ca?: string;
  readonly config?: Partial<IssuerConfig>;
}

/** One issuer and what it needs; another one on the same stores is the process after it. */
export class AcmeClientStage {
  readonly issuer: AcmeIssuer;
  readonly steps: string[] = [];
  readonly #http: NodeAcmeHttp;

  constructor(options: AcmeClientStageOptions) {
    const { directory, stores, board, clock, dns = null, ca = '' } = options;
    this.#http = new NodeAcmeHttp({
      cas: ca === '' ? [] : [ca],
      userAgent: 'proxy-now/test',
    });
    this.issuer = new AcmeIssuer({
      config: { ...CONFIG, directory, ...options.config },
      http: this.#http,
      clock,
      accounts: stores.accounts,
      orders: stores.orders,
      board,
      dns,
    });
  }

  /** @param replaces PEM, or null */
  issue(
    names: readonly string[],
    replaces: string | null = null,
    signal: AbortSignal = AbortSignal.timeout(30_000),
  ): Promise<IssuedCertificate> {
    const onStep = (step: string): void => {
      this.steps.push(step);
    };
    return this.issuer.issue({ names, replaces }, { signal, onStep });
  }

  /** Closes connections to the authority. */
  close(): void {
    this.#http.close();
  }
}

const CONFIG: IssuerConfig = {
  name: 'test',
  kind: 'acme',
  directory: '',
  email: 'ops@example.com',
  eab: null,
  cas: [],
  profile: '',
  keyType: 'ecdsa-p256',
  challenges: ['http-01', 'tls-alpn-01', 'dns-01'],
  dns: null,
  preferredChain: '',
  names: null,
  onDemand: null,
  lifetimeMs: 0,
};
