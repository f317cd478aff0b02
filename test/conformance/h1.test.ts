/**
 * The HTTP/1.1 attack matrix against the real binary: every vector of families A, C, T and U in
 * one piece and in small pieces, and every vector of family B with whole and split responses.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { baseToml, linksToml, startProxy } from '../support/proxy.ts';
import { describeHostile, type HostileResult } from './run-hostile.ts';
import { describeResult, type Result } from './run-vector.ts';
import {
  cutsOf,
  HOSTILE_VECTORS,
  isWorthSplitting,
  openSuite,
  REQUEST_VECTORS,
  runHostiles,
  runRequests,
  type Suite,
} from './suite.ts';

const TIMEOUT_MS = 8_000;

let suite: Suite | null = null;

test('h1: the binary starts in front of the recorders', async () => {
  suite = await openSuite({
    requestLanes: 8,
    hostileLanes: 8,
    start: (links) => startProxy(baseToml() + linksToml(links), links),
  });
  assert.ok(suite !== null);
});

async function check(
  t: test.TestContext,
  variant: string,
  results: readonly Promise<Result>[],
): Promise<void> {
  const vectors = variant === 'split' ? REQUEST_VECTORS.filter(isWorthSplitting) : REQUEST_VECTORS;
  for (const [i, promise] of results.entries()) {
    const vector = vectors[i]!;
    await t.test(`h1 ${variant}: ${vector.id} ${vector.name}`, async () => {
      const result = await promise;
      assert.ok(result.failures.length === 0, describeResult(result));
    });
  }
}

test('h1: requests get a right answer when they arrive in one piece', async (t) => {
  if (suite === null) return t.skip('the binary did not start');
  await check(t, 'whole', runRequests(suite, REQUEST_VECTORS, { timeoutMs: TIMEOUT_MS }));
});

test('h1: requests get the same answer when they arrive in small pieces', async (t) => {
  if (suite === null) return t.skip('the binary did not start');
  const vectors = REQUEST_VECTORS.filter(isWorthSplitting);
  await check(t, 'split', runRequests(suite, vectors, { timeoutMs: TIMEOUT_MS, cuts: cutsOf }));
});

async function checkHostile(
  t: test.TestContext,
  variant: string,
  results: readonly Promise<HostileResult>[],
): Promise<void> {
  for (const [i, promise] of results.entries()) {
    const vector = HOSTILE_VECTORS[i]!;
    await t.test(`h1 origin ${variant}: ${vector.id} ${vector.name}`, async () => {
      const result = await promise;
      assert.ok(result.failures.length === 0, describeHostile(result));
    });
  }
}

test('h1: a hostile origin never looks successful', async (t) => {
  if (suite === null) return t.skip('the binary did not start');
  await checkHostile(t, 'whole', runHostiles(suite, HOSTILE_VECTORS, TIMEOUT_MS));
});

test('h1: a hostile origin never looks successful in small pieces', async (t) => {
  if (suite === null) return t.skip('the binary did not start');
  for (const lane of suite.hostileLanes) lane.origin.splitsBytes = true;
  await checkHostile(t, 'split', runHostiles(suite, HOSTILE_VECTORS, TIMEOUT_MS));
});

test('h1: the binary survived and ends with code 0', async (t) => {
  if (suite === null) return t.skip('the binary did not start');
  const { child } = suite.subject;
  assert.equal(child.exit, null, `it ended by itself:\n${child.output}`);
  assert.doesNotMatch(child.output, /uncaught|unhandled|TypeError|assert/i);
  await suite.close();
  assert.deepEqual(child.exit, { code: 0, signal: null }, child.output);
});

test.after(async () => {
  await suite?.close();
});
