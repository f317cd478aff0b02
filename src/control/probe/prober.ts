/**
 * Prober: asks endpoints regularly whether they are well, and tells the board.
 *
 * Clock, timers, random and the checks themselves are injected.
 * Q1  at most one check per endpoint of a service, and `CHECKS_MAX` in all, are in progress; those
 *     whose time has come wait in order.
 * Q2  a reload leaves checks alone that did not change.
 * Q3  a check that fails for want of our own means is not held against the endpoint.
 * Q4  while there is doubt (a check failed, and not enough were good since) an endpoint is asked at
 *     least every `DOUBT_INTERVAL_MS`, however long the interval.
 */

import { formatDuration } from '../../base/duration.ts';
import { endpointId } from '../../contract/health.ts';
import { isSame } from '../../base/is-same.ts';
import type { UpstreamTlsSpec } from '../../contract/tls.ts';
import type { EndpointConfig, HealthCheckConfig, ServiceConfig } from '../config/config.ts';
import type { CheckTarget, RunCheck, Verdict } from './check.ts';
import type { CheckResult } from './endpoint-record.ts';
import { httpCheck } from './http-check.ts';
import { tcpCheck } from './tcp-check.ts';

/** Checks in progress at a time. */
export const CHECKS_MAX = 64;
/** Longest interval while checks fail or have just begun to succeed again. */
export const DOUBT_INTERVAL_MS = 1_000;
/** Longest wait for a connection in `tryConnect`. */
const CONNECT_TIMEOUT_MS = 1_000;
/** Share of an interval by which it is shortened or prolonged at random. */
const JITTER = 0.1;

export interface ProberOptions {
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** Uniform in [0, 1); spreads the checks. */
  readonly random: () => number;
  /** Calls back once after `delayMs`. @returns a function that cancels it */
  readonly setTimer: (delayMs: number, callback: () => void) => () => void;
  /** Hears every check that ends; `HealthBoard.onCheck`. */
  readonly onCheck: (service: string, endpoint: string, result: CheckResult) => void;
  /** By kind; for tests. */
  readonly run?: { readonly [kind in HealthCheckConfig['kind']]: RunCheck };
}

/** A check that is due, waits for its turn or is in progress. */
interface Job {
  readonly target: CheckTarget;
  readonly config: HealthCheckConfig;
  /** Its verdict; null too when it was cancelled before it had one. */
  readonly onVerdict: (verdict: Verdict, tookMs: number) => void;
  /** Ends what is due or in progress. */
  cancel: () => void;
  isCancelled: boolean;
}

/** The checks of one endpoint of a service. */
interface Subject extends Job {
  readonly service: string;
  readonly endpoint: string;
  /** `config` as text, to compare it with that of the next configuration. */
  readonly configText: string;
  /** Good checks still needed before there is no doubt. */
  doubt: number;
}

export class Prober {
  /** Checks made and failed since the process began, for metrics. */
  checkCount = 0;
  failedCount = 0;
  readonly #options: ProberOptions;
  readonly #run: { readonly [kind in HealthCheckConfig['kind']]: RunCheck };
  #targets = new Map<string, CheckTarget>();
  #subjects = new Map<string, Subject>();
  #waiting: Job[] = [];
  #inProgress = 0;

  constructor(options: ProberOptions) {
    this.#options = options;
    this.#run = options.run ?? { http: httpCheck, tcp: tcpCheck };
  }

  /** Takes the services of a new configuration, after `HealthBoard.configure`. */
  configure(services: readonly ServiceConfig[]): void {
    const before = this.#subjects;
    this.#subjects = new Map();
    this.#targets = new Map();
    for (const { name, healthCheck, endpoints, tls } of services) {
      const configText = JSON.stringify(healthCheck);
      for (const endpoint of endpoints) {
        const id = endpointId(name, endpoint.key);
        const target = targetOf(endpoint, tls);
        this.#targets.set(id, target);
        if (healthCheck === null) continue;
        const known = before.get(id);
        if (known?.configText === configText && isSame(known.target, target)) {
          this.#subjects.set(id, known);
          before.delete(id);
        } else {
          const subject = this.#begin(name, endpoint.key, target, healthCheck);
          this.#subjects.set(id, subject);
        }
      }
    }
    for (const gone of before.values()) {
      gone.isCancelled = true;
      gone.cancel();
    }
  }

