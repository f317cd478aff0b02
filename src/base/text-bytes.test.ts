import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { encodeText } from './text-bytes.ts';

test('text-bytes: equals the platform encoder for any text', () => {
  fc.assert(
    fc.property(
      fc
        .array(fc.integer({ min: 0, max: 0x10ffff }))
        .map((codes) => String.fromCodePoint(...codes)),
      (text) => {
        assert.deepEqual(encodeText(text), new TextEncoder().encode(text));
      },
    ),
  );
  assert.deepEqual(encodeText('\ud800x'), new TextEncoder().encode('\ud800x'));
});
