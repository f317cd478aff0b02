import test from 'node:test';
import assert from 'node:assert/strict';
import { latin1Bytes, latin1Text } from '../../base/ascii.ts';
import {
  ClientHello,
  HELLO_RECORDS_MAX,
  HELLO_SIZE_MAX,
  HELLO_WIRE_SIZE_MAX,
  HelloResult,
  NameState,
  isGrease,
  readClientHello,
} from './client-hello.ts';
import {
  alpn,
  fragmented,
  groups,
  helloBytes,
  helloMessage,
  helloWith,
  joined,
  preSharedKey,
  record,
  serverName,
  sessionTicket,
  signatures,
  versions,
} from './hello-bytes.contract.ts';
import type { HelloExtension } from './hello-bytes.contract.ts';

const hello = new ClientHello();

function read(bytes: Uint8Array): HelloResult {
  return readClientHello(bytes, 0, bytes.length, hello);
}

function range(start: number, end: number): number[] {
  return [...hello.bytes.subarray(start, end)];
}

test('client-hello: finds what a hello says, wherever it stands in the buffer', () => {
  const ticket = Array.from({ length: 20 }, (_, index) => index + 100);
  const bytes = helloBytes({
    sessionId: [9, 9, 9],
    ciphers: [0x1301, 0xc02b],
    extensions: [
      [0x2a2a, []],
      serverName('Shop.Example.COM'),
      alpn('h2', 'http/1.1'),
      groups(0x11ec, 0x001d),
      signatures(0x0403),
      versions(0x0304, 0x0303),
      [0xfe0d, [1]],
      preSharedKey(ticket),
    ],
  });
  const padded = joined([latin1Bytes('before'), bytes, latin1Bytes('behind')]);
  assert.equal(readClientHello(padded, 6, padded.length, hello), HelloResult.ok);
  assert.equal(hello.serverName, 'shop.example.com');
  assert.equal(hello.nameState, NameState.valid);
  assert.deepEqual(range(hello.ciphersStart, hello.ciphersEnd), [0x13, 0x01, 0xc0, 0x2b]);
  assert.equal(latin1Text(hello.bytes, hello.alpnStart, hello.alpnEnd), '\x02h2\x08http/1.1');
  assert.deepEqual(range(hello.groupsStart, hello.groupsEnd), [0x11, 0xec, 0, 0x1d]);
  assert.deepEqual(range(hello.signaturesStart, hello.signaturesEnd), [4, 3]);
  assert.deepEqual(range(hello.versionsStart, hello.versionsEnd), [3, 4, 3, 3]);
  assert.deepEqual(range(hello.ticketStart, hello.ticketEnd), ticket);
  assert.equal(hello.hasTicketOf(Uint8Array.from(ticket.slice(0, 16))), true);
  assert.equal(hello.hasTicketOf(Uint8Array.from([1, ...ticket.slice(1, 16)])), false);
  assert.equal(hello.hasEch, true);
  assert.equal(hello.legacyVersion, 0x0303);
});

test('client-hello: forgets everything of the hello before', () => {
  read(helloWith(serverName('a.test'), alpn('h2'), sessionTicket([1, 2, 3]), [0xfe0d, []]));
  assert.equal(read(helloBytes({ extensions: null })), HelloResult.ok);
  assert.equal(hello.serverName, '');
  assert.equal(hello.hasServerName, false);
  assert.equal(hello.nameState, NameState.none);
  assert.equal(hello.hasTicket, false);
  assert.equal(hello.hasEch, false);
  assert.equal(hello.alpnEnd, hello.alpnStart);
});

