/**
 * A check: one question to one endpoint, and why it failed in words.
 */

import type { StatusRange } from '../../contract/resilience.ts';
import type { UpstreamTlsSpec } from '../../contract/tls.ts';
import type { HealthCheckConfig } from '../config/config.ts';

/** Whom to ask. */
export interface CheckTarget {
  readonly kind: 'tcp' | 'unix';
  /** Name or numeric address; path for unix. */
  readonly host: string;
  readonly port: number;
  /** Host field unless the check names another. */
  readonly authority: string;
  /** How the endpoint is spoken to over TLS; null: it is not. */
  readonly tls: UpstreamTlsSpec | null;
}

/**
 * `''`: good. Null: it says nothing about the endpoint, because the fault is ours. Else why the
 * endpoint is not well, as a sentence without its full stop.
 */
export type Verdict = string | null;

/**
 * Begins a check. Time is the caller's: it stops one that lasts too long.
 * @param done called once, never inside this call, and not after the check was stopped
 * @returns stops the check and closes what it opened; harmless after its end
 */
export type RunCheck = (
  target: CheckTarget,
  config: HealthCheckConfig,
  done: (verdict: Verdict) => void,
) => () => void;

/** What of a target `net` and `http` want to know. */
export function addressOf(
  target: CheckTarget,
  config: HealthCheckConfig,
): { readonly path: string } | { readonly host: string; readonly port: number } {
  if (target.kind === 'unix') return { path: target.host };
  return { host: target.host, port: config.port ?? target.port };
}

/** Null: out of our own means, which says nothing about the endpoint. */
const REASONS: { readonly [code: string]: Verdict } = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was closed before the answer was complete',
  EPIPE: 'the connection was closed before the answer was complete',
  ETIMEDOUT: 'no connection in time',
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'the name server does not answer',
  EHOSTUNREACH: 'the host is unreachable',
  ENETUNREACH: 'the network is unreachable',
  ENOENT: 'there is no such socket',
  EACCES: 'no permission to connect to the socket',
  EMFILE: null,
  ENFILE: null,
  ENOBUFS: null,
  ENOMEM: null,
  EADDRNOTAVAIL: null,
};

/** @param error as `net` and `http` emit it */
export function verdictOf(error: Error): Verdict {
  const { code = '' } = error as NodeJS.ErrnoException;
  // Several addresses of one name failed: the last one tells.
  if (error instanceof AggregateError && error.errors.length > 0) {
    return verdictOf(error.errors.at(-1) as Error);
  }
  if (code.startsWith('HPE_')) return 'the answer is not HTTP';
  if (isTlsProblem(code)) return `the TLS handshake failed: ${reasonOf(error)}`;
  const known = REASONS[code];
  return known === undefined ? `connecting failed: ${code === '' ? error.message : code}` : known;
}

/** As Node and OpenSSL name them. */
function isTlsProblem(code: string): boolean {
  return /^(?:ERR_TLS|ERR_SSL|EPROTO|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_)/.test(
    code,
  );
}

/** OpenSSL writes its reason last, after numbers and file names that tell nobody anything. */
function reasonOf({ message }: Error): string {
  const reason = /:SSL routines:[^:]*:([^:]+)/.exec(message)?.[1];
  return reason ?? message.split('\n')[0]!.slice(0, 200);
}

/** `200-399, 404` */
export function formatStatuses(ranges: readonly StatusRange[]): string {
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}

export function hasStatus(ranges: readonly StatusRange[], status: number): boolean {
  return ranges.some(({ from, to }) => status >= from && status <= to);
}
