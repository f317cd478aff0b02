/**
 * Request writer: the head that goes to the endpoint. Decides which fields are passed, which are
 * ours, and leaves framing to the serialiser.
 *
 * Host comes first, so that a later attempt on an endpoint with another authority is a new head
 * and nothing else. Forwarded fields of untrusted peers never pass, in any spelling, nor do those
 * that would speak of a client's certificate (X-Forwarded-Tls-*, Client-Cert: RFC 9440 §2.4); of
 * trusted ones they are completed (RFC 7239, de-facto X-Forwarded-*).
 */

import { latin1Bytes } from '../../base/ascii.ts';
import { Field, FIELD_INDEX_MAX } from '../codec/field.ts';
import { HeadWriter } from '../codec/h1/writer.ts';
import { Framing } from '../codec/head.ts';
import type { Chunk, ChunkSource } from '../io/backend.ts';
import { CHUNK_HEADROOM, CHUNK_TAILROOM } from '../io/backend.ts';
import type { Endpoint } from '../balance/endpoint.ts';
import type { Exchange } from './exchange.ts';
import { forwardedChain } from './forwarded.ts';
import { VIA_PSEUDONYM } from './request-view.ts';

const HOST = latin1Bytes('Host: ');
const FORWARDED_HOST = latin1Bytes('X-Forwarded-Host: ');
const FORWARDED_FOR = latin1Bytes('X-Forwarded-For: ');
const FORWARDED = latin1Bytes('Forwarded: ');
const REAL_IP = latin1Bytes('X-Real-IP: ');
const FORWARDED_PORT = latin1Bytes('X-Forwarded-Port: ');
const VIA_10 = latin1Bytes(`Via: 1.0 ${VIA_PSEUDONYM}\r\n`);
const VIA_11 = latin1Bytes(`Via: 1.1 ${VIA_PSEUDONYM}\r\n`);
const UPGRADE = latin1Bytes('Connection: Upgrade\r\nUpgrade: websocket\r\n');

/** Room beyond the received head: our own lines, with the longest host three times. */
const OWN_LINES_SIZE = 1_280;
/** Head and first body bytes up to this size leave in one write; above, copying costs more. */
const TOGETHER_SIZE_MAX = 16_320;

const SKIP_UNTRUSTED = mask([
  Field.xForwardedFor,
  Field.xForwardedProto,
  Field.xForwardedHost,
  Field.xForwardedPort,
  Field.xForwardedOther,
  Field.xRealIp,
  Field.forwarded,
  Field.clientCert,
  Field.clientCertChain,
]);
const SKIP_TRUSTED = mask([Field.xForwardedFor, Field.xRealIp]);

const writer = new HeadWriter();

/** Where the last written head lies in the returned chunk. */
export const written = { start: 0, end: 0 };

/**
 * Writes the head of `exchange` for `endpoint`.
 * @returns a chunk with one reference owned by the caller and its range in `written`, or null
 *          when memory is exhausted or the head is too large for a chunk
 */
export function writeRequestHead(exchange: Exchange, endpoint: Endpoint): Chunk | null {
  const head = exchange.requestHead;
  const chunks = exchange.plane.backend.chunks;
  const needed = head.end - head.start + OWN_LINES_SIZE + exchange.extraRequestFields.length;
  const together = needed + exchange.bodyAtHand;
  const chunk = chunks.acquire(together <= TOGETHER_SIZE_MAX ? together : needed);
  if (chunk === null) return null;
  writer.begin(chunk.bytes, CHUNK_HEADROOM, chunk.bytes.length - CHUNK_TAILROOM);
  writeLine(exchange);
  writeHost(exchange, endpoint);
  const isTrusted = exchange.view.peer!.isTrusted;
  writer.copyFields(head.fields, isTrusted ? SKIP_TRUSTED : SKIP_UNTRUSTED);
  writeForwarded(exchange, isTrusted);
  if (head.upgradesWebsocket) writer.line(UPGRADE);
  if (exchange.extraRequestFields !== '') writer.line(latin1Bytes(exchange.extraRequestFields));
  if (head.framing === Framing.length) writer.frameLength(head.contentLength);
  else if (head.framing === Framing.chunked) writer.frameChunked();
  else writer.frameNone();
  const end = writer.finish();
  if (end < 0) {
    chunks.release(chunk);
    return null;
  }
  written.start = CHUNK_HEADROOM;
  written.end = end;
  return chunk;
}

