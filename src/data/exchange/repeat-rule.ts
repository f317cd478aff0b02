/**
 * Which requests may be sent again, and where. Law: a request that may have had an effect is never
 * sent twice.
 *
 * RFC 9110 §9.2.2 would let every idempotent one go again. By default only those do that ask for
 * nothing to change: the first PUT or DELETE may have had its effect and a lost answer, and the
 * second answer would then be another one. A service may allow those two; POST and PATCH never.
 */

import { Fault, FAULTS } from '../../contract/fault.ts';
import type { RetrySpec, StatusRange } from '../../contract/resilience.ts';
import { Method } from '../codec/head.ts';

/** Statuses at or past it are not HTTP. */
const STATUS_END = 600;

/** A retry policy as exchanges use it. */
export interface LinkedRetry {
  /** Attempts of one exchange, the first included. */
  readonly attemptsMax: number;
  readonly onConnect: boolean;
  readonly onClosed: boolean;
  readonly onTimeout: boolean;
  /** 1 for statuses that are answered by another attempt; null when there are none. */
  readonly statuses: Uint8Array | null;
  /** By `Method`: 1 when it may be sent again after bytes of it were sent. */
  readonly methods: Uint8Array;
  readonly bodySizeMax: number;
  readonly tryTimeoutMs: number;
  readonly hedgeDelayMs: number;
}

/** Where a failed attempt may be followed by another. */
export const Again = {
  nowhere: 0,
  /** Only at an endpoint this exchange has not tried. */
  elsewhere: 1,
  /** There first, else at one it has tried. */
  anywhere: 2,
} as const;
export type Again = (typeof Again)[keyof typeof Again];

/** Methods that ask for nothing to change (RFC 9110 §9.2.1) and may pass through here. */
export function isSafe(method: Method): boolean {
  return method === Method.get || method === Method.head || method === Method.options;
}

/** Links a policy; methods that may have an effect each time are left out, whatever it says. */
export function linkRetry(spec: RetrySpec): LinkedRetry {
  const methods = new Uint8Array(Object.keys(Method).length);
  for (const name of spec.methods) {
    const method = REPEATABLE[name];
    if (method !== undefined) methods[method] = 1;
  }
  return {
    attemptsMax: spec.attemptsMax,
    onConnect: spec.on.includes('connect'),
    onClosed: spec.on.includes('closed'),
    onTimeout: spec.on.includes('timeout'),
    statuses: spec.statuses.length === 0 ? null : statusTable(spec.statuses),
    methods,
    bodySizeMax: spec.bodySizeMax,
    tryTimeoutMs: spec.tryTimeoutMs,
    hedgeDelayMs: spec.hedgeDelayMs,
  };
}

/** Idempotent methods (RFC 9110 §9.2.2) of those that may pass. */
const REPEATABLE: Readonly<Record<string, Method>> = {
  GET: Method.get,
  HEAD: Method.head,
  OPTIONS: Method.options,
  PUT: Method.put,
  DELETE: Method.delete,
};

/** A table of 1 for each status in `ranges`. */
export function statusTable(ranges: readonly StatusRange[]): Uint8Array {
  const table = new Uint8Array(STATUS_END);
  for (const { from, to } of ranges) table.fill(1, from, to + 1);
  return table;
}

/**
 * Where a request may go after an attempt that met `fault`, if it may be sent again at all. An
 * endpoint that could not be reached, or was given the whole time of the transport, is not asked
 * again: an error is quicker than hoping. One that closed, or missed the time of one try, is.
 */
export function againAfter(retry: LinkedRetry, fault: Fault): Again {
  switch (FAULTS[fault].retry) {
    case 'unsent':
      return retry.onConnect ? Again.elsewhere : Again.nowhere;
    case 'unanswered':
      return retry.onClosed ? Again.anywhere : Again.nowhere;
    case 'late':
      if (!retry.onTimeout) return Again.nowhere;
      return fault === Fault.tryTimeout ? Again.anywhere : Again.elsewhere;
    case 'never':
      return Again.nowhere;
  }
}
