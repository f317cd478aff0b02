/**
 * Prometheus writer: metric definitions and cells to text, pure.
 *
 * Two forms: the text format 0.0.4 and OpenMetrics 1.0.0, which differ in the name of a counter's
 * family, in UNIT lines and in the closing `# EOF`.
 *
 * E1  every definition appears: HELP and TYPE always, and its series unless it names nothing yet.
 * E2  all lines of one metric are together, and no series appears twice.
 * E3  a family with more than `QUIET_BLOCKS_MAX` blocks leaves out series that are still zero, and
 *     histograms without observations are always left out: 10,000 idle routes cost nothing.
 */

import { HISTOGRAM_BUCKETS, HISTOGRAM_SUM } from '../../contract/histogram.ts';
import { histogramBucketAtPower } from '../../contract/histogram.ts';
import { METRICS } from '../../contract/metric.ts';
import type { MetricDefinition } from '../../contract/metric.ts';
import { certificateSeries } from './certificate-metrics.ts';
import type { CertificateSeries } from './certificate-metrics.ts';
import type { MetricBlock, MetricSource, WorkerCells } from './metric-source.ts';

export type ExpositionFormat = 'text' | 'openmetrics';

/** Blocks of one family up to which zero series are shown (E3). */
export const QUIET_BLOCKS_MAX = 1_000;

/** Media types of the two forms, for Content-Type. */
export const EXPOSITION_TYPES: { readonly [F in ExpositionFormat]: string } = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** The form an Accept field asks for: OpenMetrics only when named and not refused by `q=0`. */
export function expositionFormat(accept: string): ExpositionFormat {
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const isRefused = parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
    if (type === 'application/openmetrics-text' && !isRefused) return 'openmetrics';
  }
  return 'text';
}

/** Renders one scrape. The result is plain text; nothing of it is escaped further. */
export function renderMetrics(source: MetricSource, format: ExpositionFormat): string {
  const lines: string[] = [];
  const name = 'proxy_now_build';
  const isOpen = format === 'openmetrics';
  lines.push(`# HELP ${name}${isOpen ? '' : '_info'} Version of the proxy; always 1.`);
  lines.push(isOpen ? `# TYPE ${name} info` : `# TYPE ${name}_info gauge`);
  lines.push(`${name}_info{version="${escapeLabel(source.version)}"} 1`);
  const certificates = certificateSeries(source);
  for (const definition of METRICS) {
    renderMetric(lines, definition, source, format);
    renderCertificates(lines, definition, certificates.get(definition.name));
  }
  if (isOpen) lines.push('# EOF');
  lines.push('');
  return lines.join('\n');
}

function renderMetric(
  lines: string[],
  definition: MetricDefinition,
  source: MetricSource,
  format: ExpositionFormat,
): void {
  const isOpen = format === 'openmetrics';
  const { name, type, unit, doc } = definition;
  const family = isOpen && type === 'counter' ? name.replace(/_total$/, '') : name;
  lines.push(`# HELP ${family} ${escapeHelp(doc, isOpen)}`, `# TYPE ${family} ${type}`);
  if (isOpen && unit !== '') lines.push(`# UNIT ${family} ${unit}`);
  if (definition.family === 'control') {
    renderControl(lines, definition, source);
    return;
  }
  if (definition.family === 'certificate') return;
  const blocks = source.blocks[definition.family];
  const isQuiet = blocks.length > QUIET_BLOCKS_MAX;
  for (const block of blocks) {
    if (definition.merge !== 'each') {
      renderBlock(lines, { definition, block, workers: source.workers, isQuiet });
      continue;
    }
    for (const worker of source.workers) {
      if (worker.isRetired === true) continue;
      const own = { base: block.base, labels: [...block.labels, worker.id] };
      renderBlock(lines, { definition, block: own, workers: [worker], isQuiet: false });
    }
  }
}

interface Series {
  readonly definition: MetricDefinition;
  readonly block: MetricBlock;
  readonly workers: readonly WorkerCells[];
  readonly isQuiet: boolean;
}

