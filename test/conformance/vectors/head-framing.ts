/**
 * Family A, part one: how the head of an HTTP/1.1 request says where its body ends.
 */

import {
  bodyIs,
  bytes,
  forward,
  reject,
  request,
  send,
  SMUGGLED,
  type RightAnswer,
  type Vector,
} from '../vector.ts';

const RFC9112_6 = 'RFC 9112 §6.1, §6.3';
const RFC9110_LENGTH = 'RFC 9110 §8.6';

interface Row {
  readonly id: string;
  readonly name: string;
  readonly fields: string;
  readonly body: string;
  readonly right: readonly RightAnswer[];
  readonly rule: string;
}

function vector(row: Row): Vector {
  const steps = [send(request('POST', row.fields, row.body))];
  return { id: row.id, name: row.name, steps, right: row.right, rule: row.rule };
}

const TERMINATOR = '0\r\n\r\n';
const LENGTH = TERMINATOR.length + SMUGGLED.length;

const conflicts: Vector[] = [
  vector({
    id: 'A1',
    name: 'CL.TE',
    fields: `Content-Length: ${LENGTH}\r\nTransfer-Encoding: chunked\r\n`,
    body: TERMINATOR + SMUGGLED,
    right: [reject(400)],
    rule: RFC9112_6,
  }),
  vector({
    id: 'A2',
    name: 'TE.CL',
    fields: `Transfer-Encoding: chunked\r\nContent-Length: ${LENGTH}\r\n`,
    body: TERMINATOR + SMUGGLED,
    right: [reject(400)],
    rule: RFC9112_6,
  }),
];

function lengths(id: string, right: readonly RightAnswer[], cases: readonly string[]): Vector[] {
  return cases.map((fields) =>
    vector({
      id,
      name: fields.trim().replaceAll('\r\n', ' + '),
      fields,
      body: 'hello',
      right,
      rule: RFC9110_LENGTH,
    }),
  );
}

const contentLength: Vector[] = [
  ...lengths(
    'A3',
    [reject(400)],
    [
      'Content-Length: 5\r\nContent-Length: 10\r\n',
      'Content-Length: 10\r\ncontent-length: 5\r\n',
      'Content-Length: 5, 10\r\n',
    ],
  ),
  ...lengths(
    'A4',
    [reject(400), forward(1, bodyIs('hello'))],
    ['Content-Length: 5\r\nContent-Length: 5\r\n', 'Content-Length: 5, 5\r\n'],
  ),
  ...lengths(
    'A5',
    [reject(400, 413)],
    ['+5', '-1', '-0', '0x5', '5Z', '1 0', '1_0', '18446744073709551621', '5.0', '5e0', '\xb2'].map(
      (value) => `Content-Length: ${value}\r\n`,
    ),
  ),
  ...lengths(
    'A6',
    [reject(400)],
    ['Content-Length: \r\n', 'Content-Length:\r\nContent-Length: 5\r\n', 'Content-Length: ,\r\n'],
  ),
  ...lengths(
    'A7',
    [forward(1, bodyIs('hello')), reject(400)],
    ['005', '\t5', '  5', '5 \t'].map((value) => `Content-Length: ${value}\r\n`),
  ),
  vector({
    id: 'A7',
    name: 'Content-Length: 010 is ten',
    fields: 'Content-Length: 010\r\n',
    body: '0123456789',
    right: [forward(1, bodyIs('0123456789')), reject(400)],
    rule: RFC9110_LENGTH,
  }),
  vector({
    id: 'A7',
    name: 'Content-Length: 00',
    fields: 'Content-Length: 00\r\n',
    body: '',
    right: [forward(1, bodyIs('')), reject(400)],
    rule: RFC9110_LENGTH,
  }),
];

const badCodings = [
  'xchunked',
  'identity',
  'chunked, gzip',
  ',chunked',
  'chunked,',
  '"chunked"',
  '\xa0chunked',
  '\x0bchunked',
  'chunked;x=y',
  'chunked chunked',
  'chunked, chunked',
  'chunked\0',
  'ch\xfcnked',
];

function coding(id: string, name: string, fields: string, right: readonly RightAnswer[]): Vector {
  const body = `0\r\n\r\n${SMUGGLED}`;
  return vector({ id, name, fields, body, right, rule: RFC9112_6 });
}

