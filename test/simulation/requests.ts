/**
 * Requests as bytes, and what came back as facts to compare.
 */

import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { readResponses } from '../support/response-reader.ts';
import type { SeenResponse } from '../support/response-reader.ts';

/** A request without a body. `fields` are whole lines. */
export function request(method: string, target = '/', fields = ''): string {
  return `${method} ${target} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`;
}

export function get(target = '/', fields = ''): string {
  return request('GET', target, fields);
}

/** A request with a body of known length. */
export function post(body: string, target = '/', method = 'POST'): string {
  return request(method, target, `Content-Length: ${body.length}\r\n`) + body;
}

export const UPGRADE: string = get('/', 'Connection: Upgrade\r\nUpgrade: websocket\r\n');
export const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

/** Final responses a client received. @param methods of its requests, when one was HEAD */
export function responsesOf(
  peer: SimPeer,
  methods: readonly string[] = [],
): readonly SeenResponse[] {
  return readResponses(Buffer.from(peer.bytes()), peer.hasEnded, methods).responses;
}

export function statusesOf(peer: SimPeer): readonly number[] {
  return responsesOf(peer).map(({ status }) => status);
}

export function bodiesOf(peer: SimPeer): readonly string[] {
  return responsesOf(peer).map(({ body }) => body.toString('latin1'));
}

/** True when the other side ended the connection, in order or not. */
export function isOver(peer: SimPeer): boolean {
  return peer.hasEnded || peer.isClosed;
}
