/** Client addresses behind trusted proxies, with what hostile or broken ones write. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { compileCidrSet } from '../../base/cidr.ts';
import { latin1Bytes } from '../../base/ascii.ts';
import { scanFieldLines } from '../codec/h1/field-lines.ts';
import { FieldTable } from '../codec/head.ts';
import { clientAddressOf } from './forwarded.ts';

const TRUSTED = compileCidrSet(['10.0.0.0/8', '::1/128']);

function clientOf(...values: string[]): string {
  const bytes = latin1Bytes(
    values.map((value) => `X-Forwarded-For: ${value}\r\n`).join('') + '\r\n',
  );
  const fields = new FieldTable(8);
  fields.restart(bytes, 0);
  assert.ok(scanFieldLines(fields, bytes, bytes.length, 8) > 0);
  return clientAddressOf(fields, '10.0.0.1', TRUSTED);
}

test('forwarded: the client is the right-most address that is no trusted proxy', () => {
  assert.equal(clientOf('192.0.2.9, 10.0.0.7'), '192.0.2.9');
  assert.equal(clientOf('6.6.6.6, 192.0.2.9:4711', '10.0.0.7'), '192.0.2.9');
  assert.equal(clientOf('[2001:db8::1]:4711, 10.0.0.7'), '2001:db8::1');
  assert.equal(clientOf('10.0.0.3, 10.0.0.7'), '10.0.0.3');
});

test('forwarded: what is no address is never taken for the client', () => {
  const junk = ['[evil"]', '....', ':::', 'unknown', '1.2.3', '999.1.1.1', '[::1', 'fe80::1%eth0'];
  for (const text of [...junk, '', '1'.repeat(5_000)]) {
    assert.equal(clientOf(`6.6.6.6, ${text}, 10.0.0.7`), '10.0.0.7', text);
  }
});
