/**
 * The shape of a conformance vector: what a client sends, and every answer that is right.
 *
 * Vectors are data. The general invariants I1 to I7 (see `judge.ts`) hold for all of them on top
 * of what is said here.
 */

import type { ClientStep } from '../support/raw-client.ts';
import type { Answer } from '../support/recorder-origin.ts';
import type { SeenRequest } from '../support/request-reader.ts';
import type { ResponseStream } from '../support/response-reader.ts';

/** What came of a vector: the client's side and the recorder's side. */
export interface Evidence {
  readonly stream: ResponseStream;
  readonly seen: readonly SeenRequest[];
  readonly closed: 'fin' | 'reset' | null;
  readonly elapsedMs: number;
}

export interface RightAnswer {
  /** Allowed status codes of each final response the client gets, in order. */
  readonly statuses: readonly (readonly number[])[];
  /** Requests that reach the origin complete. */
  readonly forwarded: number;
  /** Requests that may have begun at the origin and must end there as aborted. */
  readonly begunMax: number;
  readonly closes: boolean | 'any';
  /** A further demand. @returns what is wrong, or an empty string */
  readonly check?: (evidence: Evidence) => string;
}

export interface Vector {
  /** Row of the attack matrix, such as `A1`. */
  readonly id: string;
  readonly name: string;
  readonly steps: readonly ClientStep[];
  readonly right: readonly RightAnswer[];
  /** Where the right answer is written. */
  readonly rule: string;
  /** Methods of the requests when one of them is HEAD. */
  readonly methods?: readonly string[];
  /** The origin's answer, when the plain one will not do. */
  readonly answer?: (request: SeenRequest) => Answer | null;
}

/** Latin-1 text to bytes: every char code is one byte. */
export function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** One send step. */
export function send(text: string): ClientStep {
  return { send: bytes(text) };
}

/** Refused with one of `statuses`, connection closed, nothing forwarded. */
export function reject(...statuses: number[]): RightAnswer {
  return { statuses: [statuses], forwarded: 0, begunMax: 0, closes: true };
}

/** Refused with one of `statuses`; the connection may stay open, since framing is not in doubt. */
export function refuse(...statuses: number[]): RightAnswer {
  return { statuses: [statuses], forwarded: 0, begunMax: 0, closes: 'any' };
}

/** A body found bad after its head may have been forwarded: refused, closed, origin aborted. */
export function rejectBody(...statuses: number[]): RightAnswer {
  return { statuses: [statuses], forwarded: 0, begunMax: 1, closes: true };
}

/** Closed without an answer, nothing forwarded. */
export const closeSilently: RightAnswer = {
  statuses: [],
  forwarded: 0,
  begunMax: 0,
  closes: true,
};

/** `count` requests forwarded and answered 200. */
export function forward(
  count = 1,
  check?: (evidence: Evidence) => string,
  closes: RightAnswer['closes'] = 'any',
): RightAnswer {
  const answer = {
    statuses: Array.from({ length: count }, () => [200]),
    forwarded: count,
    begunMax: 0,
    closes,
  };
  return check === undefined ? answer : { ...answer, check };
}

/** A request head `METHOD /z` with Host, then `fields` (lines with CRLF), then the body. */
export function request(method: string, fields: string, body = ''): string {
  return `${method} /z HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n${body}`;
}

/** `POST /z` with a chunked body given as raw bytes. */
export function chunked(body: string, fields = ''): string {
  return request('POST', `Transfer-Encoding: chunked\r\n${fields}`, body);
}

/** A whole request that must never reach the origin on its own. */
export const SMUGGLED = 'GET /smug HTTP/1.1\r\nHost: a.test\r\n\r\n';

/** Body of the n-th seen request must be `text`. */
export function bodyIs(text: string): (evidence: Evidence) => string {
  return ({ seen }) => {
    const body = seen[0]?.body.toString('latin1') ?? 'nothing';
    return body === text ? '' : `origin got the body ${JSON.stringify(body.slice(0, 200))}`;
  };
}
