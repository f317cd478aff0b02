/**
 * The traffic that is mutated: good requests and responses, and every conformance vector.
 *
 * `TARGET` in a request is replaced by the target of the case.
 */

import { HOSTILE_VECTORS, REQUEST_VECTORS } from '../conformance/suite.ts';
import type { Prng } from '../support/prng.ts';
import { describedBody } from './self-describing.ts';

const SIZE_MAX = 20_000;

const GOOD_REQUESTS = [
  'GET TARGET HTTP/1.1\r\nHost: a.test\r\n\r\n',
  'GET TARGET HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n',
  'HEAD TARGET HTTP/1.1\r\nHost: a.test\r\n\r\n',
  'GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n',
  'GET TARGET HTTP/1.0\r\n\r\n',
  'POST TARGET HTTP/1.1\r\nHost: a.test\r\nContent-Length: 11\r\n\r\nhello world',
  'POST TARGET HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n' +
    '5;a=b;c="d e"\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: v\r\n\r\n',
  'PUT TARGET HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody',
  'OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n',
  'GET TARGET HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  'GET TARGET HTTP/1.1\r\nHost: a.test\r\nUser-Agent: fuzz/1.0 (X11; Linux)\r\n' +
    'Accept: text/html,*/*;q=0.8\r\nAccept-Language: en\r\nAccept-Encoding: gzip, br\r\n' +
    'Cookie: a=1; b="two"; c=3\r\nX-Forwarded-For: 1.2.3.4, 5.6.7.8\r\nVia: 1.0 fred\r\n' +
    'TE: trailers\r\nReferer: http://a.test/?q=%20\r\nCache-Control: no-cache\r\n\r\n',
  'GET TARGET HTTP/1.1\r\nHost: a.test\r\n\r\nPOST TARGET HTTP/1.1\r\nHost: a.test\r\n' +
    'Content-Length: 3\r\n\r\nabcGET TARGET HTTP/1.1\r\nHost: a.test\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'));

/** Requests to mutate. */
export const REQUEST_CORPUS: readonly Buffer[] = [
  ...GOOD_REQUESTS,
  ...GOOD_REQUESTS,
  ...REQUEST_VECTORS.map((vector) =>
    Buffer.concat(vector.steps.map((step) => ('send' in step ? step.send : Buffer.alloc(0)))),
  ).filter((bytes) => bytes.length > 0 && bytes.length < SIZE_MAX),
];

const HOSTILE_CORPUS: readonly Buffer[] = HOSTILE_VECTORS.map((vector) =>
  Buffer.concat(vector.script(1).map((step) => ('send' in step ? step.send : Buffer.alloc(0)))),
).filter((bytes) => bytes.length > 0 && bytes.length < SIZE_MAX);

function chunks(body: Buffer, random: Prng): string {
  let text = '';
  for (let start = 0; start < body.length;) {
    const end = Math.min(body.length, start + 1 + random.below(2_000));
    text += `${(end - start).toString(16)}\r\n${body.toString('latin1', start, end)}\r\n`;
    start = end;
  }
  return `${text}0\r\n${random.below(4) === 0 ? 'X-Trailer: v\r\n' : ''}\r\n`;
}

/** A good response with a self-describing body, in one of the ways to frame it. */
export function goodResponse(random: Prng): { bytes: Buffer; ending: 'keep' | 'fin' } {
  const body = describedBody(random.below(random.below(4) === 0 ? 60_000 : 600), random);
  const text = body.toString('latin1');
  const fields = 'Content-Type: text/plain\r\nSet-Cookie: a=1\r\nETag: "e"\r\n';
  const interim =
    random.below(6) === 0 ? 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n' : '';
  const ways = [
    `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${body.length}\r\n\r\n${text}`,
    `HTTP/1.1 200 OK\r\n${fields}Transfer-Encoding: chunked\r\n\r\n${chunks(body, random)}`,
    `HTTP/1.1 200 OK\r\n${fields}Connection: close\r\n\r\n${text}`,
  ];
  const way = random.below(ways.length);
  return {
    bytes: Buffer.from(interim + ways[way]!, 'latin1'),
    ending: way === 2 ? 'fin' : 'keep',
  };
}

/** A response to mutate: mostly good ones, sometimes a hostile vector. */
export function anyResponse(random: Prng): { bytes: Buffer; ending: 'keep' | 'fin' } {
  if (random.below(4) > 0) return goodResponse(random);
  return { bytes: random.pick(HOSTILE_CORPUS), ending: random.below(2) === 0 ? 'keep' : 'fin' };
}
