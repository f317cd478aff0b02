/**
 * Full TLS handshakes: `openssl s_time -new`, which makes a connection with a new session for each
 * request and counts them. Several run at a time, so that the peer is not idle between two.
 */

import type { LoadResult } from './wrk.ts';

const PROCESSES = 8;

/** The command line for a run of `seconds` against 127.0.0.1:`port`. */
export function handshakeCommand(run: { port: number; seconds: number; path: string }): string[] {
  const one =
    `openssl s_time -connect 127.0.0.1:${run.port} -new -www ${run.path} -time ${run.seconds}` +
    ` -cipher ECDHE-ECDSA-AES128-GCM-SHA256 -ciphersuites TLS_AES_128_GCM_SHA256`;
  const all = Array.from({ length: PROCESSES }, () => `${one} & `).join('');
  return ['sh', '-c', `${all}wait`];
}

/**
 * Adds the counts of all processes. One that broke off counts as an error.
 * @returns null when none counted anything
 */
export function parseHandshakes(output: string, seconds: number): LoadResult | null {
  const counts = [...output.matchAll(/^(\d+) connections in \d+ real seconds/gm)];
  const requests = counts.reduce((sum, [, count]) => sum + Number(count), 0);
  if (requests === 0) return null;
  const errors = PROCESSES - counts.length;
  return { requests, seconds, errors, p50Us: Number.NaN, p99Us: Number.NaN };
}
