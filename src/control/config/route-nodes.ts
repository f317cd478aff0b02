/**
 * A node of `routes` as what it is: a route of HTTP requests, or a passthrough of connections.
 */

import type { PassthroughConfig, RouteConfig } from './config.ts';
import type { Report, Spot } from './issue.ts';
import type { LocatedTable } from './located.ts';
import { hostsOfRule } from './needed-names.ts';
import type { RegexCheck } from './regex-check.ts';
import { routeSchema, ruleOfRoute, SHORT_MATCH_KEYS } from './route-section.ts';
import type { RouteFields } from './route-section.ts';
import { casesOf } from './rule-cases.ts';
import { specificityOf } from './specificity.ts';
import type { Rule } from '../../contract/routing.ts';

export interface HttpRouteNode {
  readonly kind: 'http';
  /** With plain requests served: what `auto` means is known when all nodes are. */
  readonly route: RouteConfig;
  readonly plainHttp: 'auto' | 'serve' | 'redirect' | 'refuse';
  /** All hosts it answers for; null: some requests need no certain host. */
  readonly hosts: readonly string[] | null;
}

export interface PassthroughNode {
  readonly kind: 'passthrough';
  readonly passthrough: PassthroughConfig;
}

export type RouteNode = HttpRouteNode | PassthroughNode;

/** Keys of requests, which nobody sees in a connection that is passed on. */
const REQUEST_KEYS = [
  ...SHORT_MATCH_KEYS,
  'rule',
  'middlewares',
  'priority',
  'tls',
  'plain-http',
  'hsts',
];

/** Reads one node. */
export function decodeRoute(
  name: string,
  table: LocatedTable,
  checkRegex: RegexCheck,
  report: Report,
): RouteNode {
  const fields = routeSchema.decode(table, report);
  const { listeners, service } = fields;
  const streamsOnChangeMs = streamsOnChange(fields.streamsOnChange);
  const file = table.spot.file;
  if (fields.mode === 'passthrough') {
    lintPassthrough(table, report);
    const hosts = [...new Set(fields.sni ?? [])];
    const passthrough = { name, hosts, listeners, service, streamsOnChangeMs, file };
    return { kind: 'passthrough', passthrough };
  }
  const sni = table.entries.get('sni');
  if (sni !== undefined) {
    const hint = 'requests are matched by `host`';
    doesNotFit(report, sni.spot, '`sni` needs `mode = "passthrough"`', hint);
  }
  const rule = ruleOfRoute(fields, table, checkRegex, report);
  const { middlewares, priority, tls, plainHttp } = fields;
  const rank = { specificity: specificityOf(rule), priority };
  const plain = {
    plainHttp: 'serve',
    httpsPort: 443,
    hsts: hstsOf(fields, table, report),
  } as const;
  const way = { listeners, streamsOnChangeMs, tls, ...plain, service, middlewares, file };
  const route: RouteConfig = { name, rule, ...rank, ...way };
  const hosts = allHostsOf(rule);
  if (tls !== null && hosts === null) {
    const hint = 'the policy is chosen by the name that a client asks for: add `host`';
    doesNotFit(
      report,
      table.entries.get('tls')?.spot ?? table.spot,
      'the policy is for no certain host',
      hint,
    );
  }
  return { kind: 'http', route, plainHttp, hosts };
}

/** The hosts of a rule of which each case names one; null: one names none, or who knows. */
function allHostsOf(rule: Rule): readonly string[] | null {
  const cases = casesOf(rule);
  const areNamed = cases?.every((conditions) =>
    conditions.some(({ matcher, isNegated }) => {
      return !isNegated && matcher.kind === 'host' && matcher.host !== '*';
    }),
  );
  return areNamed === true ? hostsOfRule(rule) : null;
}

function lintPassthrough(table: LocatedTable, report: Report): void {
  for (const key of REQUEST_KEYS) {
    const value = table.entries.get(key);
    if (value === undefined) continue;
    const hint = 'what is passed through is not opened; only `sni` can be matched';
    doesNotFit(report, value.spot, `\`${key}\` means nothing to a passthrough`, hint);
  }
  if (table.entries.has('sni')) return;
  report({
    severity: 'error',
    code: 'PN1104',
    message: '`sni` is missing',
    spot: table.spot,
    part: 'key',
    expected: '`sni`: a name such as `db.example.com`, or `*`',
  });
}

/** Value of Strict-Transport-Security (RFC 6797 §6.1); empty: none. */
function hstsOf({ hsts }: RouteFields, table: LocatedTable, report: Report): string {
  if (hsts === false) return '';
  if (hsts === true) return 'max-age=31536000';
  const { maxAgeSeconds, includeSubDomains, preload } = hsts;
  if (preload && (!includeSubDomains || maxAgeSeconds < 31_536_000)) {
    const message =
      'browsers take `preload` only with `include-sub-domains` and a year of `max-age`';
    doesNotFit(report, table.entries.get('hsts')?.spot ?? table.spot, message);
  }
  const more = `${includeSubDomains ? '; includeSubDomains' : ''}${preload ? '; preload' : ''}`;
  return `max-age=${maxAgeSeconds}${more}`;
}

/** As in RouteSpec: -1 to keep, 0 to close at once. */
function streamsOnChange(value: 'keep' | 'close' | number): number {
  if (value === 'keep') return -1;
  return value === 'close' ? 0 : value;
}

function doesNotFit(report: Report, spot: Spot, message: string, hint?: string): void {
  report({ severity: 'error', code: 'PN1208', message, spot, part: 'key', hint });
}
