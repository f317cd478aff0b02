import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { utf8Bytes } from './utf8.ts';
import { hasQueryParameter, someQueryValue } from './query.ts';

function has(query: string, name: string, value: string | null): boolean {
  return hasQueryParameter(query, utf8Bytes(name), value === null ? null : utf8Bytes(value));
}

function values(query: string, name: string): string[] {
  const found: string[] = [];
  const visit = (value: string): boolean => found.push(value) < 0;
  assert.equal(someQueryValue(query, utf8Bytes(name), visit), false);
  return found;
}

test('query: finds a parameter in every spelling', () => {
  const rows: [string, string, string | null, boolean][] = [
    ['', 'a', null, false],
    ['', '', null, false],
    ['a', 'a', null, true],
    ['a', 'a', '', true],
    ['a=', 'a', '', true],
    ['a=1', 'a', '', false],
    ['a=1', 'a', null, true],
    ['x=2&a=1', 'a', '1', true],
    ['a=2&a=1', 'a', '1', true],
    ['a=1&b', 'b', null, true],
    ['ab=1', 'a', null, false],
    ['a=12', 'a', '1', false],
    ['a=1', 'a', '12', false],
    ['%61=%31', 'a', '1', true],
    ['a+b=c+d', 'a b', 'c d', true],
    ['a%2Bb=%2b', 'a+b', '+', true],
    ['a=b=c', 'a', 'b=c', true],
    ['a%3Db=c', 'a=b', 'c', true],
    ['=x', '', 'x', true],
    ['&&a', '', null, false],
    ['a=%', 'a', '%', true],
    ['a=%zz', 'a', '%zz', true],
    ['a=%4', 'a', '%4', true],
    ['a=%4&1', 'a', '%4', true],
    ['a=%c3%a9', 'a', '\u00e9', true],
    ['A=1', 'a', null, false],
    ['a;b=1', 'a', null, false],
  ];
  for (const [query, name, value, expected] of rows) {
    assert.equal(has(query, name, value), expected, `${query} ${name}=${value}`);
  }
});

test('query: equals the platform parser for any query', () => {
  const part = fc.constantFrom('a', 'b', '=', '&', '+', '%61', '%3d', '%26', '%', '%c3%a9', '%ff');
  const query = fc.array(part, { maxLength: 14 }).map((parts) => parts.join(''));
  const name = fc.constantFrom('', 'a', 'b', 'ab', 'a b', '%', '\u00e9');
  fc.assert(
    fc.property(query, name, (text, wanted) => {
      const expected = new URLSearchParams(text).getAll(wanted);
      assert.deepEqual(values(text, wanted), expected);
      assert.equal(has(text, wanted, null), expected.length > 0);
      for (const value of ['', 'a', 'b=', ...expected]) {
        if (value.includes('\ufffd')) continue; // Malformed UTF-8 equals no text.
        assert.equal(has(text, wanted, value), expected.includes(value), value);
      }
    }),
    { numRuns: 10_000 },
  );
});

test('query: stops at the first visit that answers true', () => {
  const seen: string[] = [];
  const visit = (value: string): boolean => seen.push(value) === 2;
  assert.equal(someQueryValue('a=1&a=2&a=3', utf8Bytes('a'), visit), true);
  assert.deepEqual(seen, ['1', '2']);
});
