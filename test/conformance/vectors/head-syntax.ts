/**
 * Family A, part two: line ends, field lines, versions, methods and pipelining.
 */

import {
  bytes,
  closeSilently,
  forward,
  refuse,
  reject,
  request,
  send,
  SMUGGLED,
  type Evidence,
  type RightAnswer,
  type Vector,
} from '../vector.ts';
import { fieldNames, fieldValue } from '../../support/strict-head.ts';

const SYNTAX = 'RFC 9112 §2.2, §5';

function raw(id: string, name: string, text: string, right: readonly RightAnswer[]): Vector {
  return { id, name, steps: [send(text)], right, rule: SYNTAX };
}

const bad = [reject(400)];

const lineEnds: Vector[] = [
  raw(
    'A14',
    'bare LF before Transfer-Encoding',
    request('POST', 'X: y\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'),
    bad,
  ),
  raw(
    'A15',
    'bare CR before Transfer-Encoding',
    request('POST', 'X: y\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'),
    bad,
  ),
  raw('A15', 'bare CR at the end of a value', request('GET', 'X: y\r\r\n'), bad),
  raw('A16', 'all bare LF', 'GET /z HTTP/1.1\nHost: a.test\n\n', bad),
  raw('A16', 'bare LF ends the head', 'GET /z HTTP/1.1\r\nHost: a.test\r\n\n', bad),
  raw('A17', 'name split over lines', request('POST', 'Transfer-\r\nEncoding: chunked\r\n'), bad),
  raw('A17', 'no colon', request('GET', 'Nonsense\r\n'), bad),
  raw('A18', 'empty name', request('GET', ': v\r\n'), bad),
  raw('A18', 'only a colon', request('GET', ':\r\n'), bad),
  raw('A19', 'NUL in a value', request('GET', 'X: a\0b\r\n'), bad),
  raw('A19', 'NUL in a name', request('GET', 'X\0: a\r\n'), bad),
  ...['X(Y)', 'X Y', 'X@Y', 'X"Y', '\xe9', 'X\x7f', 'X/Y', '{X}'].map((name) =>
    raw('A20', `name ${JSON.stringify(name)}`, request('GET', `${name}: v\r\n`), bad),
  ),
  ...['\x01', '\x07', '\x1b', '\x7f'].map((char) =>
    raw('A21', `value with ${JSON.stringify(char)}`, request('GET', `X: a${char}b\r\n`), bad),
  ),
  raw('A22', 'obs-fold with space', request('GET', 'X: a\r\n b\r\n'), bad),
  raw('A22', 'obs-fold with tab', request('GET', 'X: a\r\n\tb\r\n'), bad),
  raw('A23', 'CR then text after the head', request('GET', '\rZGET /evil HTTP/1.1\r\n'), bad),
  raw('A23', 'head ended by CRLF CR X', `GET /z HTTP/1.1\r\nHost: a.test\r\n\rZ${SMUGGLED}`, bad),
];

const versions: Vector[] = [
  raw('A25', 'HTTP/0.9', 'GET /\r\n', bad),
  raw('A25', 'HTTP/9.9', 'GET /z HTTP/9.9\r\nHost: a.test\r\n\r\n', [reject(400, 505)]),
  raw('A25', 'HTTP/2.0', 'GET /z HTTP/2.0\r\nHost: a.test\r\n\r\n', [reject(400, 505)]),
  raw('A25', 'HTTP/1', 'GET /z HTTP/1\r\nHost: a.test\r\n\r\n', [reject(400, 505)]),
  raw('A25', 'HTTP/1.', 'GET /z HTTP/1.\r\nHost: a.test\r\n\r\n', [reject(400, 505)]),
  raw('A25', 'HTTP/01.1', 'GET /z HTTP/01.1\r\nHost: a.test\r\n\r\n', [reject(400, 505)]),
  raw('A25', 'HTTP/1.1x', 'GET /z HTTP/1.1x\r\nHost: a.test\r\n\r\n', [reject(400, 505)]),
  raw('A25', 'http/1.1', 'GET /z http/1.1\r\nHost: a.test\r\n\r\n', [reject(400, 505)]),
  raw('A25', 'two spaces', 'GET  /z HTTP/1.1\r\nHost: a.test\r\n\r\n', bad),
  raw('A25', 'tab for space', 'GET\t/z HTTP/1.1\r\nHost: a.test\r\n\r\n', bad),
  raw('A25', 'leading space', ' GET /z HTTP/1.1\r\nHost: a.test\r\n\r\n', bad),
  raw('A27', 'no Host', 'GET /z HTTP/1.1\r\n\r\n', bad),
  raw('A27', 'HTTP/1.0 without Host', 'GET /z HTTP/1.0\r\n\r\n', [forward(), reject(400)]),
  raw('A27', 'HTTP/1.0 with two Hosts', 'GET /z HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n', bad),
  raw('A27', 'empty Host', 'GET /z HTTP/1.1\r\nHost:\r\n\r\n', bad),
];

