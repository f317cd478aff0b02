/**
 * Exchange context: an exchange as a middleware sees it. Made once per exchange object and only
 * for routes with middlewares; it lets nothing through that would touch framing.
 */

import { latin1Bytes } from '../../base/ascii.ts';
import { utf8Bytes } from '../../base/utf8.ts';
import type { RequestContext, RequestTls, ResponseContext } from '../chain/middleware.ts';
import type { FieldTable } from '../codec/head.ts';
import type { Exchange } from './exchange.ts';

/** Names that only the serialiser writes, or that speak of one connection only. */
const OWNED = [
  'content-length',
  'transfer-encoding',
  'connection',
  'host',
  'upgrade',
  'trailer',
  'te',
  'expect',
  'keep-alive',
  'proxy-connection',
];
/** What `FieldTable.isHop` says of a field that a middleware took away. */
const TAKEN = 2;
const TYPE_DEFAULT = 'text/plain; charset=utf-8';
/** Longest answer of a middleware in bytes: it leaves in one chunk with its head. */
const ANSWER_SIZE_MAX = 60_000;

export class ExchangeContext implements RequestContext, ResponseContext {
  /** The answer of a middleware that says `respond`. */
  answerStatus = 403;
  answerType = TYPE_DEFAULT;
  answerBody = '';
  private readonly exchange: Exchange;

  constructor(exchange: Exchange) {
    this.exchange = exchange;
  }

  /** Forgets the last answer: the next exchange belongs to another client. */
  reset(): void {
    this.answerStatus = 403;
    this.answerType = TYPE_DEFAULT;
    this.answerBody = '';
  }

  get status(): number {
    return this.exchange.statusCode;
  }

  method(): string {
    return this.exchange.view.method();
  }

  host(): string {
    return this.exchange.view.host();
  }

  path(): string {
    return this.exchange.view.path();
  }

  query(): string {
    return this.exchange.view.query();
  }

  clientAddress(): string {
    return this.exchange.view.clientAddress();
  }

  tls(): RequestTls | null {
    return this.exchange.view.peer!.security;
  }

  header(name: string): string | undefined {
    const { isResponding, extraRequestFields, extraResponseFields } = this.exchange;
    const added = valueOf(isResponding ? extraResponseFields : extraRequestFields, name);
    if (added !== undefined) return added;
    const fields = this.fields();
    const wanted = latin1Bytes(name.toLowerCase());
    for (let at = fields.findName(wanted); at >= 0; at = fields.findName(wanted, at + 1)) {
      if (fields.isHop[at] !== TAKEN) return fields.valueText(at);
    }
    return undefined;
  }

  setRequestHeader(name: string, value: string): void {
    if (!isAllowed(name, value)) return;
    this.removeRequestHeader(name);
    this.exchange.extraRequestFields += `${name}: ${value}\r\n`;
  }

  removeRequestHeader(name: string): void {
    const exchange = this.exchange;
    takeField(exchange.requestHead.fields, name);
    exchange.extraRequestFields = withoutField(exchange.extraRequestFields, name);
  }

  setResponseHeader(name: string, value: string): void {
    if (!isAllowed(name, value)) return;
    this.removeResponseHeader(name);
    this.exchange.extraResponseFields += `${name}: ${value}\r\n`;
  }

  removeResponseHeader(name: string): void {
    const exchange = this.exchange;
    takeField(exchange.responseHead.fields, name);
    exchange.extraResponseFields = withoutField(exchange.extraResponseFields, name);
  }

  respondWith(status: number, contentType: string, body: string): void {
    const isFinal = Number.isInteger(status) && status >= 200 && status <= 599;
    const isSendable = isFinal && utf8Bytes(body).length <= ANSWER_SIZE_MAX;
    const hasBody = isSendable && status !== 204 && status !== 205 && status !== 304;
    this.answerStatus = isSendable ? status : 500;
    this.answerType = isFieldValue(contentType) ? contentType : TYPE_DEFAULT;
    this.answerBody = hasBody ? body : '';
  }

  private fields(): FieldTable {
    const exchange = this.exchange;
    return exchange.isResponding ? exchange.responseHead.fields : exchange.requestHead.fields;
  }
}

/** A token as name, a sendable value, and not a field the serialiser owns. */
function isAllowed(name: string, value: string): boolean {
  const isToken = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name);
  return isToken && isFieldValue(value) && !OWNED.includes(name.toLowerCase());
}

/** No control octet, and none that text beyond latin-1 would become when it is cut to octets. */
function isFieldValue(value: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
}

/** Marks the fields of that name as not to be forwarded, nor shown again. */
function takeField(fields: FieldTable, name: string): void {
  const wanted = latin1Bytes(name.toLowerCase());
  for (let at = fields.findName(wanted); at >= 0; at = fields.findName(wanted, at + 1)) {
    fields.isHop[at] = TAKEN;
  }
}

/** `lines` without those of the field `name`. */
function withoutField(lines: string, name: string): string {
  if (lines === '') return lines;
  const start = `${name.toLowerCase()}:`;
  const kept = lines.split('\r\n').filter((line) => !line.toLowerCase().startsWith(start));
  return kept.join('\r\n'); // The last piece is the empty one behind the last line end.
}

/** Value of the first of `lines` with that name. */
function valueOf(lines: string, name: string): string | undefined {
  const start = `${name.toLowerCase()}:`;
  const line = lines.split('\r\n').find((text) => text.toLowerCase().startsWith(start));
  return line?.slice(start.length).trim();
}
