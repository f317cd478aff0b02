/**
 * The promises of Proxy Now on the `node` backend, judged on the rows of one run.
 *
 * A ratio is taken only between valid rows of the same run; without its counterpart a gate is
 * not judged, which is neither met nor missed.
 */

import { isValid } from './row.ts';
import type { Row } from './row.ts';

/** One promise: a quantity of a row, at most `max`, alone or as a ratio to another row. */
export interface Gate {
  readonly workload: string;
  readonly quantity: 'figure' | 'halfP99Us';
  /** Peer on the same workload, or `workload:NAME` of the same peer; null: the value itself. */
  readonly against: string | null;
  readonly max: number;
}

export interface Verdict {
  readonly gate: Gate;
  /** The measured value or ratio; NaN when it was not judged. */
  readonly value: number;
  readonly outcome: 'met' | 'missed' | 'not judged';
}

/** The peer the gates are about. */
export const SUBJECT = 'proxy-now';

function gate(workload: string, against: string | null, max: number): Gate {
  return { workload, quantity: 'figure', against, max };
}

export const GATES: readonly Gate[] = [
  gate('a', 'nginx', 1.6),
  gate('a', 'caddy', 0.4),
  gate('a', 'traefik', 0.4),
  { workload: 'a', quantity: 'halfP99Us', against: 'nginx', max: 1.5 },
  gate('b', 'nginx', 1.5),
  gate('b', 'caddy', 0.45),
  gate('ft', 'nginx', 1.25),
  gate('d1m', 'nginx', 1.3),
  gate('e1m', 'nginx', 1.3),
  gate('g10000', 'workload:g1', 1.05),
  gate('h', null, 6 * 1024),
  gate('stream', null, 200),
  gate('stream-up', null, 200),
  gate('alloc', null, 2048),
];

function quantityOf(rows: readonly Row[], workload: string, peer: string, gate: Gate): number {
  const row = rows.find((one) => one.workload === workload && one.peer === peer);
  if (row === undefined || !isValid(row)) return Number.NaN;
  return row[gate.quantity] ?? Number.NaN;
}

/** Judges one gate. */
export function judge(gate: Gate, rows: readonly Row[]): Verdict {
  let value = quantityOf(rows, gate.workload, SUBJECT, gate);
  if (gate.against?.startsWith('workload:')) {
    value /= quantityOf(rows, gate.against.slice('workload:'.length), SUBJECT, gate);
  } else if (gate.against !== null) {
    value /= quantityOf(rows, gate.workload, gate.against, gate);
  }
  if (!Number.isFinite(value)) return { gate, value: Number.NaN, outcome: 'not judged' };
  return { gate, value, outcome: value <= gate.max ? 'met' : 'missed' };
}

/** Judges every gate whose workload Proxy Now has a row of. */
export function judgeAll(rows: readonly Row[]): Verdict[] {
  const ran = new Set(rows.filter((row) => row.peer === SUBJECT).map((row) => row.workload));
  return GATES.filter((one) => ran.has(one.workload)).map((one) => judge(one, rows));
}
