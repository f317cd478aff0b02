/**
 * Access record: what one finished exchange says about itself.
 *
 * One object per worker, filled and encoded within one call stack: the byte ranges are borrowed
 * from the exchange's buffers until `encode` returns. `clear` restores every field.
 */

/** A borrowed range of bytes; empty when `start` equals `end`. */
export class ByteRange {
  bytes: Uint8Array = EMPTY;
  start = 0;
  end = 0;

  set(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  clear(): void {
    this.bytes = EMPTY;
    this.start = 0;
    this.end = 0;
  }
}

const EMPTY = new Uint8Array(0);

export class AccessRecord {
  /** Wall clock at the end of the exchange, milliseconds since 1970. */
  wallMs = 0;
  /** From the first byte of the request to the end of the response. */
  durationUs = 0;
  /** 0 when the connection was closed without an answer. */
  status = 0;
  /** Body bytes sent to the client. */
  sentBytes = 0;
  /** Body bytes received from the client. */
  receivedBytes = 0;
  attempts = 0;
  generation = 0;
  /** Client address in text form, after trusted proxies. */
  clientAddress = '';
  /** As `HTTP/1.1`. */
  protocol = '';
  listener = '';
  route = '';
  service = '';
  /** Key of the endpoint of the last attempt; empty when none was made. */
  endpoint = '';
  /** Label of the fault; empty for none. */
  fault = '';
  /** The client connection is one of TLS; JSON lines have the next four only then. */
  isTls = false;
  /** As `TLSv1.3`. */
  tlsVersion = '';
  tlsCipher = '';
  serverName = '';
  fingerprint = '';
  readonly method = new ByteRange();
  readonly host = new ByteRange();
  readonly path = new ByteRange();
  readonly query = new ByteRange();
  readonly requestId = new ByteRange();
  readonly userAgent = new ByteRange();
  readonly referer = new ByteRange();

  clear(): void {
    this.wallMs = 0;
    this.durationUs = 0;
    this.status = 0;
    this.sentBytes = 0;
    this.receivedBytes = 0;
    this.attempts = 0;
    this.generation = 0;
    this.clientAddress = '';
    this.protocol = '';
    this.listener = '';
    this.route = '';
    this.service = '';
    this.endpoint = '';
    this.fault = '';
    this.isTls = false;
    this.tlsVersion = '';
    this.tlsCipher = '';
    this.serverName = '';
    this.fingerprint = '';
    this.method.clear();
    this.host.clear();
    this.path.clear();
    this.query.clear();
    this.requestId.clear();
    this.userAgent.clear();
    this.referer.clear();
  }
}
