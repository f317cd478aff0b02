/**
 * Stage for tests of the certificate manager: a clock with timers, a store in memory, an authority
 * that does what it is told, and a manager over them.
 */

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';

import { Prng } from '../../base/prng.ts';
import type { CertificateEntry, CertificateUpdate } from '../../contract/tls.ts';
import type { CertificateConfig, Config, IssuerConfig } from '../config/config.ts';
import { buildCaCertificate, buildLeafCertificate } from '../x509/certificate-builder.ts';
import { writePem } from '../x509/pem.ts';
import type { CertificateEvent } from './certificate-event.ts';
import type { CertificateRow } from './certificate-row.ts';
import type { CertificateStore, Lease } from './certificate-store.ts';
import { StoreError } from './certificate-store.ts';
import { IssueError } from './issuer.ts';
import type {
  IssueContext,
  IssuedCertificate,
  Issuer,
  IssueRequest,
  RenewalWindow,
} from './issuer.ts';
import { CertificateManager } from './manager.ts';
import type { CertificateManagerOptions } from './manager.ts';

export const DAY_MS = 86_400_000;
export const HOUR_MS = 3_600_000;
export const START_MS = Date.UTC(2026, 10, 1);

/** Monotonic and wall clock with timers; nothing happens but by `advance`. */
export class FakeTime {
  nowMs = 1_000;
  wallOffsetMs = START_MS - 1_000;
  #timers: { atMs: number; order: number; callback: () => void }[] = [];
  #order = 0;

  readonly setTimer = (delayMs: number, callback: () => void): (() => void) => {
    const timer = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  };

  get wallMs(): number {
    return this.nowMs + this.wallOffsetMs;
  }

  /** Goes on in steps; timers that are due come late by a step at most. */
  async advance(durationMs: number, stepMs = durationMs / 20): Promise<void> {
    const endMs = this.nowMs + durationMs;
    while (this.nowMs < endMs) {
      this.nowMs = Math.min(endMs, this.nowMs + Math.max(1, stepMs));
      await this.#fire();
    }
    for (let i = 0; i < 8; i++) await settle(); // What has begun comes to its end.
  }

  async #fire(): Promise<void> {
    await settle();
    for (;;) {
      const due = this.#timers.filter(({ atMs }) => atMs <= this.nowMs);
      if (due.length === 0) return;
      due.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      this.#timers = this.#timers.filter((timer) => timer !== due[0]);
      due[0]!.callback();
      await settle();
    }
  }
}

/** Lets everything go on that only waits for promises. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A store that several managers can share. Calls fail while `fault` says so. */
export class MemoryStore implements CertificateStore {
  readonly location = 'memory';
  readonly values: Map<string, string>;
  readonly locks: Map<string, Promise<void>>;
  fault: StoreError['kind'] | null = null;
  /** Which of reads, writes and locks fail; all of them by default. */
  isReadable = false;

  constructor(shared?: MemoryStore) {
    this.values = shared?.values ?? new Map();
    this.locks = shared?.locks ?? new Map();
  }

  async read(key: string): Promise<string | null> {
    this.#check(true);
    return this.values.get(key) ?? null;
  }

  async readAll(prefix: string): Promise<ReadonlyMap<string, string>> {
    this.#check(true);
    return new Map([...this.values].filter(([key]) => key.startsWith(`${prefix}/`)));
  }

  async write(key: string, text: string): Promise<void> {
    this.#check(false);
    this.values.set(key, text);
  }

  async remove(key: string): Promise<void> {
    this.#check(false);
    this.values.delete(key);
  }

  async acquire(lock: string, signal?: AbortSignal): Promise<Lease> {
    this.#check(false);
    while (this.locks.has(lock)) {
      await this.locks.get(lock);
      signal?.throwIfAborted();
    }
    const held = Promise.withResolvers<void>();
    this.locks.set(lock, held.promise);
    return {
      token: 1,
      signal: new AbortController().signal,
      isHeld: () => Promise.resolve(this.locks.get(lock) === held.promise),
      release: () => {
        this.locks.delete(lock);
        held.resolve();
        return Promise.resolve();
      },
    };
  }