test('client-hello: judges server names', () => {
  const label63 = 'a'.repeat(63);
  const name253 = `${label63}.${label63}.${label63}.${'a'.repeat(61)}`;
  const rows: [string, NameState, string][] = [
    ['a.test', NameState.valid, 'a.test'],
    ['localhost', NameState.valid, 'localhost'],
    ['XN--BCHER-KVA.example', NameState.valid, 'xn--bcher-kva.example'],
    ['_sip.a-b.test', NameState.valid, '_sip.a-b.test'],
    [name253, NameState.valid, name253],
    [`${name253}a`, NameState.invalid, ''],
    [`${label63}a.test`, NameState.invalid, ''],
    ['a'.repeat(300), NameState.invalid, ''],
    ['a.test.', NameState.invalid, ''],
    ['.a.test', NameState.invalid, ''],
    ['a..test', NameState.invalid, ''],
    ['.', NameState.invalid, ''],
    ['a\0.test', NameState.invalid, ''],
    ['a.test\0.evil', NameState.invalid, ''],
    ['bücher.test', NameState.invalid, ''],
    ['*.a.test', NameState.invalid, ''],
    ['a.test:443', NameState.invalid, ''],
    ['a test', NameState.invalid, ''],
    ['127.0.0.1', NameState.none, ''],
    ['::1', NameState.none, ''],
    ['2001:db8::1', NameState.none, ''],
    ['[::1]', NameState.invalid, ''],
  ];
  for (const [name, state, expected] of rows) {
    assert.equal(read(helloWith(serverName(name))), HelloResult.ok, name);
    assert.equal(hello.nameState, state, name);
    assert.equal(hello.serverName, expected, name);
    assert.equal(hello.hasServerName, true, name);
  }
});

test('client-hello: refuses what two readers could read differently', () => {
  const rows: [string, HelloExtension[]][] = [
    ['an extension twice', [serverName('a.test'), serverName('a.test')]],
    ['an unknown one twice', [[4_660, []], alpn('h2'), [4_660, []]]],
    ['two names', [[0, [0, 12, 0, 0, 3, 97, 46, 98, 0, 0, 3, 97, 46, 99]]]],
    ['no name in the list', [[0, [0, 0]]]],
    ['an empty server_name', [[0, []]]],
    ['an empty name', [[0, [0, 3, 0, 0, 0]]]],
    ['a name of another kind', [[0, [0, 6, 1, 0, 3, 97, 46, 98]]]],
    ['a name longer than its list', [[0, [0, 6, 0, 0, 9, 97, 46, 98]]]],
    ['bytes behind the list of names', [[0, [0, 6, 0, 0, 3, 97, 46, 98, 0]]]],
    ['no protocols', [[16, [0, 0]]]],
    ['an empty protocol', [[16, [0, 4, 2, 104, 50, 0]]]],
    ['a protocol beyond its list', [[16, [0, 3, 9, 104, 50]]]],
    ['no groups', [[10, [0, 0]]]],
    ['half a group', [[10, [0, 3, 0, 29, 0]]]],
    ['no signature algorithms', [[13, [0, 0]]]],
    ['no versions', [[43, [0]]]],
    ['half a version', [[43, [3, 3, 4, 3]]]],
    ['versions of another length', [[43, [4, 3, 4]]]],
    ['an empty identity', [[41, [0, 6, 0, 0, 0, 0, 0, 0, 0, 33]]]],
    ['an identity without its whole age', [[41, [0, 7, 0, 2, 1, 1, 0, 0, 0]]]],
    ['an identity beyond its list', [[41, [0, 8, 0, 9, 1, 1, 0, 0, 0, 0]]]],
    ['identities beyond the extension', [[41, [0, 99, 0, 2, 1, 1, 0, 0, 0, 0]]]],
  ];
  for (const [what, extensions] of rows) {
    const bytes = helloBytes({ extensions });
    assert.equal(read(bytes), HelloResult.malformed, what);
    assert.equal(read(helloWith(serverName('a.test'), alpn('h2'))), HelloResult.ok, what);
  }
});