function renderBlock(lines: string[], series: Series): void {
  const { definition, block, workers, isQuiet } = series;
  const { name, labels, merge, scale, values } = definition;
  const cell = block.base + definition.cell;
  if (definition.type === 'histogram') return renderHistogram(lines, series);
  if (values === null) {
    const value = merged(workers, cell, merge);
    if (value === 0 && isQuiet) return;
    lines.push(`${name}${labelSet(labels, block.labels)} ${scaled(value, scale)}`);
    return;
  }
  for (const [index, label] of values.entries()) {
    if (label === '') continue;
    const value = merged(workers, cell + index, merge);
    if (value === 0 && isQuiet) continue;
    const set = labelSet(labels, [...block.labels, label]);
    lines.push(`${name}${set} ${scaled(value, scale)}`);
  }
}

function renderHistogram(lines: string[], { definition, block, workers }: Series): void {
  const { name, labels, powers, scale } = definition;
  const cell = block.base + definition.cell;
  const counts = new Float64Array(HISTOGRAM_BUCKETS);
  for (const worker of workers) {
    for (let i = 0; i < HISTOGRAM_BUCKETS; i++) counts[i] = counts[i]! + worker.cells[cell + i]!;
  }
  // Buckets are read once, so that the counts of one scrape never contradict each other.
  const cumulative = counts.slice();
  for (let i = 1; i < HISTOGRAM_BUCKETS; i++) {
    cumulative[i] = cumulative[i]! + cumulative[i - 1]!;
  }
  const count = cumulative[HISTOGRAM_BUCKETS - 1]!;
  if (count === 0) return;
  const withEdge = [...labels, 'le'];
  for (const power of powers) {
    const edge = scaled(2 ** power, scale);
    const set = labelSet(withEdge, [...block.labels, edge]);
    lines.push(`${name}_bucket${set} ${cumulative[histogramBucketAtPower(power)]!}`);
  }
  lines.push(`${name}_bucket${labelSet(withEdge, [...block.labels, '+Inf'])} ${count}`);
  const set = labelSet(labels, block.labels);
  const sum = merged(workers, cell + HISTOGRAM_SUM, 'sum');
  lines.push(`${name}_sum${set} ${scaled(sum, scale)}`, `${name}_count${set} ${count}`);
}

function renderControl(lines: string[], definition: MetricDefinition, source: MetricSource): void {
  const { name, cell, labels, scale, values } = definition;
  for (const [index, label] of (values ?? ['']).entries()) {
    const set = values === null ? '' : labelSet(labels, [label]);
    lines.push(`${name}${set} ${scaled(source.control[cell + index] ?? 0, scale)}`);
  }
}

function renderCertificates(
  lines: string[],
  { name, labels }: MetricDefinition,
  series: readonly CertificateSeries[] = [],
): void {
  for (const { labels: values, value } of series) {
    lines.push(`${name}${labelSet(labels, values)} ${value}`);
  }
}

function merged(workers: readonly WorkerCells[], cell: number, merge: string): number {
  let value = 0;
  for (const worker of workers) {
    const own = worker.cells[cell]!;
    value = merge === 'max' ? Math.max(value, own) : value + own;
  }
  return value;
}

/** Shortest decimal of a scaled value; 15 digits hide the noise of multiplying by 1e-6. */
function scaled(value: number, scale: number): string {
  if (scale === 1) return String(value);
  return String(Number((value * scale).toPrecision(15)));
}

function labelSet(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return '';
  const pairs = names.map((name, index) => `${name}="${escapeLabel(values[index] ?? '')}"`);
  return `{${pairs.join(',')}}`;
}

/** Escapes a label value: backslash, double quote and line feed (both forms agree). */
export function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));
}

/** In HELP the text format escapes backslash and line feed only, OpenMetrics quotes as well. */
function escapeHelp(text: string, isOpen: boolean): string {
  const escaped = text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');
  return isOpen ? escaped.replace(/"/g, '\\"') : escaped;
}
