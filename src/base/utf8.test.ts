import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { utf8Bytes, utf8Text } from './utf8.ts';

test('utf8: equals the platform encoder for any text', () => {
  fc.assert(
    fc.property(
      fc
        .array(fc.integer({ min: 0, max: 0x10ffff }))
        .map((codes) => String.fromCodePoint(...codes)),
      (text) => {
        assert.deepEqual(utf8Bytes(text), new TextEncoder().encode(text));
      },
    ),
  );
  assert.deepEqual(utf8Bytes('\ud800x'), new TextEncoder().encode('\ud800x'));
});

test('utf8: equals the platform UTF-8 decoder for any bytes', () => {
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
