import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { TimerWheel } from './timer-wheel.ts';
import type { WheelTimer } from './timer-wheel.ts';

class Clock {
  ms = 1_234.5;
  wakeCount = 0;
  readonly wheel = new TimerWheel({
    nowMs: () => this.ms,
    onWake: () => {
      this.wakeCount++;
    },
  });

  /** Moves the clock by `ms` in one jump. */
  jump(ms: number): void {
    this.ms += ms;
    this.wheel.advance(this.ms);
  }
}

test('timer wheel: fires between the deadline and one step later, not before', () => {
  for (const delayMs of [0, 1, 49, 50, 51, 999, 25_599, 25_600, 25_601, 7_200_000]) {
    const clock = new Clock();
    const fired = { atMs: -1 };
    const startMs = clock.ms;
    const timer = clock.wheel.timer(() => (fired.atMs = clock.ms));
    timer.set(delayMs);
    while (fired.atMs < 0 && clock.ms < startMs + delayMs + 1_000) clock.jump(10);
    const firedAtMs = fired.atMs;
    assert.ok(firedAtMs >= startMs + delayMs, `${delayMs}: early at ${firedAtMs - startMs}`);
    assert.ok(firedAtMs <= startMs + delayMs + 110, `${delayMs}: late at ${firedAtMs - startMs}`);
    assert.equal(timer.isSet, false);
  }
});

test('timer wheel: says how long a timer still has', () => {
  const clock = new Clock();
  const timer = clock.wheel.timer(() => {});
  assert.equal(timer.remainingMs, 0);
  timer.set(1_000);
  clock.jump(400);
  assert.ok(timer.remainingMs >= 600 && timer.remainingMs <= 650, String(timer.remainingMs));
  timer.clear();
  assert.equal(timer.remainingMs, 0);
});

test('timer wheel: set on an armed timer moves the deadline, later and earlier', () => {
  const clock = new Clock();
  let fired = 0;
  const timer = clock.wheel.timer(() => fired++);
  timer.set(1_000);
  clock.jump(900);
  timer.set(1_000);
  clock.jump(900);
  assert.equal(fired, 0);
  timer.set(10);
  clock.jump(100);
  assert.equal(fired, 1);
  clock.jump(60_000);
  assert.equal(fired, 1);
});

test('timer wheel: clear disarms, and a cleared timer can be armed again', () => {
  const clock = new Clock();
  let fired = 0;
  const timer = clock.wheel.timer(() => fired++);
  timer.clear();
  timer.set(100);
  assert.equal(timer.isSet, true);
  timer.clear();
  assert.equal(timer.isSet, false);
  clock.jump(1_000);
  assert.equal(fired, 0);
  timer.set(100);
  clock.jump(1_000);
  assert.equal(fired, 1);
});

test('timer wheel: a thaw after 20 s fires each due timer once, in order of deadline', () => {
  const clock = new Clock();
  const order: number[] = [];
  for (const delayMs of [19_000, 50, 7_000, 3_600_000, 12_000, 100]) {
    const timer = clock.wheel.timer(() => {
      order.push(delayMs);
      timer.set(10_000); // A periodic timer must not fire twice for one jump.
    });
    timer.set(delayMs);
  }
  clock.jump(20_000);
  assert.deepEqual(order, [50, 100, 7_000, 12_000, 19_000]);
});

test('timer wheel: a jump of many turns keeps the order', () => {
  const clock = new Clock();
  const order: number[] = [];
  for (const delayMs of [90_000_000, 60_000, 26_000, 3_000_000, 25_000]) {
    clock.wheel.timer(() => order.push(delayMs)).set(delayMs);
  }
  clock.jump(100_000_000);
  assert.deepEqual(order, [25_000, 26_000, 60_000, 3_000_000, 90_000_000]);
});

test('timer wheel: a stall counts for one turn only, and timers set during it are not late', () => {
  let ms = 10_000;
  const wheel = new TimerWheel({ nowMs: () => ms, turnMaxMs: 500 });
  const fired: string[] = [];
  const name = (text: string): WheelTimer => wheel.timer(() => fired.push(text));
  name('due').set(500);
  name('later').set(600);
  ms += 20_000; // Stopped and thawed: bytes are read first, and arm a timer, then the wheel turns.
  name('new').set(1_000);
  wheel.advance(ms);
  assert.deepEqual(fired, ['due']); // What is within a turn is due; all else goes on as before.
  ms += 50;
  wheel.advance(ms);
  assert.deepEqual(fired, ['due']);
  ms += 100;
  wheel.advance(ms);
  assert.deepEqual(fired, ['due', 'later']);
  ms += 400;
  wheel.advance(ms);
  ms += 350;
  wheel.advance(ms);
  assert.deepEqual(fired, ['due', 'later']); // 900 ms after the thaw.
  ms += 150;
  wheel.advance(ms);
  assert.deepEqual(fired, ['due', 'later', 'new']); // The turn it was set in is over: no stall.
});

test('timer wheel: turns that take longer than they count for still reach every deadline', () => {
  let ms = 0;
  const wheel = new TimerWheel({ nowMs: () => ms, turnMaxMs: 500 });
  const fired = { atMs: -1 };
  wheel.timer(() => (fired.atMs = ms)).set(5_000);
  while (fired.atMs < 0 && ms < 60_000) wheel.advance((ms += 1_000));
  assert.equal(fired.atMs, 10_000); // Half as fast, never standing still.
});

