/**
 * Chain: the middlewares of one route in their order, linked once per generation. Requests pass
 * first to last, responses last to first.
 */

import type { Middleware, RequestContext, ResponseContext } from './middleware.ts';
import { Verdict } from './middleware.ts';

export class Chain {
  private readonly onRequest: readonly Middleware[];
  private readonly onResponse: readonly Middleware[];

  constructor(middlewares: readonly Middleware[]) {
    this.onRequest = middlewares.filter((middleware) => middleware.onRequestHead !== undefined);
    this.onResponse = middlewares
      .filter((middleware) => middleware.onResponseHead !== undefined)
      .toReversed();
  }

  /** True when nothing would be called; the exchange then builds no context. */
  get isEmpty(): boolean {
    return this.onRequest.length === 0 && this.onResponse.length === 0;
  }

  /** Runs until one does not say `next`. */
  requestHead(context: RequestContext): Verdict {
    for (const middleware of this.onRequest) {
      const verdict = middleware.onRequestHead!(context);
      if (verdict !== Verdict.next) return verdict;
    }
    return Verdict.next;
  }

  responseHead(context: ResponseContext): void {
    for (const middleware of this.onResponse) middleware.onResponseHead!(context);
  }
}
