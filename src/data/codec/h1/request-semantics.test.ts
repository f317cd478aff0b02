import assert from 'node:assert/strict';
import test from 'node:test';
import { latin1Text } from '../../../base/ascii.ts';
import { Fault } from '../../../contract/fault.ts';
import { Framing, type H1Limits, RequestHead } from '../head.ts';
import { parseRequestHead } from './request-parser.ts';

const limits: H1Limits = {
  headSizeMax: 1_024,
  fieldCountMax: 20,
  targetSizeMax: 128,
  chunkExtensionSizeMax: 64,
  trailerSizeMax: 64,
};
const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\n';
const POST = 'POST /z HTTP/1.1\r\nHost: a.test\r\n';

interface Parsed {
  head: RequestHead;
  result: number;
}

function parse(text: string, with_: H1Limits = limits): Parsed {
  const head = new RequestHead(100);
  const bytes = Buffer.from(`##${text}`, 'latin1');
  const result = parseRequestHead(head, bytes, 2, bytes.length, with_);
  return { head, result };
}

function accept(text: string): RequestHead {
  const { head, result } = parse(text);
  assert.ok(result > 0, `${JSON.stringify(text)} was rejected or incomplete: ${result}`);
  assert.equal(head.fault, Fault.none);
  assert.equal(head.end, result);
  return head;
}

function faultOf(text: string): Fault {
  const { head, result } = parse(text);
  assert.equal(result, -head.fault);
  return head.fault;
}

// Field lines after `POST /z` with one Host; the fault is known at the end of the head.
const REJECTED_FIELDS: readonly (readonly [string, string, Fault])[] = [
  [
    'RFC 9112 §6.3: CL.TE',
    'Content-Length: 4\r\nTransfer-Encoding: chunked',
    Fault.requestFramingInvalid,
  ],
  [
    'RFC 9112 §6.3: TE.CL',
    'Transfer-Encoding: chunked\r\nContent-Length: 4',
    Fault.requestFramingInvalid,
  ],
  [
    'RFC 9112 §6.3: two lengths',
    'Content-Length: 5\r\nContent-Length: 10',
    Fault.requestFramingInvalid,
  ],
  [
    'RFC 9112 §6.3: equal lengths',
    'Content-Length: 5\r\ncontent-length: 5',
    Fault.requestFramingInvalid,
  ],
  ['RFC 9110 §8.6: list of lengths', 'Content-Length: 5, 5', Fault.requestFramingInvalid],
  ['RFC 9110 §8.6: list of two lengths', 'Content-Length: 5, 10', Fault.requestFramingInvalid],
  ...['+5', '-1', '-0', '0x5', '5Z', '1 0', '1_0', '18446744073709551621', '', '\xb2', '5.0'].map(
    (value) =>
      [
        `RFC 9110 §8.6: Content-Length ${JSON.stringify(value)}`,
        `Content-Length: ${value}`,
        Fault.requestFramingInvalid,
      ] as const,
  ),
  [
    'RFC 9110 §8.6: empty, then 5',
    'Content-Length:\r\nContent-Length: 5',
    Fault.requestFramingInvalid,
  ],
  ...[
    'chunked, gzip',
    ',chunked',
    'chunked,',
    '"chunked"',
    '\xa0chunked',
    'chunked;x=y',
    '',
    'chunked, chunked',
    'chunked chunked',
  ].map(
    (value) =>
      [
        `RFC 9112 §6.1: Transfer-Encoding ${JSON.stringify(value)}`,
        `Transfer-Encoding: ${value}`,
        Fault.requestFramingInvalid,
      ] as const,
  ),
  ...['gzip, chunked', 'identity, chunked', 'identity', 'xchunked', 'chunke', 'gzip'].map(
    (value) =>
      [
        `RFC 9112 §6.1: unknown coding ${value}`,
        `Transfer-Encoding: ${value}`,
        Fault.requestTransferCodingUnsupported,
      ] as const,
  ),
  [
    'RFC 9112 §6.3: no way back to CL',
    'Transfer-Encoding: xchunked\r\nContent-Length: 5',
    Fault.requestFramingInvalid,
  ],
  [
    'RFC 9112 §6.1: TE twice',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    Fault.requestFramingInvalid,
  ],
  ['RFC 9112 §3.2: two hosts', 'Host: b.test', Fault.requestHostInvalid],
  ['RFC 9112 §3.2: the same host twice', 'hOST: a.test', Fault.requestHostInvalid],
  [
    'RFC 9110 §10.1.1: other expectation',
    'Content-Length: 1\r\nExpect: y 100-continue',
    Fault.requestExpectationUnsupported,
  ],
  [
    'RFC 9110 §10.1.1: two expectations',
    'Content-Length: 1\r\nExpect: 100-continue\r\nExpect: 100-continue',
    Fault.requestExpectationUnsupported,
  ],
  [
    'RFC 9110 §10.1.1: other expectation without body',
    'Expect: x',
    Fault.requestExpectationUnsupported,
  ],
  [
    'RFC 9110 §7.6.1: 65 connection options',
    `Connection: ${'a,'.repeat(64)}`,
    Fault.requestFieldsTooMany,
  ],
];

