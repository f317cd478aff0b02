import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Fault } from '../../../contract/fault.ts';
import type { H1Limits } from '../head.ts';
import { ChunkedDecoder, ChunkedState } from './chunked-decoder.ts';

const limits: H1Limits = {
  headSizeMax: 1_024,
  fieldCountMax: 4,
  targetSizeMax: 128,
  chunkExtensionSizeMax: 32,
  trailerSizeMax: 48,
};
const NO_LIMIT = 0;

interface Decoded {
  state: ChunkedState;
  fault: Fault;
  payload: string;
  /** Bytes of `text` consumed. */
  consumed: number;
}

/** Decodes `text`, handed over in pieces that end at `cuts`. */
function decode(text: string, cuts: readonly number[] = [], bodySizeMax = NO_LIMIT): Decoded {
  const decoder = new ChunkedDecoder(false);
  decoder.reset(limits, bodySizeMax);
  const ends = [...cuts.map((cut) => Math.min(cut, text.length)), text.length];
  let state: ChunkedState = ChunkedState.more;
  let payload = '';
  let from = 0;
  for (const end of ends.toSorted((a, b) => a - b)) {
    // A piece sits between bytes of others: nothing outside it may be touched.
    const bytes = Buffer.from(`##${text.slice(from, end)}##`, 'latin1');
    state = decoder.decode(bytes, 2, bytes.length - 2);
    assert.ok(decoder.dataStart >= 2 && decoder.dataEnd <= decoder.position);
    assert.equal(
      bytes.toString('latin1', 0, 2) + bytes.toString('latin1', bytes.length - 2),
      '####',
    );
    payload += bytes.toString('latin1', decoder.dataStart, decoder.dataEnd);
    from += decoder.position - 2;
    if (state !== ChunkedState.more) break;
    assert.equal(from, end, 'more means that everything was consumed');
  }
  assert.equal(decoder.payloadSize, payload.length);
  return { state, fault: decoder.fault, payload, consumed: from };
}

const ACCEPTED: readonly (readonly [string, string, string])[] = [
  ['RFC 9112 §7.1: no chunks', '0\r\n\r\n', ''],
  ['RFC 9112 §7.1: one chunk', '5\r\nhello\r\n0\r\n\r\n', 'hello'],
  ['RFC 9112 §7.1: many chunks', '1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n', 'abcdef'],
  [
    'RFC 9112 §7.1: upper and lower case',
    'A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n',
    '01234567890123456789',
  ],
  ['RFC 9112 §7.1: leading zeros', '0000000000000002\r\nhi\r\n000\r\n\r\n', 'hi'],
  ['RFC 9112 §7.1: CRLF as payload', '4\r\n\r\n\r\n\r\n0\r\n\r\n', '\r\n\r\n'],
  ['RFC 9112 §7.1.1: extension', '2;a\r\nhi\r\n0;b=c\r\n\r\n', 'hi'],
  ['RFC 9112 §7.1.1: quoted value', '2;a="b;\\"c"\r\nhi\r\n0\r\n\r\n', 'hi'],
  ['RFC 9112 §7.1.1: whitespace around the parts', '2; a\t= b ;c\r\nhi\r\n0\r\n\r\n', 'hi'],
  ['RFC 9112 §7.1.2: trailers', '2\r\nhi\r\n0\r\nX: y\r\nZ:\r\n\r\n', 'hi'],
];

for (const [why, text, payload] of ACCEPTED) {
  test(`chunked: decodes when ${why}`, () => {
    const found = decode(`${text}GET`);
    const consumed = text.length;
    assert.deepEqual(found, { state: ChunkedState.done, fault: Fault.none, payload, consumed });
    for (let cut = 0; cut < text.length; cut++) {
      assert.equal(decode(text.slice(0, cut)).state, ChunkedState.more, `${cut} bytes are no end`);
    }
  });
}

