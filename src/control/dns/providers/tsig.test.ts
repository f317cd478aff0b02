import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { readMessage, RecordType } from '../dns-message.ts';
import { NOW_MS, RECORD } from './fake-api.contract.ts';
import { writeUpdate } from './rfc2136.ts';
import { checkTsig, signTsig } from './tsig.ts';
import type { TsigKey } from './tsig.ts';

const KEY: TsigKey = {
  name: 'acme.example',
  secret: Buffer.from('0123456789abcdef0123456789abcdef').toString('base64'),
  algorithm: 'hmac-sha256',
};

/** An answer that a server with `key` signs for the request with `mac`. */
function answerTo(mac: Uint8Array, key: TsigKey, nowMs: number): Uint8Array {
  const bare = Uint8Array.of(0, 7, 0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  // An answer is signed over the request's MAC, its length before it, and the answer; a request
  // that begins with these bytes has the same signature.
  const prefix = Uint8Array.of(mac.length >> 8, mac.length & 0xff, ...mac);
  const { bytes } = signTsig(Uint8Array.from([...prefix, ...bare]), key, nowMs);
  const record = bytes.subarray(prefix.length + bare.length);
  const signed = Uint8Array.from([...bare, ...record]);
  signed[11] = 1;
  return signed;
}

test('tsig: a signed update is the message with one more record', () => {
  const update = writeUpdate(7, RECORD, true);
  const { bytes, mac } = signTsig(update, KEY, NOW_MS);
  assert.equal(mac.length, 32);
  const message = readMessage(bytes)!;
  assert.equal(message.additional.length, 1);
  const [record] = message.additional;
  assert.equal(record!.type, RecordType.tsig);
  assert.equal(record!.name, 'acme.example');
  assert.equal(record!.class, 255);
  assert.equal(record!.start, update.length);
});

test('tsig: an answer counts with our key, our request and our time', () => {
  const { mac } = signTsig(writeUpdate(7, RECORD, true), KEY, NOW_MS);
  const answer = answerTo(mac, KEY, NOW_MS);
  assert.equal(checkTsig(answer, KEY, mac, NOW_MS), 'ok');
  assert.equal(checkTsig(answer, KEY, mac, NOW_MS + 300_000), 'ok');
  assert.equal(checkTsig(answer, KEY, mac, NOW_MS + 301_000), 'time');
  const other = { ...KEY, secret: Buffer.alloc(32).toString('base64') };
  assert.equal(checkTsig(answer, other, mac, NOW_MS), 'invalid');
  assert.equal(checkTsig(answer, { ...KEY, name: 'other' }, mac, NOW_MS), 'invalid');
  assert.equal(checkTsig(answer, { ...KEY, algorithm: 'hmac-sha512' }, mac, NOW_MS), 'invalid');
  assert.equal(checkTsig(answer, KEY, mac.slice(1), NOW_MS), 'invalid');
  assert.equal(checkTsig(answer.slice(0, 12), KEY, mac, NOW_MS), 'unsigned');
});

test('tsig: no changed bit of a signed answer is taken, and nothing throws', () => {
  const { mac } = signTsig(writeUpdate(7, RECORD, true), KEY, NOW_MS);
  const answer = answerTo(mac, KEY, NOW_MS);
  for (let at = 0; at < answer.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = answer.slice();
      changed[at]! ^= 1 << bit;
      const verdict = checkTsig(changed, KEY, mac, NOW_MS);
      // The case of letters in names and the class and TTL of the record are signed as they must
      // be, not as they came (RFC 8945 §4.3.3); the original id is not signed at all.
      if (verdict !== 'ok') continue;
      const isCase = (answer[at]! | 0x20) === (changed[at]! | 0x20);
      const isFixed = at >= 12 + 14 + 2 && at < 12 + 14 + 8;
      const isOriginalId = at >= answer.length - 6 && at < answer.length - 4;
      assert.ok(isCase || isFixed || isOriginalId, `byte ${at}, bit ${bit}`);
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.notEqual(checkTsig(bytes, KEY, mac, NOW_MS), 'ok');
      const tail = Uint8Array.from([...answer.slice(0, 36), ...bytes]);
      assert.notEqual(checkTsig(tail, KEY, mac, NOW_MS), 'ok');
    }),
  );
});
