/**
 * TSIG (RFC 8945): signs a DNS message with a shared key, and checks that an answer is signed with
 * the same one.
 *
 * T1  an answer counts only if its signature covers our request and its bytes, and its time is near
 *     ours; nothing else of it is looked at before.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { MessageWriter, nameToWire, readMessage, RecordType } from '../dns-message.ts';

export interface TsigKey {
  readonly name: string;
  /** Base64. */
  readonly secret: string;
  readonly algorithm: 'hmac-sha256' | 'hmac-sha384' | 'hmac-sha512';
}

export interface SignedMessage {
  readonly bytes: Uint8Array;
  readonly mac: Uint8Array;
}

/**
 * `ok`; `unsigned`: it has no signature; `invalid`: not by this key or not for this request;
 * `time`: the clocks are too far apart; `key`: the server does not know the key.
 */
export type TsigVerdict = 'ok' | 'unsigned' | 'invalid' | 'time' | 'key';

const FUDGE_SECONDS = 300;
const CLASS_ANY = 255;
const ERROR_BAD_KEY = 17;
const ERROR_BAD_TIME = 18;

/** Signs `message`, whose last section has no TSIG yet. */
export function signTsig(message: Uint8Array, key: TsigKey, nowMs: number): SignedMessage {
  const seconds = Math.floor(nowMs / 1_000);
  const mac = hmac(key, [message, variables(key, seconds, 0, new Uint8Array())]);
  const id = (message[0]! << 8) | message[1]!;
  const data = timeAndMac(key, seconds, mac).u16(id).u16(0).u16(0).done();
  const bytes = new MessageWriter()
    .bytes(message)
    .bytes(keyName(key))
    .u16(RecordType.tsig)
    .u16(CLASS_ANY)
    .u32(0)
    .u16(data.length)
    .bytes(data)
    .done();
  addToAdditionalCount(bytes, 1);
  return { bytes, mac };
}

/** Checks the answer to a request that was signed with `mac`. */
export function checkTsig(
  answer: Uint8Array,
  key: TsigKey,
  mac: Uint8Array,
  nowMs: number,
): TsigVerdict {
  const record = readMessage(answer)?.additional.at(-1);
  if (record === undefined || record.type !== RecordType.tsig) return 'unsigned';
  const fields = readFields(record.data, key);
  if (fields === null) return 'invalid';
  if (fields.error === ERROR_BAD_KEY) return 'key';
  if (record.name !== key.name.toLowerCase().replace(/\.$/, '')) return 'invalid';
  const message = answer.slice(0, record.start);
  addToAdditionalCount(message, -1);
  const length = new MessageWriter().u16(mac.length).done();
  const expected = hmac(key, [
    length,
    mac,
    message,
    variables(key, fields.seconds, fields.error, fields.other, fields.fudge),
  ]);
  const isSigned = fields.mac.length === expected.length && timingSafeEqual(fields.mac, expected);
  if (!isSigned) return 'invalid';
  if (fields.error === ERROR_BAD_TIME) return 'time';
  if (fields.error !== 0) return 'invalid';
  return Math.abs(fields.seconds - nowMs / 1_000) <= fields.fudge ? 'ok' : 'time';
}

function keyName(key: TsigKey): Uint8Array {
  return nameToWire(key.name) ?? Uint8Array.of(0);
}

/** What is signed besides the message (RFC 8945 §4.3.3). */
function variables(
  key: TsigKey,
  seconds: number,
  error: number,
  other: Uint8Array,
  fudge = FUDGE_SECONDS,
): Uint8Array {
  return new MessageWriter()
    .bytes(keyName(key))
    .u16(CLASS_ANY)
    .u32(0)
    .bytes(nameToWire(key.algorithm)!)
    .u16(Math.floor(seconds / 2 ** 32))
    .u32(seconds % 2 ** 32)
    .u16(fudge)
    .u16(error)
    .u16(other.length)
    .bytes(other)
    .done();
}

function timeAndMac(key: TsigKey, seconds: number, mac: Uint8Array): MessageWriter {
  return new MessageWriter()
    .bytes(nameToWire(key.algorithm)!)
    .u16(Math.floor(seconds / 2 ** 32))
    .u32(seconds % 2 ** 32)
    .u16(FUDGE_SECONDS)
    .u16(mac.length)
    .bytes(mac);
}

interface TsigFields {
  readonly seconds: number;
  readonly fudge: number;
  readonly mac: Uint8Array;
  readonly error: number;
  readonly other: Uint8Array;
}

/** @returns null: malformed, or of another algorithm */
function readFields(data: Uint8Array, key: TsigKey): TsigFields | null {
  const algorithm = nameToWire(key.algorithm)!;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  for (; at < algorithm.length; at++) {
    const byte = data[at] ?? 0;
    if ((byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte) !== algorithm[at]) return null;
  }
  if (data.length < at + 10) return null;
  const seconds = view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2);
  const fudge = view.getUint16(at + 6);
  const macEnd = at + 10 + view.getUint16(at + 8);
  if (data.length < macEnd + 6) return null;
  const otherEnd = macEnd + 6 + view.getUint16(macEnd + 4);
  if (data.length !== otherEnd) return null;
  const mac = data.slice(at + 10, macEnd);
  const error = view.getUint16(macEnd + 2);
  return { seconds, fudge, mac, error, other: data.slice(macEnd + 6, otherEnd) };
}

function hmac(key: TsigKey, parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHmac(key.algorithm.slice('hmac-'.length), Buffer.from(key.secret, 'base64'));
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function addToAdditionalCount(message: Uint8Array, add: number): void {
  const count = ((message[10]! << 8) | message[11]!) + add;
  message[10] = (count >> 8) & 0xff;
  message[11] = count & 0xff;
}
