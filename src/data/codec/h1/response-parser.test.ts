import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { latin1Text } from '../../../base/ascii.ts';
import { Fault } from '../../../contract/fault.ts';
import { Framing, type H1Limits, ResponseHead } from '../head.ts';
import { parseResponseHead } from './response-parser.ts';

const limits: H1Limits = {
  headSizeMax: 1_024,
  fieldCountMax: 20,
  targetSizeMax: 128,
  chunkExtensionSizeMax: 64,
  trailerSizeMax: 64,
};
const OK = 'HTTP/1.1 200 OK\r\n';

interface Parsed {
  head: ResponseHead;
  result: number;
}

function parse(text: string, isHeadRequest = false): Parsed {
  const head = new ResponseHead(100);
  const bytes = Buffer.from(`##${text}`, 'latin1');
  const result = parseResponseHead(head, bytes, 2, bytes.length, isHeadRequest, limits);
  return { head, result };
}

function accept(text: string, isHeadRequest = false): ResponseHead {
  const { head, result } = parse(text, isHeadRequest);
  assert.ok(result > 0, `${JSON.stringify(text)} was rejected or incomplete: ${result}`);
  assert.equal(head.end, result);
  return head;
}

function faultOf(text: string): Fault {
  const { head, result } = parse(text);
  assert.equal(result, -head.fault);
  return head.fault;
}

// Each row ends where its fault must be known.
const REJECTED: readonly (readonly [string, string, Fault])[] = [
  ['RFC 9112 §4: HTTP/0.9 body', 'h', Fault.responseMalformed],
  ['RFC 9112 §4: ICY', 'I', Fault.responseMalformed],
  ['RFC 9112 §4: empty line first', '\r', Fault.responseMalformed],
  ['RFC 9112 §2.3: HTTP/2.0', 'HTTP/2.0', Fault.responseVersionUnsupported],
  ['RFC 9112 §2.3: HTTP/1.2', 'HTTP/1.2', Fault.responseVersionUnsupported],
  ['RFC 9112 §2.3: HTTP/11', 'HTTP/11', Fault.responseMalformed],
  ['RFC 9112 §4: no space before the status', 'HTTP/1.1\r', Fault.responseMalformed],
  ['RFC 9112 §4: two spaces before the status', 'HTTP/1.1  ', Fault.responseMalformed],
  ['RFC 9110 §15: status 099', 'HTTP/1.1 099', Fault.responseMalformed],
  ['RFC 9110 §15: status 600', 'HTTP/1.1 600', Fault.responseMalformed],
  ['RFC 9110 §15: status 1000', 'HTTP/1.1 1000', Fault.responseMalformed],
  ['RFC 9110 §15: status 20O', 'HTTP/1.1 20O', Fault.responseMalformed],
  ['RFC 9110 §15: status 20', 'HTTP/1.1 20 ', Fault.responseMalformed],
  ['RFC 9110 §15: status -20', 'HTTP/1.1 -', Fault.responseMalformed],
  ['RFC 9112 §4: tab after the status', 'HTTP/1.1 200\t', Fault.responseMalformed],
  ['RFC 9112 §2.2: bare LF after the status', 'HTTP/1.1 200\n', Fault.responseMalformed],
  ['RFC 9112 §2.2: bare LF after the reason', 'HTTP/1.1 200 OK\n', Fault.responseMalformed],
  ['RFC 9112 §2.2: bare CR in the reason', 'HTTP/1.1 200 O\rK', Fault.responseMalformed],
  ['RFC 9112 §4: NUL in the reason', 'HTTP/1.1 200 O\0', Fault.responseMalformed],
  ['RFC 9112 §4: DEL in the reason', 'HTTP/1.1 200 O\x7f', Fault.responseMalformed],
  ['RFC 9112 §2.2: bare LF ends a field', `${OK}X: a\n`, Fault.responseMalformed],
  ['RFC 9112 §2.2: bare CR in a field', `${OK}X: a\rb`, Fault.responseMalformed],
  ['RFC 9110 §5.5: NUL in a value', `${OK}X: a\0`, Fault.responseMalformed],
  ['RFC 9112 §5.2: folded line', `${OK}X: a\r\n `, Fault.responseMalformed],
  ['RFC 9112 §5.1: space before the colon', `${OK}X `, Fault.responseMalformed],
  ['RFC 9112 §5: no colon', `${OK}X\r`, Fault.responseMalformed],
  ['RFC 9110 §5.1: empty name', `${OK}:`, Fault.responseMalformed],
];

for (const [why, text, fault] of REJECTED) {
  test(`response: rejects at once when ${why}`, () => {
    assert.equal(faultOf(text), fault);
    assert.equal(parse(text.slice(0, -1)).result, 0, 'one byte earlier more bytes are needed');
  });
}

