/**
 * Family C: chunked request bodies.
 */

import {
  bodyIs,
  chunked,
  forward,
  rejectBody,
  send,
  SMUGGLED,
  type Evidence,
  type RightAnswer,
  type Vector,
} from '../vector.ts';

const RULE = 'RFC 9112 §7.1';
const bad = [rejectBody(400)];

function body(id: string, name: string, text: string, right: readonly RightAnswer[]): Vector {
  return { id, name, steps: [send(chunked(text))], right, rule: RULE };
}

function sizes(id: string, right: readonly RightAnswer[], cases: readonly string[]): Vector[] {
  return cases.map((size) =>
    body(id, JSON.stringify(size.slice(0, 40)), `${size}\r\nhello\r\n0\r\n\r\n`, right),
  );
}

const extensions: Vector[] = [
  body('C1', 'extension ends in bare LF', '5;\nhello\r\n0\r\n\r\n', bad),
  body('C1', 'size ends in bare LF', '5\nhello\r\n0\r\n\r\n', bad),
  body('C1', 'TERM.EXT smuggling', `2;\nxx\r\n4c\r\n0\r\n\r\n${SMUGGLED}\r\n0\r\n\r\n`, bad),
  body('C1', 'last chunk ends in bare LF', '5\r\nhello\r\n0\n\r\n', bad),
  body('C2', 'bare CR in an extension', '5;a\rX\r\nhello\r\n0\r\n\r\n', bad),
  body('C2', 'two CR', '5\r\r;ABCD\r\nhello\r\n0\r\n\r\n', bad),
  body('C3', 'CRLF inside a quoted value', '5;a="\r\nhello\r\n0\r\n\r\n', bad),
  body('C3', 'quoted value with CRLF and quote', '5;a="x\r\ny"\r\nhello\r\n0\r\n\r\n', bad),
  body('C3', 'a good extension is accepted and dropped', '5;a=b;c="d"\r\nhello\r\n0\r\n\r\n', [
    forward(1, bodyIs('hello')),
  ]),
];

const chunkSizes: Vector[] = [
  ...sizes('C4', bad, ['+5', '-1', '0x5', '1_0', ' 5', '', '5h', '5,5', '\x005']),
  ...sizes('C5', bad, ['5 ', '5\t', '\t5']),
  body('C5', 'blank before an extension', '5\t;a\r\nhello\r\n0\r\n\r\n', [rejectBody(400)]),
  ...sizes(
    'C6',
    [rejectBody(400, 413)],
    ['FFFFFFFFFFFFFFFF0', '10000000000000005', '100000000000000000000000000000005'],
  ),
  ...sizes(
    'C7',
    [rejectBody(400, 413)],
    ['ffffffffffffffff', '7fffffffffffffff', '8000000000000000', '20000000000000'],
  ),
  ...sizes('C8', [rejectBody(400), forward(1, bodyIs('hello'))], [`${'0'.repeat(300)}5`]),
  ...sizes('C8', [forward(1, bodyIs('hello')), rejectBody(400)], ['0005']),
  body('C8', 'upper and lower hex', `a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n`, [
    forward(1, bodyIs('01234567890123456789')),
  ]),
];

const overruns: Vector[] = ['hello!!', 'hello\n0', 'helloXX0', 'hello0', 'hello\r0'].map((data) =>
  body('C9', JSON.stringify(data), `5\r\n${data}\r\n\r\n0\r\n\r\n`, bad),
);

function noTrailers({ seen }: Evidence): string {
  const forbidden = /^(?:content-length|transfer-encoding|host|authorization|x-forwarded-)/i;
  const found = (seen[0]?.trailers ?? []).filter((line) => forbidden.test(line));
  return found.length === 0 ? '' : `forwarded the trailers ${found.join(' | ')}`;
}

