/**
 * Schema of the whole file: single sections and the kinds of named nodes.
 */

import { certificateSchema } from './certificate-section.ts';
import { issuerSchema } from './issuer-section.ts';
import { NO_ADDRESS, parseListenerAddress } from './listener-address.ts';
import type { ListenerAddress } from './listener-address.ts';
import { middlewareSchema } from './middleware-section.ts';
import type { MiddlewareKinds } from './middleware-section.ts';
import { listenerSchema, serviceSchema, transportSchema } from './node-sections.ts';
import { routeSchema } from './route-section.ts';
import { boolean, choice, duration, integer, optional, size, string, text } from './schema.ts';
import type { Schema } from './schema.ts';
import { list, object, record, union } from './schema-compound.ts';
import { adminTlsSchema } from './admin-section.ts';
import { tlsPolicySchema } from './tls-section.ts';
import type { Parsed } from './parsed.ts';
import { bad, good } from './parsed.ts';

export const limitsSchema = object('What a client or an origin may ask of the proxy.', {
  headSizeMax: size({
    key: 'head-size',
    doc: 'Request head. Past it: status 431.',
    default: '16KiB',
    min: '1KiB',
    max: '60KiB',
  }),
  fieldCountMax: integer({
    key: 'field-count',
    doc: 'Header fields of a request. Past it: status 431.',
    default: 100,
    min: 1,
    max: 1_000,
  }),
  targetSizeMax: size({
    key: 'target-size',
    doc: 'Request target. Past it: status 414.',
    default: '8KiB',
    min: '64B',
    max: '60KiB',
  }),
  bodySizeMax: size({
    key: 'body-size',
    doc: 'Request body. Past it: status 413.',
    default: '0',
    min: '1B',
    max: '1024TiB',
    zero: 'no limit',
  }),
  chunkExtensionSizeMax: size({
    key: 'chunk-extension-size',
    doc: 'Chunk extensions of one message, all chunks together.',
    default: '16KiB',
    min: '0',
    max: '1MiB',
  }),
  trailerSizeMax: size({
    key: 'trailer-size',
    doc: 'Trailers of one message.',
    default: '8KiB',
    min: '0',
    max: '60KiB',
  }),
  responseHeadSizeMax: size({
    key: 'response-head-size',
    doc: 'Response head of an origin. Past it: status 502.',
    default: '32KiB',
    min: '1KiB',
    max: '60KiB',
  }),
  responseFieldCountMax: integer({
    key: 'response-field-count',
    doc: 'Header fields of a response. Past it: status 502.',
    default: 200,
    min: 1,
    max: 1_000,
  }),
  interimResponsesMax: integer({
    key: 'interim-responses',
    doc: 'Interim (1xx) responses before the final one. Past it: status 502.',
    default: 10,
    min: 0,
    max: 1_000,
  }),
  headTimeoutMs: duration({
    doc: 'From the first byte of a request head to its end. Past it: status 408.',
    default: '30s',
    min: '1ms',
    max: '1h',
  }),
  bodyProgressTimeoutMs: duration({
    doc: 'Longest silence while a request body is due. Past it: status 408.',
    default: '60s',
    min: '1ms',
    max: '1d',
  }),
  writeProgressTimeoutMs: duration({
    doc: 'Longest time without the client taking a byte of the response. Slow but steady is fine.',
    default: '60s',
    min: '1ms',
    max: '1d',
  }),
  keepAliveTimeoutMs: duration({
    doc: 'How long an idle client connection is kept between requests.',
    default: '75s',
    min: '1ms',
    max: '1d',
  }),
  keepAliveExchangesMax: integer({
    key: 'keep-alive-exchanges',
    doc: 'Requests per client connection; 0 for no limit.',
    default: 0,
    min: 0,
    max: 1_000_000_000,
  }),
  connectionsMax: integer({
    key: 'connections',
    doc:
      'Client connections of the whole process; 0: as many as the open file limit allows, which ' +
      'no other number exceeds either.',
    default: 0,
    min: 0,
    max: 10_000_000,
  }),
  connectionsPerAddressMax: integer({
    key: 'connections-per-address',
    doc:
      'Client connections per client address, which is a /64 for IPv6; 0: three quarters of ' +
      '`connections`. Approximate with several workers.',
    default: 0,
    min: 0,
    max: 10_000_000,
  }),
  bufferSizeMax: size({
    key: 'buffer-size',
    doc: 'Buffer memory per worker. From 8 MiB on, an eighth of it is kept for answers.',
    default: '256MiB',
    min: '1MiB',
    max: '64GiB',
  }),
  encodedSlash: choice(['keep', 'reject'], {
    doc: 'What happens to %2F and %5C in a path: passed on as they are, or status 400.',
    default: 'keep',
  }),
  handshakesPerAddressMax: integer({
    key: 'handshakes-per-address',
    doc:
      'TLS handshakes a second and client address, which is a /64 for IPv6, of the whole ' +
      'process; 0: no limit.',
    default: 0,
    min: 0,
    max: 1_000_000,
  }),
  viaHopsMax: integer({
    key: 'via-hops',
    doc: 'Times a request may pass this proxy, counted in Via. Past it: status 508.',
    default: 5,
    min: 1,
    max: 100,
  }),
});

const accessLogSchema = object('One line per request.', {
  path: string({ doc: 'File, or `stdout`.', default: 'stdout' }),
  format: choice(['json', 'common', 'template'], {
    doc: 'Form of a line; `template` needs the key `template`.',
    default: 'json',
  }),
  template: text({
    doc: 'Form of a line, for the format `template`.',
    typeText: 'string',
    fallback: '',
    default: '',
    parse: good,
  }),
});

