import assert from 'node:assert/strict';
import test from 'node:test';

import type { OutlierCause } from '../../contract/health.ts';
import type { OutlierSpec } from '../../contract/resilience.ts';
import { LATENCY_GAP_MIN_MS, OutlierDetector, REPORT_INTERVAL_MS } from './outlier-detector.ts';

const SPEC: OutlierSpec = {
  consecutiveFaultsMax: 0,
  faultPercentMax: 0,
  attemptsMin: 10,
  latencyFactorMax: 0,
  windowMs: 10_000,
  statuses: [
    { from: 502, to: 504 },
    { from: 429, to: 429 },
  ],
  ejectionMs: 1_000,
  ejectionMaxMs: 10_000,
  ejectedPercentMax: 50,
};

/** A detector on a clock the test turns. */
function open(spec: Partial<OutlierSpec>) {
  const clock = { ms: 0 };
  const reports: OutlierCause[] = [];
  const detector = new OutlierDetector(
    { ...SPEC, ...spec },
    () => clock.ms,
    (cause) => reports.push(cause),
  );
  const faults = (count: number): void => {
    for (let i = 0; i < count; i++) detector.onFault();
  };
  const answers = (count: number, latencyMs = 1): void => {
    for (let i = 0; i < count; i++) detector.onAnswer(200, latencyMs);
  };
  return { clock, reports, detector, faults, answers };
}

test('outlier: reports faults in a row at the limit, not before', () => {
  const { reports, faults, answers } = open({ consecutiveFaultsMax: 5 });
  faults(4);
  answers(1);
  faults(4);
  assert.deepEqual(reports, []);
  faults(1);
  assert.deepEqual(reports, ['consecutive-faults']);
});

test('outlier: the statuses of its list count as faults, the ones beside them do not', () => {
  const { reports, detector } = open({ consecutiveFaultsMax: 1 });
  for (const status of [200, 404, 428, 430, 500, 501, 505, 599, 600, 999, 0, -1]) {
    detector.onAnswer(status, 1);
  }
  assert.deepEqual(reports, []);
  for (const status of [429, 502, 503, 504]) {
    detector.reset();
    detector.onAnswer(status, 1);
  }
  assert.equal(reports.length, 4);
});

test('outlier: reports again only after a while, as long as faults go on', () => {
  const { clock, reports, faults } = open({ consecutiveFaultsMax: 2 });
  faults(100);
  assert.equal(reports.length, 1);
  clock.ms = REPORT_INTERVAL_MS - 1;
  faults(1);
  assert.equal(reports.length, 1);
  clock.ms = REPORT_INTERVAL_MS;
  faults(1);
  assert.equal(reports.length, 2);
});

test('outlier: a share counts only with enough attempts', () => {
  const { reports, faults, answers } = open({ faultPercentMax: 50 });
  answers(4);
  faults(5);
  assert.deepEqual(reports, [], '5 of 9 attempts are too few');
  faults(1);
  assert.deepEqual(reports, ['fault-share']);
});

test('outlier: a share below the limit is never reported', () => {
  const { reports, faults, answers } = open({ faultPercentMax: 50 });
  for (let i = 0; i < 100; i++) {
    answers(11);
    faults(10);
  }
  assert.deepEqual(reports, []);
});

test('outlier: the window forgets what is older than it', () => {
  const { clock, reports, faults, answers } = open({ faultPercentMax: 50 });
  answers(100);
  clock.ms = 5_000;
  faults(10);
  assert.deepEqual(reports, [], 'the good half still counts');
  clock.ms = 10_000;
  faults(10);
  assert.deepEqual(reports, ['fault-share'], 'now it does not');
});

test('outlier: an idle time longer than the window empties it', () => {
  const { clock, reports, faults } = open({ faultPercentMax: 50 });
  faults(9);
  clock.ms = 60_000;
  faults(1);
  assert.deepEqual(reports, []);
});

test('outlier: while muted nothing counts; after a reset it begins from nothing', () => {
  const { reports, detector, faults } = open({ consecutiveFaultsMax: 3, faultPercentMax: 50 });
  faults(2);
  detector.mute();
  faults(100);
  detector.onAnswer(503, 1);
  assert.deepEqual(reports, []);
  detector.reset();
  faults(2);
  assert.deepEqual(reports, [], 'the two from before are forgotten');
  faults(1);
  assert.deepEqual(reports, ['consecutive-faults']);
});

test('outlier: new settings hold at once and forget nothing', () => {
  const { reports, detector, faults } = open({ consecutiveFaultsMax: 10 });
  faults(4);
  detector.configure({ ...SPEC, consecutiveFaultsMax: 5, statuses: [] });
  detector.onAnswer(503, 1);
  assert.deepEqual(reports, [], '503 is no fault any more, and ends the row');
  faults(5);
  assert.deepEqual(reports, ['consecutive-faults']);
});

test('outlier: mean latency is of good answers, once there are enough', () => {
  const { clock, detector, faults, answers } = open({ latencyFactorMax: 3 });
  answers(9, 20);
  faults(50);
  assert.equal(detector.meanLatencyMs(), -1);
  answers(1, 120);
  assert.equal(detector.meanLatencyMs(), 30);
  clock.ms = 10_000;
  assert.equal(detector.meanLatencyMs(), -1, 'the window is over');
});

test('outlier: latency is reported past the factor and past a gap that matters', () => {
  const slow = open({ latencyFactorMax: 3 });
  slow.answers(10, 90);
  slow.detector.compareLatency(31);
  assert.deepEqual(slow.reports, []);
  slow.detector.compareLatency(30);
  assert.deepEqual(slow.reports, ['latency']);

  const fast = open({ latencyFactorMax: 3 });
  fast.answers(10, LATENCY_GAP_MIN_MS);
  fast.detector.compareLatency(1);
  assert.deepEqual(fast.reports, [], 'ten times as slow, and nobody notices');
});

test('outlier: latency is not compared when it does not count', () => {
  const { reports, detector, answers } = open({ latencyFactorMax: 0 });
  answers(100, 1_000);
  detector.compareLatency(1);
  assert.equal(detector.meanLatencyMs(), -1);
  assert.deepEqual(reports, []);
});