const BAD_FRAMING: readonly (readonly [string, string])[] = [
  ['RFC 9112 §6.3: two lengths', 'Content-Length: 5\r\nContent-Length: 6'],
  ['RFC 9112 §6.3: equal lengths', 'Content-Length: 5\r\nContent-Length: 5'],
  ['RFC 9110 §8.6: list', 'Content-Length: 5, 5'],
  ['RFC 9110 §8.6: negative', 'Content-Length: -1'],
  ['RFC 9110 §8.6: signed', 'Content-Length: +5'],
  ['RFC 9110 §8.6: empty', 'Content-Length:'],
  ['RFC 9112 §6.1: identity', 'Transfer-Encoding: identity'],
  ['RFC 9112 §6.1: xchunked', 'Transfer-Encoding: xchunked'],
  ['RFC 9112 §6.1: gzip, chunked', 'Transfer-Encoding: gzip, chunked'],
  ['RFC 9112 §6.1: twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'],
  ['RFC 9112 §6.3: bad length beside chunked', 'Transfer-Encoding: chunked\r\nContent-Length: x'],
  ['RFC 9112 §6.3: length beside other coding', 'Content-Length: 5\r\nTransfer-Encoding: gzip'],
];

for (const [why, lines] of BAD_FRAMING) {
  test(`response: rejects framing when ${why}`, () => {
    assert.equal(faultOf(`${OK}${lines}\r\n\r\n`), Fault.responseFramingInvalid);
  });
}

test('response: rejects Transfer-Encoding from HTTP/1.0 (RFC 9112 §6.1)', () => {
  const text = 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
  assert.equal(faultOf(text), Fault.responseFramingInvalid);
});

test('response: chunked beside a plain length is chunked and ends the connection', () => {
  const head = accept(`${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`);
  assert.equal(head.framing, Framing.chunked);
  assert.equal(head.contentLength, -1);
  assert.equal(head.keepAlive, false);
});

test('response: reads status, reason and framing', () => {
  const rows: [string, number, string, Framing, number, boolean][] = [
    ['HTTP/1.1 200 OK\r\nContent-Length: 005', 200, 'OK', Framing.length, 5, true],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked', 200, 'OK', Framing.chunked, -1, true],
    ['HTTP/1.1 404 Not\tF\xfcr', 404, 'Not\tF\xfcr', Framing.close, -1, false],
    ['HTTP/1.1 599 ', 599, '', Framing.close, -1, false],
    ['HTTP/1.1 500', 500, '', Framing.close, -1, false],
    ['HTTP/1.0 200 OK\r\nContent-Length: 0', 200, 'OK', Framing.length, 0, false],
    [
      'HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive',
      200,
      'OK',
      Framing.length,
      1,
      true,
    ],
    [
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: x, close',
      200,
      'OK',
      Framing.length,
      1,
      false,
    ],
  ];
  for (const [text, status, reason, framing, contentLength, keepAlive] of rows) {
    const head = accept(`${text}\r\n\r\n`);
    assert.equal(head.status, status, text);
    assert.equal(latin1Text(head.bytes, head.reasonStart, head.reasonEnd), reason, text);
    assert.equal(head.framing, framing, text);
    assert.equal(head.contentLength, contentLength, text);
    assert.equal(head.keepAlive, keepAlive, text);
  }
});

test('response: HEAD and 304 have no body but keep their length (RFC 9110 §8.6)', () => {
  const length = `${OK}Content-Length: 70\r\n\r\n`;
  const head = accept(length, true);
  assert.deepEqual([head.framing, head.contentLength, head.keepAlive], [Framing.none, 70, true]);
  const chunked = accept(`${OK}Transfer-Encoding: chunked\r\n\r\n`, true);
  assert.deepEqual([chunked.framing, chunked.keepAlive], [Framing.none, true]);
  const open = accept(`${OK}\r\n`, true);
  assert.deepEqual([open.framing, open.keepAlive], [Framing.none, true]);
  const same = accept('HTTP/1.1 304 Not Modified\r\nContent-Length: 70\r\n\r\n');
  assert.deepEqual([same.framing, same.contentLength, same.keepAlive], [Framing.none, 70, true]);
});

test('response: 204 has no body, and one that announces some costs the connection', () => {
  const rows: [string, boolean][] = [
    ['', true],
    ['Content-Length: 0\r\n', true],
    ['Content-Length: 4\r\n', false],
    ['Transfer-Encoding: chunked\r\n', false],
  ];
  for (const [lines, keepAlive] of rows) {
    const head = accept(`HTTP/1.1 204 No Content\r\n${lines}\r\n`);
    assert.equal(head.framing, Framing.none);
    assert.equal(head.contentLength, -1);
    assert.equal(head.keepAlive, keepAlive, lines);
  }
});

