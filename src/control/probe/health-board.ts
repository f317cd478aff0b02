/**
 * Health board: the one view of which endpoints are well. Hears checks, workers' reports and
 * operators, decides, and tells every worker the same.
 *
 * Control plane, no I/O; clock and timers are injected. Every method returns at once and never
 * throws.
 * H1  never more than `ejectedPercentMax` of a service's endpoints are ejected at a time; of two
 *     or more, one may be; the only one that is up never is.
 * H2  a reload resets nothing about an endpoint that stays: same service name, same key.
 * H3  workers are told exactly what has changed, and about every endpoint that is new.
 */

import type { EndpointHealth, EndpointState, OutlierReport } from '../../contract/health.ts';
import { endpointId } from '../../contract/health.ts';
import type { ServiceConfig } from '../config/config.ts';
import type { Verdict } from './check.ts';
import type { CheckResult, EndpointRecord } from './endpoint-record.ts';
import { countCheck, eject, endEjection, newRecord, reasonOf, stateOf } from './endpoint-record.ts';

/** How often an endpoint is asked that refuses connections when its ejection is over. */
export const RETURN_INTERVAL_MS = 1_000;

export interface HealthBoardOptions {
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** Wall clock, for `sinceMs` of rows only. */
  readonly wallMs: () => number;
  /** Calls back once after `delayMs`. @returns a function that cancels it */
  readonly setTimer: (delayMs: number, callback: () => void) => () => void;
  /** Tells every worker. Called inside the method that caused it, with at least one endpoint. */
  readonly publish: (endpoints: readonly EndpointHealth[]) => void;
  /**
   * Tries to connect to an endpoint, so that requests need not find out that it is still dead.
   * @param done told the verdict, once; also when nobody can say
   */
  readonly tryConnect: (
    service: string,
    endpoint: string,
    done: (verdict: Verdict) => void,
  ) => void;
  /** An endpoint changed its state; for the log. */
  readonly onChange: (row: HealthRow) => void;
}

/** One endpoint, for status, API and log. */
export interface HealthRow {
  readonly service: string;
  readonly endpoint: string;
  readonly state: EndpointState;
  /** Why it is not simply up; empty when it is. */
  readonly reason: string;
  /** Wall clock of the last change of state, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** How often it was ejected since the process began. */
  readonly ejections: number;
  /** Of the last check; -1 when there was none. */
  readonly latencyMs: number;
}

interface ServiceRecord {
  config: ServiceConfig;
  readonly endpoints: Map<string, EndpointRecord>;
}

export class HealthBoard {
  /** Ejections since the process began, for metrics. */
  ejectionCount = 0;
  readonly #options: HealthBoardOptions;
  #services = new Map<string, ServiceRecord>();

  constructor(options: HealthBoardOptions) {
    this.#options = options;
  }

  /**
   * Takes the services of a new configuration. Call it before the snapshot is published, so that
   * workers know of endpoints that wait for their first check before they see them.
   * @returns takes it all back, for a publication that failed: endpoints that were gone are there
   *     again as they were. Only before the next call of `configure`
   */
  configure(services: readonly ServiceConfig[]): () => void {
    const before = this.#services;
    this.#cancelTimers();
    const told: EndpointHealth[] = [];
    this.#services = new Map();
    for (const config of services) {
      const owner = this.#configureService(config, before.get(config.name), told);
      this.#services.set(config.name, owner);
    }
    this.#armTimers();
    if (told.length > 0) this.#options.publish(told);
    return () => this.#takeBack(before);
  }

