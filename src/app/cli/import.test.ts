import assert from 'node:assert/strict';
import { test } from 'node:test';

import { importText } from './import.ts';

test('import: names from a file cannot reach a terminal', () => {
  const line = { kind: 'account', name: '\u001b[2J', from: 'x\ny', outcome: 'failed' } as const;
  const text = importText('/store', [{ ...line, message: '\u0007' }]);
  assert.equal(text.split('\n').length, 2);
  assert.ok(!text.includes('\u001b') && !text.includes('\u0007'));
});
