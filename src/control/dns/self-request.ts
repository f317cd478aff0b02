/**
 * Self-request: whether this proxy is what answers under a name, asked the way an authority would.
 *
 * HTTP-01: a made-up challenge is shown and fetched; TLS-ALPN-01: whether the port takes
 * connections. It is a hint only: many networks cannot reach themselves by their outside address.
 */

import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import type { ReachResult } from './preflight.ts';

/** A challenge that belongs to no order. */
export interface ProbeChallenge {
  readonly kind: 'http-01';
  readonly host: string;
  readonly token: string;
  readonly keyAuthorization: string;
}

export interface SelfRequestOptions {
  readonly present: (challenge: ProbeChallenge) => Promise<void>;
  readonly remove: (challenge: ProbeChallenge) => void;
  /** 80 and 443 but in tests. */
  readonly httpPort?: number;
  readonly tlsPort?: number;
}

const TIMEOUT_MS = 5_000;
const BODY_SIZE_MAX = 1_024;

/** Never rejects but when `present` does. */
export async function selfRequest(
  options: SelfRequestOptions,
  name: string,
  kind: 'http-01' | 'tls-alpn-01',
  signal: AbortSignal,
): Promise<ReachResult> {
  const either = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  if (kind === 'tls-alpn-01') return takesConnections(name, options.tlsPort ?? 443, either);
  const token = randomBytes(16).toString('base64url');
  const keyAuthorization = `${token}.${randomBytes(16).toString('base64url')}`;
  const challenge: ProbeChallenge = { kind, host: name, token, keyAuthorization };
  await options.present(challenge);
  try {
    const body = await fetchChallenge(challenge, options.httpPort ?? 80, either);
    if (body === null) return 'no-answer';
    return body === keyAuthorization ? 'reached' : 'elsewhere';
  } finally {
    options.remove(challenge);
  }
}

/** @returns null: no answer */
function fetchChallenge(
  challenge: ProbeChallenge,
  port: number,
  signal: AbortSignal,
): Promise<string | null> {
  return new Promise((resolve) => {
    const path = `/.well-known/acme-challenge/${challenge.token}`;
    const options = { host: challenge.host, port, path, signal, agent: false };
    const outgoing = request(options, (response) => {
      let body = '';
      response.setEncoding('latin1');
      response.on('data', (text: string) => {
        body = (body + text).slice(0, BODY_SIZE_MAX);
      });
      response.on('end', () => resolve(body.trim()));
      response.on('error', () => resolve(null));
    });
    outgoing.on('error', () => resolve(null));
    outgoing.end();
  });
}

function takesConnections(name: string, port: number, signal: AbortSignal): Promise<ReachResult> {
  return new Promise((resolve) => {
    const socket = connect({ host: name, port });
    const finish = (result: ReachResult): void => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(result);
    };
    const onAbort = (): void => finish('no-answer');
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('connect', () => finish('reached'));
    socket.on('error', () => finish('no-answer'));
    if (signal.aborted) onAbort();
  });
}
