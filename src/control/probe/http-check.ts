/**
 * Check of kind `http`: one request on a fresh connection. The answer is read to its end, or to
 * `BODY_SIZE_MAX`; what stalls in the middle of its answer is not well.
 */

import { request } from 'node:http';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import type { HealthCheckConfig } from '../config/config.ts';
import type { CheckTarget, RunCheck, Verdict } from './check.ts';
import { addressOf, formatStatuses, hasStatus, verdictOf } from './check.ts';
import { hasPin, secureOptions } from './check-tls.ts';

/** Bytes of a body that are read, and searched. */
const BODY_SIZE_MAX = 65_536;

export const httpCheck: RunCheck = (target, config, done) => {
  let isDone = false;
  const stop = (): void => {
    isDone = true;
    outgoing?.destroy();
  };
  const finish = (verdict: Verdict): void => {
    if (isDone) return;
    stop();
    done(verdict);
  };
  const outgoing = tryRequest(target, config);
  if (outgoing === null) {
    queueMicrotask(() => finish('the request cannot be written: see `host` and `headers`'));
    return stop;
  }
  const pins = target.tls?.pins ?? [];
  if (pins.length > 0) {
    outgoing.on('socket', (socket: Socket) => {
      socket.once('secureConnect', () => {
        if (!hasPin(socket as TLSSocket, pins)) finish('its public key is none of `pins`');
      });
    });
  }
  outgoing.on('response', (response) => judge(response, config, finish));
  // A request that is answered by switching protocols is not answered.
  outgoing.on('upgrade', () => finish(`status 101 instead of ${formatStatuses(config.statuses)}`));
  outgoing.on('error', (error) => finish(verdictOf(error)));
  outgoing.end();
  return stop;
};

/** @returns null when a field value is not one */
function tryRequest(target: CheckTarget, config: HealthCheckConfig): ClientRequest | null {
  const options = requestOptions(target, config);
  try {
    if (target.tls === null) return request(options);
    return secureRequest({ ...options, ...secureOptions(target.tls, target.host) });
  } catch {
    return null;
  }
}

function requestOptions(target: CheckTarget, config: HealthCheckConfig): RequestOptions {
  const address = addressOf(target, config);
  const headers: Record<string, string> = {
    Host: config.host ?? target.authority,
    'User-Agent': 'proxy-now-health-check',
  };
  for (const [name, value] of config.headers) {
    for (const own of Object.keys(headers)) {
      if (own.toLowerCase() === name.toLowerCase()) delete headers[own];
    }
    headers[name] = value;
  }
  return {
    ...('path' in address ? { socketPath: address.path } : address),
    path: config.path,
    method: config.method,
    headers,
    agent: false,
  };
}

function judge(
  response: IncomingMessage,
  config: HealthCheckConfig,
  finish: (verdict: Verdict) => void,
): void {
  const status = response.statusCode ?? 0;
  if (!hasStatus(config.statuses, status)) {
    finish(`status ${status} instead of ${formatStatuses(config.statuses)}`);
    return;
  }
  const parts: Buffer[] = [];
  let size = 0;
  const end = (): void => finish(judgeBody(Buffer.concat(parts, size), config.body));
  response.on('data', (part: Buffer) => {
    const kept = part.subarray(0, BODY_SIZE_MAX - size);
    parts.push(kept);
    size += kept.length;
    if (size >= BODY_SIZE_MAX) end();
  });
  response.on('end', end);
  response.on('error', (error) => finish(verdictOf(error)));
}

function judgeBody(bytes: Buffer, wanted: string | null): Verdict {
  if (wanted === null || bytes.includes(wanted)) return '';
  return `the body lacks ${JSON.stringify(wanted)}`;
}
