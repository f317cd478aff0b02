/**
 * Family U: connection options, forwarded fields, upgrades and expectations.
 *
 * Trusted proxies (the other half of U5), the Via loop (U12) and tunnels are end-to-end tests.
 */

import { fieldValue, fieldValues } from '../../support/strict-head.ts';
import type { Answer } from '../../support/recorder-origin.ts';
import {
  bodyIs,
  bytes,
  forward,
  refuse,
  reject,
  request,
  send,
  type Evidence,
  type RightAnswer,
  type Vector,
} from '../vector.ts';

const HOP = 'RFC 9110 §7.6.1';

function get(
  id: string,
  name: string,
  fields: string,
  right: readonly RightAnswer[],
  rule = HOP,
): Vector {
  return { id, name, steps: [send(request('GET', fields))], right, rule };
}

type Check = (evidence: Evidence) => string;

/** The first seen request has exactly these values (undefined: no such field). */
function fields(expected: Readonly<Record<string, string | undefined>>): Check {
  return ({ seen }) => {
    const wrong = Object.entries(expected).filter(
      ([name, value]) => fieldValues(seen[0]?.fields ?? [], name).join(' | ') !== (value ?? ''),
    );
    return wrong
      .map(([name]) => `${name}: ${fieldValues(seen[0]?.fields ?? [], name).join(' | ')}`)
      .join('; ');
  };
}

function hasNone(pattern: RegExp): Check {
  return ({ seen }) => {
    const found = (seen[0]?.fields ?? []).filter((f) => pattern.test(`${f.name}: ${f.value}`));
    return found.map((field) => `forwarded ${field.name}: ${field.value}`).join('; ');
  };
}

function all(...checks: Check[]): Check {
  return (evidence) => checks.map((check) => check(evidence)).find((text) => text !== '') ?? '';
}

/** The one field that every proxy of this kind writes; ours has more, tested end to end. */
const own = fields({ 'x-forwarded-for': '127.0.0.1' });

const spoofed =
  'X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\n' +
  'X-Forwarded-Port: 666\r\nX-Forwarded-Prefix: /evil\r\nX-Forwarded-Uri: /evil\r\n' +
  'X-Forwarded-Method: EVIL\r\nX-Forwarded-Server: evil\r\nX-Forwarded-Tls-Client-Cert: evil\r\n' +
  'X-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6;host=evil.test\r\n';

const fieldVectors: Vector[] = [
  get('U1', 'X-Forwarded-For nominated', 'Connection: close, X-Forwarded-For\r\n', [
    forward(1, all(own, hasNone(/^connection:.*x-forwarded/i))),
  ]),
  get(
    'U1',
    'all forwarded fields nominated',
    'Connection: X-Real-IP, X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-For\r\n',
    [forward(1, own)],
  ),
  {
    id: 'U2',
    name: 'framing, Host and credentials nominated',
    steps: [
      send(
        request(
          'POST',
          'Connection: Host, Content-Length, Transfer-Encoding, Authorization, Cookie\r\n' +
            'Authorization: Basic eDp5\r\nCookie: c=1\r\nContent-Length: 5\r\n',
          'hello',
        ),
      ),
    ],
    right: [
      forward(1, all(bodyIs('hello'), fields({ authorization: 'Basic eDp5', cookie: 'c=1' }))),
      reject(400),
    ],
    rule: HOP,
  },
  get('U2', 'a custom field nominated', 'Connection: X-Custom\r\nX-Custom: 1\r\nX-Kept: 2\r\n', [
    forward(1, fields({ 'x-custom': undefined, 'x-kept': '2' })),
  ]),
  get(
    'U3',
    'connection fields are removed',
    'Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nTE: gzip\r\nProxy-Connection: x\r\n' +
      'Proxy-Authorization: Basic eDp5\r\nTrailer: X-T\r\n',
    [forward(1, hasNone(/^(?:keep-alive|te|proxy-connection|proxy-authorization|trailer):/i))],
  ),
  get('U3', 'only TE: trailers may pass', 'Connection: TE\r\nTE: gzip, trailers\r\n', [
    forward(1, hasNone(/^te:(?! *trailers$)/i)),
  ]),
  get('U4', 'Proxy (httpoxy)', 'Proxy: http://evil.test\r\n', [forward(1, hasNone(/^proxy:/i))]),
  get('U5', 'spoofed by an untrusted peer', spoofed, [
    forward(1, all(own, hasNone(/6\.6\.6\.6|evil|666/i))),
  ]),
  get('U5', 'spoofed in other case and twice', spoofed.toLowerCase() + spoofed.toUpperCase(), [
    forward(1, all(own, hasNone(/6\.6\.6\.6|evil|666/i))),
  ]),
  get(
    'U6',
    'underscore spellings of forwarded fields',
    'X_Forwarded_For: 6.6.6.6\r\nX-Forwarded_For: 6.6.6.6\r\nX_Real_IP: 6.6.6.6\r\n',
    [forward(1, hasNone(/6\.6\.6\.6/)), reject(400)],
  ),
];

const websocket =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

const noUpgrade = hasNone(/^(?:upgrade|http2-settings):|^connection:.*upgrade/i);

function answering(text: string, ending: Answer['ending'] = 'keep'): () => Answer {
  return () => ({ bytes: bytes(text), ending });
}

const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n';

