/**
 * Explains a routing decision: which route wins, and why each one of higher precedence did not.
 */

import type { RouteSpec, Snapshot } from '../../contract/snapshot.ts';
import { formatRule } from '../config/rule-format.ts';
import { describeSpecificity, specificityOf } from '../config/specificity.ts';
import type { CheckRequest, ExplainRequest } from './explain-request.ts';
import { prepareRequest } from './explain-request.ts';
import type { Failure } from './rule-check.ts';
import { checkRule } from './rule-check.ts';

/** Plain data: its JSON is the machine-readable form. */
export interface Explanation {
  /** Why the request is refused before routing; null when it is routed. */
  readonly problem: string | null;
  /** As routing sees it; null when refused. */
  readonly request: ExplainedRequest | null;
  /** Null: no route matches, the answer is 404. */
  readonly winner: ExplainedRoute | null;
  /** Routes of higher precedence than the winner, first asked first. */
  readonly passedOver: readonly PassedRoute[];
  /** Routes of lower precedence, which were not asked. */
  readonly notAsked: number;
}

export interface ExplainedRequest {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly query: string;
  readonly clientAddress: string;
  readonly listener: string;
}

export interface ExplainedRoute {
  readonly route: string;
  readonly service: string;
  readonly rule: string;
  readonly specificity: string;
  readonly priority: number;
}

export interface PassedRoute extends ExplainedRoute {
  readonly reason: Failure;
}

/** Decides as the router does, slowly and with reasons. Never throws on any request. */
export function explain(snapshot: Snapshot, asked: ExplainRequest): Explanation {
  const { request, problem } = prepareRequest(snapshot, asked);
  if (request === null) {
    return { problem, request: null, winner: null, passedOver: [], notAsked: 0 };
  }
  const passedOver: PassedRoute[] = [];
  let winner: ExplainedRoute | null = null;
  for (const route of inPrecedence(snapshot)) {
    const reason = checkRoute(snapshot, route, request);
    if (reason === null) {
      winner = describeRoute(snapshot, route);
      break;
    }
    passedOver.push({ ...describeRoute(snapshot, route), reason });
  }
  const askedCount = passedOver.length + (winner === null ? 0 : 1);
  return {
    problem: null,
    request: describeRequest(snapshot, request),
    winner,
    passedOver,
    notAsked: snapshot.routes.length - askedCount,
  };
}

/** The routes in the order in which they are asked. */
function inPrecedence({ routes, router }: Snapshot): readonly RouteSpec[] {
  const indexes = routes.map((_, index) => index);
  return indexes
    .toSorted((a, b) => router.ranks[a]! - router.ranks[b]!)
    .map((index) => routes[index]!);
}

/** @returns null when the route takes the request. */
export function checkRoute(
  snapshot: Snapshot,
  route: Pick<RouteSpec, 'rule' | 'listeners'>,
  request: CheckRequest,
): Failure | null {
  const { listeners } = route;
  if (listeners === null || listeners.includes(request.listenerIndex)) {
    return checkRule(route.rule, request);
  }
  return {
    matcher: 'listeners',
    wanted: listeners.map((index) => snapshot.listeners[index]?.name ?? '?').join(' or '),
    found: snapshot.listeners[request.listenerIndex]?.name ?? '?',
    isNegated: false,
    otherAlternatives: 0,
  };
}

/** The explanation as lines of text for people, without a trailing line break. */
export function explanationText(explanation: Explanation): string {
  const { problem, request, winner, passedOver, notAsked } = explanation;
  if (request === null) return `refused before routing: ${problem}`;
  const query = request.query === '' ? '' : `?${request.query}`;
  const host = request.host === '' ? '(no host)' : request.host;
  const lines = [
    `${request.method} ${host}${request.path}${query}`,
    `from ${request.clientAddress} on listener ${request.listener}`,
    '',
  ];
  if (winner === null) lines.push('no route matches: the answer is 404');
  else {
    lines.push(`route ${winner.route} wins -> service ${winner.service}`);
    lines.push(...routeLines(winner));
  }
  if (passedOver.length > 0) lines.push('', 'asked before it, and why not:');
  for (const route of passedOver) {
    lines.push(`route ${route.route} -> service ${route.service}`);
    lines.push(...routeLines(route), `  failed      ${reasonText(route.reason)}`);
  }
  if (notAsked > 0) {
    lines.push(
      '',
      `${notAsked} ${notAsked === 1 ? 'route' : 'routes'} of lower precedence not asked`,
    );
  }
  return lines.join('\n');
}

function routeLines(route: ExplainedRoute): string[] {
  const rank = `${route.specificity}; priority ${route.priority}`;
  return [`  rule        ${route.rule}`, `  precedence  ${rank}`];
}

function reasonText(reason: Failure): string {
  const { matcher, wanted, found, isNegated, otherAlternatives } = reason;
  if (isNegated) return `!(${matcher}): found ${found}`;
  const alternatives = otherAlternatives === 1 ? 'alternative' : 'alternatives';
  const others = otherAlternatives === 0 ? '' : ` (nor ${otherAlternatives} other ${alternatives})`;
  return `${matcher}: found ${found}, wanted ${wanted}${others}`;
}

function describeRoute(snapshot: Snapshot, route: RouteSpec): ExplainedRoute {
  return {
    route: route.name,
    service: snapshot.services[route.service]?.name ?? '?',
    rule: formatRule(route.rule),
    specificity: describeSpecificity(specificityOf(route.rule)),
    priority: route.priority,
  };
}

function describeRequest(snapshot: Snapshot, request: CheckRequest): ExplainedRequest {
  const { method, host, path, query, clientAddress, listenerIndex } = request;
  const listener = snapshot.listeners[listenerIndex]?.name ?? '?';
  return { method, host, path, query, clientAddress, listener };
}
