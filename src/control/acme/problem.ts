/**
 * Problems: what an ACME authority says when it refuses (RFC 8555 §6.7, RFC 9457).
 *
 * A problem is text of somebody else that ends up in logs and on screens: it is cut, and control
 * characters are taken out.
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

const PREFIXES = ['urn:ietf:params:acme:error:', 'urn:acme:error:'];
const TYPE_LENGTH_MAX = 200;
const DETAIL_LENGTH_MAX = 1_000;
const IDENTIFIER_LENGTH_MAX = 260;
const SUBPROBLEMS_MAX = 100;

/** The problem in the body of a response; one of type `about:blank` when there is none in it. */
export function readProblem(status: number, body: Uint8Array): Problem {
  const text = new TextDecoder().decode(body);
  let document: unknown = null;
  try {
    document = JSON.parse(text);
  } catch {
    // No document: what came instead is the detail.
  }
  const problem = problemOf(document, status, 0);
  if (problem !== null) return problem;
  const detail = plainText(text.slice(0, 4_000).replaceAll(/<[^<>]*>/g, ' '), 200);
  return { type: 'about:blank', status, detail, identifier: '', subproblems: [] };
}

/**
 * A problem inside another document, such as the `error` of a challenge.
 * @param status of the problem when it says none
 * @returns null when `value` is not one
 */
export function problemOf(value: unknown, status: number, depth = 0): Problem | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const { type, status: ownStatus, detail, identifier, subproblems } = value as ProblemDocument;
  if (typeof type !== 'string' && typeof detail !== 'string') return null;
  return {
    type: shortType(typeof type === 'string' ? type : 'about:blank'),
    status: isStatus(ownStatus) ? ownStatus : status,
    detail: typeof detail === 'string' ? plainText(detail, DETAIL_LENGTH_MAX) : '',
    identifier: identifierOf(identifier),
    subproblems: depth === 0 ? listProblems(subproblems, status) : [],
  };
}

interface ProblemDocument {
  readonly type?: unknown;
  readonly status?: unknown;
  readonly detail?: unknown;
  readonly identifier?: unknown;
  readonly subproblems?: unknown;
}

function listProblems(value: unknown, status: number): Problem[] {
  if (!Array.isArray(value)) return [];
  return value
    .slice(0, SUBPROBLEMS_MAX)
    .map((item) => problemOf(item, status, 1))
    .filter((item) => item !== null);
}

function isStatus(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 100 && (value as number) <= 599;
}

function identifierOf(value: unknown): string {
  if (typeof value !== 'object' || value === null || !('value' in value)) return '';
  return typeof value.value === 'string' ? plainText(value.value, IDENTIFIER_LENGTH_MAX) : '';
}

function shortType(type: string): string {
  const clean = plainText(type, TYPE_LENGTH_MAX);
  const prefix = PREFIXES.find((candidate) => clean.startsWith(candidate));
  return prefix === undefined ? clean : clean.slice(prefix.length);
}

/** On one line, without control characters and what turns the direction of text, and cut. */
function plainText(text: string, lengthMax: number): string {
  const clean = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  return clean.length <= lengthMax ? clean : `${clean.slice(0, lengthMax - 1)}…`;
}
