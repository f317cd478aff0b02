/**
 * What is different between two configurations, by node.
 *
 * C1  a text is shown only when its key is known to be harmless: a token, a field of a health
 *     check, a rule or a middleware's settings may hold a secret.
 * C2  what is the same object is equal without being looked at.
 * C3  a route is its name and what it does: its file and its place among others are no part of
 *     it. That the order of declaration changed is a difference of its own, as it may decide
 *     between routes of equal rank.
 */

import { formatDuration } from '../../base/duration.ts';
import { formatSize } from '../../base/size.ts';
import type {
  CertificateConfig,
  CertificatePair,
  Config,
  EndpointConfig,
  ListenerConfig,
  PassthroughConfig,
  RouteConfig,
} from '../config/config.ts';
import { issuerSchema } from '../config/issuer-section.ts';
import { listenerSchema, serviceSchema, transportSchema } from '../config/node-sections.ts';
import { limitsSchema, observeSchema, rootSchema } from '../config/root-section.ts';
import { kebabCase } from '../config/schema-compound.ts';
import { tlsPolicySchema } from '../config/tls-section.ts';
import { isSame } from '../../base/is-same.ts';

/** Kinds of named nodes in the singular, then the single sections. */
export type ChangeKind =
  | 'listener'
  | 'route'
  | 'passthrough'
  | 'service'
  | 'transport'
  | 'middleware'
  | 'TLS policy'
  | 'certificate'
  | 'issuer'
  | 'section';

export interface Change {
  readonly kind: ChangeKind;
  /** Name of the node or section. */
  readonly name: string;
  readonly action: 'added' | 'removed' | 'changed';
  /** Which fields, such as `endpoints: +http://10.0.0.3:80`; empty unless changed. */
  readonly details: readonly string[];
}

/** Keys by property, and what is below: of `object()` schemas, and of none else. */
type FieldNames = ReadonlyMap<string, { readonly property: string; readonly schema: unknown }>;

interface Named {
  readonly name: string;
}

/** Texts under these keys are names and words of ours, never secrets. */
const HARMLESS: ReadonlySet<string> = new Set([
  'balance',
  'encoded-slash',
  'format',
  'default-certificate',
  'kind',
  'issuer',
  'max-version',
  'min-version',
  'mode',
  'no-name',
  'plain-http',
  'policy',
  'profile',
  'tls',
  'unknown-name',
  'log-level',
  'method',
  'service',
  'transport',
]);
/** Details of one change; the rest is counted. */
const DETAILS_MAX = 20;

/** Everything different in `after`, by kind, in order of names there. Empty: the two are equal. */
export function diffConfigs(before: Config, after: Config): Change[] {
  if (before === after) return [];
  const changes: Change[] = [];
  diffNodes(changes, 'listener', before.listeners, after.listeners, listenerDetails);
  diffNodes(changes, 'route', before.routes, after.routes, routeDetails);
  diffNodes(changes, 'service', before.services, after.services, (a, b) =>
    fieldDetails(a, b, fieldsOf(serviceSchema)),
  );
  diffNodes(changes, 'transport', before.transports, after.transports, (a, b) =>
    fieldDetails(a, b, fieldsOf(transportSchema)),
  );
  diffNodes(changes, 'middleware', before.middlewares, after.middlewares, (a, b) =>
    isSame(a, b) ? [] : [a.kind === b.kind ? 'settings' : `kind: ${a.kind} -> ${b.kind}`],
  );
  diffNodes(changes, 'passthrough', before.passthroughs, after.passthroughs, passthroughDetails);
  diffNodes(changes, 'TLS policy', before.tls, after.tls, (a, b) =>
    fieldDetails(a, b, fieldsOf(tlsPolicySchema)),
  );
  diffNodes(changes, 'certificate', before.certificates, after.certificates, certificateDetails);
  diffNodes(changes, 'issuer', before.issuers, after.issuers, (a, b) =>
    fieldDetails(a, b, fieldsOf(issuerSchema)),
  );
  if (!isSameOrder(before.issuers, after.issuers)) {
    changes.push(section('issuers', ['order of preference']));
  }
  if (!isSameOrder(before.routes, after.routes)) {
    changes.push(section('routes', ['order of declaration']));
  }
  diffSections(changes, before, after);
  return changes;
}

