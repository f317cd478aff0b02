/**
 * Message heads as offsets into the buffer they arrived in; no text is made until asked for.
 *
 * H1  offsets are absolute in `bytes` and valid while the caller keeps those bytes unchanged.
 * H2  a head is recycled: `reset()` restores every field that a parser or a reader looks at.
 * H3  `isHop[i]` is 1 for every field that must not be forwarded as received. A nomination by
 *     Connection (RFC 9110 §7.6.1) adds only names that are not in `Field`: every known
 *     end-to-end name (Host, Content-Length, Authorization, Cookie, X-Forwarded-*, X-Real-IP,
 *     Forwarded, Via, Cache-Control...) is kept, since removing those is only ever an attack.
 */

import { equalsIgnoreCase, latin1Text } from '../../base/ascii.ts';
import { Fault } from '../../contract/fault.ts';

/** Ceilings of one HTTP/1 message. All sizes in bytes; a value equal to its ceiling passes. */
export interface H1Limits {
  /** Start line, fields and the empty line that ends them. */
  readonly headSizeMax: number;
  /** Field lines of a head, and of a trailer section. */
  readonly fieldCountMax: number;
  /** Request target as sent. */
  readonly targetSizeMax: number;
  /** All chunk extensions of one message together. */
  readonly chunkExtensionSizeMax: number;
  /** The trailer section of one message. */
  readonly trailerSizeMax: number;
}

/** Methods that something here turns on. Names are case-sensitive (RFC 9110 §9.1). */
export const Method = {
  other: 0,
  get: 1,
  head: 2,
  post: 3,
  put: 4,
  delete: 5,
  options: 6,
  trace: 7,
  connect: 8,
  patch: 9,
} as const;
export type Method = (typeof Method)[keyof typeof Method];

const METHOD_TEXT = [
  '',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PATCH',
] as const;

/** Forms of a request target (RFC 9112 §3.2); authority-form belongs to CONNECT, refused. */
export const TargetForm = { origin: 0, absolute: 1, asterisk: 2 } as const;
export type TargetForm = (typeof TargetForm)[keyof typeof TargetForm];

/** How the end of a body is known (RFC 9112 §6.3). `close` occurs in responses only. */
export const Framing = { none: 0, length: 1, chunked: 2, close: 3 } as const;
export type Framing = (typeof Framing)[keyof typeof Framing];

const NO_BYTES = new Uint8Array(0);

/** The field lines of one head, in order of arrival. Values exclude surrounding whitespace. */
export class FieldTable {
  bytes: Uint8Array;
  count: number;
  /** Most fields this table can hold; fixed. */
  readonly capacity: number;
  readonly nameStart: Int32Array;
  readonly nameEnd: Int32Array;
  readonly valueStart: Int32Array;
  readonly valueEnd: Int32Array;
  /** `Field` ids. */
  readonly id: Uint8Array;
  /** 1: not forwarded as received (H3). */
  readonly isHop: Uint8Array;
  /** Offset of the empty line that ends the section, so of the end of the last field line. */
  sectionEnd: number;
  /** `ConnectionOption` bits of every Connection field together. */
  connectionOptions: number;
  /** Elements of every Connection field together. */
  connectionOptionCount: number;
  /** Progress of the scan; the scanner's alone. */
  phase: number;
  position: number;

  constructor(fieldsMax: number) {
    const words = new ArrayBuffer(fieldsMax * 18); // One allocation: a head is one per exchange.
    this.bytes = NO_BYTES;
    this.count = 0;
    this.capacity = fieldsMax;
    this.nameStart = new Int32Array(words, 0, fieldsMax);
    this.nameEnd = new Int32Array(words, fieldsMax * 4, fieldsMax);
    this.valueStart = new Int32Array(words, fieldsMax * 8, fieldsMax);
    this.valueEnd = new Int32Array(words, fieldsMax * 12, fieldsMax);
    this.id = new Uint8Array(words, fieldsMax * 16, fieldsMax);
    this.isHop = new Uint8Array(words, fieldsMax * 17, fieldsMax);
    this.sectionEnd = 0;
    this.connectionOptions = 0;
    this.connectionOptionCount = 0;
    this.phase = 0;
    this.position = 0;
  }

  /** Empties the table; the next scan starts at `position` of `bytes`, which are borrowed. */
  restart(bytes: Uint8Array, position: number): void {
    this.bytes = bytes;
    this.count = 0;
    this.sectionEnd = 0;
    this.connectionOptions = 0;
    this.connectionOptionCount = 0;
    this.phase = 0;
    this.position = position;
  }

  /** Index of the first field with this `Field` id at or after `from`, or -1. */
  find(id: number, from = 0): number {
    for (let i = from; i < this.count; i++) {
      if (this.id[i] === id) return i;
    }
    return -1;
  }

  /** Index of the first field of that name (given in lower case) at or after `from`, or -1. */
  findName(nameLower: Uint8Array, from = 0): number {
    for (let i = from; i < this.count; i++) {
      if (equalsIgnoreCase(this.bytes, this.nameStart[i]!, this.nameEnd[i]!, nameLower)) return i;
    }
    return -1;
  }

  /** Name as sent. Allocates. */
  nameText(index: number): string {
    return latin1Text(this.bytes, this.nameStart[index]!, this.nameEnd[index]!);
  }

  /** Value without surrounding whitespace, one character per octet. Allocates. */
  valueText(index: number): string {
    return latin1Text(this.bytes, this.valueStart[index]!, this.valueEnd[index]!);
  }
}

