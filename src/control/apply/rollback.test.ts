import assert from 'node:assert/strict';
import test from 'node:test';

import { RollbackGuard, ROLLBACK_REQUESTS_MIN } from './rollback.ts';

/** A clock, one timer, and the totals a guard sees. */
class Bench {
  nowMs = 0;
  requests = 0;
  failures = 0;
  readonly verdicts: string[] = [];
  readonly guard: RollbackGuard;
  private due: { atMs: number; task: () => void } | null = null;

  constructor(windowMs = 10_000, faultPercent = 50) {
    this.guard = new RollbackGuard({
      sample: () => ({ requests: this.requests, failures: this.failures }),
      nowMs: () => this.nowMs,
      schedule: (delayMs, task) => {
        const timer = { atMs: this.nowMs + delayMs, task };
        this.due = timer;
        return () => {
          if (this.due === timer) this.due = null;
        };
      },
    });
    this.guard.configure({ windowMs, faultPercent });
  }

  get isTicking(): boolean {
    return this.due !== null;
  }

  begin(): void {
    this.guard.begin({
      onBad: (reason) => this.verdicts.push(`bad: ${reason}`),
      onPassed: () => this.verdicts.push('passed'),
    });
  }

  /** Traffic spread evenly over `ms`. */
  run(ms: number, requests = 0, failures = 0): void {
    const endMs = this.nowMs + ms;
    const startMs = this.nowMs;
    const [requestsBefore, failuresBefore] = [this.requests, this.failures];
    const take = (): void => {
      const share = ms === 0 ? 1 : (this.nowMs - startMs) / ms;
      this.requests = requestsBefore + Math.round(requests * share);
      this.failures = failuresBefore + Math.round(failures * share);
    };
    while (this.due !== null && this.due.atMs <= endMs) {
      const { atMs, task } = this.due;
      this.due = null;
      this.nowMs = atMs;
      take();
      task();
    }
    this.nowMs = endMs;
    take();
  }
}

test('rollback: many failures where there were none are bad, once', () => {
  const bench = new Bench();
  bench.run(10_000, 1_000, 0);
  bench.begin();
  bench.run(1_000, 100, 80);
  assert.equal(bench.verdicts.length, 1);
  assert.match(
    bench.verdicts[0]!,
    /^bad: \d\d % of \d+ requests failed, 0 % of \d+ requests before$/,
  );
  bench.run(20_000, 100, 100);
  assert.equal(bench.verdicts.length, 1);
});

test('rollback: a good window passes at its end and not before', () => {
  const bench = new Bench();
  bench.begin();
  bench.run(9_000, 100, 2);
  assert.deepEqual(bench.verdicts, []);
  bench.run(2_000, 100, 2);
  assert.deepEqual(bench.verdicts, ['passed']);
});

test('rollback: the share at which it is bad is the configured one', () => {
  for (const [failures, verdict] of [
    [39, 'passed'],
    [40, 'bad'],
  ] as const) {
    const bench = new Bench(1_000, 40);
    bench.begin();
    // All at once, so that there is one share to judge.
    bench.requests += 100;
    bench.failures += failures;
    bench.run(2_000);
    assert.equal(bench.verdicts[0]!.split(':')[0], verdict, String(failures));
  }
});

test('rollback: few requests prove nothing', () => {
  const few = new Bench();
  few.begin();
  few.run(11_000, ROLLBACK_REQUESTS_MIN - 1, ROLLBACK_REQUESTS_MIN - 1);
  assert.deepEqual(few.verdicts, ['passed']);
  const enough = new Bench();
  enough.begin();
  enough.run(9_500, ROLLBACK_REQUESTS_MIN, ROLLBACK_REQUESTS_MIN);
  assert.match(enough.verdicts[0] ?? '', /^bad/);
});

test('rollback: what failed as much before is not the doing of the reload', () => {
  const bench = new Bench();
  bench.run(3_600_000, 1_000_000, 0); // An hour without a failure does not hide what is now.
  bench.run(10_000, 1_000, 600);
  bench.begin();
  bench.run(11_000, 1_000, 700);
  assert.deepEqual(bench.verdicts, ['passed']);
});

test('rollback: a second reload in the window is compared with what was before the first', () => {
  const bench = new Bench();
  bench.run(10_000, 1_000, 0);
  bench.begin();
  bench.run(1_000, 18, 18); // Bad, but too few to say so.
  bench.begin();
  bench.run(5_000, 200, 200);
  assert.equal(bench.verdicts.length, 1);
  assert.match(bench.verdicts[0]!, /, 0 % of \d+ requests before$/);
});

test('rollback: without a window everything passes at once, and no timer runs', () => {
  const bench = new Bench(0);
  assert.equal(bench.isTicking, false);
  bench.begin();
  assert.deepEqual(bench.verdicts, ['passed']);
  const closing = new Bench();
  closing.begin();
  closing.guard.configure({ windowMs: 0, faultPercent: 50 });
  assert.deepEqual(closing.verdicts, ['passed']);
  assert.equal(closing.isTicking, false);
  const closed = new Bench();
  closed.begin();
  closed.guard.close();
  assert.deepEqual(closed.verdicts, []);
  assert.equal(closed.isTicking, false);
});

test('rollback: end leaves a window without a verdict', () => {
  const bench = new Bench();
  bench.begin();
  bench.guard.end();
  bench.run(20_000, 1_000, 1_000);
  assert.deepEqual(bench.verdicts, []);
});
