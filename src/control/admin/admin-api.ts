/**
 * Admin API: what each path answers, without any socket.
 *
 * Reading: /metrics, /healthz, /readyz, /status, /log-level. Changing: PUT /log-level.
 * Everything else is 404, a known path with another method is 405; both as JSON.
 */

import type { LogLevel } from '../../contract/snapshot.ts';
import { isLogLevel } from './logger.ts';
import type { MetricSource } from './metric-source.ts';
import { EXPOSITION_TYPES, expositionFormat, renderMetrics } from './prometheus.ts';

/** Why the proxy takes traffic, or does not. */
export type Readiness = 'ready' | 'starting' | 'draining';

export interface AdminStatus {
  readonly version: string;
  readonly generation: number;
  readonly readiness: Readiness;
  readonly uptimeSeconds: number;
  readonly io: string;
  readonly workers: readonly { readonly id: string; readonly state: string }[];
  readonly listeners: readonly { readonly name: string; readonly address: string }[];
  readonly routes: number;
  readonly services: number;
  readonly endpoints: number;
  readonly logLevel: LogLevel;
}

/** What the API asks of the rest of the control plane. Nothing here may block. */
export interface AdminHost {
  metrics(): MetricSource;
  status(): AdminStatus;
  readiness(): Readiness;
  logLevel(): LogLevel;
  /** Sets the level everywhere: this process log and the workers. */
  setLogLevel(level: LogLevel): void;
}

export interface AdminRequest {
  /** `HEAD` is answered as `GET`; the server leaves the body out. */
  readonly method: string;
  /** Path without query. */
  readonly path: string;
  readonly accept: string;
  /** Only for PUT. */
  readonly body: string;
}

export interface AdminAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  /** Value of Allow, for 405. */
  readonly allow?: string;
}

type Operation = (host: AdminHost, request: AdminRequest) => AdminAnswer;

const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';

const OPERATIONS: {
  readonly [path: string]: { readonly GET: Operation; readonly PUT?: Operation };
} = {
  '/metrics': { GET: getMetrics },
  // Alive means that this very loop answers; whether to send traffic is /readyz.
  '/healthz': { GET: () => ({ status: 200, type: TEXT_TYPE, body: 'ok\n' }) },
  '/readyz': { GET: getReadiness },
  '/status': { GET: (host) => jsonAnswer(200, host.status()) },
  '/log-level': { GET: (host) => jsonAnswer(200, { level: host.logLevel() }), PUT: putLogLevel },
};

/** Paths of the API, for the reference and the 404 text. */
export const ADMIN_PATHS: readonly string[] = Object.keys(OPERATIONS);

/** Answers one request. Throws only when `host` does. */
export function answerAdmin(host: AdminHost, request: AdminRequest): AdminAnswer {
  const operations = Object.hasOwn(OPERATIONS, request.path) ? OPERATIONS[request.path] : undefined;
  if (operations === undefined) return errorAnswer(404, 'Not found.', { paths: ADMIN_PATHS });
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  if (method === 'GET') return operations.GET(host, request);
  if (method === 'PUT' && operations.PUT !== undefined) return operations.PUT(host, request);
  const allow = operations.PUT === undefined ? 'GET, HEAD' : 'GET, HEAD, PUT';
  return { ...errorAnswer(405, `Method not allowed; use ${allow}.`), allow };
}

/** A JSON answer that names what is wrong. */
export function errorAnswer(status: number, error: string, more: object = {}): AdminAnswer {
  return jsonAnswer(status, { error, ...more });
}

function getMetrics(host: AdminHost, { accept }: AdminRequest): AdminAnswer {
  const format = expositionFormat(accept);
  const body = renderMetrics(host.metrics(), format);
  return { status: 200, type: EXPOSITION_TYPES[format], body };
}

function getReadiness(host: AdminHost): AdminAnswer {
  const readiness = host.readiness();
  return { status: readiness === 'ready' ? 200 : 503, type: TEXT_TYPE, body: `${readiness}\n` };
}

/** Takes `debug` or `{"level":"debug"}`. */
function putLogLevel(host: AdminHost, { body }: AdminRequest): AdminAnswer {
  const level = levelIn(body.trim());
  if (level === null) return errorAnswer(400, 'Expected one of error, warn, info, debug.');
  host.setLogLevel(level);
  return jsonAnswer(200, { level: host.logLevel() });
}

function levelIn(text: string): LogLevel | null {
  if (isLogLevel(text)) return text;
  try {
    const value: unknown = JSON.parse(text);
    const level =
      typeof value === 'object' && value !== null && 'level' in value ? value.level : value;
    return isLogLevel(level) ? level : null;
  } catch {
    return null;
  }
}

function jsonAnswer(status: number, value: unknown): AdminAnswer {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value, null, 2)}\n` };
}
