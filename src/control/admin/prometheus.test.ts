import assert from 'node:assert/strict';
import test from 'node:test';

import { HISTOGRAM_SUM, histogramBucket } from '../../contract/histogram.ts';
import { CONTROL_CELLS, ControlCell, RouteCell, WorkerCell } from '../../contract/metric-layout.ts';
import { EndpointCell, createMetricBuffer } from '../../contract/metric-layout.ts';
import { endpointBase, routeBase } from '../../contract/metric-layout.ts';
import { METRICS } from '../../contract/metric.ts';
import type { Snapshot } from '../../contract/snapshot.ts';
import type { AttemptCount, CertificateRow } from '../certificate/certificate-row.ts';
import { OWN_SERIES_MAX } from './certificate-metrics.ts';
import type { CertificateSource } from './certificate-metrics.ts';
import type { MetricBlocks, MetricSource } from './metric-source.ts';
import { EMPTY_BLOCKS, metricBlocks } from './metric-source.ts';
import { QUIET_BLOCKS_MAX, escapeLabel, expositionFormat, renderMetrics } from './prometheus.ts';

const CERTIFICATES: CertificateSource = {
  certificates: [certificate('shop.example.com', 3_000_000)],
  certificateAttempts: [{ issuer: 'ca', operation: 'obtain', result: 'dns', count: 2 }],
};

function certificate(name: string, notAfterMs: number): CertificateRow {
  return {
    name,
    names: [name],
    source: 'managed',
    issuer: 'ca',
    state: 'failing',
    id: 'ab',
    notBeforeMs: 1_000,
    notAfterMs,
    renewal: null,
    nextAttemptMs: 2_500,
    step: '',
    problem: { atMs: 2_000, type: 'dns', message: 'x', advice: 'fix', failures: 2 },
  };
}

const BLOCKS: MetricBlocks = {
  ...EMPTY_BLOCKS,
  listener: [{ base: 1_000, labels: ['web'] }],
  route: [{ base: routeBase(0), labels: ['shop'] }],
  service: [{ base: 2_000, labels: ['shop'] }],
  endpoint: [{ base: endpointBase(0), labels: ['shop', '10.0.0.2:3000'] }],
};

function source(workerCount: number, blocks: MetricBlocks = BLOCKS): MetricSource {
  const workers = Array.from({ length: workerCount }, (_, index) => ({
    id: String(index),
    cells: new Float64Array(createMetricBuffer()),
  }));
  const control = new Float64Array(CONTROL_CELLS);
  return { version: '1.2.3', workers, blocks, control, ...CERTIFICATES };
}

function add(from: MetricSource, worker: number, cell: number, amount: number): void {
  const { cells } = from.workers[worker]!;
  cells[cell] = cells[cell]! + amount;
}

function observe(from: MetricSource, worker: number, base: number, value: number): void {
  add(from, worker, base + histogramBucket(value), 1);
  add(from, worker, base + HISTOGRAM_SUM, value);
}

