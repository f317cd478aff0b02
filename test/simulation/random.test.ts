/**
 * Random clients against random origins on a random network, many seeds a run.
 *
 * A failing seed is printed; `SEED=n` in the environment runs that one alone, `SEEDS=n` sets how
 * many a run takes.
 */

import assert from 'node:assert/strict';
import test from 'node:test';

import { createMetricBuffer } from '../../src/contract/metric-layout.ts';
import { compileVariants, runSeed } from './random-run.ts';

const only = process.env['SEED'];
const seedCount = Number(process.env['SEEDS'] ?? 1_200);

test('simulation: answers rightly, with an error, or visibly not at all', async () => {
  const variants = await compileVariants();
  const cells = new Float64Array(createMetricBuffer());
  const seeds = only === undefined ? seedCount : 1;
  const first = only === undefined ? 1 : Number(only);
  let goodCount = 0;
  let badCount = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    try {
      const totals = runSeed(seed, variants, cells);
      goodCount += totals.goodCount;
      badCount += totals.errorCount + totals.brokenCount;
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      assert.fail(`replay with SEED=${seed}\n${text}`);
    }
  }
  if (only !== undefined) return;
  // The weather is mixed: neither all good nor all bad, or the cases above prove little.
  assert.ok(goodCount > badCount, `${goodCount} good answers, ${badCount} others`);
  assert.ok(badCount > seedCount, `${badCount} errors and broken transfers`);
});
