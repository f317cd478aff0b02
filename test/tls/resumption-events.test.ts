import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGood, measureEvents } from './resumption-events.ts';

test('tls: tickets outlive reloads, upgrades and crashes, and fit one policy', async () => {
  const results = await measureEvents(8);
  assert.ok(results.length >= 18);
  assert.deepEqual(
    results.filter((result) => !isGood(result)),
    [],
  );
});
