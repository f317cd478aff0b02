/**
 * Family B, part one: truncated, ambiguous and malformed responses.
 */

import {
  answers,
  broken,
  fin,
  relays,
  reset,
  response,
  script,
  type HostileCheck,
  type HostileVector,
} from '../hostile-vector.ts';
import type { OriginStep } from '../../support/hostile-origin.ts';

interface Case {
  readonly id: string;
  readonly name: string;
  readonly parts: readonly (string | OriginStep)[];
  readonly right: readonly HostileCheck[];
  readonly rule: string;
  readonly isTruncated?: boolean;
  readonly method?: string;
}

function vector(row: Case): HostileVector {
  return {
    id: row.id,
    name: row.name,
    rule: row.rule,
    method: row.method ?? 'GET',
    script: script(...row.parts),
    right: row.right,
    visitsMax: 2,
    ...(row.isTruncated === undefined ? {} : { isTruncated: row.isTruncated }),
  };
}

const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const INCOMPLETE = 'RFC 9112 §8';

function truncated(id: string, name: string, text: string, end: OriginStep): HostileVector {
  return vector({
    id,
    name: `${name}, ${end === fin ? 'FIN' : 'RST'}`,
    parts: [text, end],
    right: [broken, answers(502)],
    rule: INCOMPLETE,
    isTruncated: true,
  });
}

const truncations: HostileVector[] = [fin, reset].flatMap((end) => [
  truncated('B1', '5 of 100 bytes', response('Content-Length: 100\r\n', 'hello'), end),
  truncated('B1', 'head only, 100 bytes due', response('Content-Length: 100\r\n'), end),
  truncated('B1', 'half a head', 'HTTP/1.1 200 OK\r\nContent-Le', end),
  truncated('B2', 'end in mid-chunk', response(CHUNKED, '5\r\nhel'), end),
  truncated('B2', 'end before the last chunk', response(CHUNKED, '5\r\nhello\r\n'), end),
  truncated('B2', 'end after 0 CRLF', response(CHUNKED, '5\r\nhello\r\n0\r\n'), end),
  truncated('B2', 'end after 0', response(CHUNKED, '5\r\nhello\r\n0'), end),
  truncated('B2', 'end in a trailer', response(CHUNKED, '5\r\nhello\r\n0\r\nX: a\r\n'), end),
]);

const closeDelimited: HostileVector[] = [
  vector({
    id: 'B1',
    name: 'close-delimited body, RST',
    parts: [response('', 'hello'), reset],
    right: [broken, answers(502)],
    rule: INCOMPLETE,
    isTruncated: true,
  }),
  vector({
    id: 'B1',
    name: 'close-delimited body, FIN is its end',
    parts: [response('', 'hello'), fin],
    right: [relays('hello')],
    rule: 'RFC 9112 §6.3',
  }),
  vector({
    id: 'B1',
    name: 'HTTP/1.0 response, FIN is its end',
    parts: [response('', 'hello', 'HTTP/1.0 200 OK'), fin],
    right: [relays('hello')],
    rule: 'RFC 9112 §6.3',
  }),
  vector({
    id: 'B1',
    name: 'HTTP/1.0 keep-alive without a length, FIN is its end',
    parts: [response('Connection: keep-alive\r\n', 'hello', 'HTTP/1.0 200 OK'), fin],
    right: [relays('hello')],
    rule: 'RFC 9112 §6.3',
  }),
];

const badChunks: HostileVector[] = [
  ['bad size after data', '5\r\nhello\r\nZZ\r\nx\r\n0\r\n\r\n'],
  ['bad size at once', 'ZZ\r\nx\r\n0\r\n\r\n'],
  ['bare LF in an extension', '5\r\nhello\r\n3;\nabc\r\n0\r\n\r\n'],
  ['data longer than its size', '5\r\nhello!!\r\n0\r\n\r\n'],
  ['negative size', '5\r\nhello\r\n-1\r\n\r\n'],
  ['huge size', '5\r\nhello\r\nffffffffffffffffff\r\nx'],
  ['bad trailer', '5\r\nhello\r\n0\r\nno colon\r\n\r\n'],
].map(([name = '', text = '']) =>
  vector({
    id: 'B3',
    name,
    parts: [response(CHUNKED, text)],
    right: [broken, answers(502)],
    rule: 'RFC 9112 §7.1',
    isTruncated: true,
  }),
);

