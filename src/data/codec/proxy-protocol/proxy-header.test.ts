import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { latin1Bytes, latin1Text } from '../../../base/ascii.ts';
import { crc32c } from './crc32c.ts';
import {
  HEADER_SIZE_MAX,
  ProxyHeader,
  ProxyResult,
  proxyHeaderBytes,
  readProxyHeader,
} from './proxy-header.ts';

const SIGNATURE = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10];
const V4 = [10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34, 1, 187];
const V6 = [
  0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff,
  10, 0, 0, 2, 0x12, 0x34, 1, 187,
];

const header = new ProxyHeader();

function read(bytes: Uint8Array): ProxyResult {
  return readProxyHeader(bytes, 0, bytes.length, header);
}

function v2(command: number, family: number, payload: readonly number[]): Uint8Array {
  const size = [payload.length >> 8, payload.length & 0xff];
  return Uint8Array.from([...SIGNATURE, command, family, ...size, ...payload]);
}

function textOf(bytes: Uint8Array): string {
  return latin1Text(bytes, 0, bytes.length);
}

function described(): string {
  const { hasAddresses, sourceAddress, sourcePort } = header;
  if (!hasAddresses) return 'nobody';
  return `${sourceAddress} ${sourcePort} ${header.destinationAddress} ${header.destinationPort}`;
}

test('proxy-header: reads version 1', () => {
  const rows: [string, string][] = [
    ['PROXY TCP4 10.0.0.1 10.0.0.2 4660 443', '10.0.0.1 4660 10.0.0.2 443'],
    ['PROXY TCP4 255.255.255.255 0.0.0.0 65535 0', '255.255.255.255 65535 0.0.0.0 0'],
    ['PROXY TCP6 2001:DB8::1 ::1 1 2', '2001:db8::1 1 ::1 2'],
    ['PROXY TCP6 ::ffff:10.0.0.1 ::ffff:a00:2 1 2', '10.0.0.1 1 10.0.0.2 2'],
    ['PROXY UNKNOWN', 'nobody'],
    ['PROXY UNKNOWN ffff::1 anything 1 2', 'nobody'],
  ];
  for (const [line, expected] of rows) {
    const bytes = latin1Bytes(`${line}\r\nGET /`);
    assert.equal(read(bytes), ProxyResult.ok, line);
    assert.equal(header.size, line.length + 2, line);
    assert.equal(described(), expected, line);
  }
});

test('proxy-header: refuses what is no version 1', () => {
  const rows = [
    'PROXY TCP4 10.0.0.1 10.0.0.2 4660',
    'PROXY TCP4 10.0.0.1 10.0.0.2 4660 443 5',
    'PROXY TCP4 10.0.0.1  10.0.0.2 4660 443',
    'PROXY  TCP4 10.0.0.1 10.0.0.2 4660 443',
    'PROXY TCP4 10.0.0.1 10.0.0.2 4660 443 ',
    'PROXY TCP4 10.0.0.01 10.0.0.2 4660 443',
    'PROXY TCP4 10.0.0.256 10.0.0.2 4660 443',
    'PROXY TCP4 ::1 ::2 4660 443',
    'PROXY TCP6 10.0.0.1 10.0.0.2 4660 443',
    'PROXY TCP6 fe80::1%eth0 ::1 4660 443',
    'PROXY TCP4 10.0.0.1 10.0.0.2 65536 443',
    'PROXY TCP4 10.0.0.1 10.0.0.2 -1 443',
    'PROXY TCP4 10.0.0.1 10.0.0.2 0443 443',
    'PROXY TCP4 a.test 10.0.0.2 1 443',
    'PROXY UDP4 10.0.0.1 10.0.0.2 4660 443',
    'PROXY unknown',
    'PROXY ',
    'PROXYTCP4',
    'POST / HTTP/1.1',
  ];
  for (const line of rows)
    assert.equal(read(latin1Bytes(`${line}\r\n`)), ProxyResult.invalid, line);
  assert.equal(read(latin1Bytes('PROXY UNKNOWN x\n')), ProxyResult.invalid, 'a bare line feed');
});

