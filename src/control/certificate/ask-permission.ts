/**
 * Asks whether a certificate may be got for a name: `GET <url>?domain=<name>&ip=<client>`; any 2xx
 * is yes, everything else no. Redirects are not followed.
 */

import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

const TIMEOUT_MS = 10_000;
const HEAD_SIZE_MAX = 16_384;

export interface Permission {
  readonly isAllowed: boolean;
  /** How long the answer holds, milliseconds. */
  readonly holdsMs: number;
  /** Why there was no answer; empty: there was one. */
  readonly problem: string;
}

export interface PermissionQuestion {
  readonly url: string;
  readonly name: string;
  /** Address of the client; empty: none waits. */
  readonly peerAddress: string;
}

/** A no holds a minute, a yes for as long as it takes, unless Cache-Control says otherwise. */
const NO_HOLDS_MS = 60_000;
const PROBLEM_HOLDS_MS = 5_000;
const HOLDS_MAX_MS = 86_400_000;

/** Never rejects. */
export function askPermission(
  { url, name, peerAddress }: PermissionQuestion,
  signal: AbortSignal,
): Promise<Permission> {
  return new Promise((resolve) => {
    const failed = (problem: string): void =>
      resolve({ isAllowed: false, holdsMs: PROBLEM_HOLDS_MS, problem });
    let target: URL;
    try {
      target = new URL(url);
    } catch {
      return failed('the URL is not valid');
    }
    target.searchParams.set('domain', name);
    if (peerAddress !== '') target.searchParams.set('ip', peerAddress);
    const send = target.protocol === 'https:' ? httpsRequest : httpRequest;
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const outgoing = send(
      target,
      {
        method: 'GET',
        agent: false,
        maxHeaderSize: HEAD_SIZE_MAX,
        signal: AbortSignal.any([signal, timeout]),
      },
      (response) => {
        const status = response.statusCode ?? 0;
        const isAllowed = status >= 200 && status < 300;
        const holdsMs = lifetimeOf(response.headers['cache-control'] ?? '', isAllowed);
        response.destroy(); // The body says nothing.
        resolve({ isAllowed, holdsMs, problem: '' });
      },
    );
    outgoing.on('error', (error) => {
      failed(timeout.aborted ? 'there was no answer within 10 seconds' : error.message);
    });
    outgoing.end();
  });
}

/** RFC 9111 §5.2.2, as far as it is about time. */
function lifetimeOf(cacheControl: string, isAllowed: boolean): number {
  const usualMs = isAllowed ? 0 : NO_HOLDS_MS;
  let holdsMs = usualMs;
  for (const directive of cacheControl.toLowerCase().split(',')) {
    const [key = '', value = ''] = directive.trim().split('=');
    if (key === 'no-store' || key === 'no-cache') return 0;
    const seconds = /^"?(\d{1,9})"?$/.exec(value)?.[1];
    if (key === 'max-age' && seconds !== undefined) holdsMs = Number(seconds) * 1_000;
  }
  return Math.min(holdsMs, HOLDS_MAX_MS);
}