/** Head of a request. Fields marked raw are as sent: not decoded, not checked as a host name. */
export class RequestHead {
  readonly fields: FieldTable;
  bytes: Uint8Array = NO_BYTES;
  /** Where parsing began; leading empty lines are part of the range. */
  start = 0;
  /** Past the empty line; 0 until the head is complete. */
  end = 0;
  method: Method = Method.other;
  methodStart = 0;
  methodEnd = 0;
  targetStart = 0;
  /**
   * `asterisk` also stands for `OPTIONS http://host` without path and query, which an origin
   * must be sent as `*` (RFC 9112 §3.2.4); its path range then reads `/`.
   */
  targetForm: TargetForm = TargetForm.origin;
  /** Raw authority: of an absolute target, else the value of Host; empty when there is neither. */
  authorityStart = 0;
  authorityEnd = 0;
  /** Raw path; never empty: an absolute target without one borrows the `/` of its `://`. */
  pathStart = 0;
  pathEnd = 0;
  /** Raw query without `?`; start is -1 when there is no `?`. */
  queryStart = -1;
  queryEnd = -1;
  versionMinor = 1;
  framing: Framing = Framing.none;
  /** Body size when `framing` is `length`, else 0. */
  contentLength = 0;
  /** The client lets the connection live on (RFC 9112 §9.3). */
  keepAlive = false;
  /** The client waits for 100 before it sends its body (RFC 9110 §10.1.1). */
  expectsContinue = false;
  /** GET, HTTP/1.1, no body, `Connection: upgrade` and `Upgrade: websocket` (RFC 6455 §4.1). */
  upgradesWebsocket = false;
  /** TE lists `trailers` (RFC 9110 §10.1.4). */
  wantsTrailers = false;
  /** Why the head was rejected, or `Fault.none`. */
  fault: Fault = Fault.none;
  /** Progress of the parser; the parser's alone. */
  phase = 0;
  position = 0;

  /** @param fieldsMax  most fields this head can hold */
  constructor(fieldsMax: number) {
    this.fields = new FieldTable(fieldsMax);
  }

  /** Forgets everything, so that the next call of the parser starts afresh. */
  reset(): void {
    this.restart(NO_BYTES, 0);
  }

  /** The parser's: like `reset`, for bytes that are borrowed from now on. */
  restart(bytes: Uint8Array, start: number): void {
    this.fields.restart(bytes, start);
    this.bytes = bytes;
    this.start = start;
    this.end = 0;
    this.method = Method.other;
    this.methodStart = start;
    this.methodEnd = start;
    this.targetStart = start;
    this.targetForm = TargetForm.origin;
    this.authorityStart = start;
    this.authorityEnd = start;
    this.pathStart = start;
    this.pathEnd = start;
    this.queryStart = -1;
    this.queryEnd = -1;
    this.versionMinor = 1;
    this.framing = Framing.none;
    this.contentLength = 0;
    this.keepAlive = false;
    this.expectsContinue = false;
    this.upgradesWebsocket = false;
    this.wantsTrailers = false;
    this.fault = Fault.none;
    this.phase = 0;
    this.position = start;
  }

  /** Method as sent. Allocates for methods outside `Method` only. */
  methodText(): string {
    if (this.method !== Method.other) return METHOD_TEXT[this.method];
    return latin1Text(this.bytes, this.methodStart, this.methodEnd);
  }
}

/** Head of a response. */
export class ResponseHead {
  readonly fields: FieldTable;
  bytes: Uint8Array = NO_BYTES;
  start = 0;
  /** Past the empty line; 0 until the head is complete. */
  end = 0;
  /** 100 to 599; 0 until it is read. */
  status = 0;
  /** Raw reason phrase, perhaps empty. */
  reasonStart = 0;
  reasonEnd = 0;
  versionMinor = 1;
  framing: Framing = Framing.none;
  /**
   * Content-Length, or -1 when there is none that may be relayed. For HEAD and 304 it is what a
   * GET would carry, while `framing` is `none` (RFC 9110 §8.6).
   */
  contentLength = -1;
  /** The connection may serve another exchange once the body is read; false when in doubt. */
  keepAlive = false;
  /** 101 with `Connection: upgrade` and `Upgrade: websocket`. */
  upgradesWebsocket = false;
  /** Why the head was rejected, or `Fault.none`. */
  fault: Fault = Fault.none;
  /** Progress of the parser; the parser's alone. */
  phase = 0;
  position = 0;

  /** @param fieldsMax  most fields this head can hold */
  constructor(fieldsMax: number) {
    this.fields = new FieldTable(fieldsMax);
  }

  /** Forgets everything, so that the next call of the parser starts afresh. */
  reset(): void {
    this.restart(NO_BYTES, 0);
  }

  /** The parser's: like `reset`, for bytes that are borrowed from now on. */
  restart(bytes: Uint8Array, start: number): void {
    this.fields.restart(bytes, start);
    this.bytes = bytes;
    this.start = start;
    this.end = 0;
    this.status = 0;
    this.reasonStart = start;
    this.reasonEnd = start;
    this.versionMinor = 1;
    this.framing = Framing.none;
    this.contentLength = -1;
    this.keepAlive = false;
    this.upgradesWebsocket = false;
    this.fault = Fault.none;
    this.phase = 0;
    this.position = start;
  }
}