const badFraming: HostileVector[] = [
  ['two lengths', 'Content-Length: 5\r\nContent-Length: 10\r\n'],
  ['5, 10', 'Content-Length: 5, 10\r\n'],
  ['-1', 'Content-Length: -1\r\n'],
  ['+5', 'Content-Length: +5\r\n'],
  ['0x5', 'Content-Length: 0x5\r\n'],
  ['empty length', 'Content-Length:\r\n'],
  ['length of 20 digits', 'Content-Length: 18446744073709551621\r\n'],
  ['TE identity', 'Transfer-Encoding: identity\r\n'],
  ['TE xchunked', 'Transfer-Encoding: xchunked\r\n'],
  ['TE gzip, chunked', 'Transfer-Encoding: gzip, chunked\r\n'],
  ['TE chunked, chunked', 'Transfer-Encoding: chunked, chunked\r\n'],
  ['TE twice', `${CHUNKED}${CHUNKED}`],
].map(([name = '', fields = '']) =>
  vector({
    id: 'B4',
    name,
    parts: [response(fields, '5\r\nhello\r\n0\r\n\r\n')],
    right: [answers(502)],
    rule: 'RFC 9112 §6.3',
  }),
);

const framingChoices: HostileVector[] = [
  vector({
    id: 'B4',
    name: 'CL + TE: TE wins or 502',
    parts: [response(`Content-Length: 3\r\n${CHUNKED}`, '5\r\nhello\r\n0\r\n\r\n')],
    right: [relays('hello'), answers(502)],
    rule: 'RFC 9112 §6.3',
  }),
  vector({
    id: 'B4',
    name: '5, 5: one length or 502',
    parts: [response('Content-Length: 5, 5\r\n', 'hello')],
    right: [answers(502), relays('hello')],
    rule: 'RFC 9110 §8.6',
  }),
  vector({
    id: 'B4',
    name: '1.0 + TE',
    parts: [response(CHUNKED, '5\r\nhello\r\n0\r\n\r\n', 'HTTP/1.0 200 OK'), fin],
    right: [answers(502)],
    rule: 'RFC 9112 §6.1',
  }),
];

const badFields: HostileVector[] = [
  ['bare LF', 'X: a\nY: b\r\n'],
  ['all lines end in LF', 'X: a\nContent-Length: 5\n'],
  ['bare CR', 'X: a\rb\r\n'],
  ['NUL', 'X: a\0b\r\n'],
  ['fold', 'X: a\r\n b\r\n'],
  ['space before the colon', 'X : a\r\n'],
  ['no colon', 'nonsense\r\n'],
  ['empty name', ': v\r\n'],
  ['control byte', 'X: a\x01b\r\n'],
].map(([name = '', fields = '']) =>
  vector({
    id: 'B5',
    name,
    parts: [response(`${fields}Content-Length: 5\r\n`, 'hello')],
    right: [answers(502)],
    rule: 'RFC 9112 §2.2, §5',
  }),
);

const badStartLines: HostileVector[] = [
  'HTTP/1.1 099 X',
  'HTTP/1.1 600 X',
  'HTTP/1.1 1000 X',
  'HTTP/1.1 20O OK',
  'HTTP/1.1 20 OK',
  'HTTP/1.1  200 OK',
  'HTTP/1.1 2 00 OK',
  'HTTP/2.0 200 OK',
  'HTTP/3 200 OK',
  'ICY 200 OK',
  'http/1.1 200 OK',
  '\0\0\0',
].map((startLine) =>
  vector({
    id: 'B6',
    name: JSON.stringify(startLine),
    parts: [response('Content-Length: 5\r\n', 'hello', startLine)],
    right: [answers(502)],
    rule: 'RFC 9112 §4',
  }),
);

const noHttp: HostileVector[] = [
  vector({
    id: 'B6',
    name: 'hello (HTTP/0.9)',
    parts: ['hello', fin],
    right: [answers(502)],
    rule: 'RFC 9112 §2.3',
  }),
  vector({
    id: 'B6',
    name: 'a TLS alert',
    parts: ['\x15\x03\x01\x00\x02\x02\x46', fin],
    right: [answers(502)],
    rule: 'RFC 9112 §4',
  }),
];

const oversized: HostileVector[] = [
  ['64 kB field', `X: ${'h'.repeat(65_536)}\r\n`],
  ['1 MB field', `X: ${'h'.repeat(1_048_576)}\r\n`],
  ['2,000 fields', 'X: y\r\n'.repeat(2_000)],
].map(([name = '', fields = '']) =>
  vector({
    id: 'B14',
    name,
    parts: [response(`${fields}Content-Length: 5\r\n`, 'hello')],
    right: [answers(502)],
    rule: 'RFC 9110 §5.4',
  }),
);

/** B1 to B6 and B14. */
export const hostileOrigin: readonly HostileVector[] = [
  ...truncations,
  ...closeDelimited,
  ...badChunks,
  ...badFraming,
  ...framingChoices,
  ...badFields,
  ...badStartLines,
  ...noHttp,
  ...oversized,
];
