/**
 * Family T: request target, Host and size limits. T10 and T11, which need routes of their own,
 * are in `routes.test.ts`.
 */

import { fieldValue } from '../../support/strict-head.ts';
import {
  forward,
  refuse,
  reject,
  send,
  type Evidence,
  type RightAnswer,
  type Vector,
} from '../vector.ts';

const TARGET = 'RFC 9112 §3.2, RFC 3986 §3.3';
const HOST = 'RFC 9112 §3.2, RFC 9110 §7.2';

function target(
  id: string,
  value: string,
  right: readonly RightAnswer[],
  name = JSON.stringify(value.slice(0, 40)),
): Vector {
  const text = `GET ${value} HTTP/1.1\r\nHost: a.test\r\n\r\n`;
  return { id, name, steps: [send(text)], right, rule: TARGET };
}

function pathIs(...allowed: string[]): (evidence: Evidence) => string {
  return ({ seen }) => {
    const path = seen[0]?.target ?? '';
    return allowed.includes(path) ? '' : `forwarded the path ${JSON.stringify(path)}`;
  };
}

const paths: Vector[] = [
  target('T1', '/a/../b', [forward(1, pathIs('/b')), refuse(400)]),
  target('T1', '/a/%2e%2e/b', [forward(1, pathIs('/b')), refuse(400)]),
  target('T1', '/a/%2E./b', [forward(1, pathIs('/b')), refuse(400)]),
  target('T1', '/a/.', [forward(1, pathIs('/a/')), refuse(400)]),
  target('T1', '/a/./b', [forward(1, pathIs('/a/b')), refuse(400)]),
  target('T1', '//a//b', [forward(1, pathIs('//a//b', '/a/b')), refuse(400)]),
  target('T1', '/a/..%2fb', [forward(1, pathIs('/a/..%2fb', '/a/..%2Fb')), refuse(400)]),
  target('T1', '/a/..;/b', [forward(1, pathIs('/a/..;/b', '/a/..%3B/b')), refuse(400)]),
  target('T1', '/a/..\\b', [refuse(400)]),
  target('T1', '/a/%252e%252e/b', [forward(1, pathIs('/a/%252e%252e/b', '/a/%252E%252E/b'))]),
  target('T1', '/a?x=/../b', [forward(1, pathIs('/a?x=/../b'))]),
  target('T2', '/../../etc/passwd', [refuse(400), forward(1, pathIs('/etc/passwd'))]),
  target('T2', '/%2e%2e/x', [refuse(400), forward(1, pathIs('/x'))]),
  ...['/a%00b', '/%zz', '/%', '/a%2'].map((value) => target('T3', value, [refuse(400)])),
  target('T4', '/a#b', [refuse(400)]),
  ...['/a\x80', '/a\xff', '/\xc3\xa9', '/a\tb', '/a\x7f', '/a\x01', '/a\0'].map((value) =>
    target('T5', value, [refuse(400)]),
  ),
  target('T5', '/a"<>^`{|}', [
    refuse(400),
    forward(1, ({ seen }) => (seen[0]?.target.startsWith('/a') ? '' : 'another path')),
  ]),
];

function absolute(name: string, text: string, right: readonly RightAnswer[]): Vector {
  return { id: 'T6', name, steps: [send(text)], right, rule: 'RFC 9112 §3.2.2' };
}

function hostIs(expected: string): (evidence: Evidence) => string {
  return ({ seen }) => {
    const host = fieldValue(seen[0]?.fields ?? [], 'host') ?? '';
    const path = seen[0]?.target ?? '';
    if (path !== '/x') return `forwarded the target ${path}`;
    return host === expected ? '' : `forwarded Host: ${host}`;
  };
}

