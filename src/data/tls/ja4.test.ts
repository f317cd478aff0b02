import test from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { ClientHello, HelloResult, readClientHello } from './client-hello.ts';
import {
  alpn,
  groups,
  helloBytes,
  serverName,
  signatures,
  versions,
} from './hello-bytes.contract.ts';
import type { HelloParts, HelloExtension } from './hello-bytes.contract.ts';
import { ja4 } from './ja4.ts';

const hello = new ClientHello();

function fingerprint(parts: HelloParts): string {
  const bytes = helloBytes(parts);
  assert.equal(readClientHello(bytes, 0, bytes.length, hello), HelloResult.ok);
  return ja4(hello);
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** Chrome's hello of the specification's example, in Chrome's order. */
const CHROME: HelloParts = {
  ciphers: [
    0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
    0x009c, 0x009d, 0x002f, 0x0035,
  ],
  extensions: [
    [0x1a1a, []],
    [0x001b, [2, 0, 2]],
    serverName('example.com'),
    [0x0033, []],
    alpn('h2', 'http/1.1'),
    [0x4469, []],
    [0x0017, []],
    [0x002d, [1, 1]],
    signatures(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601),
    [0x0005, [1, 0, 0, 0, 0]],
    [0x0023, []],
    [0x0012, []],
    versions(0x3a3a, 0x0304, 0x0303),
    [0xff01, [0]],
    [0x000b, [1, 0]],
    groups(0x4a4a, 0x001d, 0x0017, 0x0018),
    [0x0015, [0, 0, 0]],
    [0x2a2a, [0]],
  ],
};

test('ja4: gives the example of the specification', () => {
  assert.equal(fingerprint(CHROME), 't13d1516h2_8daaf6152771_e5627efa2ab1');
});

test('ja4: does not depend on the order of ciphers and extensions', () => {
  const shuffled = {
    ciphers: CHROME.ciphers!.toReversed(),
    extensions: CHROME.extensions!.toReversed(),
  };
  assert.equal(fingerprint(shuffled), fingerprint(CHROME));
});

test('ja4: names versions, a missing name, and protocols of any bytes', () => {
  const rows: [HelloParts, string][] = [
    [{ version: 0x0303, extensions: null }, 't12i010000'],
    [{ version: 0x0302, extensions: [] }, 't11i010000'],
    [{ version: 0x0301, extensions: [] }, 't10i010000'],
    [{ version: 0x0300, extensions: [] }, 'ts3i010000'],
    [{ version: 0x0999, extensions: [] }, 't00i010000'],
    [{ extensions: [versions(0x0303, 0x0304, 0xfafa)] }, 't13i010100'],
    [{ extensions: [serverName('127.0.0.1')] }, 't12d010100'],
    [{ extensions: [alpn('http/1.1')] }, 't12i0101h1'],
    [{ extensions: [alpn('x')] }, 't12i0101xx'],
    [{ extensions: [alpn('\xab\xcd')] }, 't12i0101ad'],
    [{ extensions: [alpn('0\xab')] }, 't12i01013b'],
    [{ ciphers: Array.from({ length: 120 }, (_, i) => i), extensions: [] }, 't12i990000'],
  ];
  for (const [parts, expected] of rows) assert.equal(fingerprint(parts).split('_')[0], expected);
});

test('ja4: hashes what is there, and says zeros for nothing', () => {
  const rows: [HelloExtension[] | null, string][] = [
    [null, '000000000000'],
    [[serverName('a.test'), alpn('h2')], '000000000000'],
    [[[0x0017, []]], hash('0017')],
    [[[0x0017, []], signatures(0x0804, 0x0403)], hash('000d,0017_0804,0403')],
  ];
  for (const [extensions, expected] of rows) {
    const parts = fingerprint({ extensions }).split('_');
    assert.equal(parts[1], hash('1301'));
    assert.equal(parts[2], expected);
  }
  assert.equal(fingerprint({ ciphers: [0x0a0a] }).split('_')[1], '000000000000');
});
