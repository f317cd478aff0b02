import assert from 'node:assert/strict';
import test from 'node:test';

import { LOG_FIELDS, LOG_TEMPLATE_SIZE_MAX, parseLogTemplate } from './access-log.ts';

test('log template: splits text and fields', () => {
  assert.deepEqual(parseLogTemplate('{client} "{method}"'), {
    parts: [
      { kind: 'field', field: 'client' },
      { kind: 'text', text: ' "' },
      { kind: 'field', field: 'method' },
      { kind: 'text', text: '"' },
    ],
    issues: [],
  });
});

test('log template: doubled braces are single ones', () => {
  assert.deepEqual(parseLogTemplate('{{{status}}}').parts, [
    { kind: 'text', text: '{' },
    { kind: 'field', field: 'status' },
    { kind: 'text', text: '}' },
  ]);
});

test('log template: takes every field', () => {
  for (const field of Object.keys(LOG_FIELDS)) {
    assert.deepEqual(parseLogTemplate(`{${field}}`), {
      parts: [{ kind: 'field', field }],
      issues: [],
    });
  }
});

test('log template: reports every mistake with its place', () => {
  const cases: [string, number, number][] = [
    ['a {nope}', 2, 6],
    ['{toString}', 0, 10],
    ['{Status}', 0, 8],
    ['{}', 0, 2],
    ['{status', 0, 7],
    ['x}', 1, 1],
    ['a\nb', 1, 1],
    ['a\0b', 1, 1],
  ];
  for (const [template, offset, size] of cases) {
    const { issues } = parseLogTemplate(template);
    assert.deepEqual(
      issues.map((issue) => [issue.offset, issue.size]),
      [[offset, size]],
      JSON.stringify(template),
    );
  }
  assert.equal(parseLogTemplate('{a} {b} }').issues.length, 3);
});

test('log template: the size limit holds at its edge', () => {
  assert.deepEqual(parseLogTemplate('x'.repeat(LOG_TEMPLATE_SIZE_MAX)).issues, []);
  assert.equal(parseLogTemplate('x'.repeat(LOG_TEMPLATE_SIZE_MAX + 1)).issues.length, 1);
});
