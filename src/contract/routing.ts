/**
 * Routing data that crosses the planes: rules as plain trees, and what a matcher may ask of a
 * request. Both matchers (sequential and compiled) see a request only through `RouteRequest`.
 */

/** A boolean expression over matchers. Plain data: it is cloned to the workers. */
export type Rule =
  | { readonly kind: 'and'; readonly rules: readonly Rule[] }
  | { readonly kind: 'or'; readonly rules: readonly Rule[] }
  | { readonly kind: 'not'; readonly rule: Rule }
  | Matcher;

/**
 * One predicate. Values are canonical: hosts in lower case without port and trailing dot, paths
 * as `canonicalizePath` writes them, header and query names as compared.
 */
export type Matcher =
  /** Exact host, or `*.example.com` (exactly one label), or `*` (any). */
  | { readonly kind: 'host'; readonly host: string }
  | { readonly kind: 'hostRegexp'; readonly pattern: string }
  | { readonly kind: 'path'; readonly path: string }
  /** Segment-aware: `/api` matches `/api` and `/api/x`, never `/apix`. `/` matches all. */
  | { readonly kind: 'pathPrefix'; readonly path: string }
  | { readonly kind: 'pathRegexp'; readonly pattern: string }
  | { readonly kind: 'method'; readonly method: string }
  /** True when any field line of that name has exactly this value. Name in lower case. */
  | { readonly kind: 'header'; readonly name: string; readonly value: string }
  | { readonly kind: 'headerRegexp'; readonly name: string; readonly pattern: string }
  /** `value` null: the parameter is present, whatever its value. */
  | { readonly kind: 'query'; readonly name: string; readonly value: string | null }
  | { readonly kind: 'queryRegexp'; readonly name: string; readonly pattern: string }
  /** The client address (after trusted proxies) is inside this CIDR range. */
  | { readonly kind: 'clientIp'; readonly range: string };

/**
 * What a matcher may ask. Implemented by the exchange (over bytes) and by `explain` and tests
 * (over strings). Host and path are canonical, and the same that are logged and forwarded.
 */
export interface RouteRequest {
  /** Canonical host: lower case, no port, no trailing dot. Empty when HTTP/1.0 sent none. */
  readonly hostBytes: Uint8Array;
  readonly hostStart: number;
  readonly hostEnd: number;
  /** Canonical path without query; starts with `/`. `*` for `OPTIONS *`. */
  readonly pathBytes: Uint8Array;
  readonly pathStart: number;
  readonly pathEnd: number;
  /** Index of the listener in the snapshot's `listeners`. */
  readonly listenerIndex: number;
  /** Method name as sent, case-sensitive (RFC 9110 §9.1). */
  method(): string;
  /** Client address in text form, after trusted proxies. */
  clientAddress(): string;
  /** Calls `visit` with every value of the field until it returns true; the name is lower case. */
  someHeader(name: string, visit: (value: string) => boolean): boolean;
  /** Raw query text without `?`; empty when there is none. */
  query(): string;
}
