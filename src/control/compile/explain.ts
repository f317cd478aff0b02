/**
 * Explains a routing decision: which route wins, and why each one of higher precedence did not.
 */

import type { RouteSpec, Snapshot } from '../../contract/snapshot.ts';
import type { Config } from '../config/config.ts';
import { formatRule } from '../config/rule-format.ts';
import { describeSpecificity, specificityOf } from '../config/specificity.ts';
import type { CheckRequest, ExplainRequest } from './explain-request.ts';
import { prepareRequest } from './explain-request.ts';
import type { Failure } from './rule-check.ts';
import { checkRule } from './rule-check.ts';
import { explainTls, passthroughOf, plainAnswerOf } from './explain-tls.ts';
import type { ExplainedTls, PassedThrough } from './explain-tls.ts';

/** Plain data: its JSON is the machine-readable form. */
export interface Explanation {
  /** Why the request is refused before routing; null when it is routed. */
  readonly problem: string | null;
  /** As routing sees it; null when refused. */
  readonly request: ExplainedRequest | null;
  /** How the connection is secured; null on a listener without TLS. */
  readonly tls: ExplainedTls | null;
  /** Where the connection goes unopened; then there is no request to route. */
  readonly passthrough: PassedThrough | null;
  /** Null: no route matches, the answer is 404. */
  readonly winner: ExplainedRoute | null;
  /** What is answered instead of asking the service, because there is no TLS; null: it is asked. */
  readonly plainAnswer: string | null;
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

const UNDECIDED = {
  tls: null,
  passthrough: null,
  winner: null,
  plainAnswer: null,
  passedOver: [],
  notAsked: 0,
} as const;

/**
 * Decides as the data plane does, slowly and with reasons. Never throws on any request.
 * @param config what the snapshot was compiled from
 */
export function explain(snapshot: Snapshot, config: Config, asked: ExplainRequest): Explanation {
  const { request, problem } = prepareRequest(snapshot, asked);
  if (request === null) return { ...UNDECIDED, problem, request: null };
  const described = describeRequest(snapshot, request);
  const { host, listenerIndex } = request;
  const isSecure = (snapshot.listeners[listenerIndex]?.tls ?? -1) >= 0;
  const passthrough = isSecure ? passthroughOf(snapshot, config, host, listenerIndex) : null;
  if (passthrough !== null) {
    return { ...UNDECIDED, problem: null, request: described, passthrough };
  }
  const passedOver: PassedRoute[] = [];
  let winner: RouteSpec | null = null;
  for (const route of inPrecedence(snapshot)) {
    const reason = checkRoute(snapshot, route, request);
    if (reason === null) {
      winner = route;
      break;
    }
    passedOver.push({ ...describeRoute(snapshot, route), reason });
  }
  const askedCount = passedOver.length + (winner === null ? 0 : 1);
  return {
    problem: null,
    request: described,
    tls: isSecure ? explainTls(snapshot, config, host, listenerIndex) : null,
    passthrough: null,
    winner: winner === null ? null : describeRoute(snapshot, winner),
    plainAnswer: winner === null || isSecure ? null : plainAnswerOf(winner, request),
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
  const { problem, request, tls, passthrough } = explanation;
  const { winner, plainAnswer, passedOver, notAsked } = explanation;
  if (request === null) return `refused before routing: ${problem}`;
  const query = request.query === '' ? '' : `?${request.query}`;
  const host = request.host === '' ? '(no host)' : request.host;
  const lines = [
    `${request.method} ${host}${request.path}${query}`,
    `from ${request.clientAddress} on listener ${request.listener}`,
    ...(tls === null ? [] : [`TLS policy ${tls.policy}, certificate ${tls.certificate}`]),
    '',
  ];
  if (passthrough !== null) {
    const { route, service } = passthrough;
    lines.push(`route ${route} takes the connection, unopened -> service ${service}`);
  } else if (winner === null) lines.push('no route matches: the answer is 404');
  else {
    const instead = plainAnswer === null ? `service ${winner.service}` : plainAnswer;
    lines.push(`route ${winner.route} wins -> ${instead}`);
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