  /**
   * Tries once to connect to an endpoint, whether or not it has checks; for
   * `HealthBoardOptions.tryConnect`.
   * @param done told the verdict, once; null when the endpoint is not configured
   */
  tryConnect(service: string, endpoint: string, done: (verdict: Verdict) => void): void {
    const target = this.#targets.get(endpointId(service, endpoint));
    if (target === undefined) {
      done(null);
      return;
    }
    const onVerdict = (verdict: Verdict): void => done(verdict);
    this.#enqueue({ target, config: CONNECT, onVerdict, cancel: () => {}, isCancelled: false });
  }

  /** Ends all checks, for a process that ends or drains. */
  close(): void {
    this.configure([]);
  }

  #begin(
    service: string,
    endpoint: string,
    target: CheckTarget,
    config: HealthCheckConfig,
  ): Subject {
    const subject: Subject = {
      service,
      endpoint,
      target,
      config,
      configText: JSON.stringify(config),
      onVerdict: (verdict, tookMs) => this.#finish(subject, verdict, tookMs),
      cancel: () => {},
      isCancelled: false,
      doubt: 0,
    };
    const isUrgent = config.initial === 'down';
    this.#schedule(subject, isUrgent ? 0 : config.intervalMs * this.#options.random());
    return subject;
  }

  #schedule(subject: Subject, delayMs: number): void {
    subject.cancel = this.#options.setTimer(delayMs, () => this.#enqueue(subject));
  }

  #enqueue(job: Job): void {
    this.#waiting.push(job);
    this.#startWaiting();
  }

  #startWaiting(): void {
    while (this.#inProgress < CHECKS_MAX) {
      const job = this.#waiting.shift();
      if (job === undefined) return;
      if (!job.isCancelled) this.#start(job);
    }
  }

  #start(job: Job): void {
    const { nowMs, setTimer } = this.#options;
    const { target, config } = job;
    const startMs = nowMs();
    let isOver = false;
    const finish = (verdict: Verdict): void => {
      if (isOver) return;
      isOver = true;
      cancelTimeout();
      this.#inProgress--;
      if (!job.isCancelled) job.onVerdict(verdict, nowMs() - startMs);
      this.#startWaiting();
    };
    this.#inProgress++;
    const stopCheck = this.#run[config.kind](target, config, finish);
    const cancelTimeout = setTimer(config.timeoutMs, () => {
      stopCheck();
      finish(`no answer within ${formatDuration(config.timeoutMs)}`);
    });
    job.cancel = () => {
      stopCheck();
      finish(null);
    };
  }

  #finish(subject: Subject, verdict: Verdict, tookMs: number): void {
    const { random, onCheck } = this.#options;
    const { service, endpoint, config } = subject;
    if (verdict !== null)
      subject.doubt = verdict === '' ? Math.max(0, subject.doubt - 1) : config.upCount;
    const isDoubtful = subject.doubt > 0;
    const usualMs = isDoubtful ? Math.min(config.intervalMs, DOUBT_INTERVAL_MS) : config.intervalMs;
    const intervalMs = usualMs * (1 - JITTER + 2 * JITTER * random());
    this.#schedule(subject, Math.max(0, intervalMs - tookMs));
    if (verdict === null) return;
    this.checkCount++;
    if (verdict !== '') this.failedCount++;
    onCheck(service, endpoint, { isGood: verdict === '', reason: verdict, latencyMs: tookMs });
  }
}

/** As a check of kind `tcp` without settings. */
const CONNECT: HealthCheckConfig = {
  kind: 'tcp',
  path: '/',
  method: 'GET',
  host: null,
  port: null,
  headers: [],
  statuses: [],
  body: null,
  intervalMs: 0,
  timeoutMs: CONNECT_TIMEOUT_MS,
  upCount: 1,
  downCount: 1,
  initial: 'up',
};

function targetOf(
  { kind, host, port, authority, isTls }: EndpointConfig,
  tls: UpstreamTlsSpec | null,
): CheckTarget {
  return { kind, host, port, authority, tls: isTls ? tls : null };
}
