/**
 * Admin API: what each path answers, without any socket.
 *
 * A1  reading is for everyone who reaches the listener, so nothing read shows what a file contains;
 *     a change (every PUT and POST) is for those who may: over the unix socket, or with the token.
 * A2  what is refused is refused before anything is done, with a sentence that says what to do.
 * A3  an unknown path is 404, a known path with another method 405; both as JSON.
 */

import type { LogLevel } from '../../contract/snapshot.ts';
import type { ReloadOutcome, ReloadPreview } from '../apply/reload-outcome.ts';
import type { ReloadCounts } from '../apply/reloader.ts';
import type { CertificateDesk } from '../certificate/certificate-desk.ts';
import type { CertificateState } from '../certificate/certificate-row.ts';
import type { HealthRow } from '../probe/health-board.ts';
import { DRAIN, RELOAD, SET_LOG_LEVEL, UNDRAIN, UPGRADE } from './admin-changes.ts';
import {
  CERTIFICATE_PATHS,
  certificateOperations,
  listCertificates,
} from './admin-certificates.ts';
import { errorAnswer, jsonAnswer, TEXT_TYPE } from './admin-answer.ts';
import type { AdminAnswer } from './admin-answer.ts';
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
  /** 0: calm; 1 and 2: overloaded; the worst worker. */
  readonly overloadLevel: number;
  readonly workers: readonly WorkerStatus[];
  readonly listeners: readonly { readonly name: string; readonly address: string }[];
  readonly routes: number;
  readonly services: number;
  readonly endpoints: EndpointCounts;
  /** How many there are in each state; states of none are left out. */
  readonly certificates: CertificateCounts;
  readonly config: {
    readonly path: string;
    /** False: the files on disk have an error or were taken back, and are not what is served. */
    readonly isGood: boolean;
    /** When the last reload was applied, milliseconds since 1970; null: none was. */
    readonly appliedAtMs: number | null;
  };
  readonly logLevel: LogLevel;
}

export interface WorkerStatus {
  readonly id: string;
  readonly state: string;
  /** Of the snapshot it serves; 0: none yet. */
  readonly generation: number;
}

export interface EndpointCounts {
  readonly total: number;
  readonly up: number;
  /** Down, ejected, or waiting for the first check. */
  readonly down: number;
  readonly draining: number;
}

export type CertificateCounts = { readonly [State in CertificateState]?: number };

/** State of the configuration. */
export interface ConfigStatus {
  readonly path: string;
  readonly generation: number;
  readonly isGood: boolean;
  readonly files: readonly string[];
  /** Null before the first look at the files. */
  readonly lastOutcome: ReloadOutcome | null;
  readonly lastApplied: ReloadOutcome | null;
  readonly counts: ReloadCounts;
}

export type UpgradeOutcome =
  /** The successor is ready; this process drains. */
  | { readonly status: 'upgraded' }
  /** Another upgrade is under way. */
  | { readonly status: 'busy' }
  | { readonly status: 'failed'; readonly problem: string };

/** What the API asks of the rest of the control plane. Nothing here may block. */
export interface AdminHost {
  metrics(): MetricSource;
  status(): AdminStatus;
  readiness(): Readiness;
  logLevel(): LogLevel;
  /** Sets the level everywhere: this process log and the workers. */
  setLogLevel(level: LogLevel): void;
  config(): ConfigStatus;
  /** Every endpoint of every service, in order of the configuration. */
  endpoints(): readonly HealthRow[];
  /** Resolves when applied, unchanged or rejected. */
  reload(): Promise<ReloadOutcome>;
  previewReload(): Promise<ReloadPreview>;
  /**
   * Takes an endpoint out of traffic, or back in.
   * @param service null for every service that has it
   * @returns how many endpoints that are; 0 when there is none of that key
   */
  setDraining(endpoint: string, service: string | null, isDraining: boolean): number;
  /** Resolves when the successor is ready or has failed. */
  upgrade(): Promise<UpgradeOutcome>;
  readonly certificates: CertificateDesk;
}

export interface AdminRequest {
  /** `HEAD` is answered as `GET`; the server leaves the body out. */
  readonly method: string;
  /** Path without query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly accept: string;
  /** Media type of the body without parameters, in lower case; empty when it says none. */
  readonly contentType: string;
  /** Only for PUT and POST. */
  readonly body: string;
  /** Null when changes are allowed, else the answer that says why not (A1). */
  readonly refusal: AdminAnswer | null;
}

export type Operation = (
  host: AdminHost,
  request: AdminRequest,
) => AdminAnswer | Promise<AdminAnswer>;

export interface Operations {
  readonly GET?: Operation;
  readonly PUT?: Operation;
  readonly POST?: Operation;
}

const OPERATIONS: { readonly [path: string]: Operations } = {
  '/metrics': { GET: getMetrics },
  // Alive means that this very loop answers; whether to send traffic is /readyz.
  '/healthz': { GET: () => ({ status: 200, type: TEXT_TYPE, body: 'ok\n' }) },
  '/readyz': { GET: getReadiness },
  '/status': { GET: (host) => jsonAnswer(200, host.status()) },
  '/certificates': { GET: listCertificates },
  '/health': { GET: (host) => jsonAnswer(200, { endpoints: host.endpoints() }) },
  '/config': { GET: (host) => jsonAnswer(200, readableConfig(host.config())) },
  '/log-level': {
    GET: (host) => jsonAnswer(200, { level: host.logLevel() }),
    PUT: SET_LOG_LEVEL,
  },
  '/reload': { POST: RELOAD },
  '/endpoints/drain': { POST: DRAIN },
  '/endpoints/undrain': { POST: UNDRAIN },
  '/upgrade': { POST: UPGRADE },
};

/** Paths of the API, for the reference and the 404 text. */
export const ADMIN_PATHS: readonly string[] = [...Object.keys(OPERATIONS), ...CERTIFICATE_PATHS];

/** Answers one request. Rejects only when `host` throws or rejects. */
export async function answerAdmin(host: AdminHost, request: AdminRequest): Promise<AdminAnswer> {
  const operations = Object.hasOwn(OPERATIONS, request.path)
    ? OPERATIONS[request.path]
    : certificateOperations(request.path);
  if (operations === undefined) return errorAnswer(404, 'Not found.', { paths: ADMIN_PATHS });
  const { GET, PUT, POST } = operations;
  switch (request.method) {
    case 'HEAD':
    case 'GET':
      if (GET !== undefined) return GET(host, request);
      break;
    case 'PUT':
      if (PUT !== undefined) return request.refusal ?? PUT(host, request);
      break;
    case 'POST':
      if (POST !== undefined) return request.refusal ?? POST(host, request);
      break;
    default:
  }
  const methods = Object.keys(operations).map((name) => (name === 'GET' ? 'GET, HEAD' : name));
  const allow = methods.join(', ');
  return { ...errorAnswer(405, `Method not allowed; use ${allow}.`), allow };
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

/** A1: code frames and found values are parts of files; a changer gets them from /reload. */
function readableConfig(config: ConfigStatus): ConfigStatus {
  const { lastOutcome, lastApplied } = config;
  return {
    ...config,
    lastOutcome: lastOutcome === null ? null : readable(lastOutcome),
    lastApplied: lastApplied === null ? null : readable(lastApplied),
  };
}

function readable(outcome: ReloadOutcome): ReloadOutcome {
  const issues = outcome.issues.map((issue) => {
    const { found: _found, ...rest } = issue;
    return rest;
  });
  return { ...outcome, issues, report: '' };
}
