/**
 * Family B, part two: interim responses, reuse, retries, timeouts, tunnels and aborts.
 */

import { fieldValues } from '../../support/strict-head.ts';
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

type Part = string | OriginStep;

interface Case extends Omit<HostileVector, 'method' | 'script' | 'visitsMax'> {
  readonly method?: string;
  readonly parts?: readonly Part[];
  readonly script?: HostileVector['script'];
  readonly visitsMax?: number;
}

function vector({ parts, ...row }: Case): HostileVector {
  return { method: 'GET', visitsMax: 1, script: script(...(parts ?? [])), ...row };
}

const OK = response('Content-Length: 5\r\n', 'hello');

const noBody: HostileCheck = ({ stream }) =>
  stream.leftover.length === 0 ? '' : `bytes after the response: ${stream.leftover.length}`;

function noBodyAnswer(status: number): HostileCheck {
  return (evidence) => answers(status)(evidence) || noBody(evidence);
}

const withoutBody: HostileVector[] = [
  ...[204, 304].flatMap((status) => [
    vector({
      id: 'B7',
      name: `${status} with a body`,
      parts: [response('Content-Length: 5\r\n', 'hello', `HTTP/1.1 ${status} X`)],
      right: [noBodyAnswer(status), answers(502)],
      rule: 'RFC 9110 §6.4.1',
    }),
    vector({
      id: 'B7',
      name: `${status} chunked`,
      parts: [
        response(
          'Transfer-Encoding: chunked\r\n',
          '5\r\nhello\r\n0\r\n\r\n',
          `HTTP/1.1 ${status} X`,
        ),
      ],
      right: [noBodyAnswer(status), answers(502)],
      rule: 'RFC 9112 §6.1',
    }),
  ]),
  vector({
    id: 'B7',
    name: 'HEAD with a body',
    method: 'HEAD',
    parts: [OK],
    right: [noBodyAnswer(200)],
    rule: 'RFC 9110 §9.3.2',
  }),
];

const POISON = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON';

const noPoison: HostileCheck = ({ received }) =>
  received.includes('POISON') ? 'the second response reached the client' : '';

const heads: HostileVector[] = [
  vector({
    id: 'B7',
    name: 'HEAD with chunked announced',
    method: 'HEAD',
    parts: [response('Transfer-Encoding: chunked\r\n')],
    right: [noBodyAnswer(200)],
    rule: 'RFC 9110 §9.3.2',
  }),
  vector({
    id: 'B7',
    name: 'HEAD keeps the length of the GET',
    method: 'HEAD',
    parts: [response('Content-Length: 12345\r\n')],
    right: [
      (evidence) => {
        const fields = evidence.stream.responses[0]?.fields ?? [];
        const length = fieldValues(fields, 'content-length').join();
        return noBodyAnswer(200)(evidence) || (length === '12345' ? '' : `length ${length}`);
      },
    ],
    rule: 'RFC 9110 §8.6',
  }),
];

const unasked: HostileVector[] = [
  vector({
    id: 'B8',
    name: 'a second response nobody asked for',
    parts: [OK + POISON],
    right: [relays('hello', noPoison)],
    rule: 'RFC 9112 §9.2',
  }),
  vector({
    id: 'B8',
    name: 'more bytes than the length',
    parts: [`${OK}POISON`],
    right: [relays('hello', noPoison)],
    rule: 'RFC 9112 §6.3',
  }),
];

const HOP_FIELDS =
  'Connection: X-Foo, close\r\nX-Foo: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n' +
  'Upgrade: h2c\r\nProxy-Authenticate: Basic\r\nContent-Length: 5\r\n';

const noHopFields: HostileCheck = ({ stream }) => {
  const names = ['x-foo', 'proxy-connection', 'upgrade', 'keep-alive'];
  const fields = stream.responses[0]?.fields ?? [];
  const found = names.filter((name) => fieldValues(fields, name).length > 0);
  return found.length === 0 ? '' : `the client got ${found.join(', ')}`;
};

