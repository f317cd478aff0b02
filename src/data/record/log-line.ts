/**
 * Log line: an access log format compiled into a flat list of steps.
 *
 * Three formats, one engine: JSON and the Common Log Format are step lists of ours, a template is
 * the user's. In JSON an absent value is an empty string; elsewhere it is `-`. Members about TLS
 * are left out of the lines of connections without.
 */

import type { LogField } from '../../contract/access-log.ts';
import { parseLogTemplate } from '../../contract/access-log.ts';
import type { AccessLogSpec } from '../../contract/snapshot.ts';
import type { AccessRecord, ByteRange } from './access-record.ts';
import type { LineWriter } from './line-writer.ts';
import { asciiBytes } from './line-writer.ts';
import { WallText } from './wall-text.ts';

/** A step: a field by number, or literal text. */
interface Step {
  readonly code: number;
  /** Empty unless `code` is `Code.literal`. */
  readonly literal: Uint8Array;
  /** Left out where there is no TLS. */
  readonly isTls: boolean;
}

const Code = {
  literal: 0,
  time: 1,
  client: 2,
  method: 3,
  host: 4,
  path: 5,
  query: 6,
  protocol: 7,
  status: 8,
  bytes: 9,
  received: 10,
  duration: 11,
  listener: 12,
  route: 13,
  service: 14,
  endpoint: 15,
  attempts: 16,
  fault: 17,
  generation: 18,
  'request-id': 19,
  'user-agent': 20,
  referer: 21,
  'tls-version': 25,
  'tls-cipher': 26,
  'server-name': 27,
  fingerprint: 28,
  // Only for the Common Log Format.
  commonTime: 22,
  target: 23,
  bytesOrDash: 24,
} as const satisfies { readonly [F in LogField]: number } & { readonly [name: string]: number };

/** JSON members in order; true for a string. Those about TLS come last. */
const JSON_MEMBERS: readonly (readonly [string, LogField, boolean])[] = [
  ['time', 'time', true],
  ['client', 'client', true],
  ['method', 'method', true],
  ['host', 'host', true],
  ['path', 'path', true],
  ['query', 'query', true],
  ['protocol', 'protocol', true],
  ['status', 'status', false],
  ['duration_ms', 'duration', false],
  ['bytes', 'bytes', false],
  ['received', 'received', false],
  ['listener', 'listener', true],
  ['route', 'route', true],
  ['service', 'service', true],
  ['endpoint', 'endpoint', true],
  ['attempts', 'attempts', false],
  ['fault', 'fault', true],
  ['generation', 'generation', false],
  ['request_id', 'request-id', true],
  ['user_agent', 'user-agent', true],
  ['referer', 'referer', true],
  ['tls_version', 'tls-version', true],
  ['tls_cipher', 'tls-cipher', true],
  ['server_name', 'server-name', true],
  ['fingerprint', 'fingerprint', true],
];

/** Of `JSON_MEMBERS`, those from this one on are about TLS. */
const TLS_MEMBER: LogField = 'tls-version';

const NO_LITERAL = new Uint8Array(0);
const TRUNCATED = asciiBytes('...');
const DASH = 0x2d;
const NEWLINE = 0x0a;

export class LogLine {
  /** True when values need JSON escapes. */
  readonly isJson: boolean;
  /** Lines tell of the client's TLS fingerprint, which is made for nobody else. */
  readonly wantsFingerprint: boolean;
  readonly #steps: readonly Step[];
  readonly #wall = new WallText();

  /** @param spec a checked one: unknown template fields are left out here */
  constructor(spec: AccessLogSpec) {
    this.isJson = spec.format === 'json';
    this.#steps = compileSteps(spec);
    this.wantsFingerprint = this.#steps.some(({ code }) => code === Code.fingerprint);
  }