  async tryAcquire(lock: string): Promise<Lease | null> {
    return this.locks.has(lock) ? null : this.acquire(lock);
  }

  async lock<Result>(
    name: string,
    work: (lease: Lease) => Promise<Result>,
    signal?: AbortSignal,
  ): Promise<Result> {
    const lease = await this.acquire(name, signal);
    try {
      return await work(lease);
    } finally {
      await lease.release();
    }
  }

  tidy(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #check(isRead: boolean): void {
    if (this.fault === null || (isRead && this.isReadable)) return;
    throw new StoreError(`the store is ${this.fault}`, this.fault);
  }
}

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keyText = key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const root = buildCaCertificate({
  commonName: 'Test Root',
  organization: 'Test',
  key: key.privateKey,
  pathLength: 0,
  signer: null,
  notBeforeMs: START_MS - 1_000 * DAY_MS,
  notAfterMs: START_MS + 9_000 * DAY_MS,
});

/** A certificate with its key, PEM. */
export function makePair(
  names: readonly string[],
  notBeforeMs: number,
  notAfterMs: number,
): IssuedCertificate {
  const signer = { certificate: root, key: key.privateKey };
  const leaf = { names, key: key.privateKey, signer, notBeforeMs, notAfterMs };
  return { chain: writePem('CERTIFICATE', buildLeafCertificate(leaf)), key: keyText };
}

/** An authority. By default it gives certificates of 90 days at once. */
export class FakeIssuer implements Issuer {
  readonly name: string;
  readonly kind: 'acme' | 'internal';
  readonly key: string;
  readonly orders: IssueRequest[] = [];
  lifeMs = 90 * DAY_MS;
  /** Orders under way, and the most there ever were. */
  running = 0;
  runningMax = 0;
  looks = 0;
  revoked = 0;
  settled = 0;
  window: (() => RenewalWindow | null) | null = null;
  /** What comes of an order; null: a certificate. */
  fault: ((request: IssueRequest) => IssueError | null) | null = null;
  /** What an order waits for. */
  hold: Promise<void> | null = null;
  readonly #time: FakeTime;
  /** True time at the authority: it does not follow jumps of ours. */
  readonly #startOffsetMs: number;

  constructor(time: FakeTime, config: Pick<IssuerConfig, 'name' | 'kind'>, authority?: string) {
    this.#time = time;
    this.#startOffsetMs = time.wallOffsetMs;
    this.name = config.name;
    this.kind = config.kind;
    this.key =
      config.kind === 'internal' ? 'local' : (authority ?? `${config.name}.test-directory`);
  }

  refusal(): string | null {
    return null;
  }

  async issue(request: IssueRequest, { signal }: IssueContext): Promise<IssuedCertificate> {
    this.orders.push(request);
    this.running++;
    this.runningMax = Math.max(this.runningMax, this.running);
    try {
      await (this.hold ?? settle());
      if (signal.aborted) throw new IssueError('broken off', { advice: 'aborted' });
      const error = this.fault?.(request) ?? null;
      if (error !== null) throw error;
      const nowMs = this.#time.nowMs + this.#startOffsetMs;
      const pair = makePair(request.names, nowMs - HOUR_MS, nowMs - HOUR_MS + this.lifeMs);
      return {
        ...pair,
        settle: () => {
          this.settled++;
          return Promise.resolve();
        },
      };
    } finally {
      this.running--;
    }
  }

  renewalWindow(): Promise<RenewalWindow | null> {
    this.looks++;
    return Promise.resolve(this.window?.() ?? null);
  }

  revoke(): Promise<void> {
    this.revoked++;
    return Promise.resolve();
  }
}

