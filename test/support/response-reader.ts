/**
 * Reads everything a client received on one connection into responses, strictly.
 *
 * A response is `isComplete` only when its framing says so: a body cut off by the end of the
 * connection is complete for close-delimited bodies alone (RFC 9112 §8).
 */

import { ChunkedReader } from './chunked-reader.ts';
import { fieldValue, readFraming, readHead, type HeadField } from './strict-head.ts';

export interface SeenResponse {
  readonly status: number;
  readonly version: string;
  readonly reason: string;
  readonly fields: readonly HeadField[];
  readonly body: Buffer;
  readonly framing: 'none' | 'length' | 'chunked' | 'close';
  readonly trailers: readonly string[];
  readonly isComplete: boolean;
  /** True for 1xx other than 101. */
  readonly isInterim: boolean;
  readonly violations: readonly string[];
}

export interface ResponseStream {
  /** Final responses, in order. */
  readonly responses: readonly SeenResponse[];
  readonly interim: readonly SeenResponse[];
  /** Bytes after the last readable response (a tunnel, garbage, or the start of a head). */
  readonly leftover: Buffer;
  readonly error: string;
}

interface Body {
  readonly bytes: Buffer;
  readonly end: number;
  readonly isComplete: boolean;
  readonly framing: SeenResponse['framing'];
  readonly trailers: readonly string[];
}

const STATUS_LINE = /^(HTTP\/1\.[01]) ([1-9][0-9][0-9]) ([^\r\n]*)$/;

function readBody(
  bytes: Buffer,
  start: number,
  fields: readonly HeadField[],
  violations: string[],
): Body {
  const framing = readFraming(fields, violations);
  if (framing.kind === 'chunked') {
    const reader = new ChunkedReader(start);
    const state = reader.read(bytes);
    if (state === 'bad') violations.push(`chunked body: ${reader.reason}`);
    const isComplete = state === 'done';
    const end = isComplete ? reader.position : bytes.length;
    return {
      bytes: reader.body(),
      end,
      isComplete,
      framing: 'chunked',
      trailers: reader.trailers,
    };
  }
  const length = framing.kind === 'length' ? framing.length : Infinity;
  const end = Math.min(bytes.length, start + length);
  return {
    bytes: bytes.subarray(start, end),
    end,
    isComplete: end - start === length,
    framing: framing.kind === 'length' ? 'length' : 'close',
    trailers: [],
  };
}

/**
 * @param bytes    all bytes received
 * @param isClosed true once the peer ended the connection in order
 * @param methods  the requests' methods, in order: HEAD has no body; missing ones count as GET
 */
export function readResponses(
  bytes: Buffer,
  isClosed: boolean,
  methods: readonly string[] = [],
): ResponseStream {
  const responses: SeenResponse[] = [];
  const interim: SeenResponse[] = [];
  let position = 0;
  let error = '';
  while (position < bytes.length) {
    const head = readHead(bytes, position);
    if (head === null) break;
    const match = STATUS_LINE.exec(head.startLine);
    if (match === null) {
      error = `status line ${JSON.stringify(head.startLine.slice(0, 100))}`;
      break;
    }
    const status = Number(match[2]);
    const isInterim = status < 200 && status !== 101;
    const hasNoBody =
      status < 200 || status === 204 || status === 304 || methods[responses.length] === 'HEAD';
    const violations = [...head.violations];
    const body: Body = hasNoBody
      ? { bytes: Buffer.alloc(0), end: head.end, isComplete: true, framing: 'none', trailers: [] }
      : readBody(bytes, head.end, head.fields, violations);
    const seen: SeenResponse = {
      status,
      version: match[1] ?? '',
      reason: match[3] ?? '',
      fields: head.fields,
      body: body.bytes,
      framing: body.framing,
      trailers: body.trailers,
      isComplete: body.isComplete || (body.framing === 'close' && isClosed),
      isInterim,
      violations,
    };
    (isInterim ? interim : responses).push(seen);
    position = body.end;
    if (status === 101) break;
  }
  return { responses, interim, leftover: bytes.subarray(position), error };
}

/** One field of a response, or undefined. */
export function responseField(response: SeenResponse, name: string): string | undefined {
  return fieldValue(response.fields, name);
}
