/**
 * Transport security of requests: what becomes of those that come without TLS, which of those with
 * TLS are for another connection, and what answers say about it (RFC 6797).
 *
 * S1  a redirect leads to the host the request was routed by, never to one that was not checked,
 *     and to the same path and query, octet for octet.
 * S2  a request is never routed by a host that is protected otherwise than the connection: what a
 *     client has proved to one name proves nothing to another (RFC 9110 §15.5.20).
 * S3  Strict-Transport-Security of an origin, or of a middleware, stays as it is; ours is only said
 *     over TLS (RFC 6797 §7.2).
 */

import { latin1Bytes, latin1Text } from '../../base/ascii.ts';
import { Fault } from '../../contract/fault.ts';
import { Field } from '../codec/field.ts';
import type { ResponseHead } from '../codec/head.ts';
import { TargetForm } from '../codec/head.ts';
import type { ClientSecurity } from './client-security.ts';
import { needsOtherConnection } from './client-security.ts';
import type { Exchange } from './exchange.ts';
import type { LinkedRoute } from './linked-snapshot.ts';

/** `Strict-Transport-Security: …\r\n`, made once per route. */
export interface HstsLine {
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** What the functions here return beside faults: the exchange is answered, and over. */
export const ANSWERED = -1;

const HTTPS_PORT = 443;
const HSTS_NAME = 'strict-transport-security';

/** @param value of the field; empty: none is sent */
export function linkHsts(value: string): HstsLine | null {
  if (value === '') return null;
  const text = `Strict-Transport-Security: ${value}\r\n`;
  return { text, bytes: latin1Bytes(text) };
}

/**
 * True when the host of a request needs another connection than the one it came on (S2). The
 * common case, a listener with one policy, costs three loads.
 */
export function isMisdirected(exchange: Exchange, security: ClientSecurity): boolean {
  const { view } = exchange;
  const listener = exchange.linked!.tls.listeners[view.listenerIndex] ?? null;
  if (listener === null) return false; // Without TLS since a reload: nothing is protected there.
  const { policy, serverName } = security;
  if (listener.hasOnePolicy) return needsOtherConnection(policy, listener.policy);
  const host = view.isHost(serverName) ? serverName : view.host(); // Mostly no text is made.
  return needsOtherConnection(policy, listener.policyOf(host));
}

/**
 * True when a route is protected by another policy than the connection was made under, although
 * its host is not: a route of `*.a.test` gets what narrower ones of `x.a.test` leave (S2).
 * @param policy index of the route's
 */
export function isBeyondPolicy(
  exchange: Exchange,
  security: ClientSecurity,
  policy: number,
): boolean {
  const { listeners, policies } = exchange.linked!.tls;
  const hasTls = (listeners[exchange.view.listenerIndex] ?? null) !== null; // As above.
  return hasTls && needsOtherConnection(security.policy, policies[policy]!);
}

/**
 * True when the client's own connection is protected: ours, or that of a trusted proxy which says
 * so in the last X-Forwarded-Proto.
 */
export function isSecure(exchange: Exchange): boolean {
  const peer = exchange.view.peer!;
  if (peer.security !== null) return true;
  if (!peer.isTrusted) return false;
  const { fields } = exchange.requestHead;
  let last = '';
  let at = fields.find(Field.xForwardedProto);
  for (; at >= 0; at = fields.find(Field.xForwardedProto, at + 1)) last = fields.valueText(at);
  const value = last.slice(last.lastIndexOf(',') + 1).trim();
  return value.toLowerCase() === 'https';
}

/**
 * Answers a request that came without TLS as the route says: 308 to the same place over HTTPS, or
 * the fault that refuses it.
 */
export function answerPlainHttp(exchange: Exchange, route: LinkedRoute): Fault | typeof ANSWERED {
  const host = exchange.view.host();
  if (route.plainHttp === 'refuse' || host === '') return Fault.requestNotSecure;
  const port = route.httpsPort === HTTPS_PORT ? '' : `:${route.httpsPort}`;
  exchange.extraResponseFields += `Location: https://${host}${port}${targetOf(exchange)}\r\n`;
  exchange.answer(308, '', '');
  return ANSWERED;
}

/** Path and query as received (S1). `OPTIONS *` asks the host as such. */
function targetOf(exchange: Exchange): string {
  const head = exchange.requestHead;
  if (head.targetForm === TargetForm.asterisk) return '';
  const path = latin1Text(head.bytes, head.pathStart, head.pathEnd);
  const query =
    head.queryStart < 0 ? '' : `?${latin1Text(head.bytes, head.queryStart, head.queryEnd)}`;
  return `${path}${query}`;
}

/** The line for a forwarded response, which has not said it itself; null: none (S3). */
export function hstsFor(exchange: Exchange, head: ResponseHead): Uint8Array | null {
  const hsts = exchange.route!.hsts;
  if (hsts === null || exchange.view.peer!.security === null) return null;
  const { fields } = head;
  let at = fields.find(Field.strictTransportSecurity);
  while (at >= 0 && fields.isHop[at] !== 0) at = fields.find(Field.strictTransportSecurity, at + 1);
  return at >= 0 || hasHsts(exchange.extraResponseFields) ? null : hsts.bytes;
}

/** The line for an answer of our own, or an empty text. */
export function ownHsts(exchange: Exchange): string {
  const { route, view } = exchange;
  if (route === null || route.hsts === null || view.peer!.security === null) return '';
  return hasHsts(exchange.extraResponseFields) ? '' : route.hsts.text;
}

function hasHsts(lines: string): boolean {
  return lines !== '' && lines.toLowerCase().includes(`${HSTS_NAME}:`);
}
