/**
 * Needed names: which names of a configuration are to have a certificate, and who may issue it.
 *
 * N1  a name is needed when a route on a listener with TLS names it as a host, or when a node of
 *     `certificates` lists it. A regular expression names nothing.
 * N2  a route's name is left out when it is covered: by a certificate from files, by a wildcard
 *     that somebody can issue, or, for a wildcard, by an issuer that serves it on demand.
 *     What a node of `certificates` lists is never left out.
 * N3  a wildcard that nobody can issue, or that is for on-demand names, covers nothing.
 * N4  public names go to ACME issuers and all others to internal ones, unless an issuer says which
 *     names it is for. Who cannot issue a name (a wildcard without dns-01) is not asked.
 */

import type { Rule } from '../../contract/routing.ts';
import {
  certificateName,
  isAddressName,
  isPublicName,
  isWildcardName,
  matchesName,
  wideOf,
} from './certificate-name.ts';
import type { Config, IssuerConfig } from './config.ts';

export interface NeededName {
  /** In lower case, A-labels; `*.` and a name; an address in canonical text without brackets. */
  readonly name: string;
  /** Whether a public authority could be asked at all. */
  readonly isPublic: boolean;
  readonly isAddress: boolean;
  readonly isWildcard: boolean;
  /** Names of the routes it is a host of, in order of declaration. */
  readonly routes: readonly string[];
  /** Node in `certificates` that lists it; null: only routes name it, and it stands alone. */
  readonly certificate: string | null;
  /** Names of the issuers that may be asked, in order of preference; empty: nobody can. */
  readonly issuers: readonly string[];
  /** The first of them; null: nobody can. */
  readonly issuer: string | null;
}

/** Why no certificate is got for a name. */
export interface NameCover {
  /** `file`, `wildcard`: another certificate is for it; `on-demand`: when a client asks. */
  readonly by: 'file' | 'wildcard' | 'on-demand';
  /** A node in `certificates`, the wildcard, or an issuer. */
  readonly name: string;
}

/** A name of the configuration, needed or covered. */
export interface TlsName extends NeededName {
  /** Null: it is needed. */
  readonly cover: NameCover | null;
}

/** Names that are to have a managed certificate. One name in two nodes is there twice. */
export function neededNames(config: Config): readonly NeededName[] {
  return tlsNames(config).filter(({ cover }) => cover === null);
}

/** All names of N1, the covered ones too: those of `certificates` first, then those of routes. */
export function tlsNames(config: Config): readonly TlsName[] {
  const routes = routesByName(config);
  const names: TlsName[] = [];
  const listed = new Set<string>();
  for (const { name: certificate, names: own, issuer } of config.certificates) {
    for (const name of own) {
      listed.add(name);
      const issuers = issuer === null ? issuersOf(config.issuers, name) : [issuer];
      names.push({ ...nameOf(name, routes, issuers), certificate, cover: null });
    }
  }
  const covers = new Covers(config, listed, routes);
  for (const name of routes.keys()) {
    if (listed.has(name)) continue;
    const issuers = issuersOf(config.issuers, name);
    names.push({
      ...nameOf(name, routes, issuers),
      certificate: null,
      cover: covers.of(name),
    });
  }
  return names;
}

/** N4. Names of the issuers that can issue `name`, in order of preference. */
export function issuersOf(issuers: readonly IssuerConfig[], name: string): string[] {
  return issuers.filter((issuer) => isFor(issuer, name) && canIssue(issuer, name)).map(nameOfNode);
}

/** Whether `issuer` is able to issue `name`, wanted or not. */
export function canIssue({ kind, challenges }: IssuerConfig, name: string): boolean {
  if (kind === 'internal') return true;
  if (isWildcardName(name)) return challenges.includes('dns-01');
  return !isAddressName(name) || challenges.some((challenge) => challenge !== 'dns-01');
}

/** Hosts that `rule` may ask for: neither `*` nor regular expressions, nor what it excludes. */
export function hostsOfRule(rule: Rule): readonly string[] {
  const hosts: string[] = [];
  collectHosts(rule, false, hosts);
  return hosts;
}

