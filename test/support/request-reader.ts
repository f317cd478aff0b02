/**
 * Strict, incremental reading of the requests on one origin connection.
 *
 * A request appears in the log as soon as its head is complete; `isComplete` follows with the
 * last byte of the body, so a test sees what was begun and never finished.
 */

import { ChunkedReader } from './chunked-reader.ts';
import { fieldValues, readFraming, readHead, type Framing, type HeadField } from './strict-head.ts';

export interface SeenRequest {
  /** Running number over all connections of one origin, from 1. */
  readonly id: number;
  /** Number of the connection it came on, from 1. */
  readonly connection: number;
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly fields: readonly HeadField[];
  readonly rawHead: string;
  readonly framing: Framing['kind'];
  body: Buffer;
  trailers: readonly string[];
  chunkCount: number;
  isComplete: boolean;
  /** How the connection ended before the request was complete. */
  aborted: 'fin' | 'reset' | null;
  readonly violations: string[];
}

export interface RequestReaderEvents {
  nextId(): number;
  onHead(request: SeenRequest): void;
  onRequest(request: SeenRequest): void;
}

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) (HTTP\/1\.[01])$/;

export class RequestReader {
  readonly connection: number;
  readonly #events: RequestReaderEvents;
  #bytes: Buffer = Buffer.alloc(0);
  #current: SeenRequest | null = null;
  #chunked: ChunkedReader | null = null;
  #length = 0;
  /** Why the rest of the connection cannot be read; empty while it can. */
  broken = '';

  constructor(connection: number, events: RequestReaderEvents) {
    this.connection = connection;
    this.#events = events;
  }

  /** Bytes that belong to no request seen so far. */
  get leftover(): Buffer {
    return this.#current === null ? this.#bytes : Buffer.alloc(0);
  }

  push(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    while (this.broken === '' && this.#step());
  }

  /** The connection ended: an unfinished request is marked. */
  end(how: 'fin' | 'reset'): void {
    if (this.#current === null) return;
    this.#current.aborted = how;
    this.#current = null;
    this.#bytes = Buffer.alloc(0); // A body cut off is an abort, not bytes left over.
  }

  #step(): boolean {
    if (this.#current === null) return this.#readHead();
    return this.#chunked === null ? this.#readLength(this.#current) : this.#readChunked();
  }

  #readHead(): boolean {
    if (this.#bytes.length === 0) return false;
    const head = readHead(this.#bytes, 0);
    if (head === null) return false;
    const match = REQUEST_LINE.exec(head.startLine);
    if (match === null) {
      this.broken = `I3 request line ${JSON.stringify(head.startLine.slice(0, 200))}`;
      return false;
    }
    const violations = head.violations;
    const framing = readFraming(head.fields, violations);
    const hosts = fieldValues(head.fields, 'host').length;
    if (hosts !== 1) violations.push(`I3 ${hosts} Host fields`);
    if (framing.kind === 'chunked' && match[3] === 'HTTP/1.0') violations.push('I2 chunked in 1.0');
    const request: SeenRequest = {
      id: this.#events.nextId(),
      connection: this.connection,
      method: match[1] ?? '',
      target: match[2] ?? '',
      version: match[3] ?? '',
      fields: head.fields,
      rawHead: head.raw,
      framing: framing.kind,
      body: Buffer.alloc(0),
      trailers: [],
      chunkCount: 0,
      isComplete: false,
      aborted: null,
      violations,
    };
    this.#bytes = this.#bytes.subarray(head.end);
    this.#current = request;
    this.#chunked = framing.kind === 'chunked' ? new ChunkedReader(0) : null;
    this.#length = framing.kind === 'length' ? framing.length : 0;
    this.#events.onHead(request);
    return true;
  }

  #readLength(request: SeenRequest): boolean {
    request.body = this.#bytes.subarray(0, Math.min(this.#length, this.#bytes.length));
    if (this.#bytes.length < this.#length) return false;
    this.#finish(request, this.#length);
    return true;
  }

  #readChunked(): boolean {
    const reader = this.#chunked!;
    const request = this.#current!;
    const state = reader.read(this.#bytes);
    request.body = reader.body();
    request.trailers = reader.trailers;
    request.chunkCount = reader.chunkCount;
    if (state === 'bad') {
      request.violations.push(`I2 chunked body: ${reader.reason}`);
      this.broken = reader.reason;
    }
    if (state !== 'done') return false;
    if (reader.extensionSize > 0) request.violations.push('chunk extensions were forwarded');
    this.#finish(request, reader.position);
    return true;
  }

  #finish(request: SeenRequest, size: number): void {
    request.body = Buffer.from(request.body);
    request.isComplete = true;
    this.#bytes = this.#bytes.subarray(size);
    this.#current = null;
    this.#chunked = null;
    this.#events.onRequest(request);
  }
}