test('client-hello: refuses lengths that do not add up', () => {
  const good = helloMessage({ sessionId: [1], extensions: [serverName('a.test')] });
  const at = (index: number, value: number): number[] => good.with(index, value);
  const sessionId = 4 + 34;
  const ciphers = sessionId + 2;
  const compression = ciphers + 4;
  const extensions = compression + 2;
  const rows: [string, number[]][] = [
    ['a session id of 33 bytes', at(sessionId, 33)],
    ['no ciphers', at(ciphers + 1, 0)],
    ['half a cipher', at(ciphers + 1, 1)],
    ['ciphers beyond the end', at(ciphers, 9)],
    ['no compression method', at(compression, 0)],
    ['compression beyond the end', at(compression, 200)],
    ['more extensions than there are', at(extensions + 1, good[extensions + 1]! + 1)],
    ['bytes behind the extensions', at(extensions + 1, good[extensions + 1]! - 1)],
    ['an extension beyond the end', at(extensions + 5, good[extensions + 5]! + 1)],
  ];
  for (const [what, message] of rows) {
    assert.equal(read(record(message)), HelloResult.malformed, what);
  }
  for (let size = 0; size < good.length - 4; size++) {
    const cut = [1, 0, size >> 8, size & 0xff, ...good.slice(4, 4 + size)];
    // Without extensions it is a hello of TLS 1.2.
    const isWhole = size === extensions - 4;
    const expected = isWhole ? HelloResult.ok : HelloResult.malformed;
    assert.equal(read(record(cut)), expected, `${size}`);
  }
});

test('client-hello: tells strangers apart', () => {
  const message = helloMessage({});
  const rows: [string, Uint8Array, HelloResult][] = [
    ['a request', latin1Bytes('GET / HTTP/1.1\r\n\r\n'), HelloResult.plainText],
    ['the preface of HTTP/2', latin1Bytes('PRI * HTTP/2.0\r\n'), HelloResult.plainText],
    ['lower case text', latin1Bytes('hello'), HelloResult.notTls],
    ['SSH', latin1Bytes('SSH-2.0-x\r\n'), HelloResult.plainText],
    ['zeros', new Uint8Array(20), HelloResult.notTls],
    ['PROXY version 2', latin1Bytes('\r\n\r\n\0\r\nQUIT\n'), HelloResult.notTls],
    ['a hello of SSL 2.0', Uint8Array.of(0x80, 0x2e, 1, 0, 2), HelloResult.sslv2],
    ['SSL 2.0 without a hello', Uint8Array.of(0x80, 0x2e, 4, 0, 2), HelloResult.notTls],
    ['an alert', Uint8Array.of(21, 3, 3, 0, 2, 2, 40), HelloResult.unexpected],
    ['a cipher change', Uint8Array.of(20, 3, 3, 0, 1, 1), HelloResult.unexpected],
    ['data', Uint8Array.of(23, 3, 3, 0, 1, 1), HelloResult.unexpected],
    ['another message', record([2, ...message.slice(1)]), HelloResult.unexpected],
    ['an empty record', Uint8Array.of(22, 3, 1, 0, 0), HelloResult.unexpected],
    ['a record of version 2', Uint8Array.of(22, 2, 0, 0, 9), HelloResult.notTls],
    ['a record too long', Uint8Array.of(22, 3, 1, 0x40, 1, 1, 0), HelloResult.malformed],
  ];
  for (const [what, bytes, expected] of rows) assert.equal(read(bytes), expected, what);
});

test('client-hello: puts a hello together from any fragments', () => {
  const message = helloMessage({ extensions: [serverName('a.test'), versions(0x0304)] });
  for (let size = 1; size <= message.length; size++) {
    if (message.length / size > HELLO_RECORDS_MAX) continue;
    assert.equal(read(fragmented(message, size)), HelloResult.ok, `${size}`);
    assert.equal(hello.serverName, 'a.test', `${size}`);
  }
});

test('client-hello: asks for more until the last byte is there, and never for too much', () => {
  const message = helloMessage({ extensions: [serverName('a.test'), versions(0x0304)] });
  for (const bytes of [record(message), fragmented(message, 3), fragmented(message, 50)]) {
    for (let size = 0; size < bytes.length; size++) {
      assert.equal(readClientHello(bytes, 0, size, hello), HelloResult.more, `${size}`);
      assert.ok(hello.wantedSize <= bytes.length, `${hello.wantedSize} of ${bytes.length}`);
      assert.ok(hello.wantedSize > size, `${hello.wantedSize} after ${size}`);
    }
    assert.equal(read(bytes), HelloResult.ok);
  }
});