/** Where a name of a route has its certificate from. */
export class Covers {
  readonly #config: Config;
  /** Node by name in one of its certificates. */
  readonly #files = new Map<string, string>();
  readonly #listed: ReadonlySet<string>;
  readonly #routed: ReadonlyMap<string, unknown>;
  /** By wildcard. */
  readonly #issued = new Map<string, boolean>();

  /**
   * @param listed names in `certificates`
   * @param routed names of routes
   */
  constructor(config: Config, listed: ReadonlySet<string>, routed: ReadonlyMap<string, unknown>) {
    this.#config = config;
    this.#listed = listed;
    this.#routed = routed;
    for (const { name: node, pairs } of config.certificates) {
      for (const { names } of pairs) {
        for (const name of names) if (!this.#files.has(name)) this.#files.set(name, node);
      }
    }
  }

  /** N2. Null: the name needs a certificate of its own. */
  of(name: string): NameCover | null {
    const wide = wideOf(name);
    const node = this.#files.get(name) ?? this.#files.get(wide);
    if (node !== undefined) return { by: 'file', name: node };
    const onDemand = isWildcardName(name) ? this.onDemandIssuer(name) : null;
    if (onDemand !== null) return { by: 'on-demand', name: onDemand };
    return wide !== '' && this.#isIssued(wide) ? { by: 'wildcard', name: wide } : null;
  }

  /** The first issuer that serves `name` while a client waits; null: none. */
  onDemandIssuer(name: string): string | null {
    const issuer = this.#config.issuers.find(({ onDemand }) =>
      onDemand?.names.some((pattern) => matchesName(pattern, name)),
    );
    return issuer?.name ?? null;
  }

  /** N3. Asked for every name below it, so it is decided once. */
  #isIssued(wildcard: string): boolean {
    let isIssued = this.#issued.get(wildcard);
    if (isIssued === undefined) {
      isIssued = this.#canBeIssued(wildcard);
      this.#issued.set(wildcard, isIssued);
    }
    return isIssued;
  }

  #canBeIssued(wildcard: string): boolean {
    const { certificates, issuers } = this.#config;
    if (this.#listed.has(wildcard)) {
      const nodes = certificates.filter(({ names }) => names.includes(wildcard));
      return nodes.some(({ issuer }) => issuer !== null || issuersOf(issuers, wildcard).length > 0);
    }
    if (!this.#routed.has(wildcard) || this.onDemandIssuer(wildcard) !== null) return false;
    return issuersOf(issuers, wildcard).length > 0;
  }
}

/** N1: routes by certificate name, of routes that a listener with TLS serves. */
function routesByName({ listeners, routes }: Config): ReadonlyMap<string, readonly string[]> {
  const byName = new Map<string, string[]>();
  const secure = new Set(listeners.filter(({ tls }) => tls !== null).map(nameOfNode));
  if (secure.size === 0) return byName;
  for (const { name: route, rule, listeners: own } of routes) {
    if (own !== null && !own.some((listener) => secure.has(listener))) continue;
    for (const host of hostsOfRule(rule)) {
      const name = certificateName(host);
      const known = byName.get(name);
      if (known === undefined) byName.set(name, [route]);
      else if (known.at(-1) !== route) known.push(route);
    }
  }
  return byName;
}

function nameOf(
  name: string,
  routes: ReadonlyMap<string, readonly string[]>,
  issuers: readonly string[],
): Omit<NeededName, 'certificate'> {
  return {
    name,
    isPublic: isPublicName(name),
    isAddress: isAddressName(name),
    isWildcard: isWildcardName(name),
    routes: routes.get(name) ?? [],
    issuers,
    issuer: issuers[0] ?? null,
  };
}

function isFor({ kind, names }: IssuerConfig, name: string): boolean {
  if (names !== null) return names.some((pattern) => matchesName(pattern, name));
  return isPublicName(name) === (kind === 'acme');
}

function collectHosts(rule: Rule, isNegated: boolean, hosts: string[]): void {
  switch (rule.kind) {
    case 'not':
      return collectHosts(rule.rule, !isNegated, hosts);
    case 'and':
    case 'or':
      for (const part of rule.rules) collectHosts(part, isNegated, hosts);
      return;
    case 'host':
      if (!isNegated && rule.host !== '*') hosts.push(rule.host);
      return;
    default:
  }
}

function nameOfNode({ name }: { readonly name: string }): string {
  return name;
}
