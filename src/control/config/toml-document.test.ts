import test from 'node:test';
import assert from 'node:assert/strict';
import { parseToml } from './toml-document.ts';

/** Problems as `line:column`, and the keys that could still be read. */
const CASES: readonly [text: string, problems: readonly string[], keys: readonly string[]][] = [
  ['a = 1\n[b]\nc = 1', [], ['a', 'b']],
  ['', [], []],
  ['a = \nb = 1', ['1:5'], ['b']],
  ['a = \nb = \nc = 1', ['1:5', '2:5'], ['c']],
  ['[a]\nx = "1\n[b]\ny = 1', ['2:5'], ['a', 'b']],
  ['[a]\nx = [\n  1,\n  2\n[b]\ny = 1', ['4:4'], ['a', 'b']],
  ['[a\nx = 1\n[b]\ny = 1', ['1:3'], ['b']],
  ['[a]\n[b]\n[a]\nx = 1', ['3:2'], ['a', 'b']],
  ['[a]\nx = 1\n[a.x]\n[b]', ['3:2'], ['a', 'b']],
  ['[[a]]\n[[a]]\n[a.b]\n[a.b]', ['4:2'], ['a']],
];

test('parseToml: reads around what is broken', () => {
  for (const [text, problems, keys] of CASES) {
    const document = parseToml(text);
    const places = document.problems.map(({ line, column }) => `${line}:${column}`);
    assert.deepEqual([places, Object.keys(document.root)], [problems, keys], text);
    assert.equal(
      document.text.split('\n').length,
      text.split('\n').length,
      'lines keep their number',
    );
  }
});

test('parseToml: gives up after many problems, without hanging', () => {
  const document = parseToml('[a]\nx = \n'.repeat(200));
  assert.ok(document.problems.length >= 20 && document.problems.length < 100);
});
