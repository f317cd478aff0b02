/**
 * TLS of the simulator: a handshake of one flight each way, after which bytes travel as they are.
 *
 * The client says its name and protocols in a true ClientHello, so that whoever chooses
 * certificates and routes by it can read it; the server answers with one record, or with an alert.
 * Everything is in the stream, so a relay in between passes it on.
 */

import { utf8Bytes } from '../../../base/utf8.ts';
import type { Fault } from '../../../contract/fault.ts';
import type { ClientAuthMode } from '../../../contract/tls.ts';
import type {
  ClientTlsOptions,
  PeerCertificate,
  ServerTlsOptions,
  TlsContext,
  TlsInfo,
} from '../backend.ts';

const RECORD_ALERT = 21;
const RECORD_HANDSHAKE = 22;
const RECORD_HEAD_SIZE = 5;
const ALERT_SIZE = 2;
const EXTENSION_NAME = 0;
const EXTENSION_ALPN = 16;
/** Of the range for private use: the client has a certificate to show. */
const EXTENSION_CERTIFICATE = 0xff01;

/** Alerts (RFC 8446 §6.2) that the simulated server sends. */
export const SimAlert = {
  handshakeFailure: 40,
  certificateRequired: 116,
  noApplicationProtocol: 120,
} as const;
export type SimAlert = (typeof SimAlert)[keyof typeof SimAlert];

export class SimServerContext implements TlsContext {
  readonly isServer = true;
  readonly clientAuth: ClientAuthMode;
  isClosed = false;

  constructor(options: Pick<ServerTlsOptions, 'clientAuth'>) {
    this.clientAuth = options.clientAuth;
  }

  close(): void {
    this.isClosed = true;
  }
}

export class SimClientContext implements TlsContext {
  readonly isServer = false;
  readonly verifies: boolean;
  readonly hasCertificate: boolean;

  constructor(options: Pick<ClientTlsOptions, 'verify' | 'cert'>) {
    this.verifies = options.verify;
    this.hasCertificate = options.cert !== '';
  }

  close(): void {
    // There is nothing to give back.
  }
}

/** What a ClientHello says, as far as the simulated server minds. */
export interface SimHello {
  readonly alpn: readonly string[];
  readonly hasCertificate: boolean;
}

/** How a simulated server answers. */
export interface SimAnswer {
  /** To send. */
  readonly bytes: Uint8Array;
  /** Null: the handshake has failed. */
  readonly info: TlsInfo | null;
  /** Of the alert; 0: none. */
  readonly alert: SimAlert | 0;
}

/** A ClientHello (RFC 8446 §4.1.2) in one record. */
export function helloRecord(
  serverName: string,
  alpn: readonly string[],
  hasCertificate: boolean,
): Uint8Array {
  const extensions: number[] = [];
  if (serverName !== '') {
    const name = [...utf8Bytes(serverName)];
    extensions.push(...extension(EXTENSION_NAME, sized16([0, ...sized16(name)])));
  }
  if (alpn.length > 0) {
    const names = alpn.flatMap((name) => [name.length, ...utf8Bytes(name)]);
    extensions.push(...extension(EXTENSION_ALPN, sized16(names)));
  }
  extensions.push(...extension(43, [2, 3, 4])); // supported_versions: TLS 1.3.
  if (hasCertificate) extensions.push(...extension(EXTENSION_CERTIFICATE, []));
  const random = Array.from({ length: 32 }, (_, at) => at);
  const body = [3, 3, ...random, 0, ...sized16([0x13, 0x01]), 1, 0, ...sized16(extensions)];
  return record(RECORD_HANDSHAKE, [1, 0, ...sized16(body)]);
}

