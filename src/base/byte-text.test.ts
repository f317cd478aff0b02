import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { latin1Text, utf8Text } from './byte-text.ts';

test('byte-text: reads one character per byte of the range', () => {
  assert.equal(latin1Text(Uint8Array.from([0x61, 0xe9, 0xff, 0x62]), 1, 3), '\u00e9\u00ff');
});

test('byte-text: equals the platform UTF-8 decoder for any bytes', () => {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const edge = fc.constantFrom(0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xe0);
  const lead = fc.constantFrom(0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff);
  const byte = fc.oneof(edge, lead, fc.integer({ min: 0, max: 255 }));
  const good = fc.string({ unit: 'grapheme' }).map((text) => [...Buffer.from(text)]);
  fc.assert(
    fc.property(fc.oneof(fc.array(byte, { maxLength: 12 }), good), (list) => {
      const bytes = Uint8Array.from(list);
      assert.equal(utf8Text(bytes, 0, bytes.length), decoder.decode(bytes));
    }),
    { numRuns: 20_000 },
  );
});