for (const [why, lines, fault] of REJECTED_FIELDS) {
  test(`request: rejects fields when ${why}`, () => {
    assert.equal(faultOf(`${POST}${lines}\r\n\r\n`), fault);
  });
}

test('request: rejects a control octet before a coding (RFC 9112 §6.1, vertical tab)', () => {
  assert.equal(faultOf(`${POST}Transfer-Encoding: \x0b`), Fault.requestMalformed);
});

test('request: rejects Transfer-Encoding in HTTP/1.0 (RFC 9112 §6.1)', () => {
  const text = 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  assert.equal(faultOf(text), Fault.requestFramingInvalid);
});

test('request: rejects a missing or empty Host in HTTP/1.1 (RFC 9112 §3.2)', () => {
  assert.equal(faultOf('GET / HTTP/1.1\r\n\r\n'), Fault.requestHostInvalid);
  assert.equal(faultOf('GET / HTTP/1.1\r\nHost:  \r\n\r\n'), Fault.requestHostInvalid);
  assert.equal(faultOf('GET http://a.test/ HTTP/1.1\r\n\r\n'), Fault.requestHostInvalid);
});

test('request: accepts HTTP/1.0 without Host, and closes by default (RFC 9112 §9.3)', () => {
  const head = accept('GET / HTTP/1.0\r\n\r\n');
  assert.equal(head.versionMinor, 0);
  assert.equal(head.keepAlive, false);
  assert.equal(head.authorityStart, head.authorityEnd);
  assert.equal(accept('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n').keepAlive, true);
});

test('request: an absolute target overrides even an empty Host (RFC 9112 §3.2.2)', () => {
  const head = accept('GET http://a.test/ HTTP/1.1\r\nHost:\r\n\r\n');
  assert.equal(latin1Text(head.bytes, head.authorityStart, head.authorityEnd), 'a.test');
});

test('request: reads Content-Length with zeros and whitespace (RFC 9110 §8.6)', () => {
  for (const [value, size] of [
    ['0', 0],
    ['00', 0],
    ['005', 5],
    ['0200', 200],
    ['\t7 ', 7],
    ['999999999999999', 999_999_999_999_999],
    [`${'0'.repeat(40)}12`, 12],
  ] as const) {
    const head = accept(`${POST}Content-Length: ${value}\r\n\r\n`);
    assert.equal(head.framing, Framing.length);
    assert.equal(head.contentLength, size);
  }
  assert.equal(
    faultOf(`${POST}Content-Length: 1000000000000000\r\n\r\n`),
    Fault.requestFramingInvalid,
  );
});

test('request: reads chunked in any case, and no framing as no body (RFC 9112 §6.3)', () => {
  assert.equal(accept(`${POST}Transfer-Encoding: cHuNkEd \r\n\r\n`).framing, Framing.chunked);
  assert.equal(accept(`${POST}\r\n`).framing, Framing.none);
});