// Each row ends with the byte that must be refused.
const REJECTED: readonly (readonly [string, string, Fault])[] = [
  ['RFC 9112 §7.1.1: extension ends in a bare LF', '5;\n', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1.1: named extension ends in a bare LF', '5;a\n', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1.1: bare CR in an extension', '5;a\rX', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: CR CR', '5\r\r', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1.1: CR in a quoted value', '5;a="\r', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1.1: LF in a quoted value', '5;a="\n', Fault.requestChunkInvalid],
  ['RFC 9110 §5.6.4: CR after a backslash', '5;a="\\\r', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1.1: text after a quoted value', '5;a="b"c', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1.1: extension without a name', '5;\r', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1.1: value without a name', '5;=', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1.1: name without its value', '5;a=\r', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1.1: NUL in an extension', '5;a\0', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: signed size', '+', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: negative size', '-', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: 0x5', '0x', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: 1_0', '1_', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: space before the size', ' ', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: no size', '\r', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: extension without a size', ';', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: space after the size', '5 ', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: bare LF after the size', '5\n', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: not a digit', 'g', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: size of 2^53', '20000000000000', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: size of 17 digits', 'FFFFFFFFFFFFFF', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: 17 leading zeros', '0'.repeat(17), Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: payload too long', '5\r\nhello!', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: bare LF after the payload', '5\r\nhello\n', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1: bare CR after the payload', '5\r\nhello\r0', Fault.requestChunkInvalid],
  ['RFC 9112 §7.1.2: bare LF ends a trailer', '0\r\nX: y\n', Fault.requestTrailersInvalid],
  ['RFC 9112 §5.2: folded trailer', '0\r\nX: y\r\n ', Fault.requestTrailersInvalid],
  ['RFC 9112 §7.1.2: no colon', '0\r\nX\r', Fault.requestTrailersInvalid],
  ['RFC 9112 §5.1: space before the colon', '0\r\nX ', Fault.requestTrailersInvalid],
  ['RFC 9112 §7.1.2: empty name', '0\r\n:', Fault.requestTrailersInvalid],
  ['RFC 9110 §5.5: NUL in a trailer', '0\r\nX: \0', Fault.requestTrailersInvalid],
  ['RFC 9112 §7.1: bare LF ends the body', '0\r\n\n', Fault.requestTrailersInvalid],
  ['RFC 9112 §7.1: CR CR ends the body', '0\r\n\r\r', Fault.requestTrailersInvalid],
];

for (const [why, text, fault] of REJECTED) {
  test(`chunked: rejects at once when ${why}`, () => {
    const found = decode(text);
    assert.equal(found.state, ChunkedState.fault);
    assert.equal(found.fault, fault);
    assert.equal(decode(text.slice(0, -1)).state, ChunkedState.more);
  });
}

test('chunked: reports response faults for a response', () => {
  const rows: [string, Fault][] = [
    ['g', Fault.responseChunkInvalid],
    [`1;${'a'.repeat(40)}`, Fault.responseChunkInvalid],
    ['0\r\n:', Fault.responseTrailersInvalid],
    [`0\r\nX: ${'y'.repeat(60)}`, Fault.responseTrailersInvalid],
    ['6\r', Fault.responseChunkInvalid],
  ];
  for (const [text, fault] of rows) {
    const decoder = new ChunkedDecoder(true);
    decoder.reset(limits, 5);
    const bytes = Buffer.from(text, 'latin1');
    assert.equal(decoder.decode(bytes, 0, bytes.length), ChunkedState.fault, text);
    assert.equal(decoder.fault, fault, text);
  }
});

test('chunked: the extension limit counts the whole message and is exact', () => {
  const twice = `1;${'a'.repeat(15)}\r\nx\r\n1;${'b'.repeat(15)}\r\ny\r\n0`;
  assert.equal(decode(`${twice}\r\n\r\n`).state, ChunkedState.done);
  const above = decode(`${twice};`);
  assert.equal(above.fault, Fault.requestChunkExtensionsTooLarge);
});

test('chunked: trailer limits are exact in bytes and in fields', () => {
  assert.equal(decode(`0\r\nX: ${'y'.repeat(43)}\r\n\r\n`).state, ChunkedState.done);
  assert.equal(decode(`0\r\nX: ${'y'.repeat(44)}\r\n\r\n`).fault, Fault.requestTrailersTooLarge);
  assert.equal(decode(`0\r\n${'X:\r\n'.repeat(4)}\r\n`).state, ChunkedState.done);
  assert.equal(decode(`0\r\n${'X:\r\n'.repeat(4)}X`).fault, Fault.requestTrailersTooLarge);
});

test('chunked: the body limit is exact, and known before the payload arrives', () => {
  assert.equal(decode('3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n', [], 5).state, ChunkedState.done);
  assert.equal(decode('3\r\nabc\r\n3\r', [], 5).fault, Fault.requestBodyTooLarge);
  assert.equal(decode('1fffffffffffff\r', [], 5).fault, Fault.requestBodyTooLarge);
  assert.equal(decode('1fffffffffffff\r\nab').state, ChunkedState.more);
});

test('chunked: a finished decoder consumes nothing, and reset makes it new', () => {
  const decoder = new ChunkedDecoder(false);
  decoder.reset(limits, NO_LIMIT);
  const body = Buffer.from('1\r\na\r\n0\r\nX: y\r\n\r\n');
  assert.equal(decoder.decode(body, 0, body.length), ChunkedState.done);
  assert.equal(decoder.trailerCount, 1);
  assert.equal(decoder.trailerSize, 6);
  const next = Buffer.from('2\r\nbc\r\n0\r\n\r\n');
  assert.equal(decoder.decode(next, 0, next.length), ChunkedState.done);
  assert.equal(decoder.position, 0);
  decoder.reset(limits, NO_LIMIT);
  assert.equal(decoder.decode(next, 0, next.length), ChunkedState.done);
  assert.equal(decoder.payloadSize, 2);
});

test('chunked: reset forgets what was counted for the message before', () => {
  const decoder = new ChunkedDecoder(false);
  const text = `1;${'a'.repeat(20)}\r\nx\r\n0\r\n${'X:\r\n'.repeat(4)}\r\n`;
  for (let round = 0; round < 3; round++) {
    decoder.reset(limits, 1);
    const bytes = Buffer.from(text, 'latin1');
    assert.equal(decoder.decode(bytes, 0, bytes.length), ChunkedState.done);
    assert.deepEqual([decoder.payloadSize, decoder.trailerSize, decoder.trailerCount], [1, 16, 4]);
  }
});

test('chunked: the first span of payload is not moved', () => {
  const decoder = new ChunkedDecoder(false);
  decoder.reset(limits, NO_LIMIT);
  const bytes = Buffer.from('3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n');
  decoder.decode(bytes, 0, bytes.length);
  assert.equal(decoder.dataStart, 3);
  assert.equal(bytes.toString('latin1', 3, decoder.dataEnd), 'abcdef');
});

const anyBody = fc
  .array(fc.tuple(fc.string({ minLength: 1, maxLength: 120 }), fc.boolean()), { maxLength: 5 })
  .map((parts) => {
    let text = '';
    let payload = '';
    for (const [part, hasExtension] of parts) {
      const data = Buffer.from(part, 'utf8').toString('latin1');
      text += `${data.length.toString(16)}${hasExtension ? ';a=b' : ''}\r\n${data}\r\n`;
      payload += data;
    }
    return { text: `${text}0\r\n\r\n`, payload };
  });
const anyCuts = fc.array(fc.nat(400), { maxLength: 12 });

test('chunked: any split gives the same payload and the same end', () => {
  fc.assert(
    fc.property(anyBody, anyCuts, ({ text, payload }, cuts) => {
      const found = decode(`${text}POISON`, cuts);
      assert.equal(found.state, ChunkedState.done);
      assert.equal(found.payload, payload);
      assert.equal(found.consumed, text.length);
    }),
    { numRuns: 1_000 },
  );
});

test('chunked: any split of broken input gives the same payload and the same fault', () => {
  const broken = fc.tuple(anyBody, fc.nat(), fc.nat(255)).map(([{ text }, at, byte]) => {
    const bytes = Buffer.from(text, 'latin1');
    bytes[at % bytes.length] = byte;
    return bytes.toString('latin1');
  });
  const fixed = fc.constantFrom(...REJECTED.map((row) => row[1]));
  fc.assert(
    fc.property(fc.oneof(broken, fixed), anyCuts, (text, cuts) => {
      assert.deepEqual(decode(text, cuts), decode(text));
    }),
    { numRuns: 2_000 },
  );
});

test('chunked: random bytes never throw', () => {
  const line = fc.constantFrom('\r\n', '0', '1', ';', '=', '"', 'a', ':', ' ', '\\', '\0');
  fc.assert(
    fc.property(fc.array(line, { maxLength: 40 }), anyCuts, (parts, cuts) => {
      decode(parts.join(''), cuts);
    }),
    { numRuns: 2_000 },
  );
});
