import assert from 'node:assert/strict';
import test from 'node:test';
import { createPrng } from '../support/prng.ts';
import { linearFit, percentPerHour } from './linear-fit.ts';
import { judgeSeries } from './gate.ts';
import { analyse } from './report.ts';

function series(y: (x: number) => number): { readonly x: number; readonly y: number }[] {
  return Array.from({ length: 120 }, (_, i) => ({ x: i * 5, y: y(i * 5) }));
}

function judge(y: (x: number) => number, growthMax: number): boolean {
  return judgeSeries(analyse({ name: 's', unit: 'MB', samples: series(y) }, 60), growthMax);
}

test('linear fit: finds a line exactly, and its error is nothing', () => {
  const fit = linearFit(series((x) => 100 + x / 10));
  assert.ok(Math.abs(fit.slope - 0.1) < 1e-9);
  assert.ok(Math.abs(fit.intercept - 100) < 1e-9);
  assert.ok(fit.slopeError < 1e-9);
  assert.ok(Math.abs(percentPerHour(fit.slope, 100) - 360) < 1e-6);
});

test('linear fit: samples that follow each other make its error larger', () => {
  const random = createPrng(7);
  const noise = series(() => random.below(1_000) / 1_000);
  let level = 0;
  const walk = noise.map(({ x, y }) => ({ x, y: (level = level * 0.9 + y - 0.5) }));
  const shuffled = walk.toSorted((a, b) => ((a.y * 7_919) % 1) - ((b.y * 7_919) % 1));
  const mixed = shuffled.map(({ y }, i) => ({ x: i * 5, y }));
  assert.ok(linearFit(walk).slopeError > 1.5 * linearFit(mixed).slopeError);
});

test('soak gate: passes what is flat or noise, and sees what grows', () => {
  const random = createPrng(3);
  assert.equal(
    judge(() => 200, 1),
    true,
  );
  assert.equal(
    judge(() => 200 + random.below(100) / 50, 1),
    true,
  );
  assert.equal(
    judge((x) => 200 + x / 3_600, 2),
    true,
    '1 MB/h',
  );
  assert.equal(
    judge((x) => 200 + (x * 20) / 3_600, 2),
    false,
    '20 MB/h',
  );
  assert.equal(
    judge((x) => 200 - x / 100, 0),
    true,
    'shrinking is well',
  );
});
