import test from 'node:test';
import assert from 'node:assert/strict';
import type { Issue } from './issue.ts';
import { formatIssues, renderIssue, summarizeIssues } from './render-issue.ts';

const ISSUE: Issue = {
  severity: 'error',
  code: 'PN1101',
  message: 'unknown key `adress`',
  file: 'm.toml',
  line: 2,
  column: 2,
  endColumn: 8,
  path: 'listeners.web.adress',
  found: 'x',
  expected: 'y',
  hint: 'did you mean `address`?',
  related: { text: 'see', file: 'n.toml', line: 3, column: 4 },
};

test('renderIssue: draws the line, carets, and what is known', () => {
  const lines = [
    'error[PN1101]: unknown key `adress`',
    ' --> m.toml:2:2 (listeners.web.adress)',
    '  |',
    '2 | \tadress = ":8080"',
    '  | \t^^^^^^',
    '  = expected: y',
    '  = found: x',
    '  = help: did you mean `address`?',
    '  = note: see n.toml:3:4',
  ];
  assert.equal(renderIssue(ISSUE, '[listeners.web]\r\n\tadress = ":8080"\r\n'), lines.join('\n'));
});

test('renderIssue: does without the text of a file that cannot be read', () => {
  const text = renderIssue({ ...ISSUE, path: '' }, null);
  assert.equal(text.split('\n')[1], ' --> m.toml:2:2');
  assert.ok(!text.includes('^'));
});

test('renderIssue: shows a window of a long line, and no control characters', () => {
  const source = `${'a'.repeat(500)}KEY\u001b[31m${'b'.repeat(500)}`;
  const text = renderIssue({ ...ISSUE, line: 1, column: 501, endColumn: 504 }, source);
  const [, , , shown = '', caret = ''] = text.split('\n');
  assert.ok(shown.length < 200);
  assert.equal(shown.slice(caret.indexOf('^'), caret.lastIndexOf('^') + 1), 'KEY');
  assert.ok(!text.includes('\u001b'));
});

test('formatIssues: separates issues and sums them up', () => {
  const warning: Issue = { ...ISSUE, severity: 'warning' };
  assert.equal(
    formatIssues([], () => null),
    '',
  );
  const text = formatIssues([ISSUE, warning, warning], () => null);
  assert.equal(text.split('\n\n').length, 4);
  assert.ok(text.endsWith('\n\n1 error, 2 warnings\n'));
  assert.equal(summarizeIssues([]), 'no issues');
});