const hopByHop: HostileVector[] = [
  vector({
    id: 'B9',
    name: 'connection fields of a response',
    parts: [response(HOP_FIELDS, 'hello')],
    right: [relays('hello', noHopFields)],
    rule: 'RFC 9110 §7.6.1',
  }),
];

function interimCount(max: number): HostileCheck {
  return ({ stream }) =>
    stream.interim.length <= max ? '' : `${stream.interim.length} interim responses relayed`;
}

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';

const interim: HostileVector[] = [
  vector({
    id: 'B10',
    name: '103 is relayed or dropped',
    parts: [`HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n${OK}`],
    right: [relays('hello', interimCount(1))],
    rule: 'RFC 9110 §15.2',
  }),
  vector({
    id: 'B10',
    name: 'unsolicited 100 is dropped',
    parts: [CONTINUE + OK],
    right: [relays('hello', interimCount(0))],
    rule: 'RFC 9110 §15.2.1',
  }),
  vector({
    id: 'B10',
    name: '500 times 100',
    parts: [CONTINUE.repeat(500) + OK],
    right: [answers(502)],
    rule: 'RFC 9110 §15.2',
  }),
  vector({
    id: 'B11',
    name: 'unsolicited 101',
    parts: [
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    ],
    right: [answers(502)],
    rule: 'RFC 9110 §15.2.2',
  }),
];

/** Nothing and an end at the first attempt, a good answer at the second. */
function dies(end: OriginStep): HostileVector['script'] {
  return (attempt) => (attempt === 1 ? [end] : script(OK)(attempt));
}

const retries: HostileVector[] = [fin, reset].flatMap((end) => {
  const how = end === fin ? 'FIN' : 'RST';
  const rule = 'RFC 9110 §9.2.2, RFC 9112 §9.3.1';
  return [
    vector({
      id: 'B12',
      name: `GET, fresh connection, nothing then ${how}`,
      script: dies(end),
      right: [answers(502), relays('hello')],
      rule,
      visitsMax: 3, // As many attempts as a request has by default.
    }),
    vector({
      id: 'B12',
      name: `GET, reused connection, nothing then ${how}`,
      script: dies(end),
      right: [relays('hello')],
      rule,
      isReused: true,
      visitsMax: 3,
    }),
    vector({
      id: 'B12',
      name: `POST, fresh connection, nothing then ${how}`,
      method: 'POST',
      script: dies(end),
      right: [answers(502)],
      rule,
    }),
    vector({
      id: 'B12',
      name: `POST, reused connection, nothing then ${how}`,
      method: 'POST',
      script: dies(end),
      right: [answers(502)],
      rule,
      isReused: true,
    }),
  ];
});

const timeouts: HostileVector[] = [
  vector({
    id: 'B13',
    name: 'the head never comes',
    parts: [],
    right: [answers(504)],
    rule: 'RFC 9110 §15.6.5',
    visitsMax: 2,
  }),
  vector({
    id: 'B13',
    name: 'half a head, then silence',
    parts: ['HTTP/1.1 200 OK\r\nX: '],
    right: [answers(504)],
    rule: 'RFC 9110 §15.6.5',
  }),
  vector({
    id: 'B13',
    name: 'the body stalls',
    parts: [response('Content-Length: 100\r\n', 'hello')],
    right: [broken],
    rule: 'RFC 9112 §8',
    isTruncated: true,
  }),
];

const UPLOAD =
  'POST TARGET HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n' + 'u'.repeat(1_000);

const early: HostileVector[] = [
  vector({
    id: 'B15',
    name: 'an answer before the end of the upload, origin closes',
    method: 'POST',
    parts: [response('Content-Length: 5\r\n', 'large', 'HTTP/1.1 413 Too Large'), fin],
    client: [{ send: Buffer.from(UPLOAD) }],
    right: [answers(413)],
    rule: 'RFC 9112 §9.5',
  }),
];

