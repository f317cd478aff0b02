import test from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { sha256Hex } from './sha256.ts';
import { latin1Bytes } from './ascii.ts';

test('sha256: gives the digests of FIPS 180-4 and its examples', () => {
  const rows: [string, string][] = [
    ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    [
      'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    ],
  ];
  for (const [text, digest] of rows) assert.equal(sha256Hex(latin1Bytes(text)), digest, text);
});

test('sha256: agrees with the platform at every size around the block borders', () => {
  for (let size = 0; size <= 200; size++) {
    const bytes = Uint8Array.from({ length: size }, (_, index) => (index * 31 + size) & 0xff);
    assert.equal(sha256Hex(bytes), createHash('sha256').update(bytes).digest('hex'), `${size}`);
  }
  const large = new Uint8Array(100_003).fill(0x61);
  assert.equal(sha256Hex(large), createHash('sha256').update(large).digest('hex'));
});
