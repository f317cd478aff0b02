import test from 'node:test';
import assert from 'node:assert/strict';
import { parseEndpointUrl } from './endpoint-url.ts';

/** Key, host, port and authority; or the code of the problem. */
const CASES: readonly [text: string, expected: string][] = [
  ['http://a', 'http://a:80 a 80 a'],
  ['http://A.b:80/', 'http://a.b:80 a.b 80 a.b'],
  ['HTTP://a:81', 'http://a:81 a 81 a:81'],
  ['http://10.0.0.2:3000', 'http://10.0.0.2:3000 10.0.0.2 3000 10.0.0.2:3000'],
  ['http://[::1]:81', 'http://[::1]:81 ::1 81 [::1]:81'],
  ['http://[0:0::1]', 'http://[::1]:80 ::1 80 [::1]'],
  ['http://10.0.0.256', 'PN1313'],
  ['http://127.1:80', 'PN1313'],
  ['http://app_1:81', 'http://app_1:81 app_1 81 app_1:81'],
  ['unix:/run/a.sock', 'unix:/run/a.sock /run/a.sock 0 localhost'],
  ['https://a', 'https://a:443 a 443 a'],
  ['HTTPS://A:80', 'https://a:80 a 80 a:80'],
  ['https://[::1]/', 'https://[::1]:443 ::1 443 [::1]'],
  ['https://a/b', 'PN1313'],
  ['tcp://db.b:5432', 'tcp://db.b:5432 db.b 5432 db.b:5432'],
  ['tcp://db.b', 'PN1313'],
  ['tcp://a:0', 'PN1313'],
  ['h2c://a', 'PN1312'],
  ['ftp://a', 'PN1312'],
  ['a:80', 'PN1313'],
  ['http://', 'PN1313'],
  ['http://:80', 'PN1313'],
  ['http://a:', 'PN1313'],
  ['http://a:0', 'PN1313'],
  ['http://a:65536', 'PN1313'],
  ['http://a/b', 'PN1313'],
  ['http://a?b', 'PN1313'],
  ['http://u:p@a', 'PN1313'],
  ['http://a b', 'PN1313'],
  ['http://::1', 'PN1313'],
  ['http://[a]', 'PN1313'],
  ['http://*.a', 'PN1313'],
  ['unix:a', 'PN1313'],
  ['', 'PN1313'],
];

test('parseEndpointUrl: reads each form, and nothing else', () => {
  for (const [text, expected] of CASES) {
    const parsed = parseEndpointUrl(text);
    const { key, host, port, authority } = parsed.ok
      ? parsed.value
      : { key: parsed.problem.code, host: '', port: '', authority: '' };
    assert.equal([key, host, port, authority].join(' ').trim(), expected, text);
  }
});