const upgrades: Vector[] = [
  get(
    'U7',
    'h2c',
    'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n',
    [forward(1, noUpgrade), refuse(400, 501)],
    'RFC 9113 §3.1',
  ),
  get('U7', 'TLS/1.0', 'Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n', [
    forward(1, noUpgrade),
    refuse(400, 501),
  ]),
  get('U7', 'foo', 'Connection: Upgrade\r\nUpgrade: foo\r\n', [
    forward(1, noUpgrade),
    refuse(400, 501),
  ]),
  get('U7', 'websocket, h2c', `${websocket.replace('websocket', 'websocket, h2c')}`, [
    forward(1, hasNone(/h2c/i)),
    refuse(400, 501),
  ]),
  {
    id: 'U8',
    name: 'upgrade with a body',
    steps: [send(request('GET', `${websocket}Content-Length: 5\r\n`, 'hello'))],
    right: [reject(400), forward(1, all(bodyIs('hello'), noUpgrade))],
    rule: 'RFC 9110 §7.8',
  },
  {
    id: 'U8',
    name: 'upgrade by POST',
    steps: [send(request('POST', `${websocket}Content-Length: 0\r\n`))],
    right: [refuse(400), forward(1, noUpgrade)],
    rule: 'RFC 6455 §4.1',
  },
  {
    id: 'U8',
    name: 'upgrade in HTTP/1.0',
    steps: [send(`GET /z HTTP/1.0\r\nHost: a.test\r\n${websocket}\r\n`)],
    right: [forward(1, noUpgrade), refuse(400)],
    rule: 'RFC 9110 §7.8',
  },
  {
    id: 'U8',
    name: 'refused upgrade, then a pipelined request',
    steps: [send(`${request('GET', websocket)}GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n`)],
    right: [
      forward(2, ({ seen }) => {
        const second = seen[1];
        if (second === undefined) return 'no second request';
        const from = fieldValue(second.fields, 'x-forwarded-for');
        return from === undefined ? 'the second request went through raw' : '';
      }),
      forward(1, undefined, true),
    ],
    rule: 'RFC 9110 §7.8',
  },
  {
    id: 'U9',
    name: '101 that nobody asked for',
    steps: [send(request('GET', ''))],
    answer: answering(`${SWITCH}Upgrade: websocket\r\n\r\n`),
    right: [{ statuses: [[502]], forwarded: 1, begunMax: 0, closes: 'any' }],
    rule: 'RFC 9110 §15.2.2',
  },
  {
    id: 'U9',
    name: '101 to another protocol',
    steps: [send(request('GET', websocket))],
    answer: answering(`${SWITCH}Upgrade: foo\r\n\r\n`),
    right: [{ statuses: [[502]], forwarded: 1, begunMax: 0, closes: 'any' }],
    rule: 'RFC 9110 §7.8',
  },
];

const EXPECT = 'RFC 9110 §10.1.1';
const CONTINUE = 'HTTP/1.1 100';
const noExpect: Check = hasNone(/^expect:/i);

const expectations: Vector[] = [
  {
    id: 'U10',
    name: '100-continue, body after the 100',
    steps: [
      send(request('POST', 'Expect: 100-continue\r\nContent-Length: 5\r\n')),
      { waitFor: CONTINUE },
      send('hello'),
    ],
    right: [
      forward(
        1,
        all(bodyIs('hello'), noExpect, ({ stream }) =>
          stream.interim.length === 1 ? '' : `${stream.interim.length} interim responses`,
        ),
      ),
    ],
    rule: EXPECT,
  },
  {
    id: 'U10',
    name: '100-continue, then no body',
    steps: [send(request('POST', 'Expect: 100-continue\r\nContent-Length: 5\r\n'))],
    right: [{ statuses: [[408]], forwarded: 0, begunMax: 1, closes: true }],
    rule: EXPECT,
  },
  get('U10', 'another expectation', 'Expect: y 100-continue\r\n', [refuse(400, 417)], EXPECT),
  get(
    'U10',
    'two expectations',
    'Expect: 100-continue\r\nExpect: x\r\n',
    [refuse(400, 417)],
    EXPECT,
  ),
  get(
    'U10',
    'on a GET without a body',
    'Expect: 100-continue\r\n',
    [forward(1, noExpect), refuse(400, 417)],
    EXPECT,
  ),
  {
    id: 'U10',
    name: 'the origin refuses early, the connection stays in step',
    steps: [
      send(request('POST', 'Expect: 100-continue\r\nContent-Length: 5\r\n')),
      { waitFor: CONTINUE },
      send('helloGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n'),
    ],
    right: [forward(2, bodyIs('hello')), forward(1, bodyIs('hello'), true)],
    rule: 'RFC 9112 §9.3',
  },
];

const others: Vector[] = [
  get('U12', 'Max-Forwards: 0 on GET', 'Max-Forwards: 0\r\n', [forward()], 'RFC 9110 §7.6.2'),
  get(
    'U12',
    'Via is appended to',
    'Via: 1.1 first\r\n',
    [
      forward(1, ({ seen }) => {
        const via = fieldValues(seen[0]?.fields ?? [], 'via').join(', ');
        return /^1\.1 first, 1\.1 [^,]+$/.test(via) ? '' : `Via: ${via}`;
      }),
    ],
    'RFC 9110 §7.6.3',
  ),
];

/** U1 to U12. */
export const hopByHop: readonly Vector[] = [
  ...fieldVectors,
  ...upgrades,
  ...expectations,
  ...others,
];
