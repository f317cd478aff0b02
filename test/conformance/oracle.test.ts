/**
 * The oracle itself can fail: without these, a recorder that sees nothing would pass everything.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { RequestReader, type SeenRequest } from '../support/request-reader.ts';
import { readResponses } from '../support/response-reader.ts';

function read(text: string, piece = 1_000_000): { seen: SeenRequest[]; reader: RequestReader } {
  const seen: SeenRequest[] = [];
  let id = 0;
  const reader = new RequestReader(1, {
    nextId: () => ++id,
    onHead: (request) => seen.push(request),
    onRequest: () => undefined,
  });
  const bytes = Buffer.from(text, 'latin1');
  for (let i = 0; i < bytes.length; i += piece) reader.push(bytes.subarray(i, i + piece));
  return { seen, reader };
}

const GOOD = 'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello';
const CHUNKED =
  'POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n';

test('oracle: reads pipelined requests without a complaint when they are right', () => {
  for (const piece of [1, 3, 1_000]) {
    const { seen, reader } = read(GOOD + CHUNKED, piece);
    assert.deepEqual(
      seen.map(({ target, isComplete, body }) => [target, isComplete, body.toString()]),
      [
        ['/a', true, 'hello'],
        ['/b', true, 'hello'],
      ],
    );
    assert.deepEqual(
      seen.flatMap((request) => request.violations),
      [],
    );
    assert.equal(reader.leftover.length, 0);
  }
});

const heads: readonly (readonly [string, string, RegExp])[] = [
  ['two framings', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', /I2 both/],
  ['two lengths', 'Content-Length: 5\r\nContent-Length: 5\r\n', /I2 2 Content-Length/],
  ['a length that is not canonical', 'Content-Length: 005\r\n', /I2 Content-Length/],
  ['another coding', 'Transfer-Encoding: gzip, chunked\r\n', /I2 Transfer-Encoding/],
  ['a second Host', 'Host: b\r\n', /I3 2 Host/],
  ['a NUL', 'X: a\0b\r\n', /I3 control/],
  ['a bare LF', 'X: a\nb: c\r\n', /I3 control/],
  ['a bare CR', 'X: a\rb\r\n', /I3 control/],
  ['a bad name', 'X Y: a\r\n', /I3 field line/],
];

for (const [name, fields, expected] of heads) {
  test(`oracle: flags a forwarded head when it has ${name}`, () => {
    const { seen } = read(`POST /a HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
    assert.match(seen[0]?.violations.join('; ') ?? 'none', expected);
  });
}

test('oracle: keeps what belongs to no request when bytes are left over', () => {
  const { reader } = read(`${GOOD}POISON`);
  assert.equal(reader.leftover.toString(), 'POISON');
});

test('oracle: stops reading when a request line is not one', () => {
  assert.match(read('hello there\r\n\r\n').reader.broken, /request line/);
});

test('oracle: flags a chunked body when a chunk line ends in a bare LF', () => {
  const { seen } = read(CHUNKED.replace('5\r\n', '5;\n'));
  assert.match(seen[0]?.violations.join() ?? '', /chunked body/);
});

const FIVE = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n';
const PARTS = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n';

function complete(text: string, isClosed = true): boolean {
  const { responses } = readResponses(Buffer.from(text, 'latin1'), isClosed);
  return responses.length === 1 && responses[0]!.isComplete;
}

test('oracle: a response is complete only when its framing says so', () => {
  assert.equal(complete(`${FIVE}hello`), true);
  assert.equal(complete(`${FIVE}hell`), false);
  assert.equal(complete(`${PARTS}\r\n`), true);
  assert.equal(complete(PARTS), false);
  assert.equal(complete('HTTP/1.1 200 OK\r\n\r\nhello'), true);
  assert.equal(complete('HTTP/1.1 200 OK\r\n\r\nhello', false), false);
});

test('oracle: a HEAD response has no body and interim responses are kept apart', () => {
  const text = `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${FIVE}${FIVE}hello`;
  const stream = readResponses(Buffer.from(text), false, ['HEAD', 'GET']);
  assert.deepEqual(
    stream.responses.map((response) => [response.framing, response.isComplete]),
    [
      ['none', true],
      ['length', true],
    ],
  );
  assert.equal(stream.interim[0]?.status, 103);
});
