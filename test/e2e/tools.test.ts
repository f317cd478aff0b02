/** The tools of fuzz and soak: what they conclude must be right, or they conclude nothing. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { makeCase } from '../fuzz/fuzz-case.ts';
import { mutate } from '../fuzz/mutate.ts';
import { describedBody, isWhole } from '../fuzz/self-describing.ts';
import { linearFit, percentPerHour } from '../soak/linear-fit.ts';
import { analyse, renderReport } from '../soak/report.ts';
import { metricSum } from '../support/metrics.ts';
import { createPrng } from '../support/prng.ts';

test('self-describing body: is whole only when nothing is missing or changed', () => {
  const random = createPrng(1);
  for (const size of [0, 1, 500]) {
    const body = describedBody(size, random);
    assert.equal(isWhole(body), true);
    assert.equal(isWhole(body.subarray(0, body.length - 1)), false);
    assert.equal(isWhole(Buffer.concat([body, Buffer.from('x')])), false);
    const changed = Buffer.from(body);
    changed[changed.length - 1]! ^= 1;
    assert.equal(isWhole(changed), false);
  }
});

test('fuzz case: is the same when seed and number are the same', () => {
  for (let number = 0; number < 200; number++) {
    assert.deepEqual(makeCase(42, number), makeCase(42, number));
  }
  assert.notDeepEqual(makeCase(42, 1), makeCase(43, 1));
});

test('mutate: changes most inputs and never throws', () => {
  const random = createPrng(3);
  const input = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  let changed = 0;
  for (let i = 0; i < 500; i++) {
    if (!mutate(input, input, random).equals(input)) changed++;
  }
  assert.ok(changed > 400, `${changed} of 500 changed`);
  assert.equal(mutate(Buffer.alloc(0), input, random).length >= 0, true);
});

test('linear fit: finds the slope it was given, and its error grows with noise', () => {
  const line = Array.from({ length: 50 }, (_, x) => ({ x, y: 100 + 0.5 * x }));
  const fit = linearFit(line);
  assert.ok(Math.abs(fit.slope - 0.5) < 1e-9);
  assert.ok(fit.slopeError < 1e-9);
  const random = createPrng(5);
  const noisy = line.map(({ x, y }) => ({ x, y: y + random.below(20) }));
  assert.ok(linearFit(noisy).slopeError > 0.01);
  assert.equal(linearFit([{ x: 1, y: 7 }]).slope, 0);
  assert.equal(percentPerHour(1 / 3_600, 100), 1);
});

test('soak report: fits only what comes after warm-up', () => {
  const samples = Array.from({ length: 20 }, (_, i) => ({ x: i * 5, y: i < 5 ? i * 50 : 250 }));
  const result = analyse({ name: 'rss <a>', unit: 'MB', samples }, 25);
  assert.ok(Math.abs(result.growth) < 1e-6, String(result.growth));
  assert.notEqual(analyse({ name: 'rss', unit: 'MB', samples }, 0).growth, 0);
  const page = renderReport([result], 25, ['one & two']);
  assert.match(page, /<polyline/);
  assert.match(page, /one &amp; two/);
  assert.doesNotMatch(page, /<a>/);
});

test('metric sum: adds label sets and tells names apart', () => {
  const text = '# HELP a_total x\na_total{k="1"} 2\na_total{k="2"} 3\na_total_other 9\nb 1\n';
  assert.equal(metricSum(text, 'a_total'), 5);
  assert.equal(metricSum(text, 'b'), 1);
  assert.equal(metricSum(text, 'c'), null);
});
