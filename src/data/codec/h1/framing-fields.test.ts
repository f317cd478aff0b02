import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { latin1Bytes } from '../../../base/ascii.ts';
import { classifyTransferCoding, parseContentLength, TransferCoding } from './framing-fields.ts';

function lengthOf(text: string): number {
  const bytes = latin1Bytes(`9${text}9`);
  return parseContentLength(bytes, 1, 1 + text.length);
}

function codingOf(text: string): TransferCoding {
  const bytes = latin1Bytes(`x${text}x`);
  return classifyTransferCoding(bytes, 1, 1 + text.length);
}

test('parseContentLength: takes digits and refuses the rest (RFC 9110 §8.6)', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^0{0,20}[0-9]{1,15}$/), (text) => {
      assert.equal(lengthOf(text), Number(text));
    }),
  );
  fc.assert(
    fc.property(fc.string({ maxLength: 8 }), (text) => {
      if (!/^[0-9]+$/.test(text)) assert.equal(lengthOf(text), -1, text);
    }),
  );
  assert.equal(lengthOf('1000000000000000'), -1);
});

test('classifyTransferCoding: tells unknown codings from broken lists (RFC 9112 §6.1)', () => {
  const rows: [string, TransferCoding][] = [
    ['chunked', TransferCoding.chunked],
    ['CHUNKED', TransferCoding.chunked],
    ['gzip', TransferCoding.unsupported],
    ['gzip ,\tchunked', TransferCoding.unsupported],
    ['chunkedd', TransferCoding.unsupported],
    ['', TransferCoding.invalid],
    [',', TransferCoding.invalid],
    ['chunked,', TransferCoding.invalid],
    [',chunked', TransferCoding.invalid],
    ['chunked, gzip', TransferCoding.invalid],
    ['gzip, chunked, chunked', TransferCoding.invalid],
    ['gzip;q=1, chunked', TransferCoding.invalid],
    ['chunked gzip', TransferCoding.invalid],
  ];
  for (const [text, coding] of rows) assert.equal(codingOf(text), coding, text);
});
