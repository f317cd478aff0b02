/**
 * What is known of one endpoint of a service, and what follows from it for workers.
 *
 * E1  `stateOf` is the only place that turns checks, ejection and the operator's word into a state.
 * E2  n ejections in a row last n times as long; one is forgiven after a good time as long as it
 *     was. None ends while the endpoint refuses connections.
 */

import type { EndpointState, OutlierCause } from '../../contract/health.ts';
import type { OutlierSpec } from '../../contract/resilience.ts';
import type { HealthCheckConfig } from '../config/config.ts';

/** One finished check. */
export interface CheckResult {
  readonly isGood: boolean;
  /** Why not, as a sentence without its full stop; empty when good. */
  readonly reason: string;
  /** From its beginning to its verdict. */
  readonly latencyMs: number;
}

/** `none`: not asked. `unknown`: no verdict yet. */
export type CheckState = 'none' | 'unknown' | 'good' | 'bad';

export interface EndpointRecord {
  readonly service: string;
  readonly endpoint: string;
  check: CheckState;
  /** Gets no traffic before its first good check. */
  isWaiting: boolean;
  goodInRow: number;
  badInRow: number;
  /** Of the last check that failed; empty when the last one did not. */
  failure: string;
  /** Of the last check; -1 before it. */
  latencyMs: number;
  isEjected: boolean;
  outlierCause: OutlierCause | null;
  /** Ejections not forgiven yet. */
  ejectionsInRow: number;
  /** When the current ejection ends, or when the last one ended; monotonic. */
  ejectionEndMs: number;
  /** Why it did not end in time; empty while it is not over. */
  refusal: string;
  cancelEjection: () => void;
  /** Ever. */
  ejections: number;
  isDraining: boolean;
  /** It was down since it was last up: coming back is a slow start. */
  isCold: boolean;
  /** What workers were told last. */
  told: EndpointState;
  /** Wall clock of the last change of `told`. */
  sinceMs: number;
}

/** @param check of its service; an endpoint without checks, or with optimistic ones, begins up */
export function newRecord(
  service: string,
  endpoint: string,
  check: HealthCheckConfig | null,
  wallMs: number,
): EndpointRecord {
  const isWaiting = check?.initial === 'down';
  return {
    service,
    endpoint,
    check: check === null ? 'none' : 'unknown',
    isWaiting,
    goodInRow: 0,
    badInRow: 0,
    failure: '',
    latencyMs: -1,
    isEjected: false,
    outlierCause: null,
    ejectionsInRow: 0,
    ejectionEndMs: 0,
    refusal: '',
    cancelEjection: () => {},
    ejections: 0,
    isDraining: false,
    isCold: false,
    told: isWaiting ? 'out' : 'up',
    sinceMs: wallMs,
  };
}

/** What workers should be told. */
export function stateOf(record: EndpointRecord): EndpointState {
  if (record.isWaiting) return 'out';
  const isDown = record.check === 'bad' || record.isEjected;
  if (record.isDraining) return isDown ? 'out' : 'draining';
  return isDown ? 'down' : 'up';
}

/** Why it is not simply up, in words; empty when it is. */
export function reasonOf(record: EndpointRecord): string {
  const reasons: string[] = [];
  if (record.isDraining) reasons.push('drained by an operator');
  if (record.isEjected) {
    const refusal = record.refusal === '' ? '' : `, and still ${record.refusal}`;
    reasons.push(`ejected: ${CAUSES[record.outlierCause!]}${refusal}`);
  }
  if (record.isWaiting) reasons.push('waits for its first good check');
  const { check, failure } = record;
  if (check === 'bad') reasons.push(`check: ${failure || 'good again, but not often enough yet'}`);
  else if (record.isWaiting && failure !== '') reasons.push(`check: ${failure}`);
  return reasons.join('; ');
}

const CAUSES: { readonly [C in OutlierCause]: string } = {
  'consecutive-faults': 'too many faults in a row',
  'fault-share': 'too large a share of faults',
  latency: 'much slower than the others',
};

/** Counts a check. @returns true when it ended what the checks had called bad */
export function countCheck(
  record: EndpointRecord,
  config: HealthCheckConfig,
  result: CheckResult,
): boolean {
  record.latencyMs = result.latencyMs;
  record.failure = result.reason;
  record.goodInRow = result.isGood ? record.goodInRow + 1 : 0;
  record.badInRow = result.isGood ? 0 : record.badInRow + 1;
  if (!result.isGood) {
    // One that waits was never up, so it cannot go down.
    if (record.badInRow >= config.downCount && !record.isWaiting) record.check = 'bad';
    return false;
  }
  if (record.check === 'unknown' || record.isWaiting) {
    record.check = 'good';
    record.isWaiting = false;
    return false;
  }
  if (record.check !== 'bad' || record.goodInRow < config.upCount) return false;
  record.check = 'good';
  return true;
}

/** Begins an ejection; `ejectionEndMs` says how long it lasts. */
export function eject(
  record: EndpointRecord,
  spec: OutlierSpec,
  cause: OutlierCause,
  nowMs: number,
): void {
  forgive(record, spec, nowMs);
  record.ejectionsInRow++;
  record.ejections++;
  record.isEjected = true;
  record.refusal = '';
  record.outlierCause = cause;
  record.ejectionEndMs = nowMs + ejectionMs(spec, record.ejectionsInRow);
}

/** Ends an ejection, in time or before. */
export function endEjection(record: EndpointRecord, nowMs: number): void {
  record.cancelEjection();
  record.cancelEjection = () => {};
  record.isEjected = false;
  record.ejectionEndMs = nowMs;
}

function forgive(record: EndpointRecord, spec: OutlierSpec, nowMs: number): void {
  let goodMs = nowMs - record.ejectionEndMs;
  while (record.ejectionsInRow > 0) {
    goodMs -= ejectionMs(spec, record.ejectionsInRow);
    if (goodMs < 0) return;
    record.ejectionsInRow--;
  }
}

function ejectionMs(spec: OutlierSpec, inRow: number): number {
  return Math.max(1, Math.min(inRow * spec.ejectionMs, spec.ejectionMaxMs));
}
