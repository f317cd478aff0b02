import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { contextTag, DEPTH_MAX, DerError, DerReader, Tag, textOf, tryDer } from './der-reader.ts';
import {
  derBitString,
  derBoolean,
  derNamedBits,
  derOctetString,
  derOid,
  derSequence,
  derSet,
  derSmallInteger,
  derTime,
  derUnsigned,
  derUtf8,
} from './der-writer.ts';

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
}

function reader(text: string): DerReader {
  return new DerReader(hex(text));
}

/** Walks everything there is, by every way of reading. */
function walk(from: DerReader): void {
  while (!from.isAtEnd) {
    const tag = from.peek();
    const start = from.offset;
    const value = new DerReader(from.whole());
    assert.ok(from.offset > start, 'a step consumes bytes');
    if ((tag & 0x20) !== 0) walk(value.enter(tag));
    else if (tag === Tag.integer) value.integer();
    else if (tag === Tag.oid) value.oid();
    else if (tag === Tag.boolean) value.boolean();
    else if (tag === Tag.bitString) value.namedBits();
    else if (tag === Tag.utcTime || tag === Tag.generalizedTime) value.time();
    else textOf(tag, value.content(tag));
  }
}

function content(text: string): Uint8Array | null {
  return tryDer(() => reader(text).content(Tag.octetString));
}

test('der: lengths are definite, in their shortest form, and within what holds them', () => {
  assert.deepEqual(content('04 00'), hex(''));
  assert.deepEqual(content('04 01 aa'), hex('aa'));
  assert.equal(content(`04 7f ${'00'.repeat(127)}`)?.length, 127);
  assert.equal(content(`04 8180 ${'00'.repeat(128)}`)?.length, 128);
  assert.equal(content(`04 820100 ${'00'.repeat(256)}`)?.length, 256);
  for (const bad of [
    '',
    '04',
    '04 01',
    '04 80 0000',
    '04 81',
    '04 8101 aa',
    `04 817f ${'00'.repeat(127)}`,
    `04 82007f ${'00'.repeat(127)}`,
    '04 84ffffffff',
    '04 850000000001 aa',
    '04 ff',
    '05 00',
    '1f 0100',
  ]) {
    assert.equal(content(bad), null, bad);
  }
});

test('der: a value of the wrong type, and what follows the last one, are errors', () => {
  assert.throws(() => reader('3000').content(Tag.set), DerError);
  assert.throws(() => reader('3000').finish(), DerError);
  const nested = reader('30 03 04 01 aa 05 00');
  const inner = nested.enter(Tag.sequence);
  assert.deepEqual(inner.content(Tag.octetString), hex('aa'));
  assert.equal(inner.peek(), -1);
  inner.finish();
  assert.throws(() => inner.skip(), DerError);
  assert.equal(nested.peek(), Tag.null);
});

test('der: nothing inside reaches over the end of what holds it', () => {
  const inner = reader('30 02 04 01 aa').enter(Tag.sequence);
  assert.throws(() => inner.content(Tag.octetString), DerError);
});

test('der: nesting has an end', () => {
  const nested = (depth: number): Uint8Array =>
    depth === 0 ? derSequence() : derSequence(nested(depth - 1));
  walk(new DerReader(nested(3)));
  let at = new DerReader(nested(DEPTH_MAX + 5));
  for (let depth = 0; depth < DEPTH_MAX; depth++) at = at.enter(Tag.sequence);
  assert.throws(() => at.enter(Tag.sequence), DerError);
});

test('der: integers are in their shortest form', () => {
  const integer = (text: string) => tryDer(() => reader(text).integer());
  assert.deepEqual(integer('0201 00'), hex('00'));
  assert.deepEqual(integer('0202 0080'), hex('0080'));
  assert.deepEqual(integer('0201 ff'), hex('ff'));
  for (const bad of ['0200', '0202 007f', '0202 ff80', '0202 0000']) {
    assert.equal(integer(bad), null, bad);
  }
  assert.equal(reader('0204 7fffffff').smallInteger(), 2 ** 31 - 1);
  for (const bad of ['0201 ff', '0205 0080000000']) {
    assert.equal(
      tryDer(() => reader(bad).smallInteger()),
      null,
      bad,
    );
  }
});

