import test from 'node:test';
import assert from 'node:assert/strict';
import { parsePathPattern } from './path-pattern.ts';

const CASES: readonly [text: string, pattern: string | null][] = [
  ['/', 'path /'],
  ['/*', 'pathPrefix /'],
  ['/api', 'path /api'],
  ['/api/', 'path /api/'],
  ['/api/*', 'pathPrefix /api'],
  ['/a//b/*', 'pathPrefix /a/b'],
  ['/%7Euser/%2f', 'path /~user/%2F'],
  ['/ä', 'path /%C3%A4'],
  ['/a;v=1', 'path /a;v=1'],
  ['', null],
  ['*', null],
  ['api', null],
  ['/api*', null],
  ['/*/b', null],
  ['/a/*/*', null],
  ['/a?b', null],
  ['/a#b', null],
  ['/a b', null],
  ['/a\\b', null],
  ['/a/./b', null],
  ['/a/%2E%2e', null],
  ['/a/..;x', null],
  ['/%zz', null],
  ['/%00', null],
];

test('parsePathPattern: reads each form into its canonical one, and nothing else', () => {
  for (const [text, pattern] of CASES) {
    const parsed = parsePathPattern(text);
    assert.equal(parsed.ok ? `${parsed.value.kind} ${parsed.value.path}` : null, pattern, text);
  }
});