/** What `bytes`, a whole ClientHello of anybody's making, offers. */
export function readHello(bytes: Uint8Array): SimHello {
  const alpn: string[] = [];
  let hasCertificate = false;
  const u16 = (at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  let at = RECORD_HEAD_SIZE + 4 + 2 + 32;
  at += 1 + (bytes[at] ?? 0); // Session.
  at += 2 + u16(at); // Ciphers.
  at += 1 + (bytes[at] ?? 0) + 2; // Compression, and the size of the extensions.
  while (at + 4 <= bytes.length) {
    const kind = u16(at);
    const end = at + 4 + u16(at + 2);
    if (kind === EXTENSION_CERTIFICATE) hasCertificate = true;
    if (kind === EXTENSION_ALPN) {
      for (let name = at + 6; name < end; name += 1 + bytes[name]!) {
        alpn.push(textOf(bytes.subarray(name + 1, name + 1 + bytes[name]!)));
      }
    }
    at = end;
  }
  return { alpn, hasCertificate };
}

/** The answer to `hello` of a server with these settings. */
export function answerTo(
  hello: SimHello,
  clientAuth: ClientAuthMode,
  alpn: readonly string[],
): SimAnswer {
  const chosen = alpn.find((name) => hello.alpn.includes(name)) ?? '';
  if (alpn.length > 0 && hello.alpn.length > 0 && chosen === '') {
    return failure(SimAlert.noApplicationProtocol);
  }
  const needsCertificate = clientAuth === 'require' || clientAuth === 'verify';
  if (needsCertificate && !hello.hasCertificate) return failure(SimAlert.certificateRequired);
  const shown = clientAuth !== 'none' && hello.hasCertificate ? CERTIFICATE : null;
  const bytes = record(RECORD_HANDSHAKE, [2, 0, ...sized16([...utf8Bytes(chosen)])]);
  return { bytes, info: infoOf(chosen, shown), alert: 0 };
}

/** What a client makes of the first bytes from its server. */
export type SimReply =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'failed' }
  | { readonly kind: 'open'; readonly info: TlsInfo; readonly size: number };

export function readAnswer(bytes: Uint8Array): SimReply {
  if (bytes.length === 0) return { kind: 'incomplete' };
  if (bytes[0] !== RECORD_HANDSHAKE) return { kind: 'failed' };
  if (bytes.length < RECORD_HEAD_SIZE) return { kind: 'incomplete' };
  const size = RECORD_HEAD_SIZE + ((bytes[3]! << 8) | bytes[4]!);
  if (bytes.length < size) return { kind: 'incomplete' };
  if (bytes[RECORD_HEAD_SIZE] !== 2) return { kind: 'failed' };
  const alpn = textOf(bytes.subarray(RECORD_HEAD_SIZE + 4, size));
  return { kind: 'open', info: infoOf(alpn, CERTIFICATE), size };
}

function failure(alert: SimAlert): SimAnswer {
  return { bytes: record(RECORD_ALERT, [ALERT_SIZE, alert]), info: null, alert };
}

function infoOf(alpn: string, peerCertificate: PeerCertificate | null): TlsInfo {
  const cipher = 'TLS_AES_128_GCM_SHA256';
  return { version: 'TLSv1.3', cipher, alpn, isResumed: false, peerCertificate };
}

const CERTIFICATE: PeerCertificate = {
  subject: 'CN=simulated',
  issuer: 'CN=simulated',
  serial: '01',
  fingerprint: '00'.repeat(32),
  names: ['simulated.example'],
};

function record(type: number, body: readonly number[]): Uint8Array {
  return Uint8Array.of(type, 3, 3, ...sized16(body));
}

function extension(kind: number, body: readonly number[]): number[] {
  return [kind >> 8, kind & 0xff, ...sized16(body)];
}

function sized16(body: readonly number[]): number[] {
  return [body.length >> 8, body.length & 0xff, ...body];
}

function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** TLS of one end of a connection. */
export class SimTls {
  readonly isServer: boolean;
  /** Null: in the handshake. */
  info: TlsInfo | null = null;
  /** Of a client: what it sends when the connection opens. */
  readonly hello: Uint8Array;
  /** Of a client: what the handshake ends with although the server agrees. */
  readonly verdict: Fault;
  /** Of a client: bytes from the server that are not yet a whole answer. */
  received: Uint8Array = new Uint8Array(0);

  constructor(isServer: boolean, hello: Uint8Array, verdict: Fault) {
    this.isServer = isServer;
    this.hello = hello;
    this.verdict = verdict;
  }

  add(bytes: Uint8Array): void {
    const joined = new Uint8Array(this.received.length + bytes.length);
    joined.set(this.received);
    joined.set(bytes, this.received.length);
    this.received = joined;
  }
}
