import test from 'node:test';
import assert from 'node:assert/strict';
import { sumMetric } from './measure-heap.ts';

const TEXT = `# HELP proxy_now_requests_total Requests by route.
# TYPE proxy_now_requests_total counter
proxy_now_requests_total{route="a",code="2xx"} 100
proxy_now_requests_total{route="odd } 7 \\" name",code="5xx"} 20 1700000000000
proxy_now_requests_total_of_another 9000
proxy_now_rules 1e3
`;

test('measure-heap: adds samples over their labels and leaves longer names out', () => {
  assert.equal(sumMetric(TEXT, 'proxy_now_requests_total'), 120);
  assert.equal(sumMetric(TEXT, 'proxy_now_rules'), 1000);
});

test('measure-heap: tells a metric that is absent from one that is 0', () => {
  assert.equal(sumMetric(TEXT, 'proxy_now_worker_heap_allocated_bytes_total'), null);
  assert.equal(sumMetric('x{a="b"} 0\n', 'x'), 0);
});