test('proxy-header: has the limit of version 1 at 107 bytes', () => {
  const longest = `PROXY UNKNOWN ${'x'.repeat(91)}\r\n`;
  assert.equal(longest.length, 107);
  assert.equal(read(latin1Bytes(longest)), ProxyResult.ok);
  assert.equal(read(latin1Bytes(longest.slice(0, 106))), ProxyResult.more);
  assert.equal(read(latin1Bytes(`PROXY UNKNOWN ${'x'.repeat(93)}`)), ProxyResult.invalid);
});

test('proxy-header: reads version 2', () => {
  const rows: [string, Uint8Array, string][] = [
    ['IPv4', v2(0x21, 0x11, V4), '10.0.0.1 4660 10.0.0.2 443'],
    ['IPv6, and IPv4 in it', v2(0x21, 0x21, V6), '2001:db8::1 4660 10.0.0.2 443'],
    [
      'extensions',
      v2(0x21, 0x11, [...V4, 4, 0, 2, 9, 9, 0x20, 0, 0]),
      '10.0.0.1 4660 10.0.0.2 443',
    ],
    ['LOCAL', v2(0x20, 0x00, []), 'nobody'],
    ['LOCAL with anything behind', v2(0x20, 0x11, [1, 2, 3]), 'nobody'],
    ['no family', v2(0x21, 0x00, []), 'nobody'],
    ['no family, extensions', v2(0x21, 0x00, [4, 0, 0]), 'nobody'],
    ['datagrams', v2(0x21, 0x12, V4), 'nobody'],
    [
      'a unix socket',
      v2(
        0x21,
        0x31,
        Array.from({ length: 216 }, () => 65),
      ),
      'nobody',
    ],
  ];
  for (const [what, bytes, expected] of rows) {
    assert.equal(read(Uint8Array.from([...bytes, 22, 3, 1])), ProxyResult.ok, what);
    assert.equal(header.size, bytes.length, what);
    assert.equal(described(), expected, what);
  }
});

test('proxy-header: refuses what is no version 2', () => {
  const rows: [string, Uint8Array][] = [
    ['another version', v2(0x11, 0x11, V4)],
    ['another command', v2(0x22, 0x11, V4)],
    ['another family', v2(0x21, 0x41, V4)],
    ['another transport', v2(0x21, 0x13, V4)],
    ['no room for addresses', v2(0x21, 0x11, V4.slice(1))],
    ['no room for IPv6', v2(0x21, 0x21, V4)],
    ['half an extension', v2(0x21, 0x11, [...V4, 4, 0])],
    ['an extension beyond the end', v2(0x21, 0x11, [...V4, 4, 0, 2, 9])],
    ['a wrong checksum', v2(0x21, 0x11, [...V4, 3, 0, 4, 1, 2, 3, 4])],
    ['a checksum of another size', v2(0x21, 0x11, [...V4, 3, 0, 3, 1, 2, 3])],
    ['too long', Uint8Array.from([...SIGNATURE, 0x21, 0x11, 0x10, 0])],
    ['another signature', Uint8Array.from([...SIGNATURE.slice(0, 11), 11])],
    ['TLS', Uint8Array.of(22, 3, 1)],
  ];
  for (const [what, bytes] of rows) assert.equal(read(bytes), ProxyResult.invalid, what);
  const longest = v2(
    0x20,
    0,
    Array.from({ length: HEADER_SIZE_MAX - 16 }, () => 0),
  );
  assert.equal(read(longest), ProxyResult.ok);
});

test('proxy-header: checks a checksum', () => {
  const bytes = v2(0x21, 0x11, [...V4, 4, 0, 1, 0, 3, 0, 4, 0, 0, 0, 0]);
  new DataView(bytes.buffer).setUint32(bytes.length - 4, crc32c(bytes, 0, bytes.length, -1));
  assert.equal(read(bytes), ProxyResult.ok);
  const typeAt = bytes.length - 7; // Changed, it is another extension, and nothing is checked.
  for (let at = 16; at < bytes.length; at++) {
    if (at === typeAt) continue;
    const wrong = bytes.with(at, bytes[at]! ^ 1);
    assert.equal(read(wrong), ProxyResult.invalid, `${at}`);
  }
});

