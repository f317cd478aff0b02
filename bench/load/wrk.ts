/**
 * wrk: as many requests as the peer takes over the connections of one thread, or fewer when each
 * connection thinks before it asks.
 *
 * A small script makes the request and prints the sums as one line of JSON, so that nothing is
 * read from text meant for people. Half of saturation is reached by many connections with a
 * random pause before each request: load that arrives evenly, timed by a client in C. Clients
 * that hold a fixed rate by timers send in bursts, and their p99 shows the burst, not the peer.
 */

import type { BenchRoute } from '../bench-routes.ts';
import { parseResult } from './result-line.ts';

/** What wrk sends. */
export interface WrkRequest {
  readonly path: string;
  /** Bytes of body sent with POST; 0: a GET without one. */
  readonly uploadSize: number;
  /** True: `Connection: close` on each request, so each needs a connection. */
  readonly isClosing: boolean;
  /** True: over TLS, where wrk resumes sessions when it connects again. */
  readonly isTls: boolean;
  /** Requests go round over these; empty: the address asked is the host. */
  readonly routes: readonly BenchRoute[];
  /** Mean pause of a connection before each request, in milliseconds; 0: none. */
  readonly pauseMs: number;
}

/** A plain GET of `path`, as fast as answers come. */
export function plainGet(path: string): WrkRequest {
  return { path, uploadSize: 0, isClosing: false, isTls: false, routes: [], pauseMs: 0 };
}

/** The sums of one run. */
export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** Connect, read, write and timeout errors and answers from status 400 on. */
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

const DONE = `
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\nRESULT {"requests":%d,"seconds":%.6f,"errors":%d,"p50Us":%d,"p99Us":%d}\\n',
    summary.requests, summary.duration / 1e6,
    e.connect + e.read + e.write + e.timeout + e.status,
    latency:percentile(50), latency:percentile(99)))
end
`;

/** The script for one kind of request. */
export function wrkScript(request: WrkRequest): string {
  const close = request.isClosing ? `wrk.headers["Connection"] = "close"\n` : '';
  const range = (2 * request.pauseMs).toFixed(3);
  const pause = `function delay() return math.floor(math.random() * ${range} + 0.5) end\n`;
  const head = close + (request.pauseMs > 0 ? pause : '');
  if (request.uploadSize > 0) {
    return `${head}wrk.method = "POST"\nwrk.body = string.rep("x", ${request.uploadSize})\n${DONE}`;
  }
  if (request.routes.length === 0) return `${head}${DONE}`;
  const made = request.routes.map(
    (route) =>
      `  made[#made + 1] = wrk.format("GET", "${route.prefix}${request.path}", ` +
      `{ Host = "${route.host}" })\n`,
  );
  return `${head}local made = {}
local at = 0
function init(args)
${made.join('')}end
function request()
  at = at % #made + 1
  return made[at]
end
${DONE}`;
}

/** The command line for a run of `seconds` against 127.0.0.1:`port`. */
export function wrkCommand(
  request: WrkRequest,
  run: { port: number; seconds: number; connections: number; script: string },
): string[] {
  return [
    'wrk',
    '-t1',
    `-c${run.connections}`,
    `-d${run.seconds}s`,
    '--timeout',
    '10s',
    '-s',
    run.script,
    `${request.isTls ? 'https' : 'http'}://127.0.0.1:${run.port}${request.path}`,
  ];
}

/** Reads the line the script printed. null when wrk did not get that far. */
export function parseWrk(output: string): LoadResult | null {
  return parseResult<LoadResult>(output);
}
