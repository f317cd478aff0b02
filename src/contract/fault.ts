/**
 * Faults: why an exchange failed, as a small integer with one table row each.
 *
 * A fault is a peer's or the network's doing. Nothing is allocated to report one; status code,
 * retry rule, metric label and log text all come from its row in `FAULTS`.
 */

export const Fault = {
  none: 0,
  // The client's request is not acceptable; nothing was forwarded.
  requestMalformed: 1,
  requestFramingInvalid: 2,
  requestTargetInvalid: 3,
  requestHostInvalid: 4,
  requestTargetTooLong: 5,
  requestHeadTooLarge: 6,
  requestFieldsTooMany: 7,
  requestVersionUnsupported: 8,
  requestMethodUnsupported: 9,
  requestTransferCodingUnsupported: 10,
  requestExpectationUnsupported: 11,
  requestBodyTooLarge: 12,
  requestChunkInvalid: 13,
  requestChunkExtensionsTooLarge: 14,
  requestTrailersInvalid: 15,
  requestTrailersTooLarge: 16,
  requestHeadTimeout: 17,
  requestBodyTimeout: 18,
  // The client went away.
  clientClosed: 20,
  clientReset: 21,
  clientWriteTimeout: 22,
  requestMethodNotAllowed: 24, // Of the first group; numbers are never reused.
  // No route, no endpoint, or a limit of ours.
  routeNotFound: 30,
  noEndpoint: 31,
  connectionLimit: 32,
  addressConnectionLimit: 33,
  queueFull: 34,
  queueTimeout: 35,
  memoryLimit: 36,
  loopDetected: 37,
  requestTimeout: 39,
  circuitOpen: 40,
  overloaded: 41,
  socketLimit: 42,
  // The origin could not be reached.
  connectRefused: 50,
  connectTimeout: 51,
  connectFailed: 52,
  nameNotResolved: 53,
  // The origin failed us on an open connection.
  upstreamClosed: 60,
  upstreamReset: 61,
  responseMalformed: 63,
  responseFramingInvalid: 64,
  responseHeadTooLarge: 65,
  responseFieldsTooMany: 66,
  responseVersionUnsupported: 67,
  responseChunkInvalid: 68,
  responseTrailersInvalid: 69,
  responseTruncated: 70,
  responseInterimTooMany: 71,
  responseUpgradeInvalid: 72,
  responseHeadTimeout: 73,
  responseBodyTimeout: 74,
  upstreamWriteTimeout: 75,
  tunnelIdleTimeout: 76,
  upstreamIdleTimeout: 77,
  tryTimeout: 78,
  // Ours.
  internal: 90,
  aborted: 91,
  routeChanged: 92,
} as const;
export type Fault = (typeof Fault)[keyof typeof Fault];

/** Whose doing it was. `client` faults never count against an endpoint. */
export type FaultOrigin = 'client' | 'proxy' | 'upstream';

/**
 * When another attempt is allowed:
 * `never`; `unsent` when no byte of the request reached an origin;
 * `unanswered` when the origin closed before any response byte and the request asks for nothing
 * to change (RFC 9110 §9.2.1), so that sending it again has no effect of its own;
 * `late` when no answer came in time, with the same condition on the request.
 */
export type FaultRetry = 'never' | 'unsent' | 'unanswered' | 'late';

export interface FaultInfo {
  /** Metric label and the `fault` field of logs and JSON error bodies. Stable. */
  readonly label: string;
  readonly origin: FaultOrigin;
  /** Status sent when no response head has been written yet; 0: close without an answer. */
  readonly status: number;
  readonly retry: FaultRetry;
  /** One sentence for people: error bodies, logs and the reference page. */
  readonly text: string;
}

function row(
  label: string,
  origin: FaultOrigin,
  status: number,
  retry: FaultRetry,
  text: string,
): FaultInfo {
  return { label, origin, status, retry, text };
}

