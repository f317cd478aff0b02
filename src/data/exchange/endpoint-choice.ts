/**
 * Endpoint choice: the one a sticky cookie names, else the one the balancer picks; never one that
 * has as many attempts as it may have.
 */

import { NONE_TRIED } from '../balance/balancer.ts';
import type { Endpoint } from '../balance/endpoint.ts';
import { Field } from '../codec/field.ts';
import type { Exchange } from './exchange.ts';
import type { LinkedService } from './linked-snapshot.ts';
import { Again } from './repeat-rule.ts';

/**
 * Chooses for the first attempt, while the received head is there. Adds the cookie that binds the
 * client when it has none that counts.
 * @returns null when the service has no endpoint
 */
export function chooseEndpoint(exchange: Exchange): Endpoint | null {
  const service = exchange.route!.service;
  const { sticky } = service;
  if (sticky === null) return firstChoice(service);
  const fields = exchange.requestHead.fields;
  const at = fields.find(Field.cookie);
  const bound = at < 0 ? null : sticky.find(fields.valueText(at));
  if (bound !== null && !isFull(service, bound)) return bound;
  const chosen = firstChoice(service);
  if (chosen !== null && bound === null) bind(exchange, chosen);
  return chosen;
}

/**
 * The choice made before the exchange waited for a place, or another when that one is full now, or
 * may not be chosen any more. A cookie that is under way names who answers.
 * @returns null when the service has no endpoint any more
 */
export function confirmEndpoint(exchange: Exchange, chosen: Endpoint): Endpoint | null {
  const service = exchange.route!.service;
  const { sticky, candidates } = service;
  const isNew = sticky === null || exchange.extraResponseFields !== ''; // No client of `chosen`.
  const mayStay = candidates.isReachable(chosen) && !(isNew && chosen.isDraining);
  if (mayStay && !isFull(service, chosen)) return chosen;
  const other = firstChoice(service);
  const mustBind = sticky !== null && (isNew || !mayStay);
  if (mustBind && other !== null) bind(exchange, other);
  return other;
}

/**
 * Chooses for another attempt: one that was not tried, if there is one.
 * @returns null when there is none that `again` allows
 */
export function chooseOther(
  exchange: Exchange,
  tried: readonly Endpoint[],
  again: Again,
): Endpoint | null {
  const service = exchange.route!.service;
  const chosen = withRoom(service, service.balancer.pick(tried), tried);
  if (chosen === null || (again !== Again.anywhere && tried.includes(chosen))) return null;
  if (service.sticky !== null) bind(exchange, chosen);
  return chosen;
}

/** One with room if there is one: there is, once the exchange has its place at the service. */
function firstChoice(service: LinkedService): Endpoint | null {
  const chosen = service.balancer.pick(NONE_TRIED);
  return withRoom(service, chosen, NONE_TRIED) ?? chosen;
}

function bind(exchange: Exchange, endpoint: Endpoint): void {
  const cookie = exchange.route!.service.sticky!.cookieFor(endpoint);
  exchange.extraResponseFields = `Set-Cookie: ${cookie}\r\n`;
}

function isFull(service: LinkedService, endpoint: Endpoint): boolean {
  const max = service.state.perEndpointMax;
  return max > 0 && endpoint.inFlight >= max;
}

/** `chosen` unless it is full; then one with room, not tried if there is one; else null. */
function withRoom(
  service: LinkedService,
  chosen: Endpoint | null,
  tried: readonly Endpoint[],
): Endpoint | null {
  if (chosen === null || !isFull(service, chosen)) return chosen;
  const { schedule } = service.candidates;
  const start = Math.max(schedule.indexOf(chosen), 0);
  let second: Endpoint | null = null;
  for (let step = 1; step < schedule.length; step++) {
    const endpoint = schedule[(start + step) % schedule.length]!;
    if (isFull(service, endpoint)) continue;
    if (!tried.includes(endpoint)) return endpoint;
    second ??= endpoint;
  }
  return second;
}
