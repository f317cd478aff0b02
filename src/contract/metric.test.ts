import assert from 'node:assert/strict';
import test from 'node:test';

import { FAULTS } from './fault.ts';
import { METRICS } from './metric.ts';
import { faultReferenceRows, metricReferenceRows } from './reference.ts';

test('metrics: names follow the Prometheus conventions', () => {
  const names = new Set<string>();
  for (const { name, type, unit, doc, labels } of METRICS) {
    assert.match(name, /^proxy_now_[a-z][a-z0-9_]*[a-z0-9]$/);
    assert.equal(name.endsWith('_total'), type === 'counter', `${name}: _total marks counters`);
    if (unit !== '') assert.match(name, new RegExp(`_${unit}(_total)?$`));
    assert.doesNotMatch(name, /_(ms|us|ns|milliseconds|kb)(_|$)/);
    assert.match(doc, /^[A-Z0-9].*\.$/);
    for (const label of labels) assert.match(label, /^[a-z]+$/);
    assert.ok(!names.has(name), `${name} is defined twice`);
    names.add(name);
  }
});

test('metrics: a definition with several values has a label for them', () => {
  for (const { name, values, labels, type, powers, merge } of METRICS) {
    if (values !== null) assert.ok(labels.length > 0, name);
    assert.equal(powers.length > 0, type === 'histogram', name);
    assert.equal(merge === 'each', labels.includes('worker'), name);
  }
});

test('metrics: OpenMetrics families stay distinct without the _total of counters', () => {
  const families = METRICS.map(({ name }) => name.replace(/_total$/, ''));
  assert.equal(new Set(families).size, families.length);
});

test('metrics: the promised names exist', () => {
  const labelsOf = new Map(METRICS.map(({ name, labels }) => [name, labels.join()]));
  const promised = {
    proxy_now_requests_total: 'route,code',
    proxy_now_request_duration_seconds: 'route',
    proxy_now_faults_total: 'fault',
    proxy_now_connections: 'listener',
    proxy_now_upstream_attempts_total: 'service,endpoint',
    proxy_now_route_lookup_seconds: '',
    proxy_now_rules: '',
    proxy_now_worker_heap_allocated_bytes_total: 'worker',
    proxy_now_internal_errors_total: '',
    proxy_now_access_log_dropped_total: '',
    proxy_now_snapshot_generation: 'worker',
  };
  for (const [name, labels] of Object.entries(promised)) assert.equal(labelsOf.get(name), labels);
});

test('reference rows: one per metric and one per fault', () => {
  assert.deepEqual(
    metricReferenceRows().map((row) => row.name),
    METRICS.map((definition) => definition.name),
  );
  const labels = Object.values(FAULTS).map((info) => info.label);
  assert.deepEqual(
    new Set(faultReferenceRows().map((row) => row.label)),
    new Set(labels.filter((label) => label !== 'none')),
  );
});
