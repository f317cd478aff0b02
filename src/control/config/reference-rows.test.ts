import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { jsonSchema, referenceRows } from './reference-rows.ts';
import { integer } from './schema.ts';
import { object } from './schema-compound.ts';

test('jsonSchema: equals schema/proxy-now.json, else run npm run reference', () => {
  const file = new URL('../../../schema/proxy-now.json', import.meta.url);
  assert.deepEqual(
    JSON.parse(readFileSync(file, 'utf8')),
    JSON.parse(JSON.stringify(jsonSchema())),
  );
});

test('referenceRows: has a row for every key, with its default and bounds', () => {
  const rows = new Map(referenceRows().map((row) => [row.key, row]));
  assert.equal(rows.size, referenceRows().length, 'no key twice');
  assert.deepEqual(rows.get('transports.<name>.connect-timeout'), {
    key: 'transports.<name>.connect-timeout',
    type: 'duration',
    default: '"5s"',
    bounds: '1ms to 5m',
    doc: 'Longest connect. Past it: fault connect_timeout, status 504.',
  });
  assert.equal(rows.get('listeners.<name>.address')?.default, 'required');
  assert.equal(rows.get('services.<name>.endpoints[].weight')?.default, '1');
  assert.equal(rows.get('services.<name>.sticky.max-age')?.type, 'duration');
  assert.equal(rows.get('observe.access-log.format')?.default, '"json"');
  for (const row of rows.values()) assert.match(row.doc, /\.$/, row.key);
});

test('referenceRows: lists the keys of middleware kinds', () => {
  const kinds = new Map([
    ['delay', object('Waits.', { forMs: integer({ doc: 'x.', min: 0, max: 1 }) })],
  ]);
  const keys = referenceRows(kinds).map((row) => row.key);
  assert.ok(keys.includes('middlewares.<name>.delay.for'));
  assert.ok(JSON.stringify(jsonSchema(kinds)).includes('"delay"'));
});