/**
 * Names of the routes of `before` that are gone in `after` or differ: by themselves, or by their
 * service, its transport, or a middleware. Passthroughs count as routes. What plain HTTP is
 * answered is no reason to end a stream.
 */
export function changedRoutes(before: Config, after: Config): string[] {
  if (before === after) return [];
  const differs = {
    services: differing(before.services, after.services, isSame),
    transports: differing(before.transports, after.transports, isSame),
    middlewares: differing(before.middlewares, after.middlewares, isSame),
  };
  const transportOf = new Map(before.services.map(({ name, transport }) => [name, transport]));
  const routes = differing(before.routes, after.routes, isSameWay);
  const passthroughs = differing(before.passthroughs, after.passthroughs, isSamePassthrough);
  const changed = before.routes.filter(
    ({ name, service, middlewares }) =>
      routes.has(name) ||
      differs.services.has(service) ||
      differs.transports.has(transportOf.get(service) ?? '') ||
      middlewares.some((middleware) => differs.middlewares.has(middleware)),
  );
  const passed = before.passthroughs.filter(
    ({ name, service }) => passthroughs.has(name) || differs.services.has(service),
  );
  return [...changed, ...passed].map(({ name }) => name);
}

/** Settings that differ and cannot change while a process runs, as the file names them. */
export function needsRestart(before: Config, after: Config): string[] {
  const keys: string[] = (['workers', 'io'] as const).filter((key) => before[key] !== after[key]);
  if (before.storage.path !== after.storage.path) keys.push('storage.path');
  return keys;
}

/** One line: `+ route shop`, `- route old`, `~ service api  endpoints: +http://10.0.0.3:80`. */
export function formatChange({ kind, name, action, details }: Change): string {
  const sign = { added: '+', removed: '-', changed: '~' }[action];
  const more = details.length === 0 ? '' : `  ${details.join('; ')}`;
  return kind === 'section' ? `${sign} [${name}]${more}` : `${sign} ${kind} ${name}${more}`;
}

/** `2 changed, 1 added`; only what there is; `nothing` for none. */
export function summarizeChanges(changes: readonly Change[]): string {
  const parts: string[] = [];
  for (const action of ['changed', 'added', 'removed'] as const) {
    const count = changes.filter((change) => change.action === action).length;
    if (count > 0) parts.push(`${count} ${action}`);
  }
  return parts.length === 0 ? 'nothing' : parts.join(', ');
}

function diffNodes<Node extends Named>(
  changes: Change[],
  kind: ChangeKind,
  before: readonly Node[],
  after: readonly Node[],
  detailsOf: (before: Node, after: Node) => string[],
): void {
  const [old, now] = withoutSameEnds(before, after);
  const known = new Map(old.map((node) => [node.name, node]));
  for (const node of now) {
    const { name } = node;
    const former = known.get(name);
    known.delete(name);
    if (former === undefined) changes.push({ kind, name, action: 'added', details: [] });
    else if (former !== node) {
      const details = detailsOf(former, node);
      if (details.length > 0) {
        changes.push({ kind, name, action: 'changed', details: shortened(details) });
      }
    }
  }
  for (const name of known.keys()) changes.push({ kind, name, action: 'removed', details: [] });
}

function diffSections(changes: Change[], before: Config, after: Config): void {
  const add = (name: string, details: string[]): void => {
    if (details.length > 0) changes.push(section(name, shortened(details)));
  };
  const { fields } = rootSchema;
  for (const name of ['io', 'workers', 'drainTimeoutMs', 'drainDelayMs'] as const) {
    const key = kebabCase(name);
    add(key, fieldDetails({ [name]: before[name] }, { [name]: after[name] }, fields));
  }
  add('storage', fieldDetails(before.storage, after.storage, fieldsBelow(fields, 'storage')));
  add('reload', fieldDetails(before.reload, after.reload, fieldsBelow(fields, 'reload')));
  add('limits', fieldDetails(before.limits, after.limits, fieldsOf(limitsSchema)));
  add('observe', fieldDetails(before.observe, after.observe, fieldsOf(observeSchema)));
  add('admin', fieldDetails(before.admin, after.admin, fieldsBelow(fields, 'admin')));
}

