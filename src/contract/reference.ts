/**
 * Rows of the generated reference pages: metrics and faults, as plain text cells.
 */

import { FAULTS, FAULT_INDEX_MAX } from './fault.ts';
import type { Fault, FaultRetry } from './fault.ts';
import { METRICS } from './metric.ts';

/** A row of docs/reference/metrics.md. */
export interface MetricReferenceRow {
  readonly name: string;
  readonly type: string;
  /** `seconds`, `bytes`, or empty for a plain count. */
  readonly unit: string;
  readonly labels: readonly string[];
  readonly doc: string;
}

/** A row of docs/reference/faults.md. */
export interface FaultReferenceRow {
  readonly label: string;
  readonly origin: string;
  /** 0: the connection is closed without an answer. */
  readonly status: number;
  /** In words: when another attempt is made. */
  readonly retry: string;
  readonly doc: string;
}

const RETRY_TEXT: { readonly [R in FaultRetry]: string } = {
  never: 'never',
  unsent: 'when nothing was sent',
  unanswered: 'when nothing was answered, for methods that may be repeated',
  late: 'when no answer came in time, for methods that may be repeated',
};

/** Every metric, in order of output. */
export function metricReferenceRows(): MetricReferenceRow[] {
  return METRICS.map(({ name, type, unit, labels, doc }) => ({ name, type, unit, labels, doc }));
}

/** Every fault except `none`, in order of its number. */
export function faultReferenceRows(): FaultReferenceRow[] {
  const rows: FaultReferenceRow[] = [];
  for (let fault = 1; fault < FAULT_INDEX_MAX; fault++) {
    const info = FAULTS[fault as Fault];
    if (info === undefined) continue;
    const { label, origin, status, retry, text } = info;
    rows.push({ label, origin, status, retry: RETRY_TEXT[retry], doc: text });
  }
  return rows;
}
