import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { CertificateEntry } from '../../contract/tls.ts';
import { CertificateTable } from './certificate-table.ts';
import type { Choice } from './certificate-table.ts';
import { certificate } from './tls-fixtures.contract.ts';

const NOW_MS = 1_500;
const EXPIRED = { notAfterMs: 1_400 };
const EARLY = { notBeforeMs: 1_600 };

function tableOf(...add: readonly CertificateEntry[]): CertificateTable {
  const table = new CertificateTable();
  table.update({ add, remove: [] });
  return table;
}

function idsOf(choice: Choice | null): string {
  return choice === null ? 'none' : choice.map((entry) => entry.id).join(' ');
}

test('certificate-table: exact names, then wildcards of one label', () => {
  const table = tableOf(
    certificate('exact', ['a.test', 'www.a.test']),
    certificate('wildcard', ['*.a.test']),
    certificate('address', ['192.0.2.1', '2001:db8::1']),
  );
  const rows: [string, string][] = [
    ['a.test', 'exact'],
    ['www.a.test', 'exact'],
    ['x.a.test', 'wildcard'],
    ['y.x.a.test', 'none'],
    ['b.test', 'none'],
    ['192.0.2.1', 'address'],
    ['2001:db8::1', 'address'],
    ['', 'none'],
  ];
  for (const [name, expected] of rows) assert.equal(idsOf(table.choose(name, NOW_MS)), expected);
  assert.equal(table.has('x.a.test'), true);
  assert.equal(table.has('b.test'), false);
  assert.equal(table.hasAddresses, true);
  table.update({ add: [], remove: ['address'] });
  assert.equal(table.hasAddresses, false);
});

test('certificate-table: takes the best of each key type, valid before ranked before long', () => {
  const rows: [string, CertificateEntry[], string][] = [
    [
      'both types',
      [certificate('r', ['a.test'], { keyType: 'rsa' }), certificate('e', ['a.test'])],
      'e r',
    ],
    [
      'the later end',
      [certificate('1', ['a.test']), certificate('2', ['a.test'], { notAfterMs: 3_000 })],
      '2',
    ],
    [
      'the lower rank',
      [certificate('1', ['a.test'], { rank: 1, notAfterMs: 9_000 }), certificate('0', ['a.test'])],
      '0',
    ],
    [
      'valid before rank',
      [certificate('0', ['a.test'], EXPIRED), certificate('1', ['a.test'], { rank: 1 })],
      '1',
    ],
    [
      'not yet valid',
      [certificate('0', ['a.test'], EARLY), certificate('1', ['a.test'], { rank: 2 })],
      '1',
    ],
    [
      'no expired one beside a valid one',
      [certificate('e', ['a.test'], EXPIRED), certificate('r', ['a.test'], { keyType: 'rsa' })],
      'r',
    ],
    [
      'no internal one beside a configured one',
      [
        certificate('e', ['a.test'], { rank: 2 }),
        certificate('r', ['a.test'], { keyType: 'rsa', rank: 0 }),
      ],
      'r',
    ],
    ['an expired one where there is no other', [certificate('e', ['a.test'], EXPIRED)], 'e'],
  ];
  for (const [what, entries, expected] of rows) {
    assert.equal(idsOf(tableOf(...entries).choose('a.test', NOW_MS)), expected, what);
    assert.equal(idsOf(tableOf(...entries.toReversed()).choose('a.test', NOW_MS)), expected, what);
  }
});

test('certificate-table: a valid wildcard goes before an expired exact certificate', () => {
  const table = tableOf(
    certificate('exact', ['x.a.test'], EXPIRED),
    certificate('wildcard', ['*.a.test']),
  );
  assert.equal(idsOf(table.choose('x.a.test', NOW_MS)), 'wildcard');
  assert.equal(idsOf(table.choose('x.a.test', 1_300)), 'exact');
  assert.equal(idsOf(table.choose('x.a.test', 5_000)), 'exact', 'neither is valid');
});

