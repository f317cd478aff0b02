/**
 * Ranks: precedence of routes as numbers with gaps, so that a new route finds a number between
 * its neighbours and nobody else's changes.
 */

import { RANK_NONE } from '../../contract/router-tables.ts';
import type { RankedRoute } from '../config/specificity.ts';
import { compareRoutes } from '../config/specificity.ts';

/**
 * Ranks for all routes, spread evenly.
 * @param routes  in order of declaration
 * @returns by index of declaration
 */
export function spreadRanks(routes: readonly RankedRoute[]): Int32Array {
  const gap = Math.floor(RANK_NONE / (routes.length + 1));
  const order = routes.map((_, index) => index);
  order.sort((a, b) => compareRoutes(routes[a]!, routes[b]!) || a - b);
  const ranks = new Int32Array(routes.length);
  for (const [place, index] of order.entries()) ranks[index] = (place + 1) * gap;
  return ranks;
}

/**
 * A rank for one more route, between those it comes behind and those it goes before.
 * @param routes  in order of declaration
 * @param rankOf  by index of declaration; -1 for routes without one
 * @returns -1 when there is no number left between them
 */
export function rankBetween(
  routes: readonly RankedRoute[],
  index: number,
  rankOf: (index: number) => number,
): number {
  const route = routes[index]!;
  let low = -1;
  let high: number = RANK_NONE;
  for (let other = 0; other < routes.length; other++) {
    const rank = rankOf(other);
    if (rank < 0 || other === index) continue;
    const isBefore = (compareRoutes(routes[other]!, route) || other - index) < 0;
    if (isBefore) low = Math.max(low, rank);
    else high = Math.min(high, rank);
  }
  return high - low < 2 ? -1 : low + ((high - low) >>> 1);
}
