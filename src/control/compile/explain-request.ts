/**
 * The request `explain` asks about: made from a URL as a client would send it, then canonical
 * exactly as the data plane makes it.
 */

import { parseAddress } from '../../base/cidr.ts';
import { canonicalHostPort, canonicalizeHost, canonicalizePath } from '../../base/target.ts';
import { HOST_SIZE_MAX } from '../../base/target.ts';
import { latin1Text } from '../../base/ascii.ts';
import { utf8Bytes } from '../../base/utf8.ts';
import type { Snapshot } from '../../contract/snapshot.ts';

export interface ExplainRequest {
  /** `http://host[:port]/path?query`; without scheme `host/path`; or only `/path`. */
  readonly url: string;
  readonly method: string;
  /** Name and value, in any case; a Host field wins over the URL's host, as with curl. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** After trusted proxies. */
  readonly clientAddress: string;
  /** Name; null: the listener on the URL's port, else the first one that speaks as its scheme. */
  readonly listener: string | null;
}

/** The same, canonical. */
export interface CheckRequest {
  readonly method: string;
  /** Canonical; empty when none was given. */
  readonly host: string;
  readonly path: string;
  /** Raw, without `?`. */
  readonly query: string;
  /** Names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly clientAddress: string;
  readonly listenerIndex: number;
}

/** A request, or why the proxy would refuse it before routing. */
export type Prepared =
  | { readonly request: CheckRequest; readonly problem: null }
  | { readonly request: null; readonly problem: string };

/** Makes the canonical request. Never throws. */
export function prepareRequest(snapshot: Snapshot, asked: ExplainRequest): Prepared {
  const url = splitUrl(asked.url);
  if (url === null) return refused('the scheme is not http, https, ws or wss');
  const headers = asked.headers.map(([name, value]) => [name.toLowerCase(), value.trim()] as const);
  const hosts = headers.filter(([name]) => name === 'host');
  if (hosts.length > 1) return refused('more than one Host field (RFC 9112 §3.2)');
  const urlHost = canonicalHost(url.authority);
  if (urlHost === null) return refused(`the host is not valid: ${url.authority}`);
  const urlPort = canonicalHostPort();
  const host = canonicalHost(hosts[0]?.[1] ?? url.authority);
  if (host === null) return refused(`the Host field is not valid: ${hosts[0]?.[1]}`);
  const isRejected = snapshot.limits.encodedSlash === 'reject';
  const path = url.path === '*' ? '*' : canonicalPath(url.path, isRejected);
  if (path === null) return refused(`the path is not valid: ${url.path}`);
  if (!parseAddress(asked.clientAddress, new Uint32Array(4))) {
    return refused(`not a client address: ${asked.clientAddress}`);
  }
  const { isSecure } = url;
  const listenerIndex = findListener(snapshot, asked.listener, urlPort, isSecure);
  if (listenerIndex < 0) return refused(`there is no listener ${asked.listener ?? ''}`.trimEnd());
  const { method, clientAddress } = asked;
  const request = { method, host, path, query: url.query, headers, clientAddress, listenerIndex };
  return { request, problem: null };
}

function refused(problem: string): Prepared {
  return { request: null, problem };
}

interface UrlParts {
  /** Null: the URL has no scheme. */
  readonly isSecure: boolean | null;
  readonly authority: string;
  readonly path: string;
  readonly query: string;
}

/** @returns null for a scheme this proxy does not serve. */
function splitUrl(url: string): UrlParts | null {
  const text = asSent(url.replace(/#.*/s, '')); // A client never sends the fragment.
  const [, scheme, rest] = /^(?:([a-z][a-z0-9+.-]*):\/\/|\/\/)?(.*)$/is.exec(text)!;
  if (scheme !== undefined && !/^(?:http|ws)s?$/i.test(scheme)) return null;
  const isSecure = scheme === undefined ? null : /s$/i.test(scheme);
  const mark = rest!.indexOf('?');
  const target = mark < 0 ? rest! : rest!.slice(0, mark);
  const query = mark < 0 ? '' : rest!.slice(mark + 1);
  if (target === '*') return { isSecure, authority: '', path: '*', query };
  const slash = target.indexOf('/');
  const authority = slash < 0 ? target : target.slice(0, slash);
  return { isSecure, authority, path: slash < 0 ? '/' : target.slice(slash), query };
}

/** Spaces and non-ASCII characters as clients escape them. */
function asSent(text: string): string {
  return text.replace(/[^\u0021-\u007e]+/g, (characters) => {
    let escaped = '';
    for (const byte of utf8Bytes(characters)) {
      escaped += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    }
    return escaped;
  });
}

function canonicalHost(text: string): string | null {
  const bytes = utf8Bytes(text);
  const out = new Uint8Array(HOST_SIZE_MAX);
  const size = canonicalizeHost(bytes, 0, bytes.length, out);
  return size < 0 ? null : latin1Text(out, 0, size);
}

function canonicalPath(text: string, rejectEncodedSlash: boolean): string | null {
  const bytes = utf8Bytes(text);
  const out = new Uint8Array(bytes.length);
  const size = canonicalizePath(bytes, 0, bytes.length, out, rejectEncodedSlash);
  if (size < 0) return null;
  return size === 0 ? text : latin1Text(out, 0, size);
}

/** By name, else by port, else the first one that speaks as the scheme says, else the first. */
function findListener(
  { listeners }: Snapshot,
  name: string | null,
  port: number,
  isSecure: boolean | null,
): number {
  if (name !== null) return listeners.findIndex((listener) => listener.name === name);
  const ownPort = port >= 0 || isSecure === null ? port : isSecure ? 443 : 80;
  const onPort = listeners.findIndex(
    (listener) => listener.kind === 'tcp' && listener.port === ownPort,
  );
  if (onPort >= 0) return onPort;
  const alike = listeners.findIndex(({ tls }) => isSecure !== null && tls >= 0 === isSecure);
  return alike >= 0 ? alike : Math.min(0, listeners.length - 1);
}
