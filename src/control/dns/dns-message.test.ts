import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { nameToWire, readMessage, RecordType, writeQuery } from './dns-message.ts';
import { answerOf } from './fake-dns.contract.ts';

const HEAD = [0, 1, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
const QUESTION = [1, 0x61, 0, 0, 1, 0, 1];
/** An answer whose one record has the name `pointer`. */
const record = (pointer: readonly number[]): Uint8Array =>
  Uint8Array.from([...HEAD, ...QUESTION, ...pointer, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4]);

test('dns message: a question is written and read back', () => {
  const query = writeQuery(0xbeef, '_acme-challenge.Example.COM', RecordType.txt, true)!;
  const message = readMessage(query)!;
  assert.equal(message.id, 0xbeef);
  assert.equal(message.isResponse, false);
  assert.deepEqual(message.question, { name: '_acme-challenge.example.com', type: 16 });
  assert.equal(message.additional[0]?.type, RecordType.opt);
  assert.equal(query[2], 1, 'recursion is desired');
  assert.equal(writeQuery(1, 'a', RecordType.a, false)![2], 0);
});

test('dns message: every type that is known is read', () => {
  const text = 'x'.repeat(300);
  const zone = {
    records: [
      ['a.test', 'a', '192.0.2.1'],
      ['a.test', 'aaaa', '2001:db8:0:0:0:0:0:1'],
      ['a.test', 'ns', 'ns.a.test'],
      ['a.test', 'soa', 'ns.a.test'],
      ['a.test', 'txt', text],
      ['b.test', 'cname', 'a.test'],
      ['a.test', 'caa', '0 issue "ca.test"'],
    ] as const,
  };
  const read = (name: string, type: number): string | undefined => {
    const query = writeQuery(1, name, type, true)!;
    return readMessage(answerOf({ records: [...zone.records] }, query))!.answers[0]?.text;
  };
  assert.equal(read('a.test', RecordType.a), '192.0.2.1');
  assert.equal(read('a.test', RecordType.aaaa), '2001:db8:0:0:0:0:0:1');
  assert.equal(read('a.test', RecordType.ns), 'ns.a.test');
  assert.equal(read('a.test', RecordType.soa), 'ns.a.test');
  assert.equal(read('a.test', RecordType.txt), text, 'strings of 255 bytes are joined');
  assert.equal(read('b.test', RecordType.cname), 'a.test');
  assert.equal(read('a.test', RecordType.caa), '');
});

test('dns message: compressed names are followed back, and only back', () => {
  const good = readMessage(record([0xc0, 12]))!.answers[0]!;
  assert.deepEqual([good.name, good.text, good.ttlSeconds], ['a', '1.2.3.4', 9]);
  assert.equal(good.start, 19);
  assert.equal(readMessage(record([0xc0, 19])), null, 'at itself');
  assert.equal(readMessage(record([0xc0, 40])), null, 'forward');
  const ahead = record([0xc0, 31]);
  ahead.set([1, 0x61, 0], 31); // There is a good name, but it comes later.
  assert.equal(readMessage(ahead), null, 'forward to a name');
  assert.equal(readMessage(record([0xff, 0xff])), null, 'past the end');
  assert.equal(readMessage(record([0x40, 1])), null, 'a reserved kind of label');
});

test('dns message: a label that runs into its own pointer ends', () => {
  // Offset 19: label `a`, then a pointer to 19: RFC 1035 §4.1.4 allows prior occurrences only.
  const bytes = [...HEAD, ...QUESTION, 1, 0x61, 0xc0, 19, 0, 1, 0, 1, 0, 0, 0, 9, 0, 0];
  assert.equal(readMessage(Uint8Array.from(bytes)), null);
});

test('dns message: what is cut or too long is no message, but for a truncated one', () => {
  const zone = { records: [['a', 'a', '192.0.2.1']] as const };
  const query = writeQuery(1, 'a', RecordType.a, true)!;
  const whole = answerOf({ records: [...zone.records] }, query);
  assert.equal(readMessage(whole)!.answers.length, 1);
  for (let size = 0; size < whole.length; size++) {
    assert.equal(readMessage(whole.slice(0, size)), null, `${size} bytes`);
  }
  const cut = whole.slice(0, whole.length - 3);
  cut[2]! |= 0x02;
  assert.deepEqual(readMessage(cut)!.answers, []);
});

test('dns message: names have 63 bytes a label and 255 in all', () => {
  const label = 'a'.repeat(63);
  assert.ok(nameToWire(label) !== null);
  assert.equal(nameToWire(`${label}a`), null);
  const long = [label, label, label, 'a'.repeat(61)].join('.');
  assert.equal(nameToWire(long)?.length, 255);
  assert.equal(nameToWire(`${long}a`), null);
  for (const bad of ['a..b', '.a', 'a b', 'ü', 'a\\30', 'a\\999', 'a\n']) {
    assert.equal(nameToWire(bad), null, JSON.stringify(bad));
  }
  assert.deepEqual(nameToWire('.'), Uint8Array.of(0));
  assert.deepEqual(nameToWire('\\046'), Uint8Array.of(1, 46, 0), 'a dot within a label');
});

test('dns message: any bytes give a message or null, and any name comes back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      readMessage(bytes);
      const head = Uint8Array.from([...HEAD, ...bytes]);
      readMessage(head);
    }),
    { numRuns: 2_000 },
  );
  const label = fc.uint8Array({ minLength: 1, maxLength: 63 });
  fc.assert(
    fc.property(fc.array(label, { maxLength: 3 }), (labels) => {
      const wire = [...labels.flatMap((bytes) => [bytes.length, ...bytes]), 0];
      const bytes = Uint8Array.from([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...wire, 0, 1, 0, 1]);
      const name = readMessage(bytes)!.question!.name;
      const lower = wire.map((byte) => byte); // Length bytes are below 64 and stay.
      let at = 0;
      while (lower[at]! > 0) {
        const end = at + 1 + lower[at]!;
        for (at++; at < end; at++) {
          if (lower[at]! >= 0x41 && lower[at]! <= 0x5a) lower[at]! += 0x20;
        }
      }
      assert.deepEqual([...nameToWire(name)!], lower);
    }),
  );
});

test('dns message: a message of nothing but pointers costs little', () => {
  // 65,535 bytes: a chain of pointers, each to the one before.
  const bytes = new Uint8Array(65_535);
  bytes.set([0, 1, 0x81, 0x80, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0]);
  for (let at = 14; at + 1 < 16_384; at += 2) {
    bytes[at] = 0xc0 | ((at - 2) >> 8);
    bytes[at + 1] = (at - 2) & 0xff;
  }
  assert.equal(readMessage(bytes), null);
});
