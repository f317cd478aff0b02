/**
 * Schema of a route, and its rule: the short fields and the rule text, all of them ANDed.
 */

import type { Matcher, Rule } from '../../contract/routing.ts';
import { parseHostPattern } from './host-pattern.ts';
import type { Located, LocatedTable } from './located.ts';
import type { Report } from './issue.ts';
import { extendsField, nameField, rangeField } from './node-fields.ts';
import { reportProblem } from './parsed.ts';
import { parsePathPattern } from './path-pattern.ts';
import type { PathPattern } from './path-pattern.ts';
import type { RegexCheck } from './regex-check.ts';
import { parseRuleFully } from './rule-parser.ts';
import { andOf, MATCH_ALL, orOf } from './rule-tree.ts';
import { boolean, choice, duration, integer, optional, string, text } from './schema.ts';
import type { Infer } from './schema.ts';
import { list, object, oneOrMore, record, union } from './schema-compound.ts';
import { parseFieldName, parseMethod } from './tokens.ts';

const anyValue = text({
  doc: 'The exact value.',
  typeText: 'string',
  fallback: '',
  parse: (value) => ({ ok: true, value }),
});

export const routeSchema = object('Which requests go to which service.', {
  host: oneOrMore(
    text({
      doc: 'A host.',
      typeText: 'host',
      fallback: '*',
      parse: parseHostPattern,
    }),
    { doc: 'Host to match: a name, `*.example.com` for exactly one label, `*` for any.' },
  ),
  path: oneOrMore(
    text<PathPattern>({
      doc: 'A path.',
      typeText: 'path',
      fallback: { kind: 'pathPrefix', path: '/' },
      parse: parsePathPattern,
    }),
    { doc: 'Path to match: `/api` is that path, `/api/*` it and all below, `/*` everything.' },
  ),
  method: oneOrMore(
    text({ doc: 'A method.', typeText: 'method', fallback: 'GET', parse: parseMethod }),
    { doc: 'Method to match.' },
  ),
  header: record('field', oneOrMore(anyValue, { doc: 'Value of the field; any of them.' }), {
    doc: 'Header fields to match, by name. Every field must be there with one of its values.',
    decodeKey: decodeFieldName,
  }),
  query: record(
    'parameter',
    union(
      oneOrMore(anyValue, { doc: 'Value of the parameter; any of them.' }),
      boolean({ doc: '`true`: it is there; `false`: it is not.', default: true }),
      { doc: 'Value of the parameter, any of several, `true` for any value, `false` for none.' },
    ),
    { doc: 'Query parameters to match, by name, all of them.' },
  ),
  clientIp: oneOrMore(rangeField, {
    doc: 'Client address to match, after trusted proxies: an address or CIDR range.',
  }),
  rule: optional(
    string({
      doc: 'Rule in the language of Traefik v3, such as ``Host(`a.com`) && !Method(`GET`)``.',
    }),
  ),
  listeners: optional(
    list(nameField, { doc: 'Listeners the route serves; all when absent.', isRequired: true }),
  ),
  service: string({ doc: 'Name of the service that answers.' }),
  mode: choice(['http', 'passthrough'], {
    doc:
      '`passthrough`: connections are passed on unopened, chosen by `sni`; then nothing else can ' +
      'be matched.',
    default: 'http',
  }),
  sni: oneOrMore(
    text({ doc: 'A name.', typeText: 'host', fallback: '*', parse: parseHostPattern }),
    {
      doc:
        'Name in the TLS ClientHello of connections that are passed on: a name, `*.example.com` ' +
        'for one label more, `*` for every name that nothing else is for.',
    },
  ),
  tls: optional({
    ...nameField,
    doc: "TLS policy of the route's hosts; that of the listener when absent.",
  }),
  plainHttp: choice(['auto', 'serve', 'redirect', 'refuse'], {
    doc:
      'What happens on listeners without TLS. `redirect`: to HTTPS; `refuse`: status 403. ' +
      '`auto`: redirect when the route is on a listener with TLS too and every host of it has a ' +
      'certificate there or an issuer; otherwise serve.',
    default: 'auto',
  }),
  hsts: union(
    boolean({ doc: '`true`: for a year.', default: false }),
    object('Strict-Transport-Security in detail.', {
      maxAgeSeconds: duration({
        doc: 'How long browsers remember it.',
        default: '365d',
        min: '0',
        max: '3650d',
        unit: 's',
      }),
      includeSubDomains: boolean({ doc: 'Names below the host too.', default: false }),
      preload: boolean({
        doc: 'Browsers may have it built in: hard to take back.',
        default: false,
      }),
    }),
    { doc: 'Sends Strict-Transport-Security (RFC 6797) on listeners with TLS.' },
  ),
  middlewares: list(nameField, { doc: 'Middlewares, in the order a request meets them.' }),
  streamsOnChange: union(
    choice(['keep', 'close'], { doc: 'Let them be, or close them.', default: 'keep' }),
    duration({ doc: 'Close what is still open after this long.', min: '1ms', max: '30d' }),
    { doc: 'What a reload that changes the route does to its open streams and tunnels.' },
  ),
  priority: integer({
    doc: 'Among equally specific routes, the higher priority is asked first.',
    default: 0,
    min: -1_000_000,
    max: 1_000_000,
  }),
  extends: extendsField,
});