/**
 * Writes the head at `chunk.bytes[start, end)` again for an endpoint with another authority: the
 * received head is gone by then, and Host is the line behind the request line.
 * @returns as `writeRequestHead`; `chunk` stays the caller's
 */
export function rehost(
  chunks: ChunkSource,
  chunk: Chunk,
  start: number,
  end: number,
  // oxlint-disable-next-line max-params -- one written head and where it goes.
  endpoint: Endpoint,
): Chunk | null {
  const copy = chunks.acquire(end - start + endpoint.hostLine.length);
  if (copy === null) return null;
  const hostStart = chunk.bytes.indexOf(0x0a, start) + 1;
  const hostEnd = chunk.bytes.indexOf(0x0a, hostStart) + 1;
  const hostAt = CHUNK_HEADROOM + hostStart - start;
  const restAt = hostAt + endpoint.hostLine.length;
  copy.bytes.set(chunk.bytes.subarray(start, hostStart), CHUNK_HEADROOM);
  copy.bytes.set(endpoint.hostLine, hostAt);
  copy.bytes.set(chunk.bytes.subarray(hostEnd, end), restAt);
  written.start = CHUNK_HEADROOM;
  written.end = restAt + end - hostEnd;
  return copy;
}

function writeLine(exchange: Exchange): void {
  const head = exchange.requestHead;
  const view = exchange.view;
  writer.requestLine(
    head.bytes,
    head.methodStart,
    head.methodEnd,
    view.pathBytes,
    view.pathStart,
    view.pathEnd,
    head.bytes,
    head.queryStart,
    head.queryEnd,
  );
}

function writeHost(exchange: Exchange, endpoint: Endpoint): void {
  const view = exchange.view;
  if (exchange.route!.service.passHost && view.authorityEnd > 0) {
    writer.field(HOST, view.hostBytes, 0, view.authorityEnd);
  } else {
    writer.line(endpoint.hostLine);
  }
}

function writeForwarded(exchange: Exchange, isTrusted: boolean): void {
  const head = exchange.requestHead;
  const view = exchange.view;
  const peer = view.peer!;
  const hasHost = view.authorityEnd > 0;
  if (!isTrusted) {
    writer.line(peer.forwardedBlock);
    if (hasHost) writer.field(FORWARDED_HOST, view.hostBytes, 0, view.authorityEnd);
  } else {
    const fields = head.fields;
    writer.fieldText(FORWARDED_FOR, forwardedChain(fields, peer.peerAddress));
    writer.fieldText(REAL_IP, view.clientAddress());
    if (fields.find(Field.xForwardedProto) < 0) writer.line(peer.protoLine);
    if (fields.find(Field.xForwardedPort) < 0) {
      writer.fieldText(FORWARDED_PORT, String(peer.localPort));
    }
    if (hasHost && fields.find(Field.xForwardedHost) < 0) {
      writer.field(FORWARDED_HOST, view.hostBytes, 0, view.authorityEnd);
    }
  }
  if (exchange.linked!.observe.forwardedHeader) {
    writer.fieldText(FORWARDED, view.forwardedElement());
  }
  writer.line(head.versionMinor === 0 ? VIA_10 : VIA_11);
}

function mask(ids: readonly number[]): Uint8Array {
  const skip = new Uint8Array(FIELD_INDEX_MAX);
  for (const id of ids) skip[id] = 1;
  return skip;
}