/** Values by series text. Fails on a line that is not of the format. */
function parse(text: string): Map<string, string> {
  const series = new Map<string, string>();
  assert.ok(text.endsWith('\n'));
  for (const line of text.slice(0, -1).split('\n')) {
    if (line.startsWith('#')) continue;
    const match = /^([a-z_]+(?:\{(?:[a-z]+="(?:[^"\\]|\\.)*",?)+\})?) (\S+)$/.exec(line);
    assert.ok(match !== null, `not a sample: ${line}`);
    assert.equal(series.get(match[1]!), undefined, `twice: ${line}`);
    assert.ok(Number.isFinite(Number(match[2])), `not a number: ${line}`);
    series.set(match[1]!, match[2]!);
  }
  return series;
}

test('prometheus: exactly the defined metrics appear, each with HELP, TYPE and a series', () => {
  const from = source(2);
  for (const { family, type, cell } of METRICS) {
    if (type !== 'histogram' || family === 'control' || family === 'certificate') continue;
    observe(from, 0, BLOCKS[family][0]!.base + cell, 500);
  }
  for (const format of ['text', 'openmetrics'] as const) {
    const text = renderMetrics(from, format);
    const names = new Set([...parse(text).keys()].map((series) => series.split('{')[0]!));
    const undefinedNames = new Set(names);
    undefinedNames.delete('proxy_now_build_info');
    for (const { name, type } of METRICS) {
      const family = format === 'openmetrics' && type === 'counter' ? name.slice(0, -6) : name;
      assert.ok(text.includes(`# HELP ${family} `), `HELP of ${family}`);
      assert.ok(text.includes(`\n# TYPE ${family} ${type}\n`), `TYPE of ${family}`);
      const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      for (const suffix of suffixes) {
        assert.ok(names.has(name + suffix), `series of ${name}${suffix}`);
        undefinedNames.delete(name + suffix);
      }
    }
    assert.deepEqual([...undefinedNames], [], 'series without a definition');
    assert.equal(text.endsWith('\n# EOF\n'), format === 'openmetrics');
  }
});

test('prometheus: counters and gauges are added over workers, or kept apart by worker', () => {
  const from = source(2);
  const requests = routeBase(0) + RouteCell.requests;
  add(from, 0, requests + 2, 5);
  add(from, 1, requests + 2, 6);
  add(from, 1, requests + 5, 1);
  add(from, 0, WorkerCell.rules, 12);
  add(from, 1, WorkerCell.rules, 12);
  add(from, 0, WorkerCell.generation, 3);
  add(from, 1, WorkerCell.generation, 4);
  add(from, 1, WorkerCell.eventLoopLagMs, 2.5);
  add(from, 0, endpointBase(0) + EndpointCell.attempts, 9);
  const series = parse(renderMetrics(from, 'text'));
  assert.equal(series.get('proxy_now_requests_total{route="shop",code="2xx"}'), '11');
  assert.equal(series.get('proxy_now_requests_total{route="shop",code="5xx"}'), '1');
  assert.equal(series.get('proxy_now_requests_total{route="shop",code="none"}'), '0');
  assert.equal(series.get('proxy_now_rules'), '12');
  assert.equal(series.get('proxy_now_snapshot_generation{worker="0"}'), '3');
  assert.equal(series.get('proxy_now_snapshot_generation{worker="1"}'), '4');
  assert.equal(series.get('proxy_now_worker_event_loop_lag_seconds{worker="1"}'), '0.0025');
  const attempts = 'proxy_now_upstream_attempts_total{service="shop",endpoint="10.0.0.2:3000"}';
  assert.equal(series.get(attempts), '9');
  assert.equal(series.get('proxy_now_faults_total{fault="connect_refused"}'), '0');
  assert.equal(series.has('proxy_now_faults_total{fault="none"}'), false);
});

test('prometheus: a histogram is cumulative, in seconds, and ends with its count', () => {
  const from = source(2);
  const base = routeBase(0) + RouteCell.durationUs;
  observe(from, 0, base, 256);
  observe(from, 1, base, 257);
  observe(from, 0, base, 2_000_000);
  observe(from, 0, base, 4e9);
  const name = 'proxy_now_request_duration_seconds';
  const series = parse(renderMetrics(from, 'text'));
  const bucket = (le: string) => series.get(`${name}_bucket{route="shop",le="${le}"}`);
  assert.equal(bucket('0.000256'), '1', 'an edge is inclusive');
  assert.equal(bucket('0.001024'), '2');
  assert.equal(bucket('1.048576'), '2');
  assert.equal(bucket('2.097152'), '3');
  assert.equal(bucket('33.554432'), '3');
  assert.equal(bucket('+Inf'), '4');
  assert.equal(series.get(`${name}_count{route="shop"}`), '4');
  assert.equal(series.get(`${name}_sum{route="shop"}`), '4002.000513');
});

test('prometheus: figures of the control plane', () => {
  const from = source(1);
  const control = new Float64Array(CONTROL_CELLS);
  control[ControlCell.processRestarts] = 2;
  control[ControlCell.cpuUs] = 1_500_000;
  const series = parse(renderMetrics({ ...from, control }, 'text'));
  assert.equal(series.get('proxy_now_process_restarts_total'), '2');
  assert.equal(series.get('proxy_now_process_cpu_seconds_total'), '1.5');
  assert.equal(series.get('proxy_now_build_info{version="1.2.3"}'), '1');
});

test('prometheus: label values are escaped', () => {
  assert.equal(escapeLabel('a"b\\c\nd'), 'a\\"b\\\\c\\nd');
  const hostile = 'x"} 1\nevil_total{a="\\';
  const from = source(1, { ...BLOCKS, route: [{ base: routeBase(0), labels: [hostile] }] });
  const series = parse(renderMetrics(from, 'text'));
  assert.ok(series.has(`proxy_now_requests_total{route="${escapeLabel(hostile)}",code="2xx"}`));
});

function manyRoutes(count: number): MetricBlocks {
  const route = Array.from({ length: count }, (_, index) => ({
    base: routeBase(index),
    labels: [`r${index}`],
  }));
  return { ...BLOCKS, route };
}

function shownRequestSeries(count: number): number {
  const from = source(1, manyRoutes(count));
  add(from, 0, routeBase(7) + RouteCell.requests + 2, 1);
  const names = [...parse(renderMetrics(from, 'text')).keys()];
  return names.filter((name) => name.startsWith('proxy_now_requests_total')).length;
}

test('prometheus: zero series are shown up to the limit and left out above it', () => {
  assert.equal(shownRequestSeries(QUIET_BLOCKS_MAX), QUIET_BLOCKS_MAX * 6);
  assert.equal(shownRequestSeries(QUIET_BLOCKS_MAX + 1), 1);
});

test('prometheus: OpenMetrics only when it is asked for', () => {
  const cases: [string, string][] = [
    ['', 'text'],
    ['*/*', 'text'],
    ['text/plain', 'text'],
    ['application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2', 'openmetrics'],
    ['Application/OpenMetrics-Text', 'openmetrics'],
    ['application/openmetrics-text;q=0, text/plain', 'text'],
    ['application/openmetrics-text;q=0.01', 'openmetrics'],
    ['xapplication/openmetrics-text', 'text'],
  ];
  for (const [accept, format] of cases) assert.equal(expositionFormat(accept), format, accept);
});

test('metric blocks: every named thing once, and the route-less block', () => {
  const endpoints = [
    { key: 'http://a:1', metricIndex: 4 },
    { key: 'http://a:1', metricIndex: 4 },
    { key: 'http://b:1', metricIndex: 5 },
  ];
  const snapshot = {
    listeners: [{ name: 'web', metricIndex: 0 }],
    routes: [
      { name: 'r', metricIndex: 0 },
      { name: 'too-many', metricIndex: 20_000 },
    ],
    services: [{ name: 's', metricIndex: 1, endpoints }],
    tls: { passthroughs: [{ name: 'db', metricIndex: 1 }] },
  } as unknown as Snapshot;
  const blocks = metricBlocks(snapshot);
  assert.deepEqual(
    blocks.route.map((block) => block.labels),
    [['r'], ['db'], ['(none)']],
  );
  assert.deepEqual(
    blocks.endpoint.map((block) => block.labels),
    [
      ['s', 'http://a:1'],
      ['s', 'http://b:1'],
    ],
  );
  assert.equal(blocks.endpoint[1]!.base, endpointBase(5));
});

test('prometheus: certificates have an end, a next attempt and failures of their own', () => {
  const series = parse(renderMetrics(source(1), 'text'));
  const set = '{name="shop.example.com",issuer="ca"}';
  assert.equal(series.get(`proxy_now_certificate_not_after_seconds${set}`), '3000');
  assert.equal(series.get(`proxy_now_certificate_next_attempt_seconds${set}`), '2.5');
  assert.equal(series.get(`proxy_now_certificate_failures${set}`), '2');
  assert.equal(series.get('proxy_now_certificates{state="failing"}'), '1');
  assert.equal(series.get('proxy_now_certificates{state="valid"}'), '0');
});

function attempts(result: string, count: number): AttemptCount {
  return { issuer: 'ca', operation: 'renew', result, count };
}

test('prometheus: what an authority calls a problem is no label', () => {
  const certificateAttempts = [
    attempts('success', 1),
    attempts('https://a.example/x', 2),
    attempts('mean"\n', 3),
  ];
  const series = parse(renderMetrics({ ...source(1), certificateAttempts }, 'text'));
  const name = 'proxy_now_certificate_attempts_total';
  assert.equal(series.get(`${name}{issuer="ca",operation="renew",result="success"}`), '1');
  assert.equal(series.get(`${name}{issuer="ca",operation="renew",result="other"}`), '5');
  assert.equal([...series.keys()].filter((key) => key.startsWith(name)).length, 2);
});

test('prometheus: of many certificates those that end first have series, and all count', () => {
  const certificates = Array.from({ length: OWN_SERIES_MAX + 500 }, (_, index) =>
    certificate(`${index}.example.com`, 10_000_000 - index * 1_000),
  );
  const series = parse(renderMetrics({ ...source(1), certificates }, 'text'));
  const name = 'proxy_now_certificate_not_after_seconds';
  const own = [...series.keys()].filter((key) => key.startsWith(name));
  assert.equal(own.length, OWN_SERIES_MAX);
  assert.ok(own.includes(`${name}{name="1499.example.com",issuer="ca"}`));
  assert.ok(!own.includes(`${name}{name="0.example.com",issuer="ca"}`));
  assert.equal(series.get('proxy_now_certificates{state="failing"}'), '1500');
});