  /** A check ended. Endpoints that are not configured (any more) are ignored. */
  onCheck(service: string, endpoint: string, result: CheckResult): void {
    const owner = this.#services.get(service);
    const record = owner?.endpoints.get(endpoint);
    const check = owner?.config.healthCheck ?? null;
    if (owner === undefined || record === undefined || check === null) return;
    const isRecovered = countCheck(record, check, result);
    // What traffic noticed, the checks noticed too, and it is over.
    if (isRecovered && record.isEjected) endEjection(record, this.#options.nowMs());
    this.#tell(owner, [record]);
  }

  /** A worker noticed something. Heeded while the endpoint gets traffic and H1 allows it. */
  onOutlier(report: OutlierReport): void {
    const owner = this.#services.get(report.service);
    const record = owner?.endpoints.get(report.endpoint);
    if (owner === undefined || record === undefined) return;
    const isServing = record.told === 'up' || record.told === 'draining';
    if (!isServing || !mayEject(owner, record)) return;
    eject(record, owner.config.outlier, report.cause, this.#options.nowMs());
    this.ejectionCount++;
    this.#arm(record);
    this.#tell(owner, [record]);
  }

  /**
   * Takes an endpoint out: no new clients; those bound to it by a cookie still reach it.
   * @param endpoint its key, as configured
   * @param service  null for every service that has it
   * @returns how many endpoints that are; 0 when there is none of that key
   */
  drain(endpoint: string, service: string | null = null): number {
    return this.#setDraining(endpoint, service, true);
  }

  /** Takes `drain` back. @returns as `drain` does */
  undrain(endpoint: string, service: string | null = null): number {
    return this.#setDraining(endpoint, service, false);
  }

  /** What `restore` needs, as `endpointId`s. */
  draining(): string[] {
    const ids: string[] = [];
    for (const record of this.#records()) {
      if (record.isDraining) ids.push(endpointId(record.service, record.endpoint));
    }
    return ids;
  }

  /** Drains what a former process was draining, after `configure`. Unknown ids are ignored. */
  restore(ids: readonly string[]): void {
    const wanted = new Set(ids);
    for (const owner of this.#services.values()) {
      const found = [...owner.endpoints.values()].filter((record) =>
        wanted.has(endpointId(record.service, record.endpoint)),
      );
      for (const record of found) record.isDraining = true;
      this.#tell(owner, found);
    }
  }

  /** What a worker that starts must know: every endpoint that is not simply up. */
  health(): EndpointHealth[] {
    const health: EndpointHealth[] = [];
    for (const { service, endpoint, told } of this.#records()) {
      if (told !== 'up') health.push({ service, endpoint, state: told, slowStartMs: 0 });
    }
    return health;
  }

  /** Every endpoint, in order of configuration. */
  rows(): HealthRow[] {
    return [...this.#records()].map(describe);
  }

  /** Ends all timers, for a process that ends. */
  close(): void {
    this.#cancelTimers();
  }

  *#records(): Generator<EndpointRecord> {
    for (const { endpoints } of this.#services.values()) yield* endpoints.values();
  }

  /**
   * Records are copied, so that those of the former configuration can be taken back; not those of
   * a service that is the same object as before.
   */
  #configureService(
    config: ServiceConfig,
    old: ServiceRecord | undefined,
    told: EndpointHealth[],
  ): ServiceRecord {
    if (old?.config === config) return old;
    const owner: ServiceRecord = { config, endpoints: new Map() };
    const { nowMs, wallMs } = this.#options;
    for (const { key } of config.endpoints) {
      const known = old?.endpoints.get(key);
      const record =
        known === undefined
          ? newRecord(config.name, key, config.healthCheck, wallMs())
          : { ...known };
      if (known !== undefined) adoptCheck(record, config, old!.config);
      else told.push(healthOf(record, 0));
      owner.endpoints.set(key, record);
    }
    for (const record of surplusEjections(owner)) endEjection(record, nowMs());
    told.push(...this.#changes(owner, owner.endpoints.values()));
    return owner;
  }

  #takeBack(before: Map<string, ServiceRecord>): void {
    const tried = this.#services;
    this.#cancelTimers();
    this.#services = before;
    for (const record of this.#records()) {
      const { isDraining } = tried.get(record.service)?.endpoints.get(record.endpoint) ?? record;
      record.isDraining = isDraining; // An operator's word in the meantime stands.
    }
    this.#armTimers();
    // Workers may have seen either configuration: they are told everything.
    const told: EndpointHealth[] = [];
    for (const owner of before.values()) {
      this.#changes(owner, owner.endpoints.values());
      for (const record of owner.endpoints.values()) told.push(healthOf(record, 0));
    }
    if (told.length > 0) this.#options.publish(told);
  }

  #cancelTimers(): void {
    for (const record of this.#records()) record.cancelEjection();
  }

  #armTimers(): void {
    for (const record of this.#records()) if (record.isEjected) this.#arm(record);
  }

  #arm(record: EndpointRecord): void {
    const { nowMs, setTimer } = this.#options;
    const restMs = Math.max(0, record.ejectionEndMs - nowMs());
    record.cancelEjection();
    record.cancelEjection = setTimer(restMs, () => this.#tryReturn(record));
  }

  #setDraining(endpoint: string, service: string | null, isDraining: boolean): number {
    let count = 0;
    for (const [name, owner] of this.#services) {
      const record = owner.endpoints.get(endpoint);
      if (record === undefined || (service !== null && service !== name)) continue;
      count++;
      record.isDraining = isDraining;
      this.#tell(owner, [record]);
    }
    return count;
  }

  /** Its time is over: it returns if it accepts connections, else it is asked again. */
  #tryReturn({ service, endpoint, ejections }: EndpointRecord): void {
    const { nowMs, tryConnect } = this.#options;
    tryConnect(service, endpoint, (verdict) => {
      const owner = this.#services.get(service);
      const record = owner?.endpoints.get(endpoint);
      if (owner === undefined || record === undefined) return;
      // Meanwhile its checks may have brought it back, and its traffic ejected it again. (Not
      // judged by time: a timer may be a fraction of a millisecond early.)
      if (!record.isEjected || record.ejections !== ejections) return;
      if (verdict === '' || verdict === null) {
        endEjection(record, nowMs());
        this.#tell(owner, [record]);
        return;
      }
      record.refusal = verdict;
      record.ejectionEndMs = nowMs() + RETURN_INTERVAL_MS;
      this.#arm(record);
    });
  }

