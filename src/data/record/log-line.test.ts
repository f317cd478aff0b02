import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import type { AccessLogSpec } from '../../contract/snapshot.ts';
import { AccessRecord } from './access-record.ts';
import { LineWriter, asciiBytes } from './line-writer.ts';
import { LogLine } from './log-line.ts';

const latin1 = new TextDecoder('latin1');

function spec(format: AccessLogSpec['format'], template = ''): AccessLogSpec {
  return { path: 'stdout', format, template };
}

function render(log: AccessLogSpec, record: AccessRecord, fieldSizeMax = 4_096): string {
  const line = new LogLine(log);
  const writer = new LineWriter(new Uint8Array(65_536), line.isJson);
  line.write(writer, record, fieldSizeMax);
  assert.equal(writer.isFull, false);
  return latin1.decode(writer.bytes.subarray(0, writer.position));
}

function sample(): AccessRecord {
  const record = new AccessRecord();
  record.wallMs = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  record.durationUs = 1_234_567.8;
  record.status = 200;
  record.sentBytes = 2_326;
  record.receivedBytes = 12;
  record.attempts = 1;
  record.generation = 4;
  record.clientAddress = '192.0.2.7';
  record.protocol = 'HTTP/1.1';
  record.listener = 'web';
  record.route = 'shop';
  record.service = 'shop';
  record.endpoint = '10.0.0.2:3000';
  record.method.set(asciiBytes('GET'), 0, 3);
  record.host.set(asciiBytes('shop.example.com'), 0, 16);
  record.path.set(asciiBytes('/a/b'), 0, 4);
  record.query.set(asciiBytes('x=1'), 0, 3);
  record.requestId.set(asciiBytes('abc'), 0, 3);
  record.userAgent.set(asciiBytes('curl/8'), 0, 6);
  return record;
}

test('log line: the common format', () => {
  assert.equal(
    render(spec('common'), sample()),
    '192.0.2.7 - - [02/Jan/2026:03:04:05 +0000] "GET /a/b?x=1 HTTP/1.1" 200 2326\n',
  );
});

test('log line: the common format of a request without anything', () => {
  const record = new AccessRecord();
  assert.equal(render(spec('common'), record), '- - - [01/Jan/1970:00:00:00 +0000] "- - -" 0 -\n');
});

test('log line: JSON has every field, typed', () => {
  assert.deepEqual(JSON.parse(render(spec('json'), sample())), {
    time: '2026-01-02T03:04:05.006Z',
    client: '192.0.2.7',
    method: 'GET',
    host: 'shop.example.com',
    path: '/a/b',
    query: 'x=1',
    protocol: 'HTTP/1.1',
    status: 200,
    duration_ms: 1234.567,
    bytes: 2326,
    received: 12,
    listener: 'web',
    route: 'shop',
    service: 'shop',
    endpoint: '10.0.0.2:3000',
    attempts: 1,
    fault: '',
    generation: 4,
    request_id: 'abc',
    user_agent: 'curl/8',
    referer: '',
  });
});

test('log line: json tells of TLS where there is some', () => {
  const record = sample();
  const plain = JSON.parse(render(spec('json'), record)) as Record<string, unknown>;
  assert.equal(Object.hasOwn(plain, 'tls_version'), false);
  record.isTls = true;
  record.tlsVersion = 'TLSv1.3';
  record.tlsCipher = 'TLS_AES_128_GCM_SHA256';
  record.serverName = 'shop.example';
  record.fingerprint = 't13d1516h2_8daaf6152771_e5627efa2ab1';
  assert.deepEqual(JSON.parse(render(spec('json'), record)), {
    ...plain,
    tls_version: 'TLSv1.3',
    tls_cipher: 'TLS_AES_128_GCM_SHA256',
    server_name: 'shop.example',
    fingerprint: 't13d1516h2_8daaf6152771_e5627efa2ab1',
  });
  const template = '{tls-version} {tls-cipher} {server-name} {fingerprint}';
  assert.equal(
    render(spec('template', template), record),
    'TLSv1.3 TLS_AES_128_GCM_SHA256 shop.example t13d1516h2_8daaf6152771_e5627efa2ab1\n',
  );
  record.clear();
  assert.equal(render(spec('template', template), record), '- - - -\n');
});

test('log line: a fingerprint is wanted where it is written', () => {
  assert.equal(new LogLine(spec('json')).wantsFingerprint, true);
  assert.equal(new LogLine(spec('common')).wantsFingerprint, false);
  assert.equal(new LogLine(spec('template', '{client}')).wantsFingerprint, false);
  assert.equal(new LogLine(spec('template', '{fingerprint}')).wantsFingerprint, true);
});

test('log line: a template writes fields and its own text', () => {
  const template = '{{{time}}} {status} {duration}ms "{referer}" {user-agent} é';
  assert.equal(
    render(spec('template', template), sample()),
    '{2026-01-02T03:04:05.006Z} 200 1234.567ms "-" curl/8 \\u00e9\n',
  );
});

const HOSTILE = [
  '\r\n127.0.0.1 - - "GET /admin" 200',
  '" 200 0 "',
  '\\" \\n',
  '\u0000\u001b[2J\u007f\u0085',
  '\u00e9\u00ff',
  '{"a":1}',
];