test('der: booleans, bit strings and object identifiers are strict', () => {
  assert.equal(reader('0101 ff').boolean(), true);
  assert.equal(reader('0101 00').boolean(), false);
  for (const bad of ['0101 01', '0100', '0102 ffff']) {
    assert.equal(
      tryDer(() => reader(bad).boolean()),
      null,
      bad,
    );
  }
  assert.deepEqual(reader('0303 00 aabb').bitString(), hex('aabb'));
  for (const bad of ['0300', '0302 01 aa', '0303 08 aabb']) {
    assert.equal(
      tryDer(() => reader(bad).bitString()),
      null,
      bad,
    );
  }
  assert.equal(reader('0302 07 80').namedBits(), 1);
  assert.equal(reader('0301 00').namedBits(), 0);
  for (const bad of ['0300', '0301 01', '0302 08 80']) {
    assert.equal(
      tryDer(() => reader(bad).namedBits()),
      null,
      bad,
    );
  }
  assert.equal(reader('0603 551d11').oid(), '2.5.29.17');
  assert.equal(reader('0606 2a864886f70d').oid(), '1.2.840.113549');
  for (const bad of ['0600', '0602 5580', '0603 558001', `0646 55${'01'.repeat(69)}`]) {
    assert.equal(
      tryDer(() => reader(bad).oid()),
      null,
      bad,
    );
  }
});

/** @param tag hex of UTCTime or GeneralizedTime */
function time(tag: string, text: string): number | null {
  const bytes = Buffer.from(text);
  const size = bytes.length.toString(16).padStart(2, '0');
  return tryDer(() => reader(`${tag}${size}${bytes.toString('hex')}`).time());
}

test('der: times are those of RFC 5280, and real ones', () => {
  assert.equal(time('17', '260102030405Z'), Date.UTC(2026, 0, 2, 3, 4, 5));
  assert.equal(time('17', '491231235959Z'), Date.UTC(2049, 11, 31, 23, 59, 59));
  assert.equal(time('17', '500101000000Z'), Date.UTC(1950, 0, 1));
  assert.equal(time('18', '20500101000000Z'), Date.UTC(2050, 0, 1));
  assert.equal(time('18', '00010101000000Z'), new Date('0001-01-01T00:00:00Z').getTime());
  assert.equal(time('17', '240229000000Z'), Date.UTC(2024, 1, 29));
  for (const bad of [
    '2601020304Z',
    '260102030405',
    '260102030405+0000',
    '261302030405Z',
    '260002030405Z',
    '260230030405Z',
    '250229000000Z',
    '260102240405Z',
    '260102036005Z',
    '260102030460Z',
    '26010203040aZ',
    '20260102030405Z',
  ]) {
    assert.equal(time('17', bad), null, bad);
  }
  assert.equal(time('18', '20260102030405.5Z'), null);
});

test('der: reads what it writes', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.date({ min: new Date('1950-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
      fc.array(fc.nat({ max: 2 ** 40 }), { minLength: 1, maxLength: 8 }),
      (bytes, text, date, arcs) => {
        const seconds = Math.floor(date.getTime() / 1_000) * 1_000;
        const oid = `2.${[arcs[0]! % 1_000, ...arcs.slice(1)].join('.')}`;
        const value = derSequence(
          derOctetString(bytes),
          derBitString(bytes),
          derUtf8(text),
          derTime(seconds),
          derOid(oid),
          derBoolean(true),
          derSmallInteger(5),
          derUnsigned(bytes),
        );
        const file = new DerReader(value);
        const read = file.enter(Tag.sequence);
        file.finish();
        assert.deepEqual(read.content(Tag.octetString), bytes);
        assert.deepEqual(read.bitString(), bytes);
        assert.equal(textOf(Tag.utf8String, read.content(Tag.utf8String)), text);
        assert.equal(read.time(), seconds);
        assert.equal(read.oid(), oid);
        assert.equal(read.boolean(), true);
        assert.equal(read.smallInteger(), 5);
        const number = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
        assert.equal(BigInt(`0x${Buffer.from(read.integer()).toString('hex')}`), number);
        read.finish();
      },
    ),
    { numRuns: 200 },
  );
});

test('der: sets are in the order of their encodings, named bits end with one', () => {
  const set = derSet(derUtf8('b'), derSmallInteger(1), derUtf8('a'));
  assert.deepEqual(set, hex('3109 020101 0c0161 0c0162'));
  assert.deepEqual(derNamedBits(0, 2), hex('030205a0'));
  assert.deepEqual(derNamedBits(5, 6), hex('03020106'));
  assert.deepEqual(derNamedBits(), hex('030100'));
  assert.equal(contextTag(3, true), 0xa3);
});

test('der: whatever the bytes, reading ends with a value or a DerError', () => {
  const shape = fc.letrec<{ value: Uint8Array }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      fc.uint8Array({ maxLength: 40 }),
      fc.tuple(fc.nat(255), tie('value')).map(([tag, content]) => {
        return Uint8Array.of(tag, content.length & 0xff, ...content);
      }),
      fc
        .tuple(tie('value'), tie('value'))
        .map(([a, b]) => Uint8Array.of(0x30, a.length + b.length, ...a, ...b)),
    ),
  }));
  fc.assert(
    fc.property(shape.value, (bytes) => {
      tryDer(() => walk(new DerReader(bytes)));
    }),
    { numRuns: 3_000 },
  );
});
