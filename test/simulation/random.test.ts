/**
 * Random clients against random origins on a random network, many seeds a run.
 *
 * A failing seed is printed; `SEED=n` in the environment runs that one alone, `SEEDS=n` sets how
 * many a run takes.
 */

import assert from 'node:assert/strict';
import test from 'node:test';

import { createMetricBuffer } from '../../src/contract/metric-layout.ts';
import type { Snapshot } from '../../src/contract/snapshot.ts';
import { compileResilientVariants, compileVariants, runSeed } from './random-run.ts';

const only = process.env['SEED'];
const seedCount = Number(process.env['SEEDS'] ?? 1_000);

/** Runs the seeds and returns how many answers were good, and how many were not. */
function runSeeds(variants: readonly Snapshot[], count: number): { good: number; bad: number } {
  const cells = new Float64Array(createMetricBuffer());
  const seeds = only === undefined ? count : 1;
  const first = only === undefined ? 1 : Number(only);
  const sum = { good: 0, bad: 0 };
  for (let seed = first; seed < first + seeds; seed++) {
    try {
      const totals = runSeed(seed, variants, cells);
      sum.good += totals.goodCount;
      sum.bad += totals.errorCount + totals.brokenCount;
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      assert.fail(`replay with SEED=${seed}\n${text}`);
    }
  }
  return sum;
}

test('simulation: answers rightly, with an error, or visibly not at all', async () => {
  const { good, bad } = runSeeds(await compileVariants(), seedCount);
  if (only !== undefined) return;
  // The weather is mixed: neither all good nor all bad, or the cases above prove little.
  assert.ok(good > bad, `${good} good answers, ${bad} others`);
  assert.ok(bad > seedCount / 2, `${bad} errors and broken transfers`);
});

test('simulation: so it does with retries, hedging, circuits and limits', async () => {
  const { good, bad } = runSeeds(await compileResilientVariants(), seedCount);
  if (only !== undefined) return;
  assert.ok(good > bad, `${good} good answers, ${bad} others`);
  assert.ok(bad > seedCount / 10, `${bad} errors and broken transfers`);
});