function lacks(...names: string[]): (evidence: Evidence) => string {
  return ({ seen }) => {
    const present = fieldNames(seen[0]?.fields ?? []).filter((name) => names.includes(name));
    return present.length === 0 ? '' : `forwarded ${present.join(', ')}`;
  };
}

function kept(...names: string[]): (evidence: Evidence) => string {
  return ({ seen }) => {
    const fields = seen[0]?.fields ?? [];
    const lost = names.filter((name) => fieldValue(fields, name) === undefined);
    return lost.length === 0 ? '' : `lost ${lost.join(', ')}`;
  };
}

const names: Vector[] = [
  raw('A28', 'Content_Length', request('GET', 'Content_Length: 5\r\n'), [
    forward(1, lacks('content_length')),
    reject(400),
  ]),
  raw('A28', 'Transfer_Encoding', request('GET', 'Transfer_Encoding: chunked\r\n'), [
    forward(1, lacks('transfer_encoding')),
    reject(400),
  ]),
  raw(
    'A33',
    'names of object members',
    request('GET', '__proto__: x\r\nconstructor: y\r\nhasOwnProperty: z\r\ntoString: t\r\n'),
    [forward(1, kept('constructor', 'hasownproperty', 'tostring', '__proto__'))],
  ),
];

/** The first bytes of a TLS 1.2 ClientHello. */
const CLIENT_HELLO = Buffer.from(
  `16030100c8010000c40303${'5a'.repeat(32)}00001cc02bc02fc00ac009c013c01433009c0035002f000a`,
  'hex',
);

const otherProtocols: Vector[] = [
  raw('A29', 'HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [
    reject(400, 505),
    closeSilently,
  ]),
  {
    id: 'A29',
    name: 'TLS ClientHello',
    steps: [{ send: CLIENT_HELLO }],
    right: [reject(400), closeSilently],
    rule: SYNTAX,
  },
];

function inOrder({ stream }: Evidence): string {
  const targets = stream.responses.map((r) => fieldValue(r.fields, 'x-origin-target'));
  const got = targets.map((target) => decodeURIComponent(target ?? '')).join(' ');
  return got === '/1 /2 /3' ? '' : `answers in order ${got}`;
}

function get(target: string, fields = ''): string {
  return `GET ${target} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`;
}

const pipelining: Vector[] = [
  raw('A30', 'three in a row', get('/1') + get('/2') + get('/3'), [forward(3, inOrder)]),
  raw('A30', 'bad second', get('/1') + get('/2', 'X : y\r\n') + get('/3'), [
    { statuses: [[200], [400]], forwarded: 1, begunMax: 0, closes: true },
  ]),
  raw('A30', 'after Connection: close', get('/1', 'Connection: close\r\n') + get('/2'), [
    forward(1, undefined, true),
  ]),
  raw('A30', '1,000 empty lines before a request', `${'\r\n'.repeat(1_000)}${get('/z')}`, bad),
  raw('A30', 'empty line between requests', `${get('/1')}\r\n${get('/2')}`, [
    forward(2),
    { statuses: [[200], [400]], forwarded: 1, begunMax: 0, closes: true },
  ]),
  raw('A30', 'Connection: close with keep-alive', get('/z', 'Connection: keep-alive, close\r\n'), [
    forward(1, undefined, true),
  ]),
  raw('A30', 'empty line before a request', `\r\n${get('/z')}`, [forward(), reject(400)]),
];

const methods: Vector[] = [
  ...['G\x01T', 'GE(T', 'GET:', '\xc9'].map((method) =>
    raw('A31', `method ${JSON.stringify(method)}`, request(method, ''), [reject(400, 501)]),
  ),
  raw('A31', '300-byte method', request('M'.repeat(300), ''), [reject(400, 501), forward()]),
  raw('A31', 'lower-case get', request('get', ''), [
    refuse(400, 405, 501),
    forward(1, ({ seen }) => (seen[0]?.method === 'get' ? '' : 'the method was case-folded')),
  ]),
  raw('A32', 'TRACE', request('TRACE', 'Cookie: secret=1\r\n'), [refuse(405, 501)]),
  {
    id: 'A32',
    name: 'CONNECT',
    steps: [{ send: bytes('CONNECT x.test:443 HTTP/1.1\r\nHost: x.test:443\r\n\r\n') }],
    right: [refuse(400, 405, 501)],
    rule: 'RFC 9110 §9.3.6',
  },
];

/** A14 to A23, A25 and A27 to A33. */
export const headSyntax: readonly Vector[] = [
  ...lineEnds,
  ...versions,
  ...names,
  ...otherProtocols,
  ...pipelining,
  ...methods,
];
