/**
 * Admin guard: keeps web pages from reading or changing the admin API through a visitor's browser.
 *
 * G1  DNS rebinding: a browser sends the attacker's name as Host. Only loopback names and
 *     addresses, the address the listener is bound to, and names the operator listed are accepted
 *     (over TLS those of the certificate too, as a browser checked them); one on all
 *     interfaces also accepts any IP literal, which cannot be rebound.
 * G2  Cross-site requests: an Origin field must be this very host over the listener's scheme, and a
 *     browser that says the request comes from another site (Sec-Fetch-Site) is refused.
 * G3  Changing anything asks for a valid Host in every case; reading does too unless no Host was
 *     sent at all (HTTP/1.0 probes; browsers always send one).
 */

import { isIP } from 'node:net';

export interface GuardOptions {
  /** Host the listener is bound to: a numeric address or a name. */
  readonly boundHost: string;
  /** Further accepted names; `*.` stands for one label. Case does not matter. */
  readonly names: readonly string[];
  /** Whether the listener speaks HTTPS. */
  readonly isSecure: boolean;
}

/** The fields of a request that the guard looks at; undefined when absent. */
export interface GuardedRequest {
  readonly isChange: boolean;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
}

/** Null when the request may pass, else why not. */
export type Guard = (request: GuardedRequest) => string | null;

/** Makes the guard of one admin listener. */
export function createGuard(options: GuardOptions): Guard {
  const bound = options.boundHost.toLowerCase();
  const isOpen = bound === '' || bound === '0.0.0.0' || bound === '::';
  const names = new Set(options.names.map((name) => name.toLowerCase()));
  if (!isOpen) names.add(bound);

  const scheme = options.isSecure ? 'https' : 'http';

  const isKnownHost = (host: string): boolean => {
    const name = hostName(host);
    if (name === null) return false;
    if (names.has(name) || isLoopbackName(name)) return true;
    const dot = name.indexOf('.');
    if (dot > 0 && names.has(`*${name.slice(dot)}`)) return true;
    return isOpen && isIP(name) !== 0;
  };

  return ({ isChange, host, origin, fetchSite }) => {
    if (host === undefined || host === '') {
      if (isChange || origin !== undefined) return 'A Host field is required.';
    } else if (!isKnownHost(host)) {
      return 'This Host is not one of the admin listener.';
    }
    if (origin !== undefined && origin.toLowerCase() !== `${scheme}://${host?.toLowerCase()}`) {
      return 'Requests from other origins are not allowed.';
    }
    const isForeign = fetchSite === 'cross-site' || fetchSite === 'same-site';
    return isForeign ? 'Requests from other sites are not allowed.' : null;
  };
}

/** True for localhost, names below it, and loopback addresses. */
export function isLoopbackName(name: string): boolean {
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1') return true;
  return isIP(name) === 4 && name.startsWith('127.');
}

/** Host without port, brackets and trailing dot, in lower case; null when malformed. */
function hostName(host: string): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host);
  if (match === null) return null;
  if (match[1] !== undefined) return isIP(match[1]) === 6 ? match[1].toLowerCase() : null;
  return match[2]!.toLowerCase().replace(/\.$/, '');
}
