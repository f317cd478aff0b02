/**
 * The reference matcher: asks route after route, in order of precedence. Its cost grows with
 * the number of routes; the compiled router is proved equal to it by property tests.
 */

import type { RouteRequest, Rule } from '../../contract/routing.ts';
import type { Predicate } from './predicate.ts';
import { evaluate, linkPredicate } from './predicate.ts';
import { RequestTexts } from './request-texts.ts';
import type { Router } from './router.ts';

/** What a matcher needs of a route. */
export interface SequentialRoute {
  readonly rule: Rule;
  /** Listener indexes, or null for all. */
  readonly listeners: readonly number[] | null;
}

/** @param routes  in order of precedence. */
export function linkSequential(routes: readonly SequentialRoute[]): Router {
  return new SequentialRouter(routes);
}

class SequentialRouter implements Router {
  readonly ruleCount: number;
  readonly #predicates: readonly Predicate[];
  readonly #texts = new RequestTexts();

  constructor(routes: readonly SequentialRoute[]) {
    this.ruleCount = routes.length;
    this.#predicates = routes.map(({ rule, listeners }) => linkPredicate(rule, listeners));
  }

  match(request: RouteRequest): number {
    const predicates = this.#predicates;
    const texts = this.#texts;
    texts.clear();
    for (let route = 0; route < predicates.length; route++) {
      if (evaluate(predicates[route]!, request, texts)) return route;
    }
    return -1;
  }
}
