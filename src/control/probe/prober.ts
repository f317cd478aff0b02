/**
 * Prober: asks endpoints regularly whether they are well, and tells the board.
 *
 * Clock, timers, random and the checks themselves are injected.
 * Q1  at most one check per endpoint of a service, and `CHECKS_MAX` in all, are in progress; those
 *     whose time has come wait in order.
 * Q2  a reload leaves checks alone that did not change.
 * Q3  a check that fails for want of our own means is not held against the endpoint.
 */

import { formatDuration } from '../../base/duration.ts';
import { endpointId } from '../../contract/health.ts';
import type { EndpointConfig, HealthCheckConfig, ServiceConfig } from '../config/config.ts';
import type { CheckTarget, RunCheck, Verdict } from './check.ts';
import type { CheckResult } from './endpoint-record.ts';
import { httpCheck } from './http-check.ts';
import { tcpCheck } from './tcp-check.ts';

/** Checks in progress at a time. */
export const CHECKS_MAX = 64;
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

/** The checks of one endpoint of a service. */
interface Subject {
  readonly service: string;
  readonly endpoint: string;
  readonly target: CheckTarget;
  readonly config: HealthCheckConfig;
  /** Ends what is due or in progress. */
  cancel: () => void;
  isCancelled: boolean;
}

export class Prober {
  /** Checks made and failed since the process began, for metrics. */
  checkCount = 0;
  failedCount = 0;
  readonly #options: ProberOptions;
  readonly #run: { readonly [kind in HealthCheckConfig['kind']]: RunCheck };
  #subjects = new Map<string, Subject>();
  #waiting: Subject[] = [];
  #inProgress = 0;

  constructor(options: ProberOptions) {
    this.#options = options;
    this.#run = options.run ?? { http: httpCheck, tcp: tcpCheck };
  }

  /** Takes the services of a new configuration, after `HealthBoard.configure`. */
  configure(services: readonly ServiceConfig[]): void {
    const before = this.#subjects;
    this.#subjects = new Map();
    for (const { name, healthCheck, endpoints } of services) {
      if (healthCheck === null) continue;
      for (const endpoint of endpoints) {
        const id = endpointId(name, endpoint.key);
        const known = before.get(id);
        if (known !== undefined && isSame(known, endpoint, healthCheck)) {
          this.#subjects.set(id, known);
          before.delete(id);
        } else {
          this.#subjects.set(id, this.#begin(name, endpoint, healthCheck));
        }
      }
    }
    for (const gone of before.values()) stop(gone);
  }

  /** Ends all checks, for a process that ends or drains. */
  close(): void {
    this.configure([]);
  }

  #begin(service: string, endpoint: EndpointConfig, config: HealthCheckConfig): Subject {
    const { key, kind, host, port, authority } = endpoint;
    const target = { kind, host, port, authority };
    const subject: Subject = {
      service,
      endpoint: key,
      target,
      config,
      cancel: () => {},
      isCancelled: false,
    };
    const isUrgent = config.initial === 'down';
    this.#schedule(subject, isUrgent ? 0 : config.intervalMs * this.#options.random());
    return subject;
  }

  #schedule(subject: Subject, delayMs: number): void {
    subject.cancel = this.#options.setTimer(delayMs, () => {
      this.#waiting.push(subject);
      this.#startWaiting();
    });
  }

  #startWaiting(): void {
    while (this.#inProgress < CHECKS_MAX) {
      const subject = this.#waiting.shift();
      if (subject === undefined) return;
      if (!subject.isCancelled) this.#start(subject);
    }
  }

  #start(subject: Subject): void {
    const { nowMs, setTimer } = this.#options;
    const { config } = subject;
    const startMs = nowMs();
    let isOver = false;
    const finish = (verdict: Verdict): void => {
      if (isOver) return;
      isOver = true;
      cancelTimeout();
      this.#inProgress--;
      if (!subject.isCancelled) this.#finish(subject, startMs, verdict);
      this.#startWaiting();
    };
    this.#inProgress++;
    const stopCheck = this.#run[config.kind](subject.target, config, finish);
    const cancelTimeout = setTimer(config.timeoutMs, () => {
      stopCheck();
      finish(`no answer within ${formatDuration(config.timeoutMs)}`);
    });
    subject.cancel = () => {
      stopCheck();
      finish(null);
    };
  }

  #finish(subject: Subject, startMs: number, verdict: Verdict): void {
    const { nowMs, random, onCheck } = this.#options;
    const { service, endpoint, config } = subject;
    const endMs = nowMs();
    const intervalMs = config.intervalMs * (1 - JITTER + 2 * JITTER * random());
    this.#schedule(subject, Math.max(0, startMs + intervalMs - endMs));
    if (verdict === null) return;
    this.checkCount++;
    if (verdict !== '') this.failedCount++;
    onCheck(service, endpoint, {
      isGood: verdict === '',
      reason: verdict,
      latencyMs: endMs - startMs,
    });
  }
}

function stop(subject: Subject): void {
  subject.isCancelled = true;
  subject.cancel();
}

function isSame(known: Subject, endpoint: EndpointConfig, config: HealthCheckConfig): boolean {
  const { kind, host, port, authority } = endpoint;
  return (
    JSON.stringify(known.target) === JSON.stringify({ kind, host, port, authority }) &&
    (known.config === config || JSON.stringify(known.config) === JSON.stringify(config))
  );
}
