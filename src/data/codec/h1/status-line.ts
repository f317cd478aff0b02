/**
 * Status lines and standard reason phrases (RFC 9110 §15 and the IANA registry), ready as bytes.
 */

import { latin1Bytes } from '../../../base/ascii.ts';

const REASONS: readonly (readonly [number, string])[] = [
  [100, 'Continue'],
  [101, 'Switching Protocols'],
  [103, 'Early Hints'],
  [200, 'OK'],
  [201, 'Created'],
  [202, 'Accepted'],
  [203, 'Non-Authoritative Information'],
  [204, 'No Content'],
  [205, 'Reset Content'],
  [206, 'Partial Content'],
  [300, 'Multiple Choices'],
  [301, 'Moved Permanently'],
  [302, 'Found'],
  [303, 'See Other'],
  [304, 'Not Modified'],
  [307, 'Temporary Redirect'],
  [308, 'Permanent Redirect'],
  [400, 'Bad Request'],
  [401, 'Unauthorized'],
  [402, 'Payment Required'],
  [403, 'Forbidden'],
  [404, 'Not Found'],
  [405, 'Method Not Allowed'],
  [406, 'Not Acceptable'],
  [407, 'Proxy Authentication Required'],
  [408, 'Request Timeout'],
  [409, 'Conflict'],
  [410, 'Gone'],
  [411, 'Length Required'],
  [412, 'Precondition Failed'],
  [413, 'Content Too Large'],
  [414, 'URI Too Long'],
  [415, 'Unsupported Media Type'],
  [416, 'Range Not Satisfiable'],
  [417, 'Expectation Failed'],
  [421, 'Misdirected Request'],
  [422, 'Unprocessable Content'],
  [425, 'Too Early'],
  [426, 'Upgrade Required'],
  [428, 'Precondition Required'],
  [429, 'Too Many Requests'],
  [431, 'Request Header Fields Too Large'],
  [451, 'Unavailable For Legal Reasons'],
  [499, 'Client Closed Request'],
  [500, 'Internal Server Error'],
  [501, 'Not Implemented'],
  [502, 'Bad Gateway'],
  [503, 'Service Unavailable'],
  [504, 'Gateway Timeout'],
  [505, 'HTTP Version Not Supported'],
  [507, 'Insufficient Storage'],
  [508, 'Loop Detected'],
  [511, 'Network Authentication Required'],
];

export const STATUS_MIN = 100;
export const STATUS_MAX = 599;

const NO_BYTES = new Uint8Array(0);

const REASON_BYTES: readonly Uint8Array[] = buildReasons();

function buildReasons(): Uint8Array[] {
  const reasons: Uint8Array[] = [];
  for (let status = STATUS_MIN; status <= STATUS_MAX; status++) reasons.push(NO_BYTES);
  for (const [status, reason] of REASONS) reasons[status - STATUS_MIN] = latin1Bytes(reason);
  return reasons;
}

/** Standard reason phrase; empty for a status without one. Shared bytes: do not change them. */
export function reasonBytes(status: number): Uint8Array {
  if (status < STATUS_MIN || status > STATUS_MAX) return NO_BYTES;
  return REASON_BYTES[status - STATUS_MIN]!;
}