const transferEncoding: Vector[] = [
  ...badCodings.map((value) =>
    coding('A8', JSON.stringify(value), `Transfer-Encoding: ${value}\r\nContent-Length: 5\r\n`, [
      reject(400, 501),
    ]),
  ),
  ...badCodings
    .slice(0, 4)
    .map((value) =>
      coding('A8', `${JSON.stringify(value)} alone`, `Transfer-Encoding: ${value}\r\n`, [
        reject(400, 501),
      ]),
    ),
  coding('A9', 'gzip, chunked', 'Transfer-Encoding: gzip, chunked\r\n', [reject(400, 501)]),
  coding('A9', 'identity, chunked', 'Transfer-Encoding: identity, chunked\r\n', [reject(400, 501)]),
  coding('A10', 'empty + CL', 'Transfer-Encoding:\r\nContent-Length: 5\r\n', [reject(400, 501)]),
  coding('A10', 'empty alone', 'Transfer-Encoding: \r\n', [reject(400, 501)]),
  coding('A11', 'two fields', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', [
    reject(400, 501),
  ]),
  coding(
    'A11',
    'chunked then identity',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n',
    [reject(400, 501)],
  ),
  coding('A12', 'folded value + CL', 'Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n', [
    reject(400),
  ]),
  {
    id: 'A13',
    name: 'space before the first field',
    steps: [
      send(
        `POST /z HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: a.test\r\n` +
          `Content-Length: 5\r\n\r\n0\r\n\r\n`,
      ),
    ],
    right: [reject(400)],
    rule: 'RFC 9112 §2.2',
  },
  coding('A13', 'space before the colon', 'Transfer-Encoding : chunked\r\nContent-Length: 5\r\n', [
    reject(400),
  ]),
  coding('A13', 'tab before the colon', 'Transfer-Encoding\t: chunked\r\n', [reject(400)]),
];

/** Spellings of the one coding we know: accepted, and forwarded in the canonical one. */
const goodCodings: Vector[] = ['Chunked', 'CHUNKED', '\tchunked', 'chunked \t'].map((value) =>
  vector({
    id: 'A8',
    name: `${JSON.stringify(value)} is chunked`,
    fields: `Transfer-Encoding: ${value}\r\n`,
    body: '5\r\nhello\r\n0\r\n\r\n',
    right: [forward(1, bodyIs('hello')), reject(400, 501)],
    rule: 'RFC 9112 §7',
  }),
);

/** Bodies on methods that usually have none: framed explicitly, one request at the origin. */
function unusualBody(method: string, isChunked: boolean): Vector {
  const size = SMUGGLED.length;
  const text = isChunked
    ? request(
        method,
        'Transfer-Encoding: chunked\r\n',
        `${size.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
      )
    : request(method, `Content-Length: ${size}\r\n`, SMUGGLED);
  return {
    id: 'A26',
    name: `${method} with a ${isChunked ? 'chunked' : 'sized'} body`,
    steps: [{ send: bytes(text) }],
    right: [forward(1, bodyIs(SMUGGLED)), reject(400)],
    rule: 'RFC 9110 §9.3, RFC 9112 §6',
    methods: [method],
  };
}

const oldVersion: Vector[] = [
  {
    id: 'A24',
    name: 'HTTP/1.0 + chunked',
    steps: [
      send('POST /z HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    ],
    right: [reject(400)],
    rule: 'RFC 9112 §6.1',
  },
  {
    id: 'A24',
    name: 'HTTP/1.0 keep-alive + chunked + pipelined',
    steps: [
      send(
        'POST /z HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n' +
          `Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      ),
    ],
    right: [reject(400)],
    rule: 'RFC 9112 §6.1',
  },
];

/** A1 to A13, A24 and A26. */
export const headFraming: readonly Vector[] = [
  ...conflicts,
  ...contentLength,
  ...transferEncoding,
  ...goodCodings,
  ...oldVersion,
  ...['GET', 'OPTIONS', 'DELETE', 'HEAD'].flatMap((method) => [
    unusualBody(method, false),
    unusualBody(method, true),
  ]),
];
