/**
 * Certificate log: what becomes a line of the process log, and how loud it is.
 *
 * L1  a failure that goes away by itself is a warning; one that a person has to end is an error.
 * L2  a certificate that nears its end is told of twice, scaled to its lifetime: certificates of
 *     six days and of a year both leave time to act.
 */

import type { CertificateEvent } from './certificate-event.ts';
import type { CertificateRow } from './certificate-row.ts';

/** What the logger of the process is one of. */
export interface CertificateEventLog {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

type LogFields = { readonly [name: string]: string | number };

const DAY_MS = 86_400_000;
/** Renewal is due at a third; what is left here was missed by a while. */
const NEAR = { share: 0.2, maxMs: 30 * DAY_MS } as const;
const CLOSE = { share: 0.1, maxMs: 7 * DAY_MS } as const;
/** Names shown in a line; more are counted. */
const NAMES_SHOWN = 5;

type Nearness = 'near' | 'close' | 'over';

export class CertificateLog {
  private readonly log: CertificateEventLog;
  /** What was said of a certificate, by id. */
  private said = new Map<string, Nearness>();

  constructor(log: CertificateEventLog) {
    this.log = log;
  }

  event(event: CertificateEvent): void {
    const { log } = this;
    switch (event.kind) {
      case 'obtained':
      case 'renewed':
        return log.info(`certificate ${event.kind}`, {
          name: event.name,
          names: namesText(event.names),
          issuer: event.issuer,
          not_after: stamp(event.notAfterMs),
          took_ms: Math.round(event.tookMs),
        });
      case 'failed':
        return this.failure(event);
      case 'window-moved':
        return log.info('the authority moved the renewal of a certificate', {
          name: event.name,
          issuer: event.issuer,
          from: stamp(event.renewal.startMs),
          to: stamp(event.renewal.endMs),
          ...(event.renewal.explanationUrl === '' ? {} : { why: event.renewal.explanationUrl }),
        });
      case 'revoked':
        return log.warn('certificate revoked', { name: event.name, issuer: event.issuer });
      default: {
        const fields = event.name === '' ? {} : { name: event.name };
        return log.error(`certificates: ${event.message}`, fields);
      }
    }
  }

  /** L2. Says of `rows`, all there are, what has come nearer to its end since the last look. */
  look(rows: readonly CertificateRow[], nowMs: number): void {
    const said = new Map<string, Nearness>();
    for (const row of rows) {
      if (row.notAfterMs === 0) continue;
      const nearness = nearnessOf(row, nowMs);
      if (nearness === null) continue;
      said.set(row.id, nearness);
      if (this.said.get(row.id) !== nearness) this.nearness(row, nearness);
    }
    this.said = said;
  }

  /** L1. */
  private failure({ name, issuer, problem, servedUntilMs, nextAttemptMs }: FailedEvent): void {
    if (problem.advice === 'aborted') return;
    const fields = {
      name,
      issuer,
      problem: problem.type,
      advice: problem.advice,
      reason: problem.message,
      failures: problem.failures,
      ...(servedUntilMs === 0 ? {} : { served_until: stamp(servedUntilMs) }),
      ...(nextAttemptMs === 0 ? {} : { next_attempt: stamp(nextAttemptMs) }),
    };
    const what = servedUntilMs === 0 ? 'no certificate' : 'a certificate was not renewed';
    if (problem.advice === 'fix') this.log.error(what, fields);
    else this.log.warn(`${what} yet`, fields);
  }

  private nearness(row: CertificateRow, nearness: Nearness): void {
    const fields = {
      name: row.name,
      not_after: stamp(row.notAfterMs),
      what_to_do: adviceFor(row),
    };
    if (nearness === 'near') this.log.warn('a certificate ends soon', fields);
    else if (nearness === 'close') this.log.error('a certificate ends very soon', fields);
    else this.log.error('a certificate is past its end', fields);
  }
}

type FailedEvent = Extract<CertificateEvent, { kind: 'failed' }>;

function nearnessOf({ notBeforeMs, notAfterMs }: CertificateRow, nowMs: number): Nearness | null {
  const left = notAfterMs - nowMs;
  const lifetime = notAfterMs - notBeforeMs;
  if (left <= 0) return 'over';
  if (left < Math.min(lifetime * CLOSE.share, CLOSE.maxMs)) return 'close';
  return left < Math.min(lifetime * NEAR.share, NEAR.maxMs) ? 'near' : null;
}

function adviceFor({ source, problem }: CertificateRow): string {
  if (source === 'file') return 'replace its files';
  return problem?.message ?? 'it is being renewed; see `proxy-now certs`';
}

function namesText(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN).join(' ');
  return names.length > NAMES_SHOWN ? `${shown} and ${names.length - NAMES_SHOWN} more` : shown;
}

function stamp(ms: number): string {
  return new Date(ms).toISOString();
}
