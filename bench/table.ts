/** The report as aligned text. Pure. */

import { isValid } from './row.ts';
import type { Row } from './row.ts';
import type { Verdict } from './gates.ts';
import { SUBJECT } from './gates.ts';

/** Lines of cells with columns aligned: the first `leftCount` to the left, the others right. */
export function alignColumns(lines: readonly (readonly string[])[], leftCount: number): string {
  const widths: number[] = [];
  for (const line of lines) {
    line.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)));
  }
  const text = lines.map((line) =>
    line
      .map((cell, at) => (at < leftCount ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join('  ')
      .trimEnd(),
  );
  return `${text.join('\n')}\n`;
}

const NONE = '-';

function formatNumber(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : NONE;
}

function formatFigure(row: Row): string {
  if (!Number.isFinite(row.figure)) return NONE;
  const digits = row.unit === 'us/req' && row.figure < 1000 ? 1 : 0;
  return `${row.figure.toFixed(digits)} ${row.unit}`;
}

function formatMs(us: number | null): string {
  return us === null ? NONE : formatNumber(us / 1000, 2);
}

function formatMegabytes(bytes: number | null): string {
  return bytes === null ? NONE : formatNumber(bytes / 1e6, 1);
}

/** `row` as a multiple of what `peer` needed for the same workload, or `-`. */
function formatRatio(row: Row, rows: readonly Row[], peer: string): string {
  const other = rows.find((one) => one.workload === row.workload && one.peer === peer);
  if (other === undefined || !isValid(other) || !isValid(row)) return NONE;
  return formatNumber(row.figure / other.figure, 2);
}

function formatGate(row: Row, verdicts: readonly Verdict[]): string {
  if (row.peer !== SUBJECT) return '';
  const own = verdicts.filter((one) => one.gate.workload === row.workload);
  if (own.some((one) => one.outcome === 'missed')) return 'MISSED';
  return own.some((one) => one.outcome === 'met') ? 'met' : NONE;
}

const HEADINGS = [
  'load',
  'peer',
  'figure',
  'x nginx',
  'x caddy',
  '+-',
  'req/s',
  'p50 ms',
  'p99 ms',
  'p99 half',
  'RSS MB',
  'PSS MB',
  'errors',
  'gate',
];

/** One line per row; a row with errors is marked, and its ratios are left out. */
export function formatRows(rows: readonly Row[], verdicts: readonly Verdict[]): string {
  const lines = rows.map((row) => [
    row.workload,
    row.peer,
    formatFigure(row),
    formatRatio(row, rows, 'nginx'),
    formatRatio(row, rows, 'caddy'),
    row.spread === null ? NONE : `${formatNumber(row.spread * 100, 0)} %`,
    row.requestsPerSecond === null ? NONE : formatNumber(row.requestsPerSecond, 0),
    formatMs(row.p50Us),
    formatMs(row.p99Us),
    formatMs(row.halfP99Us),
    formatMegabytes(row.residentBytes),
    formatMegabytes(row.proportionalBytes),
    row.errors === 0 ? '0' : `${row.errors} INVALID`,
    row.note === '' ? formatGate(row, verdicts) : row.note,
  ]);
  return alignColumns([HEADINGS, ...lines], 2);
}

/** One line per gate: what was asked, what was found. Empty when there is none. */
export function formatVerdicts(verdicts: readonly Verdict[]): string {
  if (verdicts.length === 0) return '';
  const lines = verdicts.map(({ gate, value, outcome }) => {
    const what = gate.quantity === 'halfP99Us' ? `${gate.workload} p99 half` : gate.workload;
    const unit = gate.against === null ? '' : ` x ${gate.against.replace('workload:', '')}`;
    const digits = gate.against === null ? 0 : 2;
    return [
      `gate ${what}`,
      `<= ${gate.max}${unit}`,
      formatNumber(value, digits),
      outcome === 'missed' ? 'MISSED' : outcome,
    ];
  });
  return alignColumns(lines, 2);
}
