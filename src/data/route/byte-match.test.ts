import test from 'node:test';
import assert from 'node:assert/strict';
import { utf8Bytes } from '../../base/utf8.ts';
import { bytesEqual, hasParentHost, hasPathPrefix } from './byte-match.ts';

/** Runs `check` on `text` in the middle of other bytes. */
function within(
  check: (bytes: Uint8Array, start: number, end: number, wanted: Uint8Array) => boolean,
  text: string,
  wanted: string,
): boolean {
  const bytes = utf8Bytes(`/a.${text}/a.`);
  return check(bytes, 3, 3 + text.length, utf8Bytes(wanted));
}

test('byte-match: compares the range and nothing beside it', () => {
  assert.equal(within(bytesEqual, 'abc', 'abc'), true);
  assert.equal(within(bytesEqual, 'abc', 'ab'), false);
  assert.equal(within(bytesEqual, 'abc', 'abc/'), false);
  assert.equal(within(bytesEqual, '', ''), true);
});

test('byte-match: ends a prefix only at a segment border', () => {
  const rows: [string, string, boolean][] = [
    ['/api', '/api', true],
    ['/api/', '/api', true],
    ['/api/x', '/api', true],
    ['/apix', '/api', false],
    ['/ap', '/api', false],
    ['/api%2Fx', '/api', false],
    ['/api', '/api/', false],
    ['/api/', '/api/', true],
    ['/api/x', '/api/', true],
    ['*', '/api', false],
  ];
  for (const [path, prefix, expected] of rows) {
    assert.equal(within(hasPathPrefix, path, prefix), expected, `${path} ${prefix}`);
  }
});

test('byte-match: takes exactly one label before the parent', () => {
  const rows: [string, string, boolean][] = [
    ['a.test', 'test', true],
    ['x.a.test', 'a.test', true],
    ['x.a.test', 'test', false],
    ['a.test', 'a.test', false],
    ['.a.test', 'a.test', false],
    ['xa.test', 'a.test', false],
    ['test', 'test', false],
    ['', 'test', false],
  ];
  for (const [host, parent, expected] of rows) {
    assert.equal(within(hasParentHost, host, parent), expected, `${host} ${parent}`);
  }
});
