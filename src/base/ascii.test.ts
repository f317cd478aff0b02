import assert from 'node:assert/strict';
import test from 'node:test';
import {
  AUTHORITY_BYTE,
  BYTE_CLASS,
  equalsIgnoreCase,
  HEX_VALUE,
  isOws,
  latin1Bytes,
  latin1Text,
  LOWER,
  PATH_BYTE,
  QUERY_BYTE,
  QUOTED_BYTE,
  TOKEN_BYTE,
  VALUE_BYTE,
} from './ascii.ts';

/** Octets of a class, as latin-1 text. */
function members(bit: number): string {
  let text = '';
  for (let byte = 0; byte < 256; byte++) {
    if ((BYTE_CLASS[byte]! & bit) !== 0) text += String.fromCharCode(byte);
  }
  return text;
}

test('ascii: the token class is tchar of RFC 9110 §5.6.2', () => {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
  const expected = `!#$%&'*+-.0123456789${letters}^_\`${letters.toLowerCase()}|~`;
  assert.equal(members(TOKEN_BYTE), expected);
});

test('ascii: the value class excludes every control octet but HTAB', () => {
  for (let byte = 0; byte < 256; byte++) {
    const isControl = (byte < 0x20 && byte !== 0x09) || byte === 0x7f;
    assert.equal((BYTE_CLASS[byte]! & VALUE_BYTE) === 0, isControl, `octet ${byte}`);
  }
});

test('ascii: target classes hold visible octets only, without their delimiters', () => {
  for (const bit of [PATH_BYTE, QUERY_BYTE, AUTHORITY_BYTE]) {
    assert.match(members(bit), /^[\x21-\x7e]+$/);
    assert.ok(!members(bit).includes('#'));
  }
  assert.ok(!/[?\\]/.test(members(PATH_BYTE)));
  assert.ok(members(QUERY_BYTE).includes('?'));
  assert.ok(!/[/?\\@"<>^`{|}]/.test(members(AUTHORITY_BYTE)));
  assert.ok(!/["\\]/.test(members(QUOTED_BYTE)));
});

test('ascii: LOWER and HEX_VALUE agree with the language', () => {
  for (let byte = 0; byte < 128; byte++) {
    const text = String.fromCharCode(byte);
    assert.equal(LOWER[byte], text.toLowerCase().charCodeAt(0));
    const value = /[0-9a-f]/i.test(text) ? Number.parseInt(text, 16) : -1;
    assert.equal(HEX_VALUE[byte], value);
  }
  for (let byte = 128; byte < 256; byte++) {
    assert.equal(LOWER[byte], byte);
    assert.equal(HEX_VALUE[byte], -1);
  }
});

test('ascii: only SP and HTAB are optional whitespace', () => {
  const found = [...Array(256).keys()].filter((byte) => isOws(byte));
  assert.deepEqual(found, [0x09, 0x20]);
});

test('ascii: equalsIgnoreCase compares the whole range', () => {
  const bytes = latin1Bytes('xChunKedx');
  assert.ok(equalsIgnoreCase(bytes, 1, 8, latin1Bytes('chunked')));
  assert.ok(!equalsIgnoreCase(bytes, 1, 9, latin1Bytes('chunked')));
  assert.ok(!equalsIgnoreCase(bytes, 0, 7, latin1Bytes('chunked')));
});

test('ascii: text of any size survives the way to bytes and back', () => {
  for (const size of [0, 1, 4_095, 4_096, 4_097, 10_000]) {
    let text = '';
    for (let i = 0; i < size; i++) text += String.fromCharCode(i & 255);
    const bytes = latin1Bytes(`ab${text}`);
    assert.equal(latin1Text(bytes, 2, bytes.length), text);
  }
});
