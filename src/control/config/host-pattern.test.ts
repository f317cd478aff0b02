import test from 'node:test';
import assert from 'node:assert/strict';
import { parseHostPattern } from './host-pattern.ts';

const CASES: readonly [text: string, canonical: string | null][] = [
  ['a', 'a'],
  ['WWW.Example.com.', 'www.example.com'],
  ['*', '*'],
  ['*.Example.com', '*.example.com'],
  ['10.0.0.1', '10.0.0.1'],
  ['[0::1]', '[::1]'],
  ['_dmarc.a-b.com', '_dmarc.a-b.com'],
  ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  [`${'a'.repeat(63)}.com`, `${'a'.repeat(63)}.com`],
  [`${'a'.repeat(64)}.com`, null],
  ['', null],
  ['.', null],
  ['a..b', null],
  ['-a.com', null],
  ['*.', null],
  ['*.*.com', null],
  ['a.*.com', null],
  ['*a.com', null],
  ['bücher.example', null],
  ['a.com:80', null],
  ['http://a.com', null],
  ['a.com/b', null],
  ['a b', null],
  ['10.0.0.256', null],
  ['127.1', null],
  ['0x7f.0x1', null],
  ['::1', null],
  ['[127.0.0.1]', null],
];

test('parseHostPattern: reads each form into its canonical one, and nothing else', () => {
  for (const [text, canonical] of CASES) {
    const parsed = parseHostPattern(text);
    assert.equal(parsed.ok ? parsed.value : null, canonical, text);
  }
});
