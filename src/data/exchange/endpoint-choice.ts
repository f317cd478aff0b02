/**
 * Endpoint choice: the one a sticky cookie names, else the one the balancer picks.
 */

import type { Endpoint } from '../balance/endpoint.ts';
import { Field } from '../codec/field.ts';
import type { Exchange } from './exchange.ts';

/**
 * Chooses for the next attempt. Adds the cookie that binds the client when it has none that counts.
 * @param avoid the endpoint that has just failed
 * @returns null when the service has no endpoint
 */
export function chooseEndpoint(exchange: Exchange, avoid: Endpoint | null): Endpoint | null {
  const { sticky, balancer } = exchange.route!.service;
  if (sticky === null) return balancer.pick(avoid);
  const fields = exchange.requestHead.fields;
  const at = avoid === null ? fields.find(Field.cookie) : -1;
  const bound = at < 0 ? null : sticky.find(fields.valueText(at));
  if (bound !== null) return bound;
  const chosen = balancer.pick(avoid);
  if (chosen !== null) {
    exchange.extraResponseFields = `Set-Cookie: ${sticky.cookieFor(chosen)}\r\n`;
  }
  return chosen;
}