test('response: an interim response has no body and may not announce one (RFC 9110 §15.2)', () => {
  const head = accept('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n');
  assert.equal(head.framing, Framing.none);
  assert.equal(accept('HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n').contentLength, -1);
  for (const line of ['Content-Length: 1', 'Transfer-Encoding: chunked']) {
    assert.equal(faultOf(`HTTP/1.1 100 Continue\r\n${line}\r\n\r\n`), Fault.responseFramingInvalid);
  }
});

test('response: an upgrade to websocket is a 101 with both fields (RFC 6455 §4.2.2)', () => {
  const fields = 'Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  assert.equal(accept(`HTTP/1.1 101 X\r\n${fields}`).upgradesWebsocket, true);
  assert.equal(accept(`HTTP/1.1 200 OK\r\n${fields}`).upgradesWebsocket, false);
  assert.equal(accept('HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n').upgradesWebsocket, false);
  const h2c = 'HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n';
  assert.equal(accept(h2c).upgradesWebsocket, false);
});

test('response: hop-by-hop fields are marked in this direction too (RFC 9110 §7.6.1)', () => {
  const { fields } = accept(
    `${OK}Connection: X-Foo\r\nX-Foo: 1\r\nUpgrade: h2c\r\nKeep-Alive: timeout=5\r\n` +
      'Set-Cookie: a\r\nProxy-Authenticate: Basic\r\nTrailer: X\r\n\r\n',
  );
  const kept: string[] = [];
  for (let i = 0; i < fields.count; i++) if (fields.isHop[i] === 0) kept.push(fields.nameText(i));
  assert.deepEqual(kept, ['Set-Cookie']);
});

test('response: a finished head begins anew where the next one starts at the same offset', () => {
  const head = new ResponseHead(10);
  const bytes = Buffer.alloc(100);
  for (const [text, status] of [
    ['HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', 103],
    ['HTTP/1.1 204 No Content\r\n\r\n', 204],
  ] as const) {
    bytes.write(text, 'latin1');
    const result = parseResponseHead(head, bytes, 0, text.length, false, limits);
    assert.equal(result, text.length);
    assert.equal(head.status, status);
  }
  assert.equal(head.fields.count, 0);
});

test('response: limits are exact on both sides', () => {
  const fields = 'A: b\r\n'.repeat(20);
  accept(`${OK}${fields}\r\n`);
  assert.equal(faultOf(`${OK}${fields}A`), Fault.responseFieldsTooMany);
  const room = 1_024 - OK.length - 'X: \r\n\r\n'.length;
  accept(`${OK}X: ${'x'.repeat(room)}\r\n\r\n`);
  assert.equal(faultOf(`${OK}X: ${'x'.repeat(room + 1)}\r\n\r\n`), Fault.responseHeadTooLarge);
  assert.equal(faultOf(`HTTP/1.1 200 ${'x'.repeat(1_024)}`), Fault.responseHeadTooLarge);
  assert.equal(faultOf(`${OK}Connection: ${','.repeat(64)}\r\n\r\n`), Fault.responseFieldsTooMany);
});

const SAMPLES = [
  `${OK}Content-Length: 5\r\nX-A:  b \r\nConnection: close, X-A\r\n\r\n`,
  'HTTP/1.0 304\r\nETag: "x"\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  ...REJECTED.map((row) => row[1]),
];

test('response: any split of the input gives the same result', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...SAMPLES),
      fc.array(fc.nat(120), { maxLength: 8 }),
      fc.boolean(),
      (text, cuts, isHeadRequest) => {
        const whole = parse(text, isHeadRequest);
        const head = new ResponseHead(100);
        const bytes = Buffer.from(`##${text}`, 'latin1');
        const ends = [...cuts.map((cut) => Math.min(bytes.length, cut + 2)), bytes.length];
        let result = 0;
        for (const end of ends.toSorted((a, b) => a - b)) {
          result = parseResponseHead(head, bytes, 2, end, isHeadRequest, limits);
          if (result !== 0) break;
        }
        assert.equal(result, whole.result);
        if (result <= 0) return;
        whole.head.bytes = head.bytes;
        whole.head.position = head.position;
        whole.head.fields.bytes = head.bytes;
        whole.head.fields.position = head.fields.position;
        whole.head.fields.phase = head.fields.phase;
        assert.deepEqual(head, whole.head);
      },
    ),
    { numRuns: 2_000 },
  );
});

test('response: random and mutated bytes never throw, and end within the input', () => {
  const mutated = fc
    .tuple(fc.constantFrom(...SAMPLES), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }))
    .map(([text, edits]) => {
      const bytes = Buffer.from(text, 'latin1');
      for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
      return bytes;
    });
  fc.assert(
    fc.property(mutated, (bytes) => {
      const head = new ResponseHead(20);
      const result = parseResponseHead(head, bytes, 0, bytes.length, false, limits);
      assert.ok(Number.isInteger(result) && result <= bytes.length);
      if (result > 0) assert.ok(head.status >= 100 && head.status <= 599);
    }),
    { numRuns: 3_000 },
  );
});