export const ACME: IssuerConfig = {
  name: 'ca',
  kind: 'acme',
  directory: 'https://ca.test/directory',
  email: '',
  eab: null,
  cas: [],
  profile: '',
  keyType: 'ecdsa-p256',
  challenges: ['http-01', 'dns-01'],
  dns: null,
  preferredChain: '',
  names: null,
  onDemand: null,
  lifetimeMs: 7 * DAY_MS,
};

export const INTERNAL: IssuerConfig = {
  ...ACME,
  name: 'internal',
  kind: 'internal',
  directory: '',
};

/** One managed certificate for each name. */
export function nodesFor(names: readonly string[]): CertificateConfig[] {
  return names.map((name) => ({ name, pairs: [], names: [name], issuer: null }));
}

/** Only what the manager reads of a configuration. */
export function configWith(
  certificates: readonly CertificateConfig[],
  issuers: readonly IssuerConfig[] = [ACME, INTERNAL],
): Config {
  return { certificates, issuers, listeners: [], routes: [] } as unknown as Config;
}

export interface Stage {
  readonly manager: CertificateManager;
  /** By name of the issuer. */
  readonly issuers: Map<string, FakeIssuer>;
  readonly events: CertificateEvent[];
  readonly updates: CertificateUpdate[];
  readonly settledNames: string[];
  /** What workers have, made of the updates. */
  readonly served: Map<string, CertificateEntry>;
  row(name: string): CertificateRow;
  issuer(name?: string): FakeIssuer;
}

/** @param seed of everything that is random */
export function openStage(
  time: FakeTime,
  store: CertificateStore,
  options: Partial<CertificateManagerOptions> & {
    readonly seed?: number;
    readonly authority?: string;
    /** Before its first order. */
    readonly prepare?: (issuer: FakeIssuer) => void;
  } = {},
): Stage {
  const { seed = 1, authority, prepare, ...others } = options;
  const prng = new Prng(seed);
  const random = (): number => prng.next();
  const issuers = new Map<string, FakeIssuer>();
  const events: CertificateEvent[] = [];
  const updates: CertificateUpdate[] = [];
  const settledNames: string[] = [];
  const served = new Map<string, CertificateEntry>();
  const manager = new CertificateManager({
    store,
    createIssuer: (config) => {
      const issuer = new FakeIssuer(time, config, authority);
      prepare?.(issuer);
      issuers.set(config.name, issuer);
      return issuer;
    },
    publish: (update) => {
      updates.push(update);
      for (const id of update.remove) assert.ok(served.delete(id), 'removed what was not there');
      for (const entry of update.add) {
        assert.ok(!served.has(entry.id), 'added twice');
        served.set(entry.id, entry);
      }
    },
    publishSecrets: () => {},
    settled: (name) => settledNames.push(name),
    secrets: null,
    onEvent: (event) => events.push(event),
    preflight: null,
    nowMs: () => time.nowMs,
    wallMs: () => time.wallMs,
    random,
    setTimer: time.setTimer,
    ...others,
  });
  return {
    manager,
    issuers,
    events,
    updates,
    settledNames,
    served,
    row: (name) => {
      const row = manager.rows().find((one) => one.name === name);
      assert.ok(row !== undefined, `no row ${name}`);
      return row;
    },
    issuer: (name = 'ca') => {
      const issuer = issuers.get(name);
      assert.ok(issuer !== undefined, `no issuer ${name}`);
      return issuer;
    },
  };
}

/** A manager that runs with one certificate for each name. */
export async function openRunning(
  time: FakeTime,
  store: CertificateStore,
  names: readonly string[],
  options: Parameters<typeof openStage>[2] = {},
): Promise<Stage> {
  const stage = openStage(time, store, options);
  stage.manager.configure(configWith(nodesFor(names)));
  await stage.manager.start();
  return stage;
}
