import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parse } from 'smol-toml';
import { literalOffset } from './literal-offsets.ts';

const CASES: readonly [literal: string, offset: number, expected: number][] = [
  ['"abc"', 0, 1],
  ['"abc"', 2, 3],
  ['"abc"', 3, 4],
  ['"a\\"bc"', 2, 4],
  ['"\\u00e9x"', 1, 7],
  ['"\\U0001F600x"', 2, 11],
  ["'a\\b'", 2, 3],
  ['"""\nab"""', 1, 5],
  ["'''\r\nab'''", 1, 6],
  ['"""a\\\n   b"""', 1, 9],
  ['""', 0, 1],
];

test('literalOffset: skips what decoding removes', () => {
  for (const [literal, offset, expected] of CASES) {
    assert.equal(literalOffset(literal, offset), expected, literal);
  }
});

test('literalOffset: finds every plain letter of any literal', () => {
  const filler = fc.constantFrom(
    '\\n',
    '\\"',
    '\\\\',
    '\\u00e9',
    '\\U0001F600',
    ' ',
    'é',
    '😀',
    "'",
  );
  fc.assert(
    fc.property(fc.array(filler), fc.array(filler), fc.boolean(), (before, after, isMultiline) => {
      const quote = isMultiline ? '"""' : '"';
      const literal = `${quote}${before.join('')}Z${after.join('')}${quote}`;
      const decoded = parse(`a = ${literal}`)['a'] as string;
      assert.equal(literal[literalOffset(literal, decoded.indexOf('Z'))], 'Z');
    }),
  );
});
