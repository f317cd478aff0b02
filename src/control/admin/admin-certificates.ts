/**
 * Admin API, the part about certificates: what there is, renewing one now, revoking one.
 */

import { nearest } from '../config/did-you-mean.ts';
import type { CertificateDesk } from '../certificate/certificate-desk.ts';
import { errorAnswer, jsonAnswer } from './admin-answer.ts';
import type { AdminAnswer } from './admin-answer.ts';
import type { Operation, Operations } from './admin-api.ts';

/** Paths with a name in them, as the 404 text shows them. */
export const CERTIFICATE_PATHS: readonly string[] = [
  '/certificates/<name>',
  '/certificates/<name>/renew',
  '/certificates/<name>/revoke',
];

/** Why a certificate is revoked, as RFC 5280 §5.3.1 numbers it, of what an owner can say. */
const REASONS: { readonly [name: string]: number } = {
  unspecified: 0,
  'key-compromise': 1,
  'affiliation-changed': 3,
  superseded: 4,
  'cessation-of-operation': 5,
};

export const listCertificates: Operation = ({ certificates }) =>
  jsonAnswer(200, { certificates: certificates.rows() });

/** The operations of `/certificates/<name>` and below; undefined: it is no such path. */
export function certificateOperations(path: string): Operations | undefined {
  const match = /^\/certificates\/([^/]+)(\/renew|\/revoke)?$/.exec(path);
  if (match === null) return undefined;
  const name = decoded(match[1]!);
  switch (match[2]) {
    case '/renew':
      return { POST: ({ certificates }) => renew(certificates, name) };
    case '/revoke':
      return { POST: ({ certificates }, { body }) => revoke(certificates, name, body) };
    default:
      return { GET: ({ certificates }) => show(certificates, name) };
  }
}

function show(desk: CertificateDesk, name: string): AdminAnswer {
  const row = desk.rows().find((each) => each.name === name);
  return row === undefined ? unknown(desk, name) : jsonAnswer(200, row);
}

/** 202: it goes on after the answer. */
function renew(desk: CertificateDesk, name: string): AdminAnswer {
  const outcome = desk.renew(name);
  switch (outcome) {
    case 'unknown':
      return unknown(desk, name);
    case 'not-managed':
      return notManaged(name);
    default: {
      const certificate = desk.rows().find((row) => row.name === name) ?? null;
      return jsonAnswer(202, { outcome, certificate });
    }
  }
}

/** Takes no body, or `{"reason":"key-compromise"}`. */
async function revoke(desk: CertificateDesk, name: string, body: string): Promise<AdminAnswer> {
  const reason = reasonIn(body.trim());
  if (reason === undefined) {
    const expected = `{"reason": "${Object.keys(REASONS).join('" | "')}"}`;
    return errorAnswer(400, 'The body is not a reason.', { expected });
  }
  const outcome = await desk.revoke(name, reason);
  switch (outcome.status) {
    case 'revoked':
      return jsonAnswer(200, outcome);
    case 'failed':
      return errorAnswer(502, `The authority did not revoke it: ${outcome.message}.`);
    case 'not-managed':
      return notManaged(name);
    default:
      return unknown(desk, name);
  }
}

function reasonIn(body: string): number | undefined {
  if (body === '') return REASONS.unspecified;
  try {
    const value: unknown = JSON.parse(body);
    const isObject = typeof value === 'object' && value !== null;
    const reason: unknown = isObject && 'reason' in value ? value.reason : undefined;
    return typeof reason === 'string' && Object.hasOwn(REASONS, reason)
      ? REASONS[reason]
      : undefined;
  } catch {
    return undefined;
  }
}

function notManaged(name: string): AdminAnswer {
  const text = `The certificate ${name} is from files: replace them, and the new ones are served.`;
  return errorAnswer(409, text);
}

function unknown(desk: CertificateDesk, name: string): AdminAnswer {
  const names = desk.rows().map((row) => row.name);
  const meant = nearest(name, names);
  const hint = meant === null ? '' : ` Did you mean ${meant}?`;
  return errorAnswer(404, `There is no certificate ${name}.${hint}`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