test('timer wheel: a wheel that was empty for long counts from when it wakes', () => {
  let ms = 0;
  const wheel = new TimerWheel({ nowMs: () => ms, turnMaxMs: 500 });
  const fired = { atMs: -1 };
  ms = 3_600_000; // Nobody advances an empty wheel.
  wheel.timer(() => (fired.atMs = ms)).set(200);
  while (fired.atMs < 0 && ms < 3_700_000) wheel.advance((ms += 50));
  assert.ok(fired.atMs >= 3_600_200 && fired.atMs <= 3_600_300, String(fired.atMs));
});

test('timer wheel: does nothing when the clock goes back', () => {
  const clock = new Clock();
  let fired = 0;
  clock.wheel.timer(() => fired++).set(100);
  clock.jump(-1_000);
  assert.equal(fired, 0);
  clock.jump(1_200);
  assert.equal(fired, 1);
});

test('timer wheel: wakes its driver once and lets it sleep when the last timer has left', () => {
  const clock = new Clock();
  const first = clock.wheel.timer(() => {});
  const second = clock.wheel.timer(() => {});
  first.set(100);
  second.set(200);
  first.set(300);
  assert.equal(clock.wakeCount, 1);
  second.clear();
  clock.jump(1_000);
  assert.equal(clock.wheel.linkedCount, 0);
  clock.ms += 1_000_000; // Asleep: nobody advances.
  first.set(100);
  assert.equal(clock.wakeCount, 2);
  clock.jump(99);
  assert.equal(first.isSet, true);
  clock.jump(100);
  assert.equal(first.isSet, false);
});

test('timer wheel: a throwing callback does not lose the timers behind it', () => {
  const clock = new Clock();
  let fired = 0;
  for (let i = 0; i < 3; i++) clock.wheel.timer(() => fired++).set(100);
  clock.wheel
    .timer(() => {
      throw new Error('broken');
    })
    .set(100);
  assert.throws(() => clock.jump(1_000), /broken/);
  clock.jump(0);
  assert.equal(fired, 3);
});

test('timer wheel: a callback may clear and set timers of its own step', () => {
  const clock = new Clock();
  const log: string[] = [];
  const timers: WheelTimer[] = [];
  for (let i = 0; i < 3; i++) {
    timers.push(
      clock.wheel.timer(() => {
        log.push('fired');
        for (const other of timers) other.clear();
        timers[0]!.set(0);
      }),
    );
  }
  for (const timer of timers) timer.set(100);
  clock.jump(150);
  assert.deepEqual(log, ['fired']);
  clock.jump(100);
  assert.deepEqual(log, ['fired', 'fired']);
});

type Operation =
  | { readonly kind: 'set'; readonly index: number; readonly delayMs: number }
  | { readonly kind: 'clear'; readonly index: number }
  | { readonly kind: 'jump'; readonly ms: number };

const delay = fc.oneof(
  fc.integer({ min: 0, max: 500 }),
  fc.integer({ min: 0, max: 60_000 }),
  fc.integer({ min: 0, max: 20_000_000 }),
);
const index = fc.nat({ max: 5 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), index, delayMs: delay }),
  fc.record({ kind: fc.constant('clear' as const), index }),
  fc.record({ kind: fc.constant('jump' as const), ms: delay }),
);

test('timer wheel: agrees with a naive list of deadlines, for any order of operations', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const clock = new Clock();
      const step = clock.wheel.resolutionMs;
      const deadlines = Array.from({ length: 6 }, () => -1); // In steps, -1 when not armed.
      let fired: number[] = [];
      const timers = deadlines.map((_, i) => clock.wheel.timer(() => fired.push(i)));
      for (const op of operations) {
        if (op.kind === 'set') {
          timers[op.index]!.set(op.delayMs);
          const due = Math.ceil((clock.ms + op.delayMs) / step);
          deadlines[op.index] = Math.max(due, Math.floor(clock.ms / step) + 1);
        } else if (op.kind === 'clear') {
          timers[op.index]!.clear();
          deadlines[op.index] = -1;
        } else {
          fired = [];
          clock.jump(op.ms);
          const now = Math.floor(clock.ms / step);
          const due = [...deadlines.keys()].filter(
            (i) => deadlines[i]! >= 0 && deadlines[i]! <= now,
          );
          assert.deepEqual(fired.toSorted(), due);
          const steps = fired.map((i) => deadlines[i]!);
          assert.deepEqual(
            steps,
            steps.toSorted((a, b) => a - b),
          );
          for (const i of due) deadlines[i] = -1;
        }
        for (const [i, timer] of timers.entries()) assert.equal(timer.isSet, deadlines[i]! >= 0);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('timer wheel: lets go of a cleared timer at once', () => {
  const wheel = new TimerWheel({ nowMs: () => 0 });
  const timers = [1_000, 30_000, 1_000].map((delayMs) => {
    const timer = wheel.timer(() => assert.fail('it was cleared'));
    timer.set(delayMs);
    return timer;
  });
  assert.equal(wheel.linkedCount, 3);
  for (const timer of timers) timer.clear();
  assert.equal(wheel.linkedCount, 0, 'the owner may be a connection that is gone');
  wheel.advance(60_000);
});
