import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGood, measureResumption } from './resumption.ts';

test('tls: sessions are resumed by whichever worker gets the connection', async () => {
  for (const result of await measureResumption(2, 100)) {
    assert.ok(isGood(result), JSON.stringify(result));
  }
});