function listenerDetails(before: ListenerConfig, after: ListenerConfig): string[] {
  const { name: _, kind, host, port, ...rest } = after;
  const { name: __, kind: oldKind, host: oldHost, port: oldPort, ...oldRest } = before;
  const details = fieldDetails(oldRest, rest, fieldsOf(listenerSchema));
  if (kind === oldKind && host === oldHost && port === oldPort) return details;
  return [`address: ${addressText(before)} -> ${addressText(after)}`, ...details];
}

function addressText({ kind, host, port }: ListenerConfig): string {
  if (kind === 'unix') return `unix:${host}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function passthroughDetails(before: PassthroughConfig, after: PassthroughConfig): string[] {
  const { file: _, hosts: sni, streamsOnChangeMs: streams, ...rest } = after;
  const { file: _f, hosts: oldSni, streamsOnChangeMs: oldStreams, ...old } = before;
  const details = fieldDetails({ sni: oldSni, ...old }, { sni, ...rest }, null);
  if (streams !== oldStreams) details.push('streams-on-change');
  return details;
}

/** Where they were read from says nothing: one file has a relative path and an absolute one. */
function isSamePairs(some: readonly CertificatePair[], other: readonly CertificatePair[]): boolean {
  return (
    some.length === other.length &&
    some.every(({ chain, key }, i) => chain === other[i]!.chain && key === other[i]!.key)
  );
}

/** Which of several files have other contents is not said: one renewal is one line. */
function certificateDetails(before: CertificateConfig, after: CertificateConfig): string[] {
  const { pairs, ...rest } = after;
  const { pairs: oldPairs, ...old } = before;
  const details = fieldDetails(old, rest, null);
  if (isSamePairs(pairs, oldPairs)) return details;
  if (pairs.length === 1 && oldPairs.length === 1) return [...details, 'files'];
  const ids = new Set(oldPairs.map(({ id }) => id));
  const added = pairs.filter(({ id }) => !ids.has(id)).length;
  const removed = oldPairs.length - (pairs.length - added);
  return [...details, `files: ${added} new, ${removed} gone`];
}

function routeDetails(before: RouteConfig, after: RouteConfig): string[] {
  if (isSameRoute(before, after)) return [];
  const { file: _, specificity: __, streamsOnChangeMs: streams, ...rest } = after;
  const { file: _f, specificity: _s, streamsOnChangeMs: oldStreams, ...old } = before;
  const details = fieldDetails(old, rest, null);
  if (streams !== oldStreams) details.push('streams-on-change');
  return details;
}

/** C3. */
function isSameRoute(a: RouteConfig, b: RouteConfig): boolean {
  return (
    a === b ||
    (a.plainHttp === b.plainHttp &&
      a.httpsPort === b.httpsPort &&
      a.hsts === b.hsts &&
      isSameWay(a, b))
  );
}

/** Whether requests go the same way. Specificity follows from the rule. */
function isSameWay(a: RouteConfig, b: RouteConfig): boolean {
  return (
    a === b ||
    (a.service === b.service &&
      a.priority === b.priority &&
      a.streamsOnChangeMs === b.streamsOnChangeMs &&
      a.tls === b.tls &&
      isSame(a.rule, b.rule) &&
      isSame(a.listeners, b.listeners) &&
      isSame(a.middlewares, b.middlewares))
  );
}

/** C3. */
function isSamePassthrough(a: PassthroughConfig, b: PassthroughConfig): boolean {
  return a === b || isSame({ ...a, file: '' }, { ...b, file: '' });
}

/** Whether the nodes that both have are declared in the same order. */
function isSameOrder(before: readonly Named[], after: readonly Named[]): boolean {
  const [old, now] = withoutSameEnds(before, after);
  const orders = new Map(old.map(({ name }, order) => [name, order]));
  let last = -1;
  for (const { name } of now) {
    const order = orders.get(name);
    if (order === undefined) continue;
    if (order < last) return false;
    last = order;
  }
  return true;
}

/** Names of `before` that are gone in `after` or differ. */
function differing<Node extends Named>(
  before: readonly Node[],
  after: readonly Node[],
  isEqual: (a: Node, b: Node) => boolean,
): ReadonlySet<string> {
  const [old, now] = withoutSameEnds(before, after);
  const others = new Map(now.map((node) => [node.name, node]));
  const names = new Set<string>();
  for (const node of old) {
    const other = others.get(node.name);
    if (other === undefined || !isEqual(node, other)) names.add(node.name);
  }
  return names;
}

/** C2: what is left of two lists when the same objects at both ends are taken away. */
function withoutSameEnds<Node>(
  before: readonly Node[],
  after: readonly Node[],
): [before: readonly Node[], after: readonly Node[]] {
  const size = Math.min(before.length, after.length);
  let start = 0;
  while (start < size && before[start] === after[start]) start++;
  let end = 0;
  while (end < size - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  return [before.slice(start, before.length - end), after.slice(start, after.length - end)];
}

function fieldDetails(before: object, after: object, names: FieldNames | null): string[] {
  if (isSame(before, after)) return [];
  const details: string[] = [];
  const old = new Map(Object.entries(before));
  for (const [property, value] of Object.entries(after)) {
    const oldValue: unknown = old.get(property);
    old.delete(property);
    if (!isSame(oldValue, value)) details.push(...detailsOf(property, oldValue, value, names));
  }
  for (const property of old.keys()) details.push(keyOf(property, names)[0]);
  return details;
}

/** What is different at one key, whose values are known to differ. */
function detailsOf(
  property: string,
  before: unknown,
  after: unknown,
  names: FieldNames | null,
): string[] {
  const [key, below] = keyOf(property, names);
  if (property === 'endpoints') return endpointDetails(before, after);
  if (property === 'rule') return [key];
  if (isTable(before) && isTable(after)) {
    return fieldDetails(before, after, below).map((detail) => `${key}.${detail}`);
  }
  if (isNames(before) && isNames(after) && (key === 'middlewares' || key === 'listeners')) {
    const added = after.filter((name) => !before.includes(name)).map((name) => ` +${name}`);
    const removed = before.filter((name) => !after.includes(name)).map((name) => ` -${name}`);
    return [`${key}:${[...added, ...removed].join('') || ' order'}`];
  }
  const from = shown(property, key, before);
  const to = shown(property, key, after);
  if (before === null && after !== null) return [to === null ? `${key}: set` : `${key}: ${to}`];
  if (after === null) return [`${key}: unset`];
  return [from === null || to === null ? key : `${key}: ${from} -> ${to}`];
}

function endpointDetails(before: unknown, after: unknown): string[] {
  const old = new Map((before as EndpointConfig[]).map((endpoint) => [endpoint.key, endpoint]));
  const details: string[] = [];
  for (const { key, weight } of after as EndpointConfig[]) {
    const known = old.get(key);
    old.delete(key);
    if (known === undefined) details.push(`endpoints: +${key}`);
    else if (known.weight !== weight) {
      details.push(`endpoints: ${key} weight ${known.weight} -> ${weight}`);
    }
  }
  for (const key of old.keys()) details.push(`endpoints: -${key}`);
  return details.length === 0 ? ['endpoints: order'] : details;
}

/** C1. Null: not to be shown. */
function shown(property: string, key: string, value: unknown): string | null {
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (property.endsWith('Ms')) return formatDuration(value);
    return /Size(Max)?$/.test(property) ? formatSize(value) : String(value);
  }
  return typeof value === 'string' && HARMLESS.has(key) ? value : null;
}

/** The key of a property as the file names it, and the names below it. */
function keyOf(
  property: string,
  names: FieldNames | null,
): [key: string, below: FieldNames | null] {
  for (const [key, field] of names ?? []) {
    if (field.property === property) return [key, fieldsOf(field.schema)];
  }
  return [kebabCase(property), null];
}

function fieldsBelow(names: FieldNames, key: string): FieldNames | null {
  return fieldsOf(names.get(key)?.schema);
}

function fieldsOf(schema: unknown): FieldNames | null {
  const isObject = typeof schema === 'object' && schema !== null && 'fields' in schema;
  return isObject && schema.fields instanceof Map ? (schema.fields as FieldNames) : null;
}

function isTable(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function section(name: string, details: readonly string[]): Change {
  return { kind: 'section', name, action: 'changed', details };
}

function shortened(details: readonly string[]): readonly string[] {
  if (details.length <= DETAILS_MAX) return details;
  const rest = details.length - DETAILS_MAX;
  return [...details.slice(0, DETAILS_MAX), `and ${rest} more`];
}