test('log line: hostile bytes stay inside their field', () => {
  for (const text of HOSTILE) {
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
    const record = sample();
    record.userAgent.set(bytes, 0, bytes.length);
    record.path.set(bytes, 0, bytes.length);
    record.route = text;
    const json = render(spec('json'), record);
    assert.match(json, /^[\x20-\x7e]+\n$/);
    const parsed = JSON.parse(json) as { user_agent: string; path: string; route: string };
    assert.deepEqual([parsed.user_agent, parsed.path, parsed.route], [text, text, text]);
    const common = render(spec('common'), record);
    assert.match(common, /^[\x20-\x7e]+\n$/);
    assert.equal(common.match(/"/g)?.length, 2, 'only the two quotes of the format');
  }
});

test('log line: any bytes give one line of printable ASCII that JSON reads back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.string({ unit: 'binary' }), (bytes, text) => {
      const record = sample();
      record.referer.set(bytes, 0, bytes.length);
      record.endpoint = text;
      const json = render(spec('json'), record);
      assert.match(json, /^[\x20-\x7e]+\n$/);
      const parsed = JSON.parse(json) as { referer: string; endpoint: string };
      assert.equal(parsed.referer, latin1Text(bytes));
      assert.equal(parsed.endpoint, text);
      const line = render(spec('template', '"{referer}" "{endpoint}"'), record);
      assert.match(line, /^"[\x20-\x21\x23-\x7e]*" "[\x20-\x21\x23-\x7e]*"\n$/);
    }),
    { numRuns: 500 },
  );
});

/** Not TextDecoder: its `latin1` is windows-1252. */
function latin1Text(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}

test('log line: text escapes are \\xXX, in common and template formats', () => {
  const record = sample();
  const bytes = Uint8Array.of(0x22, 0x5c, 0x0a, 0xc3, 0xa9, 0x41);
  record.userAgent.set(bytes, 0, bytes.length);
  assert.equal(render(spec('template', '{user-agent}'), record), '\\x22\\x5c\\x0a\\xc3\\xa9A\n');
});

test('log line: a value above the field limit is cut, one at the limit is not', () => {
  const record = sample();
  const bytes = new Uint8Array(11).fill(0x61);
  record.referer.set(bytes, 0, 10);
  assert.equal(render(spec('template', '{referer}'), record, 10), 'aaaaaaaaaa\n');
  record.referer.set(bytes, 0, 11);
  assert.equal(render(spec('template', '{referer}'), record, 10), 'aaaaaaaaaa...\n');
});

test('line writer: never writes past its buffer, whatever the size', () => {
  const record = sample();
  record.userAgent.set(Uint8Array.of(1, 2, 3, 34, 255), 0, 5);
  for (const format of ['json', 'common'] as const) {
    const line = new LogLine(spec(format));
    const whole = render(spec(format), record).length;
    for (let size = 0; size < whole + 8; size++) {
      const guarded = new Uint8Array(size + 16).fill(0xee);
      const writer = new LineWriter(guarded.subarray(0, size), line.isJson);
      line.write(writer, record, 4_096);
      assert.ok(guarded.subarray(size).every((byte) => byte === 0xee));
      if (size < whole) assert.ok(writer.isFull, `${format} must not fit ${size} bytes`);
    }
  }
});

test('line writer: integers and thousandths', () => {
  const cases: [number, string, string][] = [
    [0, '0', '0.000'],
    [1, '1', '0.001'],
    [999.9, '999', '0.999'],
    [1_000, '1000', '1.000'],
    [2 ** 53 - 1, '9007199254740991', '9007199254740.991'],
    [-1, '0', '0.000'],
    [Number.NaN, '0', '0.000'],
    [Number.POSITIVE_INFINITY, '0', '0.000'],
  ];
  for (const [value, integer, thousandths] of cases) {
    const writer = new LineWriter(new Uint8Array(64), true);
    writer.integer(value);
    assert.equal(latin1.decode(writer.bytes.subarray(0, writer.position)), integer);
    writer.open(writer.bytes, 0);
    writer.thousandths(value);
    assert.equal(latin1.decode(writer.bytes.subarray(0, writer.position)), thousandths);
  }
});

test('log line: times follow the clock over a second, and an insane clock does no harm', () => {
  const line = new LogLine(spec('template', '{time}'));
  const at = (wallMs: number): string => {
    const record = sample();
    record.wallMs = wallMs;
    const writer = new LineWriter(new Uint8Array(64), false);
    line.write(writer, record, 10);
    return latin1.decode(writer.bytes.subarray(0, writer.position - 1));
  };
  const start = Date.UTC(2026, 1, 28, 23, 59, 59);
  assert.equal(at(start + 999.7), '2026-02-28T23:59:59.999Z');
  assert.equal(at(start + 1_000), '2026-03-01T00:00:00.000Z');
  assert.equal(at(start), '2026-02-28T23:59:59.000Z');
  for (const wallMs of [-1, Number.NaN, 1e300]) assert.match(at(wallMs), /^9999-12-31T23:59:59/);
});
