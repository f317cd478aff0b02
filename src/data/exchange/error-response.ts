/**
 * Error bodies: what a client reads when the proxy answers itself. Small, plain, without a word
 * about endpoints or addresses; as JSON when `json-errors` is on.
 */

import { FAULTS } from '../../contract/fault.ts';
import type { Fault } from '../../contract/fault.ts';
import type { Exchange } from './exchange.ts';
import { ownHsts } from './transport-security.ts';

export const TEXT_TYPE = 'text/plain; charset=utf-8';
export const JSON_TYPE = 'application/json';

/** Sends the answer that `fault` means, and notes what it was. Nothing was sent before. */
export function sendError(exchange: Exchange, fault: Fault): void {
  const { status, origin } = FAULTS[fault];
  exchange.statusCode = status;
  exchange.requestId = exchange.plane.nextRequestId();
  const isJson = exchange.linked!.observe.jsonErrors;
  const body = errorBody(fault, exchange.requestId, isJson);
  if (!exchange.isHeadRequest) exchange.responseBytes = body.length;
  const retryAfter = exchange.route?.service.state.retryAfterSeconds ?? 1;
  exchange.stream!.sendOwn(
    status,
    isJson ? JSON_TYPE : TEXT_TYPE,
    body,
    errorFields(status, exchange.requestId, retryAfter) + ownHsts(exchange),
    origin === 'client',
  );
}

/** @returns ASCII text; ends with a line feed */
function errorBody(fault: Fault, requestId: string, isJson: boolean): string {
  const info = FAULTS[fault];
  if (!isJson) return `${info.status} ${info.text}\nrequest id: ${requestId}\n`;
  const body = {
    status: info.status,
    fault: info.label,
    message: info.text,
    request_id: requestId,
  };
  return `${JSON.stringify(body)}\n`;
}

/** Methods that may pass through this proxy, for Allow (RFC 9110 §10.2.1). */
const ALLOW = 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n';

/**
 * Field lines that belong to an error with this status.
 * @param retryAfter seconds after which a client that was refused may ask again
 */
function errorFields(status: number, requestId: string, retryAfter: number): string {
  const id = `X-Request-Id: ${requestId}\r\n`;
  if (status === 405) return id + ALLOW;
  return status === 503 || status === 429 ? `${id}Retry-After: ${retryAfter}\r\n` : id;
}
