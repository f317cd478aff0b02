/**
 * Problems: what an ACME authority says when it refuses (RFC 8555 §6.7, RFC 9457).
 */

export interface Problem {
  /** Without the prefix `urn:ietf:params:acme:error:`; the whole URL when it is another one. */
  readonly type: string;
  /** HTTP status; that of the response when the document has none. */
  readonly status: number;
  readonly detail: string;
  /** Name or address it is about; empty: the whole request. */
  readonly identifier: string;
  readonly subproblems: readonly Problem[];
}