  #tell(owner: ServiceRecord, records: Iterable<EndpointRecord>): void {
    const changes = this.#changes(owner, records);
    if (changes.length > 0) this.#options.publish(changes);
  }

  /** What workers do not know yet of `records`; they are about to. */
  #changes(owner: ServiceRecord, records: Iterable<EndpointRecord>): EndpointHealth[] {
    const changes: EndpointHealth[] = [];
    for (const record of records) {
      if (record.check === 'bad' || record.isEjected) record.isCold = true;
      const state = stateOf(record);
      if (state === record.told) continue;
      record.told = state;
      record.sinceMs = this.#options.wallMs();
      const isReturn = state === 'up' && record.isCold;
      if (state === 'up') record.isCold = false;
      changes.push(healthOf(record, isReturn ? owner.config.slowStartMs : 0));
      this.#options.onChange(describe(record));
    }
    return changes;
  }
}

/** Past the ceiling since endpoints went or it was lowered: those that would return soonest. */
function surplusEjections(owner: ServiceRecord): EndpointRecord[] {
  const ejected = [...owner.endpoints.values()].filter((record) => record.isEjected);
  const surplus = Math.max(0, ejected.length - ejectionsMax(owner));
  return ejected.toSorted((a, b) => a.ejectionEndMs - b.ejectionEndMs).slice(0, surplus);
}

/** How many of a service's endpoints may be ejected at a time (H1). */
function ejectionsMax({ config, endpoints }: ServiceRecord): number {
  if (endpoints.size < 2) return 0;
  return Math.max(1, Math.floor((endpoints.size * config.outlier.ejectedPercentMax) / 100));
}

function mayEject(owner: ServiceRecord, record: EndpointRecord): boolean {
  let ejected = 0;
  let others = 0;
  for (const other of owner.endpoints.values()) {
    if (other.isEjected) ejected++;
    if (other !== record && other.told === 'up') others++;
  }
  return ejected < ejectionsMax(owner) && others > 0;
}

/** Carries check state over to new settings; an endpoint in service does not begin to wait. */
function adoptCheck(record: EndpointRecord, config: ServiceConfig, before: ServiceConfig): void {
  const { healthCheck } = config;
  if (healthCheck === null) {
    record.check = 'none';
    record.isWaiting = false;
    record.failure = '';
    record.latencyMs = -1;
  } else if (record.check === 'none') {
    record.check = 'unknown';
  } else if (healthCheck.initial === 'up') {
    record.isWaiting = false;
  }
  if (healthCheck !== before.healthCheck) record.goodInRow = record.badInRow = 0;
}

function healthOf(record: EndpointRecord, slowStartMs: number): EndpointHealth {
  const { service, endpoint, told } = record;
  return { service, endpoint, state: told, slowStartMs };
}

function describe(record: EndpointRecord): HealthRow {
  const { service, endpoint, told, sinceMs, ejections, latencyMs } = record;
  return {
    service,
    endpoint,
    state: told,
    reason: reasonOf(record),
    sinceMs,
    ejections,
    latencyMs,
  };
}
