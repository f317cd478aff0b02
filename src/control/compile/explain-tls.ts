/**
 * The part of an explanation that is about TLS: what happens before a request is seen, and instead
 * of it where there is none.
 */

import type { RouteSpec, Snapshot } from '../../contract/snapshot.ts';
import { certificateName, wideOf } from '../config/certificate-name.ts';
import type { Config } from '../config/config.ts';
import { Covers, issuersOf, tlsNames } from '../config/needed-names.ts';
import type { TlsName } from '../config/needed-names.ts';
import type { CheckRequest } from './explain-request.ts';

export interface ExplainedTls {
  /** Name of the policy that holds for the host. */
  readonly policy: string;
  /** Where the certificate comes from, or that there is none, in a few words. */
  readonly certificate: string;
}

/** A connection that is not opened. */
export interface PassedThrough {
  readonly route: string;
  readonly service: string;
}

/** Policy and certificate of a connection to `host`, as its ClientHello would name it. */
export function explainTls(
  snapshot: Snapshot,
  config: Config,
  host: string,
  listenerIndex: number,
): ExplainedTls {
  const { hosts, policies } = snapshot.tls;
  const own = hosts.filter(({ listeners }) => listeners?.includes(listenerIndex) ?? true);
  const wide = wideOf(host);
  const chosen =
    own.findLast((one) => one.host === host) ?? own.findLast((one) => one.host === wide);
  const listenerPolicy = snapshot.listeners[listenerIndex]!.tls;
  const policy = policies[chosen?.policy ?? -1] ?? policies[listenerPolicy]!;
  const certificate = certificateOf(config, host);
  if (certificate !== null) return { policy: policy.name, certificate };
  const rule = host === '' ? policy.noName : policy.unknownName;
  const refused = 'none: the connection is refused';
  return { policy: policy.name, certificate: rule === 'refuse' ? refused : 'the default one' };
}

/**
 * The passthrough that takes a connection to `host`; null: it is opened here. The more exact
 * pattern wins, and of equals the one that opens it.
 */
export function passthroughOf(
  { tls, services }: Snapshot,
  config: Config,
  host: string,
  listenerIndex: number,
): PassedThrough | null {
  const isHere = ({ listeners }: { readonly listeners: readonly number[] | null }): boolean => {
    return listeners?.includes(listenerIndex) ?? true;
  };
  const passed = tls.passthroughs.filter(isHere);
  const opened = new Set(tls.hosts.filter(isHere).map((one) => one.host));
  const hasCertificate = host === '' || certificateOf(config, host) !== null;
  for (const pattern of [host, wideOf(host), hasCertificate ? '' : '*']) {
    if (pattern === '') continue;
    if (opened.has(pattern)) return null;
    const found = passed.find(({ hosts }) => hosts.includes(pattern));
    if (found !== undefined) {
      return { route: found.name, service: services[found.service]?.name ?? '?' };
    }
  }
  return null;
}

/** What a route answers without TLS in place of its service; null: it is asked. */
export function plainAnswerOf(
  route: RouteSpec,
  { host, path, query }: CheckRequest,
): string | null {
  if (route.plainHttp === 'serve') return null;
  if (route.plainHttp === 'refuse' || host === '') return 'refused without TLS: status 403';
  const port = route.httpsPort === 443 ? '' : `:${route.httpsPort}`;
  return `redirect 308 to https://${host}${port}${path}${query === '' ? '' : `?${query}`}`;
}

/** Null: there is none, and nobody to get one from. */
function certificateOf(config: Config, host: string): string | null {
  const name = certificateName(host);
  const names = tlsNames(config);
  const listed = new Set(names.flatMap((one) => (one.certificate === null ? [] : [one.name])));
  const routed = new Map(names.map((one) => [one.name, one]));
  const known = routed.get(name);
  if (known !== undefined && (known.cover !== null || known.issuer !== null)) return ofName(known);
  if (name === '') return null;
  const covers = new Covers(config, listed, routed);
  const cover = covers.of(name);
  if (cover !== null) return ofCover(cover.by, cover.name);
  const onDemand = covers.onDemandIssuer(name);
  return onDemand !== null && issuersOf(config.issuers, name).length > 0
    ? ofCover('on-demand', onDemand)
    : null;
}

function ofName({ cover, certificate, issuers }: TlsName): string {
  if (cover !== null) return ofCover(cover.by, cover.name);
  const node = certificate === null ? '' : ` for [certificates.${certificate}]`;
  return `from issuer ${issuers.join(', then ')}${node}`;
}

function ofCover(by: 'file' | 'wildcard' | 'on-demand', name: string): string {
  if (by === 'file') return `from the files of [certificates.${name}]`;
  return by === 'wildcard' ? `that of ${name}` : `on demand from issuer ${name}`;
}