const forms: Vector[] = [
  absolute('absolute form wins over Host', 'GET http://b.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n', [
    forward(1, hostIs('b.test')),
    refuse(400),
  ]),
  absolute(
    'absolute form with userinfo',
    'GET http://u@a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n',
    [refuse(400)],
  ),
  absolute(
    'absolute form of another scheme',
    'GET ftp://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n',
    [refuse(400)],
  ),
  absolute('authority form on GET', 'GET a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n', [
    refuse(400),
  ]),
  absolute('empty authority', 'GET http:///x HTTP/1.1\r\nHost: a.test\r\n\r\n', [refuse(400)]),
  {
    id: 'T7',
    name: 'OPTIONS *',
    steps: [send('OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n')],
    right: [
      forward(1, ({ seen }) => (seen[0]?.target === '*' ? '' : `target ${seen[0]?.target}`)),
      refuse(200, 204, 400, 404),
    ],
    rule: 'RFC 9112 §3.2.4',
  },
  {
    id: 'T7',
    name: 'GET *',
    steps: [send('GET * HTTP/1.1\r\nHost: a.test\r\n\r\n')],
    right: [refuse(400)],
    rule: 'RFC 9112 §3.2.4',
  },
];

function hosts(id: string, fields: string, right: readonly RightAnswer[]): Vector {
  const name = JSON.stringify(fields.trim()).slice(0, 60);
  const text = `GET /z HTTP/1.1\r\n${fields}\r\n`;
  return { id, name, steps: [send(text)], right, rule: HOST };
}

const badHosts = [
  'u@a.test',
  'a.test/x',
  'a b',
  'a#x',
  'a?x',
  'a\\b',
  'a\0b',
  '[::1',
  '::1',
  '[zz]',
  'a:abc',
  'a:99999',
  'a:-1',
  '\xc3\xa9',
  'a%2etest',
  '.',
  '<a>',
  'a"b',
];

const hostVectors: Vector[] = [
  hosts('T8', 'Host: a.test\r\nHost: a.test\r\n', [reject(400)]),
  hosts('T8', 'Host: a.test\r\nHost: b.test\r\n', [reject(400)]),
  hosts('T8', 'Host: a.test\r\nX: y\r\nhOsT: b.test\r\n', [reject(400)]),
  hosts('T8', 'Host: a, b\r\n', [refuse(400)]),
  ...badHosts.map((value) => hosts('T9', `Host: ${value}\r\n`, [refuse(400)])),
  ...['A.TEST', 'a.test.', 'a.test:80', '[::1]', '127.0.0.1:8080'].map((value) =>
    hosts('T10', `Host: ${value}\r\n`, [forward()]),
  ),
];

function sized(name: string, text: string, right: readonly RightAnswer[]): Vector {
  return { id: 'T12', name, steps: [send(text)], right, rule: 'RFC 9110 §15.5.15, RFC 6585 §5' };
}

function longTarget(size: number): string {
  return `GET /${'u'.repeat(size - 1)} HTTP/1.1\r\nHost: a.test\r\n\r\n`;
}

function longField(size: number): string {
  return `GET /z HTTP/1.1\r\nHost: a.test\r\nX: ${'v'.repeat(size)}\r\n\r\n`;
}

function manyFields(count: number): string {
  return `GET /z HTTP/1.1\r\nHost: a.test\r\n${'X: y\r\n'.repeat(count - 1)}\r\n`;
}

const limits: Vector[] = [
  sized('target of 8,000 bytes', longTarget(8_000), [forward()]),
  sized('target of 16 kB', longTarget(16_384), [reject(400, 414, 431)]),
  sized('target of 64 kB', longTarget(65_536), [reject(400, 414, 431)]),
  sized('target that never ends', `GET /${'u'.repeat(70_000)}`, [reject(400, 414, 431)]),
  sized('field of 8,000 bytes', longField(8_000), [forward()]),
  sized('field of 64 kB', longField(65_536), [reject(400, 431)]),
  sized('field of 1 MB', longField(1_048_576), [reject(400, 431)]),
  sized('100 fields', manyFields(100), [forward()]),
  sized('101 fields', manyFields(101), [reject(400, 431)]),
  sized('600 fields', manyFields(600), [reject(400, 431)]),
  sized('2,100 fields', manyFields(2_100), [reject(400, 431)]),
];

/** T1 to T10 and T12. */
export const targetHost: readonly Vector[] = [...paths, ...forms, ...hostVectors, ...limits];