  /**
   * Writes one line, newline included. On overflow `writer.isFull` is set and the caller rolls
   * `writer.position` back.
   * @param fieldSizeMax bytes of one value that are written before it is cut with `...`
   */
  write(writer: LineWriter, record: AccessRecord, fieldSizeMax: number): void {
    this.#wall.update(record.wallMs);
    const steps = this.#steps;
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]!;
      if (step.isTls && !record.isTls) continue;
      if (step.code === Code.literal) writer.literal(step.literal);
      else this.#field(step.code, writer, record, fieldSizeMax);
      if (writer.isFull) return;
    }
    writer.byte(NEWLINE);
  }

  #field(code: number, writer: LineWriter, record: AccessRecord, sizeMax: number): void {
    switch (code) {
      case Code.time:
        writer.literal(this.#wall.rfc3339);
        writer.byte(0x2e);
        writer.threeDigits(record.wallMs > 0 ? Math.floor(record.wallMs) % 1_000 : 0);
        return writer.byte(0x5a);
      case Code.client:
        return this.#text(writer, record.clientAddress);
      case Code.method:
        return this.#range(writer, record.method, sizeMax);
      case Code.host:
        return this.#range(writer, record.host, sizeMax);
      case Code.path:
        return this.#range(writer, record.path, sizeMax);
      case Code.query:
        return this.#range(writer, record.query, sizeMax);
      case Code.protocol:
        return this.#text(writer, record.protocol);
      case Code.status:
        return writer.integer(record.status);
      case Code.bytes:
        return writer.integer(record.sentBytes);
      case Code.received:
        return writer.integer(record.receivedBytes);
      case Code.duration:
        return writer.thousandths(record.durationUs);
      case Code.attempts:
        return writer.integer(record.attempts);
      case Code.generation:
        return writer.integer(record.generation);
      default:
        return this.#rareField(code, writer, record, sizeMax);
    }
  }

  #rareField(code: number, writer: LineWriter, record: AccessRecord, sizeMax: number): void {
    switch (code) {
      case Code.listener:
        return this.#text(writer, record.listener);
      case Code.route:
        return this.#text(writer, record.route);
      case Code.service:
        return this.#text(writer, record.service);
      case Code.endpoint:
        return this.#text(writer, record.endpoint);
      case Code.fault:
        return this.#text(writer, record.fault);
      case Code['request-id']:
        return this.#range(writer, record.requestId, sizeMax);
      case Code['user-agent']:
        return this.#range(writer, record.userAgent, sizeMax);
      case Code.referer:
        return this.#range(writer, record.referer, sizeMax);
      case Code['tls-version']:
        return this.#text(writer, record.tlsVersion);
      case Code['tls-cipher']:
        return this.#text(writer, record.tlsCipher);
      case Code['server-name']:
        return this.#text(writer, record.serverName);
      case Code.fingerprint:
        return this.#text(writer, record.fingerprint);
      case Code.commonTime:
        return writer.literal(this.#wall.common);
      case Code.target:
        this.#range(writer, record.path, sizeMax);
        if (record.query.end === record.query.start) return;
        writer.byte(0x3f);
        return this.#range(writer, record.query, sizeMax);
      default: // Code.bytesOrDash.
        if (record.sentBytes > 0) return writer.integer(record.sentBytes);
        return writer.byte(DASH);
    }
  }

  #text(writer: LineWriter, text: string): void {
    if (text.length === 0 && !this.isJson) writer.byte(DASH);
    else writer.escapedText(text);
  }

  #range(writer: LineWriter, range: ByteRange, sizeMax: number): void {
    const size = range.end - range.start;
    if (size <= 0) {
      if (!this.isJson) writer.byte(DASH);
    } else if (size <= sizeMax) {
      writer.escapedBytes(range.bytes, range.start, range.end);
    } else {
      writer.escapedBytes(range.bytes, range.start, range.start + sizeMax);
      writer.literal(TRUNCATED);
    }
  }
}

function compileSteps(spec: AccessLogSpec): readonly Step[] {
  if (spec.format === 'json') return jsonSteps();
  if (spec.format === 'common') return commonSteps();
  return parseLogTemplate(spec.template).parts.map((part) =>
    part.kind === 'text' ? literal(escapeLiteral(part.text)) : field(Code[part.field]),
  );
}

function jsonSteps(): Step[] {
  const steps: Step[] = [];
  let before = '{';
  let isTls = false;
  for (const [name, source, isString] of JSON_MEMBERS) {
    if (source === TLS_MEMBER) {
      if (before === '",') steps.push(literal('"'));
      before = ',';
      isTls = true;
    }
    const start = literal(`${before}"${name}":${isString ? '"' : ''}`, isTls);
    steps.push(start, field(Code[source], isTls));
    before = isString ? '",' : ',';
  }
  if (before === '",') steps.push(literal('"', isTls));
  steps.push(literal('}'));
  return steps;
}

function commonSteps(): Step[] {
  return [
    field(Code.client),
    literal(' - - ['),
    field(Code.commonTime),
    literal('] "'),
    field(Code.method),
    literal(' '),
    field(Code.target),
    literal(' '),
    field(Code.protocol),
    literal('" '),
    field(Code.status),
    literal(' '),
    field(Code.bytesOrDash),
  ];
}

/** The operator's own text: kept, but non-ASCII characters as `\uXXXX` since lines are ASCII. */
function escapeLiteral(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const value = text.charCodeAt(i);
    out += value < 0x80 ? text[i]! : `\\u${value.toString(16).padStart(4, '0')}`;
  }
  return out;
}

function literal(text: string, isTls = false): Step {
  return { code: Code.literal, literal: asciiBytes(text), isTls };
}

function field(code: number, isTls = false): Step {
  return { code, literal: NO_LITERAL, isTls };
}