const trailers: Vector[] = [
  body(
    'C10',
    'trailers that would change framing, routing or identity',
    '5\r\nhello\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\nHost: evil.test\r\n' +
      'Authorization: Basic eDp5\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n',
    [forward(1, noTrailers), rejectBody(400)],
  ),
  body(
    'C11',
    'a request after the last chunk is a request',
    `5\r\nhello\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n`,
    [forward(2)],
  ),
  body('C11', 'garbage after the last chunk', '5\r\nhello\r\n0\r\n\r\n\x01\x02garbage\r\n\r\n', [
    { statuses: [[200], [400]], forwarded: 1, begunMax: 0, closes: true },
  ]),
  body('C12', 'trailer with a bare LF', '5\r\nhello\r\n0\r\nX: a\nY: b\r\n\r\n', bad),
  body('C12', 'folded trailer', '5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n', bad),
  body('C12', 'trailer without a colon', '5\r\nhello\r\n0\r\nnonsense\r\n\r\n', bad),
  body('C12', 'trailer with an empty name', '5\r\nhello\r\n0\r\n: v\r\n\r\n', bad),
  body('C12', 'trailers end in bare LF', '5\r\nhello\r\n0\r\nX: a\r\n\n', bad),
  body('C13', '70 kB of trailers', `5\r\nhello\r\n0\r\nX: ${'t'.repeat(70_000)}\r\n\r\n`, [
    rejectBody(400, 413, 431),
  ]),
  body('C13', '2,000 trailers', `5\r\nhello\r\n0\r\n${'X: y\r\n'.repeat(2_000)}\r\n`, [
    rejectBody(400, 413, 431),
  ]),
];

/** More than 5,000 one-byte chunks would only repeat the same reads. */
const MANY = 5_000;

function coalesced({ seen }: Evidence): string {
  const seenRequest = seen[0];
  if (seenRequest === undefined) return 'nothing forwarded';
  if (seenRequest.body.length !== MANY) return `origin got ${seenRequest.body.length} bytes`;
  const isSmaller = seenRequest.framing === 'length' || seenRequest.chunkCount <= MANY / 10;
  return isSmaller ? '' : `${seenRequest.chunkCount} chunks were written for ${MANY} read`;
}

const amounts: Vector[] = [
  body('C14', '17 kB in one extension', `5;${'e'.repeat(17_000)}\r\nhello\r\n0\r\n\r\n`, [
    rejectBody(400, 413),
  ]),
  body(
    'C14',
    '2,000 extensions of 50 bytes',
    `${`1;${'e'.repeat(49)}\r\nx\r\n`.repeat(2_000)}0\r\n\r\n`,
    [rejectBody(400, 413)],
  ),
  body('C15', '5,000 chunks of one byte', `${'1\r\nx\r\n'.repeat(MANY)}0\r\n\r\n`, [
    forward(1, coalesced),
  ]),
];

const aborted: RightAnswer = { statuses: [], forwarded: 0, begunMax: 1, closes: 'any' };
const stopped = chunked('5\r\nhel');

const cutOff: Vector[] = [
  {
    id: 'C16',
    name: 'FIN in mid-chunk',
    steps: [send(stopped), { end: 'fin' }],
    right: [{ ...aborted, closes: true }, rejectBody(400)],
    rule: 'RFC 9112 §8',
  },
  {
    id: 'C16',
    name: 'RST in mid-chunk',
    steps: [send(stopped), { end: 'reset' }],
    right: [aborted],
    rule: 'RFC 9112 §8',
  },
  {
    id: 'C16',
    name: 'silence in mid-chunk',
    steps: [send(stopped)],
    right: [rejectBody(408)],
    rule: 'RFC 9110 §15.5.9',
  },
  {
    id: 'C16',
    name: 'silence before the last CRLF',
    steps: [send(chunked('5\r\nhello\r\n0\r\n'))],
    right: [rejectBody(408)],
    rule: 'RFC 9110 §15.5.9',
  },
  {
    id: 'C16',
    name: 'FIN before the whole sized body',
    steps: [
      send('POST /z HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhello'),
      { end: 'fin' },
    ],
    right: [{ ...aborted, closes: true }, rejectBody(400)],
    rule: 'RFC 9112 §8',
  },
];

/** C1 to C16. */
export const chunkedBody: readonly Vector[] = [
  ...extensions,
  ...chunkSizes,
  ...overruns,
  ...trailers,
  ...amounts,
  ...cutOff,
];
