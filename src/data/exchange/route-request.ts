/**
 * Routing of a request: everything between its complete head and its chain. Finds the route, and
 * what answers or refuses the request before any middleware sees it.
 *
 * R1  the order is: target → challenge of a certificate authority → right connection → route →
 *     TLS → admission → Max-Forwards. A challenge is answered whatever the route says of plain
 *     requests, and a refused request tells nothing about routes.
 * R2  with no challenge open, and TLS as the routes want it, all that costs a few loads.
 */

import { latin1Text } from '../../base/ascii.ts';
import { Fault } from '../../contract/fault.ts';
import { Method } from '../codec/head.ts';
import { admit, forwardsLeft } from './admission.ts';
import type { Challenges } from '../tls/challenges.ts';
import type { Exchange } from './exchange.ts';
import { keepForLog, recordLookup } from './record-exchange.ts';
import {
  answerPlainHttp,
  ANSWERED,
  isBeyondPolicy,
  isMisdirected,
  isSecure,
} from './transport-security.ts';

/** Open HTTP-01 challenges (RFC 8555 §8.3). */
export type HttpChallenges = Pick<Challenges, 'httpAnswer'>;

const CHALLENGE_PREFIX = '/.well-known/acme-challenge/';
const CHALLENGE_TYPE = 'text/plain';

/**
 * Routes `exchange`, whose head is complete; `exchange.route` is set when this says `Fault.none`.
 * @returns why it is refused, or `ANSWERED`: then the exchange is over
 */
export function routeRequest(exchange: Exchange): Fault | typeof ANSWERED {
  const { plane, view } = exchange;
  const invalid = view.readTarget();
  if (plane.accessLog !== null) keepForLog(exchange);
  if (invalid !== Fault.none) return invalid;
  if (plane.httpChallenges !== null && answerChallenge(exchange, plane.httpChallenges)) {
    return ANSWERED;
  }
  const { security } = view.peer!;
  if (security !== null && isMisdirected(exchange, security)) return Fault.requestMisdirected;
  const linked = exchange.linked!;
  const index = recordLookup(exchange, linked.router);
  if (index < 0) return Fault.routeNotFound;
  const route = linked.routes[index]!;
  if (security !== null && route.tls >= 0 && isBeyondPolicy(exchange, security, route.tls)) {
    return Fault.requestMisdirected;
  }
  exchange.route = route;
  if (route.plainHttp !== 'serve' && security === null && !isSecure(exchange)) {
    return answerPlainHttp(exchange, route);
  }
  const refusal = admit(exchange);
  if (refusal !== Fault.none) return refusal;
  if (forwardsLeft(exchange) !== 0) return Fault.none;
  exchange.answer(200, '', '');
  return ANSWERED;
}

/** @returns false when it is a request like any other */
function answerChallenge(exchange: Exchange, challenges: HttpChallenges): boolean {
  const { method } = exchange.requestHead;
  if (method !== Method.get && method !== Method.head) return false;
  const { pathBytes, pathStart, pathEnd } = exchange.view;
  if (!hasPrefix(pathBytes, pathStart, pathEnd)) return false;
  const token = latin1Text(pathBytes, pathStart + CHALLENGE_PREFIX.length, pathEnd);
  const host = exchange.view.host().replace(/^\[|\]$/g, ''); // An address has no brackets there.
  const body = challenges.httpAnswer(host, token);
  if (body === null) return false;
  exchange.answer(200, CHALLENGE_TYPE, latin1Text(body, 0, body.length));
  return true;
}

function hasPrefix(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start <= CHALLENGE_PREFIX.length) return false;
  for (let i = 0; i < CHALLENGE_PREFIX.length; i++) {
    if (bytes[start + i] !== CHALLENGE_PREFIX.charCodeAt(i)) return false;
  }
  return true;
}