export const observeSchema = object('What the proxy tells about itself.', {
  logLevel: choice(['error', 'warn', 'info', 'debug'], {
    doc: 'Least severity that is logged. Can be changed while running.',
    default: 'info',
  }),
  accessLog: optional(accessLogSchema),
  jsonErrors: boolean({ doc: 'Error bodies are JSON, not plain text.', default: false }),
  forwardedHeader: boolean({
    doc: 'Endpoints also receive the Forwarded field (RFC 7239).',
    default: false,
  }),
});

const adminSchema = object('Metrics, health and administration.', {
  address: text<ListenerAddress | null>({
    doc: 'Where to listen; `off` for nowhere. Keep it out of reach of strangers.',
    typeText: 'listener address, or "off"',
    fallback: NO_ADDRESS,
    default: '127.0.0.1:9901',
    parse: (value) => (value === 'off' ? good(null) : parseAdminAddress(value)),
  }),
  socket: string({
    doc:
      'Unix socket of the commands (`proxy-now reload` and others): a path, `off`, or `auto` ' +
      "for one in the user's runtime folder. Only its owner may use it.",
    default: 'auto',
  }),
  token: optional(
    string({
      doc:
        'Bearer token that allows changes over TCP. Without one, changes need the unix socket, ' +
        'or a client certificate where those are asked for; reading needs no token. Write it as ' +
        '`${file:...}`.',
    }),
  ),
  tls: optional(adminTlsSchema),
});

const reloadSchema = object('How a changed configuration is taken over.', {
  watch: boolean({
    doc: 'Reload by itself when a file of the configuration changes.',
    default: true,
  }),
  debounceMs: duration({
    doc: 'Changes closer together than this are taken as one.',
    default: '100ms',
    min: '1ms',
    max: '1m',
  }),
  autosave: string({
    doc:
      'Folder where the last good files are kept, for `run --last-good`; `auto` for the state ' +
      'folder of the user or service, `off` for nowhere.',
    default: 'auto',
  }),
  rollbackWindowMs: duration({
    doc: 'How long after a reload the share of failing requests is watched.',
    default: '0',
    min: '1s',
    max: '1h',
    zero: 'not at all',
  }),
  rollbackFaultPercent: integer({
    doc: 'Share of failing requests (5xx) at which the configuration before comes back.',
    default: 50,
    min: 1,
    max: 100,
  }),
});

/** A TCP address: the unix socket has a key of its own. */
function parseAdminAddress(text: string): Parsed<ListenerAddress | null> {
  if (!text.startsWith('unix:')) return parseListenerAddress(text);
  return bad('PN1314', 'the admin address is not a unix socket', {
    expected: 'an address such as `127.0.0.1:9901`, or `off`',
    hint: 'the unix socket of the admin API is the key `socket`',
  });
}

/** The kinds of named nodes, as the file names them. */
export const NODE_KINDS = [
  'listeners',
  'routes',
  'services',
  'transports',
  'middlewares',
  'tls',
  'certificates',
  'issuers',
] as const;
export type NodeKind = (typeof NODE_KINDS)[number];

const storageSchema = object('Where accounts, certificates and keys are kept.', {
  path: string({
    doc: 'Folder of them; `auto` for one in the state folder of the user or service.',
    default: 'auto',
  }),
});

const rootFields = {
  io: choice(['auto', 'node'], {
    doc: 'How bytes are moved. `auto` takes the fastest way this machine allows.',
    default: 'auto',
  }),
  workers: union(
    choice(['auto'], { doc: 'As many as there are processors.', default: 'auto' }),
    integer({ doc: 'How many.', min: 1, max: 256 }),
    { doc: 'Data-plane threads. `auto`: as many as there are processors.' },
  ),
  drainTimeoutMs: duration({
    doc: 'How long running requests may take to end when the proxy stops.',
    default: '30s',
    min: '0',
    max: '1d',
  }),
  drainDelayMs: duration({
    doc: 'How long `/readyz` says no before the proxy stops to accept, for balancers in front.',
    default: '0',
    min: '0',
    max: '1h',
  }),
  reload: reloadSchema,
  storage: storageSchema,
  include: list(string({ doc: 'A pattern such as `conf.d/*.toml`.' }), {
    doc: 'Further files with nodes, relative to this file. A bad one never harms the others.',
  }),
  listeners: record('name', listenerSchema, { doc: 'Addresses to accept connections on.' }),
  routes: record('name', routeSchema, { doc: 'Which requests go to which service.' }),
  services: record('name', serviceSchema, { doc: 'Endpoints and how one is chosen.' }),
  transports: record('name', transportSchema, {
    doc: 'How connections to endpoints are made. `default` exists without being declared.',
  }),
  tls: record('name', tlsPolicySchema, {
    doc: 'How TLS is spoken with clients. `default` exists without being declared.',
  }),
  certificates: record('name', certificateSchema, {
    doc: 'Certificates from files, and names that are to have one from an issuer.',
  }),
  issuers: record('name', issuerSchema, {
    doc:
      'Who is asked for certificates, in order of preference. `internal` exists without being ' +
      'declared.',
  }),
  limits: limitsSchema,
  observe: observeSchema,
  admin: adminSchema,
};

/** The file without middlewares. Nodes are decoded one by one (assemble.ts), the rest by this. */
export const rootSchema = object('Configuration of Proxy Now.', rootFields);

/** The file as a whole, with the given kinds of middleware: for references and editors. */
export function fullSchema(kinds: MiddlewareKinds): Schema<unknown> {
  return object('Configuration of Proxy Now.', {
    ...rootFields,
    middlewares: record('name', middlewareSchema(kinds), {
      doc: 'Steps a request passes on its way, by name, each of one kind.',
    }),
  });
}
