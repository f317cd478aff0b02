/**
 * Error bodies: what a client reads when the proxy answers itself. Small, plain, without a word
 * about endpoints or addresses; as JSON when `json-errors` is on.
 */

import { FAULTS } from '../../contract/fault.ts';
import type { Fault } from '../../contract/fault.ts';

export const TEXT_TYPE = 'text/plain; charset=utf-8';
export const JSON_TYPE = 'application/json';

/** @returns ASCII text; ends with a line feed */
export function errorBody(fault: Fault, requestId: string, isJson: boolean): string {
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
