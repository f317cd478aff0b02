/**
 * Schemas of the named nodes: listeners, services, transports. Routes: route-section.ts.
 */

import { NO_ENDPOINT, parseEndpointUrl } from './endpoint-url.ts';
import type { EndpointUrl } from './endpoint-url.ts';
import { NO_ADDRESS, parseListenerAddress } from './listener-address.ts';
import { extendsField, nameField, rangeField } from './node-fields.ts';
import { boolean, choice, duration, integer, optional, string, text } from './schema.ts';
import {
  breakerSchema,
  concurrencySchema,
  healthCheckSchema,
  outlierSchema,
  retrySchema,
} from './resilience-section.ts';
import { list, object, union } from './schema-compound.ts';
import { parseCookieName } from './tokens.ts';
import { upstreamTlsSchema } from './upstream-tls-section.ts';

export const listenerSchema = object('An address to accept connections on.', {
  address: text({
    doc: 'Where to listen. Without a host: all interfaces, IPv4 and IPv6.',
    typeText: 'listener address',
    fallback: NO_ADDRESS,
    parse: parseListenerAddress,
  }),
  trustedProxies: list(rangeField, {
    doc: 'Peers whose X-Forwarded fields are believed. From all others they are removed.',
  }),
  tls: optional({ ...nameField, doc: 'TLS policy; without one the listener speaks no TLS.' }),
  publicPort: optional(
    integer({
      doc: 'Port under which clients reach it, where another one is forwarded: for redirects.',
      min: 1,
      max: 65_535,
    }),
  ),
  proxyProtocol: optional(
    object('Connections begin with a PROXY protocol header, version 1 or 2.', {
      trusted: list(rangeField, {
        doc: 'Peers that send one, and must. All others may not.',
        isRequired: true,
      }),
    }),
  ),
  extends: extendsField,
});

const endpointUrl = text<EndpointUrl>({
  doc: 'Where the origin is: `http://`, `https://` or `tcp://` with `host:port`, or `unix:/path`.',
  typeText: 'endpoint',
  fallback: NO_ENDPOINT,
  parse: parseEndpointUrl,
});

export const endpointSchema = object('An endpoint with its weight.', {
  url: endpointUrl,
  weight: integer({
    doc: 'Share of the requests relative to the other endpoints.',
    default: 1,
    min: 1,
    max: 1_000,
  }),
});

const stickySchema = object('Keeps a client on one endpoint by a cookie.', {
  cookie: text({
    doc: 'Name of the cookie. Its value is an opaque key of the endpoint.',
    typeText: 'cookie name',
    fallback: 'endpoint',
    parse: parseCookieName,
  }),
  secure: boolean({ doc: 'The cookie is only sent over HTTPS.', default: false }),
  httpOnly: boolean({ doc: 'Scripts in the page cannot read the cookie.', default: true }),
  sameSite: choice(['lax', 'strict', 'none', ''], {
    doc: 'SameSite attribute of the cookie; empty for none. `none` needs `secure`.',
    default: 'lax',
  }),
  maxAgeSeconds: duration({
    doc: 'How long the cookie lives; 0 until the browser closes.',
    default: '0',
    min: '0',
    max: '400d',
    unit: 's',
  }),
});

export const serviceSchema = object('Endpoints and how one is chosen.', {
  endpoints: list(union(endpointUrl, endpointSchema, { doc: 'One endpoint.' }), {
    doc: 'Where requests go.',
    isRequired: true,
  }),
  balance: choice(['round-robin', 'least-requests', 'random'], {
    doc: 'How an endpoint is chosen. `least-requests` asks two at random and takes the idler.',
    default: 'round-robin',
  }),
  sticky: optional(stickySchema),
  passHost: boolean({
    doc: "Endpoints receive the client's Host; otherwise their own.",
    default: true,
  }),
  transport: string({ doc: 'Name of the transport to connect with.', default: 'default' }),
  healthCheck: optional(healthCheckSchema),
  outlier: outlierSchema,
  panicPercent: integer({
    doc: 'When less of the endpoints than this share are up, health is ignored; 0: never.',
    default: 50,
    min: 0,
    max: 100,
  }),
  slowStartMs: duration({
    doc: 'An endpoint that comes back gets its full share only after this long.',
    default: '10s',
    min: '0',
    max: '1h',
  }),
  retry: retrySchema,
  breaker: optional(breakerSchema),
  concurrency: concurrencySchema,
  tls: optional(upstreamTlsSchema),
  proxyProtocol: optional(
    choice(['v1', 'v2'], {
      doc: 'Connections that are passed through begin with a PROXY protocol header.',
    }),
  ),
  extends: extendsField,
});

export const transportSchema = object('How connections to endpoints are made and kept.', {
  connectTimeoutMs: duration({
    doc: 'Longest connect. Past it: fault connect_timeout, status 504.',
    default: '5s',
    min: '1ms',
    max: '5m',
  }),
  responseHeadTimeoutMs: duration({
    doc: 'Longest wait for a response head after the request was sent. Past it: status 504.',
    default: '60s',
    min: '1ms',
    max: '1d',
  }),
  progressTimeoutMs: duration({
    doc: 'Longest silence while a body makes no progress toward or from the origin.',
    default: '60s',
    min: '1ms',
    max: '1d',
  }),
  tunnelIdleTimeoutMs: duration({
    doc: 'Longest silence of an upgraded connection, such as a WebSocket.',
    default: '1h',
    min: '1ms',
    max: '30d',
    zero: 'no limit',
  }),
  totalTimeoutMs: duration({
    doc: 'Longest whole exchange.',
    default: '0',
    min: '1ms',
    max: '30d',
    zero: 'no limit',
  }),
  idleTimeoutMs: duration({
    doc: 'How long an unused connection is kept.',
    default: '60s',
    min: '1ms',
    max: '1d',
  }),
  queueTimeoutMs: duration({
    doc: 'Longest wait for a connection when all are in use. Past it: status 503.',
    default: '10s',
    min: '1ms',
    max: '5m',
  }),
  connectionsMax: integer({
    doc: 'Open connections per endpoint per worker; further requests queue.',
    default: 1_024,
    min: 1,
    max: 65_535,
  }),
  idleConnectionsMax: integer({
    doc: 'Unused connections kept per endpoint per worker.',
    default: 256,
    min: 0,
    max: 65_535,
  }),
  queueMax: integer({
    doc: 'Requests that wait for a connection, per endpoint per worker. Past it: status 503.',
    default: 1_024,
    min: 0,
    max: 65_535,
  }),
  resolveIntervalMs: duration({
    doc: 'How often the name of an endpoint is resolved again.',
    default: '10s',
    min: '100ms',
    max: '1d',
  }),
  extends: extendsField,
});