export type RouteFields = Infer<typeof routeSchema>;

/** The keys that say which requests a route matches, besides `rule`. */
export const SHORT_MATCH_KEYS = ['host', 'path', 'method', 'header', 'query', 'client-ip'];

/**
 * The rule of a decoded route.
 * @param table where it was decoded from, for the places of issues in the rule text
 * @returns the rule; one that matches everything when there is no matcher, or after an issue
 */
export function ruleOfRoute(
  fields: RouteFields,
  table: LocatedTable,
  checkRegex: RegexCheck,
  report: Report,
): Rule {
  const parts = shortRules(fields);
  const ruleText = table.entries.get('rule');
  if (ruleText?.kind === 'string' && !ruleText.isBroken && ruleText.text !== '') {
    const { rule, issues } = parseRuleFully(ruleText.text, checkRegex);
    for (const issue of issues) {
      // Offsets in an interpolated rule mean nothing in the file.
      const within = ruleText.isInterpolated ? undefined : issue.within;
      const { severity } = issue;
      reportProblem(report, { ...issue, within }, ruleText.spot, { severity });
    }
    if (rule === null) return MATCH_ALL;
    parts.push(rule);
  }
  return parts.length === 0 ? MATCH_ALL : andOf(parts);
}

function shortRules(fields: RouteFields): Rule[] {
  const parts: Rule[] = [];
  const addAny = (matchers: readonly Matcher[] | undefined): void => {
    if (matchers !== undefined && matchers.length > 0) parts.push(orOf(matchers));
  };
  addAny(fields.host?.map((host) => ({ kind: 'host', host })));
  addAny(fields.path?.map(({ kind, path }) => ({ kind, path })));
  addAny(fields.method?.map((method) => ({ kind: 'method', method })));
  for (const [name, values] of fields.header) {
    addAny(values?.map((value) => ({ kind: 'header', name, value })));
  }
  for (const [name, values] of fields.query) {
    if (values === null || typeof values === 'boolean') {
      const isThere: Rule = { kind: 'query', name, value: null };
      parts.push(values === false ? { kind: 'not', rule: isThere } : isThere);
    } else addAny(values.map((value) => ({ kind: 'query', name, value })));
  }
  addAny(fields.clientIp?.map((range) => ({ kind: 'clientIp', range })));
  return parts;
}

function decodeFieldName(key: string, value: Located, report: Report): string {
  const parsed = parseFieldName(key);
  if (parsed.ok) return parsed.value;
  const { problem } = parsed;
  const found = JSON.stringify(key);
  report({ ...problem, severity: 'error', spot: value.spot, part: 'key', found });
  return key;
}