const UPGRADE =
  'GET TARGET HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';

function tunnelled(text: string): HostileCheck {
  return ({ visits, originEndMs }) => {
    const got = visits[0]?.received.toString('latin1') ?? '';
    if (got !== text) return `the origin received ${JSON.stringify(got)}`;
    return originEndMs >= 0 && originEndMs <= 1_000 ? '' : `origin ended after ${originEndMs} ms`;
  };
}

const tunnels: HostileVector[] = [
  vector({
    id: 'B16',
    name: 'tunnel: bytes sent before the 101 arrive after it',
    parts: [SWITCHED, { receive: 5 }, 'thanks', fin],
    client: [{ send: Buffer.from(`${UPGRADE}early`) }, { waitFor: 'thanks' }, { end: 'fin' }],
    right: [tunnelled('early')],
    rule: 'RFC 9110 §7.8',
    isClientDriven: true,
  }),
  vector({
    id: 'B16',
    name: 'tunnel: the origin resets, the client is not left open',
    parts: [`${SWITCHED}hello`, reset],
    client: [{ send: Buffer.from(UPGRADE) }, { waitFor: 'hello' }],
    right: [({ closed }) => (closed === null ? 'the client side stayed open' : '')],
    rule: 'RFC 9110 §7.8',
    awaitsClose: true,
  }),
  vector({
    id: 'B16',
    name: 'tunnel: the origin half-closes, the client goes on',
    parts: [`${SWITCHED}hello`, fin],
    client: [
      { send: Buffer.from(UPGRADE) },
      { waitFor: 'hello' },
      { send: Buffer.from('late') },
      { end: 'fin' },
    ],
    right: [tunnelled('late')],
    rule: 'RFC 9110 §7.8',
    isClientDriven: true,
  }),
  vector({
    id: 'B16',
    name: 'tunnel: the client half-closes, the origin goes on',
    parts: [`${SWITCHED}hello`, { receive: 4 }, 'after', fin],
    client: [
      { send: Buffer.from(UPGRADE) },
      { waitFor: 'hello' },
      { send: Buffer.from('last') },
      { end: 'fin' },
      { waitFor: 'after' },
    ],
    right: [
      (evidence) =>
        evidence.received.includes('helloafter')
          ? tunnelled('last')(evidence)
          : 'the client lost bytes after its FIN',
    ],
    rule: 'RFC 9110 §7.8',
    isClientDriven: true,
  }),
];

const abortsOrigin: HostileCheck = ({ originEndMs }) =>
  originEndMs >= 0 && originEndMs <= 1_000 ? '' : 'the origin request was not aborted within 1 s';

const aborts: HostileVector[] = [
  vector({
    id: 'B17',
    name: 'the client resets in mid-download',
    parts: [response('Content-Length: 100000\r\n', 'hello')],
    client: [
      { send: Buffer.from('GET TARGET HTTP/1.1\r\nHost: a.test\r\n\r\n') },
      { waitFor: 'hello' },
      { end: 'reset' },
    ],
    right: [abortsOrigin],
    rule: 'RFC 9112 §9.6',
    isClientDriven: true,
  }),
  vector({
    id: 'B17',
    name: 'the client resets in mid-upload',
    method: 'POST',
    parts: [],
    client: [{ send: Buffer.from(UPLOAD) }, { end: 'reset' }],
    right: [abortsOrigin, ({ visits }) => (visits.length === 0 ? '' : 'began')],
    rule: 'RFC 9112 §9.6',
    isClientDriven: true,
  }),
];

/** B7 to B13 and B15 to B17. */
export const hostileExchange: readonly HostileVector[] = [
  ...withoutBody,
  ...heads,
  ...unasked,
  ...hopByHop,
  ...interim,
  ...retries,
  ...timeouts,
  ...early,
  ...tunnels,
  ...aborts,
];
