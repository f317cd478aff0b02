/**
 * Refusals: what a client is told that is turned away before keys exist: an alert, or a
 * line of HTTP for who speaks that.
 */

import { latin1Bytes } from '../../base/ascii.ts';
import { Fault, FAULTS } from '../../contract/fault.ts';
import type { ChunkSource, Connection } from '../io/backend.ts';
import { CHUNK_HEADROOM } from '../io/backend.ts';
import { HelloResult } from './client-hello.ts';
import { Alert, ALERT_SIZE, writeAlert } from './tls-alert.ts';

/**
 * Answers what is no acceptable hello, where there is an answer, and closes.
 * @param connection nothing has been written to it
 */
export function refuseHello(
  chunks: ChunkSource,
  connection: Connection,
  result: HelloResult,
): void {
  const alert = alertOfHello(result);
  if (alert !== null) send(chunks, connection, alertBytes(alert));
  else if (result === HelloResult.plainText) send(chunks, connection, PLAIN_ANSWER);
  connection.close();
}

/** Tells the client of `fault`, where TLS has a word for it, and closes. */
export function refuseFor(chunks: ChunkSource, connection: Connection, fault: Fault): void {
  if (fault === Fault.tlsHandshakeLimit) {
    connection.reset(); // Cheap, and leaves nothing behind.
    return;
  }
  answerFault(chunks, connection, fault);
  connection.close();
}

/**
 * Tells the client of `fault`, where TLS has a word for it. The caller closes.
 * @param connection nothing has been written to it
 */
export function answerFault(chunks: ChunkSource, connection: Connection, fault: Fault): void {
  const alert = alertOfFault(fault);
  if (alert !== null) send(chunks, connection, alertBytes(alert));
}

/** The alert that answers what is no acceptable hello; null: none, the peer does not speak TLS. */
function alertOfHello(result: HelloResult): Alert | null {
  switch (result) {
    case HelloResult.sslv2:
      return Alert.protocolVersion;
    case HelloResult.unexpected:
      return Alert.unexpectedMessage;
    case HelloResult.malformed:
    case HelloResult.tooLarge:
      return Alert.decodeError;
    default:
      return null;
  }
}

/** The alert that tells a client of `fault`; null: it is not told. */
function alertOfFault(fault: Fault): Alert | null {
  switch (fault) {
    case Fault.tlsNameRefused:
      return Alert.unrecognizedName;
    case Fault.tlsFingerprintDenied:
      return Alert.accessDenied;
    case Fault.internal:
    case Fault.memoryLimit:
      return Alert.internalError;
    default:
      return null;
  }
}

function alertBytes(alert: Alert): Uint8Array {
  const bytes = new Uint8Array(ALERT_SIZE);
  writeAlert(bytes, 0, alert);
  return bytes;
}

function send(chunks: ChunkSource, connection: Connection, bytes: Uint8Array): void {
  const chunk = chunks.acquireReserved(bytes.length);
  if (chunk === null) return;
  chunk.bytes.set(bytes, CHUNK_HEADROOM);
  connection.write(chunk, CHUNK_HEADROOM, CHUNK_HEADROOM + bytes.length);
  chunks.release(chunk);
}

function plainAnswer(): Uint8Array {
  const body = `${FAULTS[Fault.tlsHelloInvalid].text} This port speaks HTTPS only.\n`;
  return latin1Bytes(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
}

const PLAIN_ANSWER: Uint8Array = plainAnswer();
