import assert from 'node:assert/strict';
import test from 'node:test';
import { getHeapStatistics } from 'node:v8';

import { collectGarbage } from './garbage.ts';

test('garbage: is collected when asked', () => {
  collectGarbage();
  const before = getHeapStatistics().used_heap_size;
  let kept: unknown = Array.from({ length: 200_000 }, (_, i) => ({ i }));
  assert.ok(getHeapStatistics().used_heap_size > before + 4_000_000);
  kept = null;
  collectGarbage();
  assert.ok(getHeapStatistics().used_heap_size < before + 2_000_000);
  assert.equal(kept, null);
});