test('certificate-table: an update removes first, and replaces what has the same id', () => {
  const table = tableOf(certificate('old', ['a.test']));
  table.update({ add: [certificate('new', ['a.test'])], remove: ['old', 'unknown'] });
  assert.equal(idsOf(table.choose('a.test', NOW_MS)), 'new');
  assert.equal(table.size, 1);
  const stapled = certificate('new', ['a.test'], { ocsp: new Uint8Array(3) });
  table.update({ add: [stapled], remove: [] });
  assert.equal(table.size, 1);
  assert.equal(table.choose('a.test', NOW_MS)![0], stapled);
  table.update({ add: [], remove: ['new'] });
  assert.equal(table.choose('a.test', NOW_MS), null);
});

test('certificate-table: the configured default comes with its sibling of the other type', () => {
  const table = tableOf(
    certificate('first', ['a.test']),
    certificate('e', ['b.test']),
    certificate('r', ['b.test'], { keyType: 'rsa' }),
    certificate('old', ['b.test'], { notAfterMs: 1_600 }),
    certificate('nameless', []),
  );
  assert.equal(idsOf(table.chooseDefault('e', NOW_MS)), 'e r');
  assert.equal(idsOf(table.chooseDefault('old', NOW_MS)), 'old', 'exactly that one was asked for');
  assert.equal(idsOf(table.chooseDefault('nameless', NOW_MS)), 'nameless');
  assert.equal(idsOf(table.chooseDefault('gone', NOW_MS)), 'first');
});

test('certificate-table: otherwise the default is the first one of the lowest rank', () => {
  const table = tableOf(
    certificate('internal', ['local.test'], { rank: 2 }),
    certificate('managed', ['a.test'], { rank: 1 }),
    certificate('second', ['b.test'], { rank: 1 }),
  );
  assert.equal(idsOf(table.chooseDefault('', NOW_MS)), 'managed');
  table.update({ add: [certificate('renewed', ['a.test'], { rank: 1 })], remove: ['managed'] });
  assert.equal(idsOf(table.chooseDefault('', NOW_MS)), 'renewed', 'a renewal stays the default');
  table.update({ add: [certificate('file', ['c.test'])], remove: [] });
  assert.equal(idsOf(table.chooseDefault('', NOW_MS)), 'file');
  table.update({ add: [], remove: ['file', 'renewed', 'second', 'internal'] });
  assert.equal(table.chooseDefault('', NOW_MS), null);
  table.update({ add: [certificate('nameless', [])], remove: [] });
  assert.equal(idsOf(table.chooseDefault('', NOW_MS)), 'nameless');
});

test('certificate-table: a choice depends on what there is, not on how it came', () => {
  const names = fc.subarray(['a.test', '*.test', 'b.test'], { minLength: 1 });
  const entry = fc.record({
    id: fc.constantFrom('1', '2', '3', '4', '5', '6'),
    names,
    keyType: fc.constantFrom('ecdsa' as const, 'rsa' as const, 'ed25519' as const),
    rank: fc.nat(2),
    notAfterMs: fc.constantFrom(1_400, 1_600, 1_700),
  });
  const step = fc.record({
    add: fc.array(entry, { maxLength: 3 }),
    remove: fc.array(fc.constantFrom('1', '2', '3')),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
      const table = new CertificateTable();
      const model = new Map<string, CertificateEntry>();
      for (const { add, remove } of steps) {
        const entries = add.map((one) => certificate(one.id, one.names, one));
        table.update({ add: entries, remove });
        for (const id of remove) model.delete(id);
        for (const one of entries) model.set(one.id, one);
      }
      const sorted = [...model.values()].toSorted((a, b) => a.id.localeCompare(b.id));
      const fresh = tableOf(...sorted);
      assert.equal(table.size, model.size);
      for (const name of ['a.test', 'b.test', 'c.test', 'x.a.test']) {
        assert.equal(idsOf(table.choose(name, NOW_MS)), idsOf(fresh.choose(name, NOW_MS)), name);
      }
    }),
    { numRuns: 200 },
  );
});