test('request: keeps the connection unless close is an option (RFC 9112 §9.3)', () => {
  assert.equal(accept(`${GET}\r\n`).keepAlive, true);
  assert.equal(accept(`${GET}Connection: foo, Close\r\n\r\n`).keepAlive, false);
  assert.equal(accept(`${GET}Connection: closed\r\n\r\n`).keepAlive, true);
  const both = 'GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n';
  assert.equal(accept(both).keepAlive, false);
});

test('request: expects 100 only with a body and in HTTP/1.1 (RFC 9110 §10.1.1)', () => {
  const expect = 'Expect: 100-Continue\r\n\r\n';
  assert.equal(accept(`${POST}Content-Length: 5\r\n${expect}`).expectsContinue, true);
  assert.equal(accept(`${POST}Transfer-Encoding: chunked\r\n${expect}`).expectsContinue, true);
  assert.equal(accept(`${GET}${expect}`).expectsContinue, false);
  assert.equal(accept(`${POST}Content-Length: 0\r\n${expect}`).expectsContinue, false);
  const old = `POST / HTTP/1.0\r\nContent-Length: 5\r\n${expect}`;
  assert.equal(accept(old).expectsContinue, false);
});

test('request: upgrades to websocket only as RFC 6455 §4.1 asks', () => {
  const upgrade = 'Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n';
  assert.equal(accept(`${GET}${upgrade}\r\n`).upgradesWebsocket, true);
  assert.equal(
    accept(`${GET}Upgrade: h2c, websocket\r\nConnection: upgrade\r\n\r\n`).upgradesWebsocket,
    true,
  );
  assert.equal(accept(`${POST}${upgrade}\r\n`).upgradesWebsocket, false);
  assert.equal(accept(`${GET}${upgrade}Content-Length: 5\r\n\r\n`).upgradesWebsocket, false);
  assert.equal(accept(`${GET}Upgrade: websocket\r\n\r\n`).upgradesWebsocket, false);
  assert.equal(
    accept(`${GET}Connection: upgrade\r\nUpgrade: h2c\r\n\r\n`).upgradesWebsocket,
    false,
  );
  assert.equal(accept(`GET / HTTP/1.0\r\n${upgrade}\r\n`).upgradesWebsocket, false);
});

test('request: knows a client that takes trailers (RFC 9110 §10.1.4)', () => {
  assert.equal(accept(`${GET}TE: gzip, trailers\r\n\r\n`).wantsTrailers, true);
  assert.equal(accept(`${GET}TE: gzip\r\n\r\n`).wantsTrailers, false);
});

test('request: marks hop-by-hop and nominated fields (RFC 9110 §7.6.1)', () => {
  const head = accept(
    `${GET}X-Foo: 1\r\nConnection: x-foo, , X-BAR, te\r\nx-bar: 2\r\nX-Fo: 3\r\nTE: gzip\r\n` +
      'Content_Length: 5\r\nProxy: http://evil\r\nHTTP2-Settings: x\r\nX-Baz: 4\r\n\r\n',
  );
  const kept: string[] = [];
  for (let i = 0; i < head.fields.count; i++) {
    if (head.fields.isHop[i] === 0) kept.push(head.fields.nameText(i));
  }
  assert.deepEqual(kept, ['X-Fo', 'X-Baz']);
});

test('request: a nomination never removes a trust, framing or auth field (RFC 9110 §7.6.1)', () => {
  const names = [
    'X-Forwarded-For',
    'X-Real-IP',
    'Authorization',
    'Cookie',
    'Via',
    'Forwarded',
    'Cache-Control',
    'X-Forwarded-Prefix',
  ];
  const lines = names.map((name) => `${name}: v\r\n`).join('');
  const text = `${POST}${lines}Content-Length: 3\r\n`;
  const head = accept(
    `${text}Connection: close, Host, Content-Length, ${names.join(', ')}\r\n\r\n`,
  );
  for (const [i, name] of names.entries()) assert.equal(head.fields.isHop[i + 1], 0, name);
  assert.equal(head.contentLength, 3);
  assert.equal(head.authorityEnd - head.authorityStart, 6);
});
