/**
 * Sticky sessions by cookie: the cookie holds an opaque key of the endpoint, so that it survives
 * restarts and endpoint sets that change around it. A client stays on an endpoint that drains; one
 * that is down has to let it go.
 */

import type { StickySpec } from '../../contract/snapshot.ts';
import type { Candidates } from './candidates.ts';
import type { Endpoint } from './endpoint.ts';

export class Sticky {
  private readonly name: string;
  private readonly attributes: string;
  private readonly candidates: Candidates;
  private readonly byKey = new Map<string, Endpoint>();

  constructor(spec: StickySpec, candidates: Candidates) {
    this.name = spec.cookie;
    this.attributes = cookieAttributes(spec);
    this.candidates = candidates;
    for (const endpoint of candidates.endpoints) this.byKey.set(endpoint.stickyKey, endpoint);
  }

  /**
   * The endpoint named by a Cookie field value; null when it names none, or one that is down.
   * @param cookies field value as sent (RFC 6265 §5.4); hostile input, never trusted further
   */
  find(cookies: string): Endpoint | null {
    for (const pair of cookies.split(';', 64)) {
      const equals = pair.indexOf('=');
      if (equals < 0 || pair.slice(0, equals).trim() !== this.name) continue;
      const endpoint = this.byKey.get(pair.slice(equals + 1).trim());
      return endpoint !== undefined && this.candidates.isReachable(endpoint) ? endpoint : null;
    }
    return null;
  }

  /** A Set-Cookie field value that binds the client to `endpoint`. */
  cookieFor(endpoint: Endpoint): string {
    return `${this.name}=${endpoint.stickyKey}${this.attributes}`;
  }
}

function cookieAttributes(spec: StickySpec): string {
  let text = '; Path=/';
  if (spec.maxAgeSeconds > 0) text += `; Max-Age=${spec.maxAgeSeconds}`;
  if (spec.httpOnly) text += '; HttpOnly';
  if (spec.secure) text += '; Secure';
  if (spec.sameSite === 'lax') text += '; SameSite=Lax';
  if (spec.sameSite === 'strict') text += '; SameSite=Strict';
  if (spec.sameSite === 'none') text += '; SameSite=None';
  return text;
}
