/**
 * Vectors of family B: what a hostile or dying origin sends, and what the client may see of it.
 */

import type { ClientStep } from '../support/raw-client.ts';
import type { OriginScript, OriginStep, Visit } from '../support/hostile-origin.ts';
import type { ResponseStream, SeenResponse } from '../support/response-reader.ts';

export interface HostileEvidence {
  readonly stream: ResponseStream;
  readonly received: Buffer;
  readonly closed: 'fin' | 'reset' | null;
  readonly visits: readonly Visit[];
  /** From the end of the client's side until the proxy ended the origin connection; -1: open. */
  readonly originEndMs: number;
}

/** @returns what is wrong, or an empty string */
export type HostileCheck = (evidence: HostileEvidence) => string;

export interface HostileVector {
  readonly id: string;
  readonly name: string;
  readonly rule: string;
  readonly method: string;
  readonly script: OriginScript;
  /** Any one of them saying nothing is wrong is enough. */
  readonly right: readonly HostileCheck[];
  /** Replaces the plain request; `TARGET` in its text stands for the scripted target. */
  readonly client?: readonly ClientStep[];
  /** Puts an idle connection to the origin into the pool first. */
  readonly isReused?: boolean;
  /** How often the request may reach the origin. */
  readonly visitsMax: number;
  /** Set when the origin never delivers a whole response: a complete 2xx is then a lie. */
  readonly isTruncated?: boolean;
  /** True when the end is the client's own doing and no answer is awaited. */
  readonly isClientDriven?: boolean;
  /** True when only the close of the client connection is the end. */
  readonly awaitsClose?: boolean;
}

function last(stream: ResponseStream): SeenResponse | undefined {
  return stream.responses.at(-1);
}

/** One complete response with one of `statuses`. */
export function answers(...statuses: number[]): HostileCheck {
  return ({ stream }) => {
    const response = last(stream);
    if (response === undefined) return `want ${statuses.join('/')}, got no response`;
    if (!statuses.includes(response.status)) {
      return `want ${statuses.join('/')}, got ${response.status}`;
    }
    return response.isComplete ? '' : `the ${response.status} was cut off`;
  };
}

/** The connection ends and what came before does not look complete. */
export const broken: HostileCheck = ({ stream, closed }) => {
  if (closed === null) return 'the client was left waiting';
  const response = last(stream);
  return response === undefined || !response.isComplete ? '' : 'looks complete to the client';
};

/** A complete 200 whose body is `body`. */
export function relays(body: string, check?: HostileCheck): HostileCheck {
  return (evidence) => {
    const wrong = answers(200)(evidence);
    if (wrong !== '') return wrong;
    const got = last(evidence.stream)?.body.toString('latin1') ?? '';
    if (got !== body) return `body ${JSON.stringify(got.slice(0, 200))}`;
    return check?.(evidence) ?? '';
  };
}

/** A script of raw texts, the same at every attempt. */
export function script(...parts: (string | OriginStep)[]): OriginScript {
  const steps = parts.map((part): OriginStep =>
    typeof part === 'string' ? { send: Buffer.from(part, 'latin1') } : part,
  );
  return () => steps;
}

export const fin: OriginStep = { end: 'fin' };
export const reset: OriginStep = { end: 'reset' };

/** A response head and body in one text. */
export function response(fields: string, body = '', startLine = 'HTTP/1.1 200 OK'): string {
  return `${startLine}\r\n${fields}\r\n${body}`;
}
