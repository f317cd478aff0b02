import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { certificatesOf, readPem, writePem } from './pem.ts';

test('pem: reads what it writes, with anything between', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 })), (all) => {
      const text = all
        .map((der, i) => `# number ${i}\n${writePem('CERTIFICATE', der)}`)
        .join('\r\n');
      assert.deepEqual(certificatesOf(text), all);
      assert.ok(text.split('\n').every((line) => line.length <= 65));
    }),
  );
});

test('pem: says where blocks begin, which are broken, and which ask for a password', () => {
  const good = writePem('CERTIFICATE', Uint8Array.of(1, 2, 3));
  const text = [
    good,
    '-----BEGIN PRIVATE KEY-----\nnot base64!\n-----END PRIVATE KEY-----',
    '-----BEGIN A-----\nAAAA\n-----END B-----',
    '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----',
    '-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nAAAA',
    '-----END EC PRIVATE KEY-----',
    '-----BEGIN CERTIFICATE-----\nAAAA',
  ].join('\n');
  const shown = readPem(text).map(({ label, der, isEncrypted, line }) => {
    return [label, der === null ? null : der.length, isEncrypted, line];
  });
  assert.deepEqual(shown, [
    ['CERTIFICATE', 3, false, 1],
    ['PRIVATE KEY', null, false, 5],
    ['A', null, false, 8],
    ['ENCRYPTED PRIVATE KEY', 3, true, 11],
    ['EC PRIVATE KEY', 3, true, 14],
    ['CERTIFICATE', null, false, 20],
  ]);
});

test('pem: a block that is cut off does not swallow the next one', () => {
  const good = writePem('CERTIFICATE', Uint8Array.of(7));
  const blocks = readPem(`-----BEGIN CERTIFICATE-----\nAAAA\n${good}`);
  assert.deepEqual(
    blocks.map(({ der }) => der),
    [null, Uint8Array.of(7)],
  );
});

test('pem: any text gives blocks, and none of it throws', () => {
  const line = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.constantFrom('-----BEGIN X-----', '-----END X-----', '-----BEGIN -----', 'AAAA', 'A=A='),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      for (const { der } of readPem(lines.join('\n'))) assert.ok(der === null || der.length > 0);
    }),
    { numRuns: 500 },
  );
});
