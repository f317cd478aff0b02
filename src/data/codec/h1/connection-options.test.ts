import assert from 'node:assert/strict';
import test from 'node:test';
import { latin1Bytes } from '../../../base/ascii.ts';
import { Field } from '../field.ts';
import { FieldTable } from '../head.ts';
import {
  CONNECTION_OPTION_COUNT_MAX,
  ConnectionOption,
  listIncludes,
  readConnectionField,
} from './connection-options.ts';
import { scanFieldLines } from './field-lines.ts';

function scan(text: string): FieldTable {
  const table = new FieldTable(20);
  const bytes = latin1Bytes(`${text}\r\n`);
  table.restart(bytes, 0);
  assert.equal(scanFieldLines(table, bytes, bytes.length, 20), bytes.length);
  return table;
}

test('connection options: known options set their bit in any case', () => {
  const rows: [string, number][] = [
    ['close', ConnectionOption.close],
    ['Keep-Alive', ConnectionOption.keepAlive],
    ['UPGRADE', ConnectionOption.upgrade],
    [' ,\tclose , upgrade,', ConnectionOption.close | ConnectionOption.upgrade],
    ['closed, "close", close;x, te, host', 0],
    ['', 0],
  ];
  for (const [value, options] of rows) {
    const table = scan(`Connection: ${value}\r\n`);
    assert.equal(readConnectionField(table, 0), true);
    assert.equal(table.connectionOptions, options, value);
  }
});

test('connection options: a nomination marks unknown names only, wherever they stand', () => {
  const table = scan('X-A: 1\r\nConnection: x-a, via, x-b\r\nVia: x\r\nX-AA: 2\r\nx-B: 3\r\n');
  readConnectionField(table, table.find(Field.connection));
  assert.deepEqual([...table.isHop.subarray(0, table.count)], [1, 1, 0, 0, 1]);
});

test('connection options: empty ones count, and all fields together are bounded', () => {
  const half = CONNECTION_OPTION_COUNT_MAX / 2;
  const line = `Connection: ${','.repeat(half - 1)}\r\n`;
  const table = scan(`${line}${line}Connection: a\r\n`);
  assert.equal(readConnectionField(table, 0), true);
  assert.equal(readConnectionField(table, 1), true);
  assert.equal(readConnectionField(table, 2), false);
});

test('listIncludes: compares whole elements of the given range only', () => {
  const bytes = latin1Bytes('xa, Bc ,\td,ex');
  const has = (element: string): boolean =>
    listIncludes(bytes, 1, bytes.length - 1, latin1Bytes(element));
  for (const element of ['a', 'bc', 'd', 'e']) assert.ok(has(element), element);
  for (const element of ['xa', 'b', 'c', 'ex', 'a,']) assert.ok(!has(element), element);
});