test('proxy-header: a checksum has four bytes', () => {
  const bytes = v2(0x21, 0x11, [...V4, 3, 0, 5, 0, 0, 0, 0, 0]);
  new DataView(bytes.buffer).setUint32(bytes.length - 5, crc32c(bytes, 0, bytes.length, -1));
  assert.equal(read(bytes), ProxyResult.invalid);
});

test('crc32c: gives the examples of RFC 3720', () => {
  const rows: [Uint8Array, number][] = [
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd794e],
    [latin1Bytes('123456789'), 0xe3069283],
  ];
  for (const [bytes, expected] of rows) {
    assert.equal(crc32c(bytes, 0, bytes.length, -1), expected);
  }
});

test('proxy-header: writes what it reads', () => {
  const v4 = ['10.0.0.1', '192.168.1.20'];
  const v6 = ['2001:db8::1', '::1'];
  for (const version of ['v1', 'v2'] as const) {
    for (const [sourceAddress, destinationAddress] of [v4, v6, [v4[0], v6[0]], [v6[1], v4[1]]]) {
      const bytes = proxyHeaderBytes(version, {
        sourceAddress: sourceAddress!,
        sourcePort: 65_535,
        destinationAddress: destinationAddress!,
        destinationPort: 443,
      });
      assert.equal(read(bytes), ProxyResult.ok);
      assert.equal(header.size, bytes.length);
      assert.equal(described(), `${sourceAddress} 65535 ${destinationAddress} 443`);
    }
  }
});

test('proxy-header: writes what other readers expect', () => {
  const addresses = {
    sourceAddress: '10.0.0.1',
    sourcePort: 4_660,
    destinationAddress: '10.0.0.2',
    destinationPort: 443,
  };
  assert.equal(
    textOf(proxyHeaderBytes('v1', addresses)),
    'PROXY TCP4 10.0.0.1 10.0.0.2 4660 443\r\n',
  );
  assert.deepEqual(proxyHeaderBytes('v2', addresses), v2(0x21, 0x11, V4));
  const mixed = { ...addresses, destinationAddress: '::1' };
  assert.equal(textOf(proxyHeaderBytes('v1', mixed)), 'PROXY TCP6 ::ffff:a00:1 ::1 4660 443\r\n');
  const unknown = { ...addresses, sourceAddress: '' };
  assert.equal(textOf(proxyHeaderBytes('v1', unknown)), 'PROXY UNKNOWN\r\n');
  assert.deepEqual(proxyHeaderBytes('v2', unknown), v2(0x21, 0, []));
});

const good = fc.constantFrom(
  latin1Bytes('PROXY TCP4 10.0.0.1 10.0.0.2 4660 443\r\n'),
  latin1Bytes('PROXY TCP6 2001:db8::1 ::1 1 2\r\n'),
  latin1Bytes('PROXY UNKNOWN x\r\n'),
  v2(0x21, 0x11, [...V4, 4, 0, 2, 9, 9]),
  v2(0x21, 0x21, V6),
  v2(0x20, 0, []),
);
const mutation = fc.tuple(fc.nat(300), fc.nat(255));

/** A good header with some bytes changed, and with others behind it. */
const mutated = fc
  .tuple(good, fc.array(mutation, { maxLength: 4 }), fc.uint8Array({ maxLength: 20 }))
  .map(([bytes, changes, behind]) => {
    const result = Uint8Array.from([...bytes, ...behind]);
    for (const [at, value] of changes) result[at % result.length] = value;
    return result;
  });

test('proxy-header: any bytes have one result, however they are cut', () => {
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), (bytes) => {
      const whole = read(bytes);
      const said = described();
      const { size } = header;
      let settled = false;
      for (let end = 0; end <= bytes.length; end++) {
        const result = readProxyHeader(bytes, 0, end, header);
        if (result === ProxyResult.more) {
          assert.equal(settled, false, 'more follows no result');
          continue;
        }
        settled = true;
        assert.equal(result, whole);
        if (result !== ProxyResult.ok) continue;
        assert.equal(described(), said);
        assert.equal(header.size, size);
        assert.ok(size <= end && size <= HEADER_SIZE_MAX);
      }
      assert.equal(settled, whole !== ProxyResult.more);
    }),
    { numRuns: 400 },
  );
});
