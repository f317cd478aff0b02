/**
 * What every contender is configured to do, and how that changes from one generation to the next.
 *
 *     /stable/*  endpoints a, b and, in some generations, c
 *     /ws/*      endpoint a, never changed
 *     /gen/*     in even generations service `left` with endpoint `even`; in odd ones service
 *                `right` with endpoint `odd`. The service that is not used has the endpoint
 *                `mixed`: only a route of one generation with the services of another reaches it.
 *     /gN/*      exists in generation N alone
 *
 * Every generation changes routes and services; each third one also the endpoint set of a service
 * that is in use, and each third one opens or closes a second listener.
 */

export interface Layout {
  readonly directory: string;
  readonly port: number;
  /** Listened on in some generations. */
  readonly secondPort: number;
  readonly adminPort: number;
  readonly drainSeconds: number;
  /** Ports of the endpoints. */
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly even: number;
  readonly odd: number;
  readonly mixed: number;
}

/** Endpoint names, as origins say them. */
export const ENDPOINTS = ['a', 'b', 'c', 'even', 'odd', 'mixed'] as const;

export interface GenerationPlan {
  readonly number: number;
  readonly genService: 'left' | 'right';
  /** Ports of the services' endpoints. */
  readonly left: number;
  readonly right: number;
  readonly stable: readonly number[];
  readonly hasSecondListener: boolean;
  readonly ownPrefix: string;
}

/** @param number from 0 on */
export function planGeneration(layout: Layout, number: number): GenerationPlan {
  const isEven = number % 2 === 0;
  const { a, b, c } = layout;
  return {
    number,
    genService: isEven ? 'left' : 'right',
    left: isEven ? layout.even : layout.mixed,
    right: isEven ? layout.mixed : layout.odd,
    stable: Math.floor((number + 2) / 3) % 2 === 0 ? [a, b, c] : [a, b],
    hasSecondListener: Math.floor((number + 1) / 3) % 2 === 1,
    ownPrefix: `/g${number}`,
  };
}