test('client-hello: refuses strange records between fragments', () => {
  const message = helloMessage({ extensions: [serverName('a.test')] });
  const head = record(message.slice(0, 20));
  const rows: [string, Uint8Array, HelloResult][] = [
    ['a cipher change', Uint8Array.of(20, 3, 3, 0, 1, 1), HelloResult.unexpected],
    ['an empty record', Uint8Array.of(22, 3, 3, 0, 0), HelloResult.unexpected],
    ['another version', Uint8Array.of(22, 2, 3, 0, 1, 1), HelloResult.malformed],
  ];
  for (const [what, between, expected] of rows) {
    assert.equal(read(joined([head, between, record(message.slice(20))])), expected, what);
  }
});

test('client-hello: has a limit on size, and on records', () => {
  const room = HELLO_SIZE_MAX - helloMessage({ extensions: [[1_000, []]] }).length;
  const most = helloMessage({ extensions: [[1_000, Array.from({ length: room }, () => 0)]] });
  assert.equal(most.length, HELLO_SIZE_MAX);
  assert.equal(read(fragmented(most, 16_384)), HelloResult.ok);
  assert.equal(read(fragmented(most, Math.ceil(most.length / 100))), HelloResult.ok);
  const inMost = fragmented(most, Math.ceil(most.length / HELLO_RECORDS_MAX));
  assert.equal(read(inMost), HelloResult.ok);
  assert.ok(inMost.length <= HELLO_WIRE_SIZE_MAX);
  assert.equal(read(fragmented(most, 64)), HelloResult.tooLarge, 'one record too many');
  const more = helloMessage({ extensions: [[1_000, Array.from({ length: room + 1 }, () => 0)]] });
  assert.equal(read(record(more.slice(0, 4))), HelloResult.tooLarge, 'as soon as it is known');
});

test('client-hello: compares protocols as a whole', () => {
  const wanted = latin1Bytes('acme-tls/1');
  const rows: [HelloExtension[], boolean][] = [
    [[alpn('acme-tls/1')], true],
    [[alpn('acme-tls/1', 'h2')], false],
    [[alpn('h2', 'acme-tls/1')], false],
    [[alpn('acme-tls/2')], false],
    [[alpn('acme-tls/')], false],
    [[], false],
  ];
  for (const [extensions, expected] of rows) {
    read(helloWith(...extensions));
    assert.equal(hello.offersOnly(wanted), expected, JSON.stringify(extensions));
  }
});

test('client-hello: takes a ticket from either extension, the pre-shared key first', () => {
  read(helloWith(sessionTicket([1, 2, 3])));
  assert.deepEqual(range(hello.ticketStart, hello.ticketEnd), [1, 2, 3]);
  read(helloWith(sessionTicket([1, 2, 3]), preSharedKey([4, 5])));
  assert.deepEqual(range(hello.ticketStart, hello.ticketEnd), [4, 5]);
  read(helloBytes({ extensions: [preSharedKey([4, 5]), sessionTicket([1, 2, 3])] }));
  assert.deepEqual(range(hello.ticketStart, hello.ticketEnd), [4, 5]);
  read(helloWith(sessionTicket([1, 2, 3])));
  const beyond = hello.bytes.slice(hello.ticketStart, hello.ticketEnd + 4);
  assert.equal(hello.hasTicketOf(beyond), false, 'what follows is not the ticket');
  read(helloWith(sessionTicket([])));
  assert.equal(hello.hasTicket, false);
  assert.equal(hello.hasTicketOf(new Uint8Array(0)), false, 'no name is nobody');
});

test('client-hello: knows the values that mean nothing', () => {
  for (const value of [0x0a0a, 0x1a1a, 0xfafa]) assert.equal(isGrease(value), true, `${value}`);
  for (const value of [0x0a1a, 0x1301, 0x0a0b, 0xaaab]) assert.equal(isGrease(value), false);
});
