import assert from 'node:assert/strict';
import test from 'node:test';

import { METRIC_CELLS, WorkerCell } from '../contract/metric-layout.ts';
import { OverloadWatch } from './overload-watch.ts';

function setUp() {
  const figures = {
    share: 0,
    nowMs: 0,
    refusedCount: 0,
    turnedAwayCount: 0,
    usedSize: 0,
    isShort: false,
    collectCount: 0,
  };
  const cells = new Float64Array(METRIC_CELLS);
  const levels: number[] = [];
  const lines: string[] = [];
  const watch = new OverloadWatch({
    plane: {
      setOverload: (level) => void levels.push(level),
      setLevel: (level) => void levels.push(level),
      relieve() {},
      get refusedCount() {
        return figures.refusedCount;
      },
    },
    backend: {
      setMemoryShort: (isShort) => void (figures.isShort = isShort),
      get turnedAwayCount() {
        return figures.turnedAwayCount;
      },
      chunks: {
        get usedSize() {
          return figures.usedSize;
        },
        usedMax: 1_000,
      },
    },
    cells,
    memory: { share: () => figures.share },
    collect: () => void figures.collectCount++,
    nowMs: () => figures.nowMs,
    warn: (message) => void lines.push(message),
  });
  const sample = (count = 1, heapShare = 0): void => {
    for (let i = 0; i < count; i++) {
      figures.nowMs += 250;
      watch.sample(heapShare);
    }
  };
  return { figures, cells, levels, lines, sample, watch };
}

test('overload watch: the highest of process memory, heap and buffers decides', () => {
  const { figures, levels, sample } = setUp();
  sample();
  sample(1, 0.86);
  figures.usedSize = 930;
  sample();
  figures.usedSize = 0;
  figures.share = 0.95;
  sample(1, 0.1);
  assert.deepEqual(levels, [0, 1, 2, 2]);
  assert.equal(figures.isShort, true);
});

test('overload watch: a look between samples raises the level and never lowers it', () => {
  const { figures, levels, lines, sample, watch } = setUp();
  sample();
  figures.nowMs += 10;
  figures.share = 0.95;
  watch.check();
  assert.deepEqual(levels, [0, 2]);
  figures.share = 0.1;
  for (let i = 0; i < 100; i++) {
    figures.nowMs += 10;
    watch.check();
  }
  assert.equal(watch.meter.level, 2);
  assert.equal(lines.length, 1);
});

test('overload watch: says once that the level changed', () => {
  const { figures, lines, sample } = setUp();
  figures.share = 0.86;
  sample(20);
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /short of memory.*86 %/);
  figures.share = 0.1;
  sample(20);
  assert.equal(lines.length, 2);
  assert.match(lines[1]!, /fine again/);
});

test('overload watch: collects garbage while memory is short, not all the time', () => {
  const { figures, sample } = setUp();
  sample(40);
  assert.equal(figures.collectCount, 0);
  figures.share = 0.86;
  sample(40); // Ten seconds.
  assert.equal(figures.collectCount, 5);
});

test('overload watch: a thousand lost connections are two lines and one pause', () => {
  const { figures, cells, lines, sample } = setUp();
  for (let i = 0; i < 100; i++) {
    figures.turnedAwayCount += 10;
    sample();
  }
  assert.equal(lines.length, 1);
  assert.equal(cells[WorkerCell.acceptPauses], 1);
  sample(39);
  assert.equal(lines.length, 1);
  sample(2); // Ten seconds without a further one.
  assert.equal(lines.length, 2);
  assert.match(lines[1]!, /1000 connections/);
  figures.turnedAwayCount += 5;
  sample(60);
  assert.match(lines.at(-1)!, / 5 connections/);
  assert.equal(cells[WorkerCell.acceptPauses], 2);
});

test('overload watch: refusals at the limit are told in the same way', () => {
  const { figures, lines, sample } = setUp();
  figures.refusedCount = 7;
  sample(60);
  assert.equal(lines.length, 2);
  assert.match(lines[1]!, /7 were refused/);
});

test('overload watch: a loop that is late all the time is told once; one stall is not', () => {
  const { cells, levels, lines, sample } = setUp();
  cells[WorkerCell.eventLoopLagMs] = 20_000; // The process was stopped and goes on.
  sample();
  cells[WorkerCell.eventLoopLagMs] = 1;
  sample(100);
  assert.deepEqual(lines, []);
  cells[WorkerCell.eventLoopLagMs] = 800;
  sample(100);
  assert.equal(lines.length, 1);
  assert.ok(
    levels.every((level) => level === 0),
    'lag sheds nothing',
  );
});
