import assert from 'node:assert/strict';
import test from 'node:test';

import { lineWriter } from './standard-error.ts';

test('standard error: a reader that is stuck costs lines, not memory, and is told how many', () => {
  const written: string[] = [];
  const stream = {
    writableLength: 1_048_576,
    write: (text: string) => written.push(text),
  };
  const write = lineWriter(stream);
  write('at the edge\n');
  stream.writableLength++;
  write('lost\n');
  write('lost as well\n');
  assert.deepEqual(written, ['at the edge\n']);
  stream.writableLength = 0;
  write('read again\n');
  write('and again\n');
  assert.deepEqual(written.slice(1), [
    'proxy-now: 2 lines were dropped, nobody read them\n',
    'read again\n',
    'and again\n',
  ]);
});
