/**
 * Exchange context: an exchange as a middleware sees it. Made once per exchange object and only
 * for routes with middlewares; it lets nothing through that would touch framing.
 */

import { latin1Bytes } from '../../base/ascii.ts';
import type { RequestContext, ResponseContext } from '../chain/middleware.ts';
import type { FieldTable } from '../codec/head.ts';
import type { Exchange } from './exchange.ts';

/** Names that only the serialiser writes. */
const OWNED = ['content-length', 'transfer-encoding', 'connection', 'host', 'upgrade', 'trailer'];

export class ExchangeContext implements RequestContext, ResponseContext {
  /** The answer of a middleware that says `respond`. */
  answerStatus = 403;
  answerType = 'text/plain; charset=utf-8';
  answerBody = '';
  private readonly exchange: Exchange;

  constructor(exchange: Exchange) {
    this.exchange = exchange;
  }

  /** Forgets the last answer: the next exchange belongs to another client. */
  reset(): void {
    this.answerStatus = 403;
    this.answerType = 'text/plain; charset=utf-8';
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

  header(name: string): string | undefined {
    const fields = this.fields();
    const index = fields.findName(latin1Bytes(name));
    return index < 0 ? undefined : fields.valueText(index);
  }

  setRequestHeader(name: string, value: string): void {
    if (!isAllowed(name, value)) return;
    dropField(this.exchange.requestHead.fields, name);
    this.exchange.extraRequestFields += `${name}: ${value}\r\n`;
  }

  removeRequestHeader(name: string): void {
    dropField(this.exchange.requestHead.fields, name);
  }

  setResponseHeader(name: string, value: string): void {
    if (!isAllowed(name, value)) return;
    dropField(this.exchange.responseHead.fields, name);
    this.exchange.extraResponseFields += `${name}: ${value}\r\n`;
  }

  removeResponseHeader(name: string): void {
    dropField(this.exchange.responseHead.fields, name);
  }

  respondWith(status: number, contentType: string, body: string): void {
    this.answerStatus = status;
    this.answerType = contentType;
    this.answerBody = body;
  }

  private fields(): FieldTable {
    const exchange = this.exchange;
    return exchange.isResponding ? exchange.responseHead.fields : exchange.requestHead.fields;
  }
}

/** A token as name, no control byte in the value, and not a field the serialiser owns. */
function isAllowed(name: string, value: string): boolean {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return false;
  // oxlint-disable-next-line no-control-regex -- control bytes are what must not pass.
  return !/[\x00-\x08\x0a-\x1f\x7f]/.test(value) && !OWNED.includes(name.toLowerCase());
}

function dropField(fields: FieldTable, name: string): void {
  const wanted = latin1Bytes(name.toLowerCase());
  for (let at = fields.findName(wanted); at >= 0; at = fields.findName(wanted, at + 1)) {
    fields.isHop[at] = 1;
  }
}
