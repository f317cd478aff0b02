/**
 * ClientHellos for tests: built from what they should say, right or wrong, as whole records.
 */

import { latin1Bytes } from '../../base/ascii.ts';

/** Type and content of an extension. */
export type HelloExtension = readonly [type: number, content: readonly number[]];

export interface HelloParts {
  /** Legacy version; 0x0303. */
  readonly version?: number;
  readonly sessionId?: readonly number[];
  readonly ciphers?: readonly number[];
  /** Null: not even the length of extensions is there. */
  readonly extensions?: readonly HelloExtension[] | null;
}

/** One record with a ClientHello. */
export function helloBytes(parts: HelloParts = {}): Uint8Array {
  return record(helloMessage(parts));
}

/** A hello with these extensions before what every client of TLS 1.3 sends. */
export function helloWith(...extensions: readonly HelloExtension[]): Uint8Array {
  return helloBytes({ extensions: [...extensions, versions(0x0304)] });
}

/** The handshake message alone. */
export function helloMessage(parts: HelloParts): number[] {
  const { version = 0x0303, sessionId = [], ciphers = [0x1301], extensions = [] } = parts;
  const body = [
    ...u16(version),
    ...Array.from({ length: 32 }, (_, index) => index),
    sessionId.length,
    ...sessionId,
    ...sized(pairs(ciphers)),
    1,
    0,
  ];
  if (extensions !== null) {
    const list = extensions.flatMap(([type, content]) => [...u16(type), ...sized(content)]);
    body.push(...sized(list));
  }
  return [1, body.length >> 16, (body.length >> 8) & 0xff, body.length & 0xff, ...body];
}

export function record(payload: readonly number[], type = 22): Uint8Array {
  return Uint8Array.from([type, 3, 1, ...sized(payload)]);
}

/** The same message in records of `size` bytes each. */
export function fragmented(message: readonly number[], size: number): Uint8Array {
  const records: Uint8Array[] = [];
  for (let at = 0; at < message.length; at += size)
    records.push(record(message.slice(at, at + size)));
  return joined(records);
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export function serverName(name: string): HelloExtension {
  return [0, sized([0, ...sized(text(name))])];
}

export function alpn(...names: readonly string[]): HelloExtension {
  return [16, sized(names.flatMap((name) => [name.length, ...text(name)]))];
}

export function versions(...values: readonly number[]): HelloExtension {
  return [43, [values.length * 2, ...pairs(values)]];
}

export function groups(...values: readonly number[]): HelloExtension {
  return [10, sized(pairs(values))];
}

export function signatures(...values: readonly number[]): HelloExtension {
  return [13, sized(pairs(values))];
}

export function sessionTicket(ticket: readonly number[]): HelloExtension {
  return [35, ticket];
}

/** One identity with its age, and one binder. */
export function preSharedKey(identity: readonly number[]): HelloExtension {
  const binder = Array.from({ length: 32 }, () => 7);
  return [41, [...sized([...sized(identity), 0, 0, 0, 0]), ...sized([32, ...binder])]];
}

function sized(content: readonly number[]): number[] {
  return [...u16(content.length), ...content];
}

function pairs(values: readonly number[]): number[] {
  return values.flatMap(u16);
}

function u16(value: number): number[] {
  return [value >> 8, value & 0xff];
}

function text(value: string): number[] {
  return [...latin1Bytes(value)];
}
