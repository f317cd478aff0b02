import test from 'node:test';
import assert from 'node:assert/strict';
import { loadRegexCheck, PATTERN_SIZE_MAX } from './regex-check.ts';

const INVALID: readonly [pattern: string, marked: string, hint?: RegExp][] = [
  ['a(b', 'a(b'],
  ['ab)', 'ab)'],
  ['x[z-a]', 'z-a'],
  ['ab**', '**'],
  ['a\\', '\\'],
  ['(?=a)', '(?=', /look-around/],
  ['(?<!a)b', '(?<!a)b', /look-around/],
  ['(a)\\1', '\\1', /back-references/],
  ['a{1001}', '{1001}'],
];

test('regexCheck: refuses what does not run in linear time, with its place', async () => {
  const check = await loadRegexCheck();
  for (const [pattern, marked, hint] of INVALID) {
    const problem = check(pattern);
    assert.equal(problem?.code, 'PN1304', pattern);
    const { within } = problem;
    assert.equal(pattern.slice(within?.start, within?.end), marked, pattern);
    if (hint !== undefined) assert.match(problem.hint ?? '', hint);
  }
});

test('regexCheck: accepts RE2 syntax, the classic slow patterns included', async () => {
  const check = await loadRegexCheck();
  for (const pattern of [
    '',
    '^/a/\\d+$',
    '(a+)+$',
    '(?i)abc',
    '(?P<id>[a-z]+)',
    '\\pL',
    '(a|aa)+b',
  ]) {
    assert.equal(check(pattern), null, pattern);
  }
});

test('regexCheck: accepts patterns up to the limit and no longer', async () => {
  const check = await loadRegexCheck();
  assert.equal(check('a'.repeat(PATTERN_SIZE_MAX)), null);
  assert.equal(check('a'.repeat(PATTERN_SIZE_MAX + 1))?.code, 'PN1305');
});
