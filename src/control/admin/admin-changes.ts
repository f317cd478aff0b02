/**
 * Admin API, the part that changes something. Whoever calls these has been allowed to.
 */

import { nearest } from '../config/did-you-mean.ts';
import { parseEndpointUrl } from '../config/endpoint-url.ts';
import { errorAnswer, jsonAnswer } from './admin-answer.ts';
import type { AdminAnswer } from './admin-answer.ts';
import type { AdminHost, AdminRequest, Operation } from './admin-api.ts';
import { isLogLevel } from './logger.ts';
import type { LogLevel } from '../../contract/snapshot.ts';

/** Takes `debug` or `{"level":"debug"}`. */
export const SET_LOG_LEVEL: Operation = (host, { body }) => {
  const level = levelIn(body.trim());
  if (level === null) return errorAnswer(400, 'Expected one of error, warn, info, debug.');
  host.setLogLevel(level);
  return jsonAnswer(200, { level: host.logLevel() });
};

/** Answers with the outcome when it is there. `?dry-run=true` changes nothing. */
export const RELOAD: Operation = async (host, request) => {
  const isDryRun = dryRunOf(request.query);
  if (typeof isDryRun !== 'boolean') return isDryRun;
  const outcome = isDryRun ? await host.previewReload() : await host.reload();
  return jsonAnswer(outcome.status === 'rejected' ? 422 : 200, outcome);
};

export const DRAIN: Operation = (host, request) => setDraining(host, request, true);
export const UNDRAIN: Operation = (host, request) => setDraining(host, request, false);

/** Answers when the successor is ready or has failed. */
export const UPGRADE: Operation = async (host) => {
  const outcome = await host.upgrade();
  if (outcome.status === 'upgraded') return jsonAnswer(200, outcome);
  if (outcome.status === 'busy') return errorAnswer(409, 'An upgrade is under way.', outcome);
  return errorAnswer(500, `The upgrade failed: ${outcome.problem}.`, outcome);
};

function dryRunOf(query: URLSearchParams): boolean | AdminAnswer {
  for (const name of query.keys()) {
    if (name === 'dry-run') continue;
    const hint = nearest(name, ['dry-run']) === null ? '' : ' Did you mean dry-run?';
    return errorAnswer(400, `Unknown parameter ${JSON.stringify(name)}.${hint}`);
  }
  const values = query.getAll('dry-run');
  if (values.length === 0) return false;
  const [value] = values;
  if (values.length === 1 && (value === 'true' || value === 'false')) return value === 'true';
  return errorAnswer(400, 'Expected dry-run=true or dry-run=false.');
}

interface EndpointChoice {
  /** Key of the endpoint. */
  readonly endpoint: string;
  readonly service: string | null;
}

function setDraining(host: AdminHost, request: AdminRequest, isDraining: boolean): AdminAnswer {
  const choice = endpointIn(request);
  if ('status' in choice) return choice;
  const { endpoint, service } = choice;
  const rows = host.endpoints();
  const services = new Set(rows.map((row) => row.service));
  if (service !== null && !services.has(service)) {
    return errorAnswer(404, `There is no service ${service}.${guess(service, services)}`);
  }
  if (host.setDraining(endpoint, service, isDraining) === 0) {
    const known = rows.filter((row) => service === null || row.service === service);
    const keys = new Set(known.map((row) => row.endpoint));
    const where = service === null ? '' : ` in the service ${service}`;
    return errorAnswer(404, `There is no endpoint ${endpoint}${where}.${guess(endpoint, keys)}`);
  }
  const endpoints = host
    .endpoints()
    .filter((row) => row.endpoint === endpoint && (service === null || row.service === service));
  return jsonAnswer(200, { endpoints });
}

/** Reads `{"endpoint": "http://...", "service": "optional"}`. */
function endpointIn({ body, contentType }: AdminRequest): EndpointChoice | AdminAnswer {
  if (contentType !== '' && contentType !== 'application/json') {
    return errorAnswer(415, 'The body must be JSON, with Content-Type: application/json.');
  }
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return errorAnswer(400, 'The body is not JSON.', { expected: EXPECTED });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return errorAnswer(400, 'The body is not a JSON object.', { expected: EXPECTED });
  }
  for (const key of Object.keys(value)) {
    if (key === 'endpoint' || key === 'service') continue;
    const hint = guess(key, ['endpoint', 'service']);
    return errorAnswer(400, `Unknown key ${JSON.stringify(key)}.${hint}`, { expected: EXPECTED });
  }
  const { endpoint, service = null } = value as { endpoint?: unknown; service?: unknown };
  if (typeof endpoint !== 'string' || (service !== null && typeof service !== 'string')) {
    return errorAnswer(400, 'Expected texts.', { expected: EXPECTED });
  }
  const parsed = parseEndpointUrl(endpoint);
  if (!parsed.ok) {
    const { message, expected } = parsed.problem;
    return errorAnswer(400, `Not an endpoint: ${message}.`, { expected });
  }
  return { endpoint: parsed.value.key, service };
}

const EXPECTED = '{"endpoint": "http://10.0.0.2:3000", "service": "name, if not all"}';

function guess(found: string, known: Iterable<string>): string {
  const meant = nearest(found, known);
  return meant === null ? '' : ` Did you mean ${meant}?`;
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