export const FAULTS: { readonly [F in Fault]: FaultInfo } = {
  [Fault.none]: row('none', 'proxy', 200, 'never', 'No fault.'),
  [Fault.requestMalformed]: row(
    'request_malformed',
    'client',
    400,
    'never',
    'The request head is not valid HTTP/1.1.',
  ),
  [Fault.requestFramingInvalid]: row(
    'request_framing_invalid',
    'client',
    400,
    'never',
    'The length of the request body is ambiguous or invalid.',
  ),
  [Fault.requestTargetInvalid]: row(
    'request_target_invalid',
    'client',
    400,
    'never',
    'The request target is not a valid path.',
  ),
  [Fault.requestHostInvalid]: row(
    'request_host_invalid',
    'client',
    400,
    'never',
    'The Host field is missing, repeated or invalid.',
  ),
  [Fault.requestTargetTooLong]: row(
    'request_target_too_long',
    'client',
    414,
    'never',
    'The request target is longer than the limit.',
  ),
  [Fault.requestHeadTooLarge]: row(
    'request_head_too_large',
    'client',
    431,
    'never',
    'The request head is larger than the limit.',
  ),
  [Fault.requestFieldsTooMany]: row(
    'request_fields_too_many',
    'client',
    431,
    'never',
    'The request has more header fields than the limit.',
  ),
  [Fault.requestVersionUnsupported]: row(
    'request_version_unsupported',
    'client',
    505,
    'never',
    'The HTTP version is not supported.',
  ),
  [Fault.requestMethodUnsupported]: row(
    'request_method_unsupported',
    'client',
    501,
    'never',
    'The method is not supported.',
  ),
  [Fault.requestTransferCodingUnsupported]: row(
    'request_transfer_coding_unsupported',
    'client',
    501,
    'never',
    'Only the chunked transfer coding is supported.',
  ),
  [Fault.requestExpectationUnsupported]: row(
    'request_expectation_unsupported',
    'client',
    417,
    'never',
    'Only the expectation 100-continue is supported.',
  ),
  [Fault.requestBodyTooLarge]: row(
    'request_body_too_large',
    'client',
    413,
    'never',
    'The request body is larger than the limit.',
  ),
  [Fault.requestChunkInvalid]: row(
    'request_chunk_invalid',
    'client',
    400,
    'never',
    'The chunked request body is malformed.',
  ),
  [Fault.requestChunkExtensionsTooLarge]: row(
    'request_chunk_extensions_too_large',
    'client',
    413,
    'never',
    'The chunk extensions of the request body are larger than the limit.',
  ),
  [Fault.requestTrailersInvalid]: row(
    'request_trailers_invalid',
    'client',
    400,
    'never',
    'The trailers of the request are malformed.',
  ),
  [Fault.requestTrailersTooLarge]: row(
    'request_trailers_too_large',
    'client',
    431,
    'never',
    'The trailers of the request are larger than the limit.',
  ),
  [Fault.requestHeadTimeout]: row(
    'request_head_timeout',
    'client',
    408,
    'never',
    'The request head did not arrive in time.',
  ),
  [Fault.requestBodyTimeout]: row(
    'request_body_timeout',
    'client',
    408,
    'never',
    'The request body stopped arriving.',
  ),
  [Fault.clientClosed]: row(
    'client_closed',
    'client',
    499,
    'never',
    'The client closed the connection before the response was complete.',
  ),
  [Fault.clientReset]: row(
    'client_reset',
    'client',
    499,
    'never',
    'The client reset the connection.',
  ),
  [Fault.clientWriteTimeout]: row(
    'client_write_timeout',
    'client',
    499,
    'never',
    'The client stopped reading the response.',
  ),
  [Fault.requestMethodNotAllowed]: row(
    'request_method_not_allowed',
    'client',
    405,
    'never',
    'The method is not allowed through this proxy.',
  ),
  [Fault.routeNotFound]: row(
    'route_not_found',
    'proxy',
    404,
    'never',
    'No route matches this request.',
  ),
  [Fault.noEndpoint]: row(
    'no_endpoint',
    'proxy',
    503,
    'never',
    'No endpoint of the service is available.',
  ),
  [Fault.connectionLimit]: row(
    'connection_limit',
    'proxy',
    503,
    'never',
    'The proxy has reached its connection limit.',
  ),
  [Fault.addressConnectionLimit]: row(
    'address_connection_limit',
    'client',
    429,
    'never',
    'This client address has too many connections.',
  ),
  [Fault.queueFull]: row(
    'queue_full',
    'proxy',
    503,
    'never',
    'Too many requests are waiting for this service.',
  ),
  [Fault.queueTimeout]: row(
    'queue_timeout',
    'proxy',
    503,
    'never',
    'No place at the service became free in time.',
  ),
  [Fault.memoryLimit]: row(
    'memory_limit',
    'proxy',
    503,
    'never',
    'The proxy has reached its buffer limit.',
  ),
  [Fault.loopDetected]: row(
    'loop_detected',
    'proxy',
    508,
    'never',
    'The request has passed through this proxy too often.',
  ),
  [Fault.requestTimeout]: row(
    'request_timeout',
    'proxy',
    504,
    'never',
    'The exchange took longer than its total timeout.',
  ),
  [Fault.circuitOpen]: row(
    'circuit_open',
    'proxy',
    503,
    'never',
    'Too much of the service fails; it is given a rest.',
  ),
  [Fault.overloaded]: row(
    'overloaded',
    'proxy',
    503,
    'never',
    'The proxy is overloaded and takes no new requests for a moment.',
  ),
  [Fault.socketLimit]: row(
    'socket_limit',
    'proxy',
    503,
    'never',
    'The proxy has no file descriptor left for a connection to the endpoint.',
  ),
  [Fault.connectRefused]: row(
    'connect_refused',
    'upstream',
    502,
    'unsent',
    'The endpoint refused the connection.',
  ),
  [Fault.connectTimeout]: row(
    'connect_timeout',
    'upstream',
    504,
    'unsent',
    'The connection to the endpoint was not established in time.',
  ),
  [Fault.connectFailed]: row(
    'connect_failed',
    'upstream',
    502,
    'unsent',
    'The connection to the endpoint failed.',
  ),
  [Fault.nameNotResolved]: row(
    'name_not_resolved',
    'upstream',
    502,
    'unsent',
    'The name of the endpoint could not be resolved.',
  ),
  [Fault.upstreamClosed]: row(
    'upstream_closed',
    'upstream',
    502,
    'unanswered',
    'The endpoint closed the connection before it answered.',
  ),
  [Fault.upstreamReset]: row(
    'upstream_reset',
    'upstream',
    502,
    'unanswered',
    'The endpoint reset the connection before it answered.',
  ),
  [Fault.responseMalformed]: row(
    'response_malformed',
    'upstream',
    502,
    'never',
    'The response head of the endpoint is not valid HTTP/1.1.',
  ),
  [Fault.responseFramingInvalid]: row(
    'response_framing_invalid',
    'upstream',
    502,
    'never',
    'The length of the response body is ambiguous or invalid.',
  ),
  [Fault.responseHeadTooLarge]: row(
    'response_head_too_large',
    'upstream',
    502,
    'never',
    'The response head is larger than the limit.',
  ),
  [Fault.responseFieldsTooMany]: row(
    'response_fields_too_many',
    'upstream',
    502,
    'never',
    'The response has more header fields than the limit.',
  ),
  [Fault.responseVersionUnsupported]: row(
    'response_version_unsupported',
    'upstream',
    502,
    'never',
    'The endpoint answered in an HTTP version that is not supported.',
  ),
  [Fault.responseChunkInvalid]: row(
    'response_chunk_invalid',
    'upstream',
    502,
    'never',
    'The chunked response body is malformed.',
  ),
  [Fault.responseTrailersInvalid]: row(
    'response_trailers_invalid',
    'upstream',
    502,
    'never',
    'The trailers of the response are malformed or too large.',
  ),
  [Fault.responseTruncated]: row(
    'response_truncated',
    'upstream',
    502,
    'never',
    'The endpoint closed the connection in the middle of the response.',
  ),
  [Fault.responseInterimTooMany]: row(
    'response_interim_too_many',
    'upstream',
    502,
    'never',
    'The endpoint sent too many interim responses.',
  ),
  [Fault.responseUpgradeInvalid]: row(
    'response_upgrade_invalid',
    'upstream',
    502,
    'never',
    'The endpoint switched protocols without being asked to.',
  ),
  [Fault.responseHeadTimeout]: row(
    'response_head_timeout',
    'upstream',
    504,
    'late',
    'The endpoint did not answer in time.',
  ),
  [Fault.responseBodyTimeout]: row(
    'response_body_timeout',
    'upstream',
    504,
    'never',
    'The endpoint stopped sending the response body.',
  ),
  [Fault.upstreamWriteTimeout]: row(
    'upstream_write_timeout',
    'upstream',
    504,
    'never',
    'The endpoint stopped reading the request body.',
  ),
  [Fault.tunnelIdleTimeout]: row(
    'tunnel_idle_timeout',
    'proxy',
    0,
    'never',
    'The upgraded connection was idle for too long.',
  ),
  [Fault.upstreamIdleTimeout]: row(
    'upstream_idle_timeout',
    'proxy',
    0,
    'never',
    'An unused connection to the endpoint was closed; no exchange is affected.',
  ),
  [Fault.tryTimeout]: row(
    'try_timeout',
    'upstream',
    504,
    'late',
    'The endpoint did not answer within the time of one attempt.',
  ),
  [Fault.internal]: row('internal', 'proxy', 500, 'never', 'The proxy made a mistake.'),
  [Fault.aborted]: row(
    'aborted',
    'proxy',
    0,
    'never',
    'The proxy aborted the exchange at the end of a drain.',
  ),
  [Fault.routeChanged]: row(
    'route_changed',
    'proxy',
    0,
    'never',
    'A reload changed the route, and its open streams are closed then.',
  ),
};

/** Size of an array indexed by fault. */
export const FAULT_INDEX_MAX = 96;
