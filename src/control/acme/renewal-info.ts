/**
 * Renewal information (RFC 9773): when the authority wants a certificate to be renewed.
 */

import { readCertificate } from '../x509/certificate-reader.ts';
import { certificatesOf } from '../x509/pem.ts';
import type { AcmeReply } from './acme-session.ts';

/** As RenewalWindow of the issuer. */
export interface SuggestedWindow {
  /** Unix milliseconds. */
  readonly startMs: number;
  readonly endMs: number;
  readonly nextLookMs: number;
  readonly explanationUrl: string;
}

/** The authority is not asked more often, and not less often, than this (RFC 9773 §4.3). */
const LOOK_AGAIN_MIN_MS = 60_000;
const LOOK_AGAIN_MAX_MS = 86_400_000;
const LOOK_AGAIN_MS = 6 * 3_600_000;

/**
 * Identifier of a certificate (RFC 9773 §4.1): its authority's key identifier and its serial.
 * @param chain PEM, leaf first
 * @returns null when the leaf has no authority key identifier
 */
export function renewalId(chain: string): string | null {
  const leaf = readCertificate(certificatesOf(chain)[0] ?? new Uint8Array());
  if (leaf === null || leaf.authorityKeyId === null) return null;
  return `${base64url(leaf.authorityKeyId)}.${base64url(leaf.serial)}`;
}

/**
 * Reads a window. A window in the past is one: it says to renew now.
 * @returns null when it is malformed, or does not end after it starts: then there is none
 */
export function readRenewalInfo(reply: AcmeReply, nowMs: number): SuggestedWindow | null {
  let document: { suggestedWindow?: unknown; explanationURL?: unknown } | null;
  try {
    document = JSON.parse(new TextDecoder().decode(reply.body)) as typeof document;
  } catch {
    return null;
  }
  if (typeof document !== 'object' || document === null) return null;
  const { suggestedWindow, explanationURL } = document;
  if (typeof suggestedWindow !== 'object' || suggestedWindow === null) return null;
  const { start, end } = suggestedWindow as { start?: unknown; end?: unknown };
  const startMs = timeOf(start);
  const endMs = timeOf(end);
  if (startMs === null || endMs === null || endMs <= startMs) return null;
  return {
    startMs,
    endMs,
    nextLookMs: nextLookMs(reply.retryAtMs, nowMs),
    explanationUrl: pageOf(explanationURL),
  };
}

/** @param saidMs of Retry-After; 0: not said */
export function nextLookMs(saidMs: number, nowMs: number): number {
  const inMs = saidMs === 0 ? LOOK_AGAIN_MS : saidMs - nowMs;
  return nowMs + Math.min(Math.max(inMs, LOOK_AGAIN_MIN_MS), LOOK_AGAIN_MAX_MS);
}

/** RFC 3339 only: other texts mean another time to every reader. */
function timeOf(value: unknown): number | null {
  if (typeof value !== 'string') return null;
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i.test(value);
  const time = isTime ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}

function pageOf(value: unknown): string {
  if (typeof value !== 'string' || value.length > 500 || !URL.canParse(value)) return '';
  const url = new URL(value);
  return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : '';
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
